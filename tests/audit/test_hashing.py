"""Digests made by the thousand are those that are made one by one."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.hashing import VIEW_LEAST, Hasher, hasher, nodes, within
from audit.merkle import node_hash
from tests.tools import need

messages = st.lists(st.binary(min_size=VIEW_LEAST, max_size=300), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def make() -> Hasher:
    need("datafusion")
    found = hasher()
    assert found is not None
    return found


def digests(make: Hasher, said: list[bytes]) -> list[bytes]:
    lengths = np.array([len(one) for one in said], np.int32)
    ends = np.cumsum(lengths, dtype=np.int32)
    return [row.tobytes() for row in make.digests(within(b"".join(said), ends - lengths, ends))[0]]


@given(messages)
@settings(max_examples=25, deadline=None)
def test_each_message_has_its_own_digest(make: Hasher, said: list[bytes]) -> None:
    assert digests(make, said) == [sha256(one).digest() for one in said]


@given(st.binary(min_size=64, max_size=64 * 9))
@settings(max_examples=15, deadline=None)
def test_nodes_are_those_of_the_tree(make: Hasher, raw: bytes) -> None:
    pairs = [raw[i : i + 64] for i in range(0, len(raw) - 63, 64)]
    below = np.frombuffer(b"".join(pairs), np.uint8).reshape(-1, 32)
    expected = [node_hash(pair[:32], pair[32:]) for pair in pairs]
    assert [row.tobytes() for row in nodes(make, below)] == expected


def test_messages_are_not_kept(make: Hasher) -> None:
    raw = bytes(4096)
    before = sys.getrefcount(raw)
    for _ in range(3):
        make.digests(within(raw, np.array([0, 64], np.int32), np.array([64, 4096], np.int32)))
    assert sys.getrefcount(raw) == before


def test_threads_may_ask_at_the_same_time(make: Hasher) -> None:
    said = [[bytes([i]) * (20 + i) for _ in range(50)] for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda some: digests(make, some), said))
    assert found == [[sha256(one).digest() for one in some] for some in said]
