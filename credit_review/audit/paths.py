"""Inclusion paths of many entries at once, each subtree hashed once, and their C2SP text."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence

from credit_review.audit.proofs import inclusion_proof
from credit_review.audit.tree import merkle_root, node_hash

PROOF_HEADER = "c2sp.org/tlog-proof@v1"


def inclusion_paths(leaves: Sequence[str], wanted: Collection[int]) -> dict[int, list[str]]:
    """For each wanted entry what `inclusion_proof` gives, from one pass over the tree. Raises BadInput outside the tree."""
    for index in wanted:
        if not 0 <= index < len(leaves):
            inclusion_proof(leaves, index)  # which names what is wrong
    paths: dict[int, list[str]] = {index: [] for index in sorted(wanted)}
    if paths:
        _walk(leaves, 0, len(leaves), list(paths), paths)
    return paths


def _walk(leaves: Sequence[str], low: int, high: int, wanted: Sequence[int], paths: dict[int, list[str]]) -> bytes:
    """The root of leaves `low` to `high`; the paths of the wanted ones among them grow by what stands beside them."""
    if not wanted or high - low == 1:
        return bytes.fromhex(merkle_root(leaves[low:high]))
    middle = low + (1 << ((high - low - 1).bit_length() - 1))
    ours = [index for index in wanted if index < middle]
    others = wanted[len(ours) :]
    left = _walk(leaves, low, middle, ours, paths)
    right = _walk(leaves, middle, high, others, paths)
    for index in ours:
        paths[index].append(right.hex())
    for index in others:
        paths[index].append(left.hex())
    return node_hash(left, right)


def proof_text(index: int, path: Sequence[str], note: str) -> str:
    """The proof of entry `index` against the checkpoint of a signed note, as C2SP tlog-proof."""
    hashes = [base64.b64encode(bytes.fromhex(one)).decode() for one in path]
    return "\n".join([PROOF_HEADER, f"index {index}", *hashes, "", note])
