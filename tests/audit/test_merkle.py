from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.merkle import (
    EMPTY_ROOT,
    Read,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    root_and_paths,
    root_of_list,
    verify_consistency,
    verify_inclusion,
)

pytestmark = pytest.mark.long

LEAVES = [leaf_hash(i.to_bytes(2, "big")) for i in range(300)]
ROOTS: dict[tuple[int, int], bytes] = {}


def naive(start: int, end: int) -> bytes:
    """The definition of RFC 6962 section 2.1, word for word."""
    if end - start == 1:
        return LEAVES[start]
    if (start, end) not in ROOTS:
        k = 1
        while k * 2 < end - start:
            k *= 2
        ROOTS[start, end] = hashlib.sha256(b"\x01" + naive(start, start + k) + naive(start + k, end)).digest()
    return ROOTS[start, end]


def read(level: int, index: int) -> bytes:
    return naive(index << level, (index + 1) << level)


def reader_of(size: int) -> Read:
    """Refuses what a log of `size` leaves has not stored."""

    def bounded(level: int, index: int) -> bytes:
        assert (index + 1) << level <= size
        return read(level, index)

    return bounded


# The vectors of the certificate transparency project (RFC 6962 reference implementation).
CT_LEAVES = list(
    map(
        bytes.fromhex,
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"],
    )
)
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_tree_has_the_roots_of_the_reference_implementation() -> None:
    hashes = [leaf_hash(leaf) for leaf in CT_LEAVES]
    assert [root_of_list(hashes[: i + 1]).hex() for i in range(8)] == CT_ROOTS
    assert EMPTY_ROOT == hashlib.sha256(b"").digest() == root_of_list([]) == root(0, read)


def test_every_size_has_the_root_that_the_definition_gives() -> None:
    for size in range(1, 301):
        assert root_of_list(LEAVES[:size]) == root(size, reader_of(size)) == naive(0, size)


def test_every_leaf_of_every_small_tree_has_a_proof_that_verifies() -> None:
    for size in range(1, 66):
        for index in range(size):
            proof = inclusion_proof(index, size, reader_of(size))
            assert verify_inclusion(index, size, LEAVES[index], proof, naive(0, size))


def test_the_root_and_all_paths_at_once_are_those_of_each_leaf() -> None:
    for size in range(1, 301):
        root_hash, paths = root_and_paths(LEAVES[:size])
        assert root_hash == root(size, reader_of(size))
        assert len(paths) == size
        for index in {*range(min(size, 9)), size // 2, size - 2, size - 1} & set(range(size)):
            path = [paths[index][at : at + 32] for at in range(0, len(paths[index]), 32)]
            assert path == inclusion_proof(index, size, reader_of(size))
            assert verify_inclusion(index, size, LEAVES[index], path, root_hash)


def test_every_small_tree_is_shown_to_be_the_beginning_of_every_larger_one() -> None:
    for new in range(66):
        for old in range(new + 1):
            proof = consistency_proof(old, new, reader_of(new))
            old_root = naive(0, old) if old else EMPTY_ROOT
            assert verify_consistency(old, new, old_root, naive(0, new) if new else EMPTY_ROOT, proof)


sizes = st.integers(1, 300)


@given(sizes, st.data())
@settings(max_examples=150, deadline=None)
def test_an_inclusion_proof_holds_for_its_leaf_and_place_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, reader_of(size))
    whole = naive(0, size)
    assert verify_inclusion(index, size, LEAVES[index], proof, whole)
    assert not verify_inclusion(index, size, leaf_hash(b"another"), proof, whole)
    assert not verify_inclusion(size, size, LEAVES[index], proof, whole)
    assert not verify_inclusion(index, size, LEAVES[index], [*proof, whole], whole)
    if proof:
        assert not verify_inclusion(index, size, LEAVES[index], proof[:-1], whole)
        other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
        assert not verify_inclusion(other, size, LEAVES[index], proof, whole)


@given(sizes, sizes, st.data())
@settings(max_examples=150, deadline=None)
def test_a_consistency_proof_holds_for_its_two_roots_only(a: int, b: int, data: st.DataObject) -> None:
    old, new = sorted((a, b))
    proof = consistency_proof(old, new, reader_of(new))
    assert verify_consistency(old, new, naive(0, old), naive(0, new), proof)
    assert not verify_consistency(old, new, leaf_hash(b"x"), naive(0, new), proof)
    assert not verify_consistency(old, new, naive(0, old), leaf_hash(b"x"), proof)
    if proof:
        i = data.draw(st.integers(0, len(proof) - 1))
        bent = [*proof[:i], node_hash(proof[i], proof[i]), *proof[i + 1 :]]
        assert not verify_consistency(old, new, naive(0, old), naive(0, new), bent)
        assert not verify_consistency(old, new, naive(0, old), naive(0, new), proof[:-1])
