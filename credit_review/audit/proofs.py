"""Proofs over the Merkle tree (RFC 6962, 2.1.1 and 2.1.2), checked as RFC 9162 says. Hashes are 64 hex characters."""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from credit_review.audit.notes import BadNote, Checkpoint, VerificationKey, open_note
from credit_review.audit.tree import Frontier, leaf_hash, merkle_root, node_hash
from credit_review.errors import BadInput
from credit_review.words import said


def inclusion_proof(leaves: Sequence[str], index: int) -> list[str]:
    """The hashes that lead from leaf `index` to the root of all `leaves`, lowest first. Raises BadInput outside the tree."""
    return inclusion_paths(leaves, [index])[index]


def inclusion_paths(leaves: Iterable[str], wanted: Collection[int]) -> dict[int, list[str]]:
    """For each wanted entry what `inclusion_proof` gives, in one pass that keeps no leaves. Raises BadInput outside the tree."""
    order = sorted(wanted)
    paths: dict[int, list[str]] = {index: [] for index in order}
    trees: list[_Tree] = []
    for at, leaf in enumerate(leaves):
        tree = _Tree(at, 1, bytes.fromhex(leaf))
        while trees and trees[-1].size == tree.size:
            tree = _joined(trees.pop(), tree, order, paths)
        trees.append(tree)
    while len(trees) > 1:
        right, left = trees.pop(), trees.pop()
        trees.append(_joined(left, right, order, paths))
    size = trees[0].size if trees else 0
    for index in order:
        if not 0 <= index < size:
            raise BadInput(said("entry {index} is not among {size} entries", index=index, size=size))
    return paths


class _Tree(NamedTuple):
    """A subtree: its first leaf, how many it has, its root."""

    start: int
    size: int
    root: bytes


def _joined(left: _Tree, right: _Tree, order: Sequence[int], paths: Mapping[int, list[str]]) -> _Tree:
    """The tree of both; the paths of wanted entries in one grow by the root of the other."""
    low, middle, high = (bisect_left(order, at) for at in (left.start, right.start, right.start + right.size))
    for index in order[low:middle]:
        paths[index].append(right.root.hex())
    for index in order[middle:high]:
        paths[index].append(left.root.hex())
    return _Tree(left.start, left.size + right.size, node_hash(left.root, right.root))


def included(leaf: str, index: int, size: int, proof: Sequence[str], root: str) -> bool:
    """Whether the proof shows that `leaf` is entry `index` of the log of `size` entries with that root."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, bytes.fromhex(leaf)
    for hashed in map(bytes.fromhex, proof):
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(hashed, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, hashed)
        at, last = at >> 1, last >> 1
    return last == 0 and found.hex() == root


def consistency_proof(leaves: Sequence[str], old: int) -> list[str]:
    """The hashes that show that the first `old` leaves are still those of the tree of all. Raises BadInput outside the tree."""
    if not 0 <= old <= len(leaves):
        raise BadInput(said("{old} entries are more than the log's {size}", old=old, size=len(leaves)))
    return [] if old in (0, len(leaves)) else _consistency(leaves, old, whole=True)


def _consistency(leaves: Sequence[str], old: int, *, whole: bool) -> list[str]:
    if old == len(leaves):
        return [] if whole else [merkle_root(leaves)]
    half = _split(len(leaves))
    if old <= half:
        return [*_consistency(leaves[:half], old, whole=whole), merkle_root(leaves[half:])]
    return [*_consistency(leaves[half:], old - half, whole=False), merkle_root(leaves[:half])]


def consistent(old: int, old_root: str, new: int, new_root: str, proof: Sequence[str]) -> bool:
    """Whether the proof shows that the log of `new` entries begins with the log of `old` entries."""
    if old == new:
        return not proof and old_root == new_root
    if not 0 <= old < new:
        return False
    if old == 0:
        return not proof and old_root == Frontier().root()
    path = [bytes.fromhex(one) for one in proof]
    if old & (old - 1) == 0:
        path = [bytes.fromhex(old_root), *path]
    if not path:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for hashed in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(hashed, before), node_hash(hashed, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, hashed)
        at, last = at >> 1, last >> 1
    return last == 0 and before.hex() == old_root and after.hex() == new_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


_HEADER = "c2sp.org/tlog-proof@v1"


def proof_text(index: int, path: Sequence[str], note: str) -> str:
    """The proof of entry `index` against the checkpoint of a signed note, as C2SP tlog-proof."""
    hashes = [base64.b64encode(bytes.fromhex(one)).decode() for one in path]
    return "\n".join([_HEADER, f"index {index}", *hashes, "", note])


def proved(text: str, body: str, keys: Iterable[VerificationKey]) -> Checkpoint:
    """The checkpoint whose tree holds the entry with this body, as the proof says. Raises BadNote unless all of it holds."""
    head, _, note = text.partition("\n\n")
    checkpoint = open_note(note, keys).checkpoint
    label, _, rest = head.partition("\nindex ")
    index, *hashes = rest.split("\n")
    try:
        path = [base64.b64decode(one, validate=True).hex() for one in hashes]
        holds = label == _HEADER and included(leaf_hash(body), int(index), checkpoint.size, path, checkpoint.root)
    except ValueError:
        holds = False
    if not holds:
        raise BadNote(said("the proof does not show that the entry is in the log of checkpoint {size}", size=checkpoint.size))
    return checkpoint
