"""The smallest realistic change by which a customer reaches a limit: what to pay, what to send, what to bring.

Every answer is computed by the engine itself on changed inputs, never estimated: who applies the change and reviews again finds it.
"""

from __future__ import annotations

from credit_review.path_to_yes.changes import Change, Customer, Payable, after, payable
from credit_review.path_to_yes.search import Path, find
from credit_review.path_to_yes.wording import sentences

__all__ = ["Change", "Customer", "Path", "Payable", "after", "find", "payable", "sentences"]
