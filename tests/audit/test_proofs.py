"""Proofs over the Merkle tree, against a plain reading of RFC 6962 and against every false claim nearby."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review.audit import merkle_root
from credit_review.audit.proofs import consistency_proof, consistent, included, inclusion_proof
from credit_review.errors import BadInput

# RFC 6962 test leaves, as published with certificate-transparency
DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
LEAVES = [hashlib.sha256(b"\0" + bytes.fromhex(one)).hexdigest() for one in DATA]
ROOT_8 = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def leaves(count: int) -> list[str]:
    return [hashlib.sha256(b"\0%d" % i).hexdigest() for i in range(count)]


def test_published_root_and_proof_hold():
    assert merkle_root(LEAVES) == ROOT_8
    assert inclusion_proof(LEAVES, 0) == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_of_every_small_tree_is_proved(size):
    tree = leaves(size)
    for index in range(size):
        assert included(tree[index], index, size, inclusion_proof(tree, index), merkle_root(tree))


@pytest.mark.parametrize("size", range(1, 34))
def test_every_earlier_size_is_proved_to_be_its_beginning(size):
    tree = leaves(size)
    for old in range(size + 1):
        assert consistent(old, merkle_root(tree[:old]), size, merkle_root(tree), consistency_proof(tree, old))


@settings(max_examples=200)
@given(size=st.integers(2, 70), data=st.data())
def test_a_proof_holds_for_nothing_else(size, data):
    tree = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(tree, index), merkle_root(tree)
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index))
    assert not included(tree[other], index, size, proof, root)
    assert not included(tree[index], other, size, proof, root)
    assert not included(tree[index], index, size, proof[:-1], root)
    assert not included(tree[index], index, size, [*proof, proof[0]], root)
    assert not included(tree[index], index, size, proof, merkle_root(tree[:-1]))


@settings(max_examples=200)
@given(size=st.integers(2, 70), data=st.data())
def test_a_rewritten_beginning_is_not_proved(size, data):
    tree = leaves(size)
    old = data.draw(st.integers(1, size - 1))
    changed = list(tree)
    changed[data.draw(st.integers(0, old - 1))] = leaves(100)[99]
    proof = consistency_proof(changed, old)
    assert not consistent(old, merkle_root(tree[:old]), size, merkle_root(changed), proof)
    assert not consistent(old, merkle_root(tree[:old]), size, merkle_root(tree), [*consistency_proof(tree, old), proof[0]])


def test_what_is_outside_the_log_has_no_proof():
    with pytest.raises(BadInput, match="not among 3 entries"):
        inclusion_proof(leaves(3), 3)
    with pytest.raises(BadInput, match="more than"):
        consistency_proof(leaves(3), 4)
    assert not included(leaves(3)[0], 3, 3, [], merkle_root(leaves(3)))
    assert not consistent(4, "0" * 64, 3, "0" * 64, [])
