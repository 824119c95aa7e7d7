"""Replay: a review computed again from its manifest, and everything that comes out another than it stands, named down to the figure.

`history` remembers what the audit log says at each entry, `past` reads the store as it was before one, `figures` compares and names.
Nothing here computes a figure: tasks.replaying runs the review's own functions.
"""

from credit_review.replay.figures import Figure, of_values, unlike
from credit_review.replay.history import Bundle, History, Step
from credit_review.replay.past import Past
from credit_review.replay.result import Difference, Found, Input, about_customer, named

__all__ = ["Bundle", "Difference", "Figure", "Found", "History", "Input", "Past", "Step", "about_customer", "named", "of_values", "unlike"]
