from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.files import Inconsistent
from audit.merkle import consistency_proof, inclusion_proof, leaf_hash, root, root_of_list
from audit.tiles import (
    ENTRIES,
    decode_bundle,
    encode_bundle,
    hash_reader,
    levels_of,
    parse_path,
    tile_path,
    tiles_of,
)
from audit.tree import Edge, check_growth, grow, load_edge


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(0, 273, 112) == "tile/0/273.p/112"
    assert tile_path(ENTRIES, 0, 1) == "tile/entries/000.p/1"


def test_a_tree_of_70000_entries_has_the_tiles_that_the_specification_counts() -> None:
    assert list(tiles_of(0, 70_000))[-1] == (273, 112)
    assert list(tiles_of(1, 70_000)) == [(0, 256), (1, 17)]
    assert list(tiles_of(2, 70_000)) == [(0, 1)]
    assert levels_of(70_000) == 3


@given(st.integers(-1, 63), st.integers(0, 10**9), st.integers(1, 256))
def test_a_path_leads_back_to_its_tile(level: int, index: int, width: int) -> None:
    assert parse_path(tile_path(level, index, width)) == (level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/1",
        "tile/00/001",
        "tile/0/x000/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/../checkpoint",
        "tile/entries/x1/001",
        "tile/0/001/",
        "",
    ],
)
def test_only_canonical_paths_are_paths(path: str) -> None:
    with pytest.raises(ValueError, match="not a tile path"):
        parse_path(path)


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_a_bundle_gives_its_entries_back_and_notices_when_it_is_cut(
    entries: list[bytes], data: st.DataObject
) -> None:
    bundle = encode_bundle(entries)
    assert decode_bundle(bundle) == entries
    if bundle:
        cut = bundle[: data.draw(st.integers(0, len(bundle) - 1))]
        with suppress(ValueError):
            assert len(decode_bundle(cut)) < len(entries)


class Disk(dict[str, bytes]):
    """The files of a log, in memory."""

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        try:
            return self[tile_path(level, index, width)]
        except KeyError:
            raise FileNotFoundError(tile_path(level, index, width)) from None


def grown(steps: list[int]) -> tuple[Disk, Edge, list[bytes]]:
    disk, edge = Disk(), Edge()
    entries: list[bytes] = []
    for step in steps:
        fresh = [b"%d" % (len(entries) + i) for i in range(step)]
        old, (edge, files) = edge, grow(edge, fresh)
        disk.update(files)
        entries += fresh
        assert check_growth(old.size, edge.size, disk.read_tile) == edge.root
    return disk, edge, entries


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_log_that_grows_in_any_steps_has_the_root_of_its_entries(steps: list[int]) -> None:
    disk, edge, entries = grown(steps)
    expected = root_of_list([leaf_hash(e) for e in entries])
    assert edge.root == expected
    assert root(edge.size, hash_reader(edge.size, disk.read_tile)) == expected
    assert load_edge(edge.size, disk.read_tile) == edge


def test_a_log_of_three_levels_can_prove_from_its_tiles_alone() -> None:
    disk, edge, entries = grown([60_000, 6_000, 4_001])
    hashes = [leaf_hash(e) for e in entries]
    read = hash_reader(edge.size, disk.read_tile)
    assert edge.root == root_of_list(hashes)
    for index in (0, 65_535, 65_536, 70_000):
        proof = inclusion_proof(index, edge.size, read)
        assert len(proof) <= 17
    assert consistency_proof(66_000, edge.size, read)
    assert root(66_000, read) == root_of_list(hashes[:66_000])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_in_any_new_file_is_noticed_before_signing(data: st.DataObject) -> None:
    disk, edge, _ = grown([200])
    new, files = grow(edge, [b"more %d" % i for i in range(400)])
    disk.update(files)
    name = data.draw(st.sampled_from(sorted(files)))
    raw = bytearray(files[name])
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    disk[name] = bytes(raw)
    with suppress(Inconsistent, ValueError):
        assert check_growth(edge.size, new.size, disk.read_tile) != new.root
