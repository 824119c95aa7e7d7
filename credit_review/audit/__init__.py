"""The audit log's format: canonical bytes, entry hashes, the Merkle tree over them, and their verification. Pure functions.

Byte-level specification: docs/audit-log.md. One byte string per entry is hashed once: the hash is the chain link of the next entry
and the RFC 6962 leaf at the same time, so chain and tree cannot tell two histories.
"""

from credit_review.audit.actions import Action as Action
from credit_review.audit.canonical import MAX_INT as MAX_INT
from credit_review.audit.canonical import NotCanonical as NotCanonical
from credit_review.audit.canonical import canonical as canonical
from credit_review.audit.canonical import parse_canonical as parse_canonical
from credit_review.audit.canonical import parse_timestamp as parse_timestamp
from credit_review.audit.canonical import timestamp as timestamp
from credit_review.audit.checking import NOTHING_YET as NOTHING_YET
from credit_review.audit.checking import Consistent as Consistent
from credit_review.audit.checking import verify_rows as verify_rows
from credit_review.audit.entries import GENESIS_PREV as GENESIS_PREV
from credit_review.audit.entries import GENESIS_TS as GENESIS_TS
from credit_review.audit.entries import Built as Built
from credit_review.audit.entries import build as build
from credit_review.audit.entries import genesis as genesis
from credit_review.audit.tree import Frontier as Frontier
from credit_review.audit.tree import TamperedEntry as TamperedEntry
from credit_review.audit.tree import leaf_hash as leaf_hash
from credit_review.audit.tree import merkle_root as merkle_root
from credit_review.audit.tree import payload_hash as payload_hash
