"""The growing tree: its right edge, the tiles it writes, and the check before anything is signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.files import Inconsistent
from audit.merkle import EMPTY_ROOT, leaf_hashes, root, root_of_list, root_of_tile
from audit.tiles import (
    ENTRIES,
    WIDTH,
    ReadTile,
    decode_bundle,
    encode_bundle,
    hash_reader,
    hashes_at,
    levels_of,
    split_hashes,
    tile_path,
    tiles_of,
)


@dataclass(frozen=True, slots=True)
class Edge:
    """What no full tile holds yet: the entries of the last bundle and the last hashes of each level."""

    size: int = 0
    bundle: tuple[bytes, ...] = ()
    levels: tuple[tuple[bytes, ...], ...] = ()

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        rest: list[bytes] = []
        for hashes in self.levels:
            row = [*hashes, *rest]
            rest = [root_of_list(row)] if row else []
        return rest[0] if rest else EMPTY_ROOT


def load_edge(size: int, read_tile: ReadTile) -> Edge:
    """Return the edge of a tree of `size` entries from its tiles.

    Raises Inconsistent when the last bundle does not fit the last tile, OSError when a tile is missing.
    """
    bundle = _last(ENTRIES, size, read_tile)
    entries = tuple(decode_bundle(bundle))
    levels = tuple(tuple(split_hashes(_last(level, size, read_tile))) for level in range(levels_of(size)))
    if levels and tuple(leaf_hashes(entries)) != levels[0]:
        raise Inconsistent(f"the last entry bundle of {size} entries does not fit its tile")
    return Edge(size, entries, levels)


def _last(level: int, size: int, read_tile: ReadTile) -> bytes:
    index, width = divmod(hashes_at(level, size), WIDTH)
    return read_tile(level, index, width) if width else b""


def grow(edge: Edge, entries: Sequence[bytes]) -> tuple[Edge, dict[str, bytes]]:
    """Return the edge after `entries` were appended, and the files that must be written for it."""
    files: dict[str, bytes] = {}
    bundle = _fill(files, ENTRIES, edge.size, edge.bundle, entries, encode_bundle)[0]
    levels: list[tuple[bytes, ...]] = []
    fresh: Sequence[bytes] = leaf_hashes(entries)
    while fresh or len(levels) < len(edge.levels):
        level = len(levels)
        held = edge.levels[level] if level < len(edge.levels) else ()
        rest, full = _fill(files, level, edge.size, held, fresh, b"".join)
        levels.append(rest)
        fresh = [root_of_list(hashes) for hashes in full]
    return Edge(edge.size + len(entries), bundle, tuple(levels)), files


def _fill(
    files: dict[str, bytes],
    level: int,
    size: int,
    held: Sequence[bytes],
    fresh: Sequence[bytes],
    encode: Callable[[Sequence[bytes]], bytes],
) -> tuple[tuple[bytes, ...], list[list[bytes]]]:
    """Write full tiles and the partial one of a level; return what the partial holds, and the full ones."""
    row = [*held, *fresh]
    index = hashes_at(level, size) // WIDTH
    full = [row[i : i + WIDTH] for i in range(0, len(row) - WIDTH + 1, WIDTH)]
    for tile in full:
        files[tile_path(level, index)] = encode(tile)
        index += 1
    rest = tuple(row[len(full) * WIDTH :])
    if rest and fresh:
        files[tile_path(level, index, len(rest))] = encode(rest)
    return rest, full


def check_growth(old: int, new: int, read_tile: ReadTile) -> bytes:
    """Return the root of the tree of `new` entries as its files say, each new hash summed up again.

    A flipped bit in a published tile cannot be repaired once it is signed, so this reads back what was
    written. Raises Inconsistent and names the tile when a hash does not fit what it stands for.
    """
    for index, width in tiles_of(0, new, old // WIDTH):
        entries = decode_bundle(read_tile(ENTRIES, index, width))
        if b"".join(leaf_hashes(entries)) != read_tile(0, index, width):
            raise Inconsistent(f"{tile_path(0, index, width)} does not fit its entries")
    for level in range(1, levels_of(new)):
        for index, width in tiles_of(level, new, hashes_at(level, old) // WIDTH):
            hashes = split_hashes(read_tile(level, index, width))
            below = range(max(hashes_at(level, old), index * WIDTH), index * WIDTH + width)
            if any(root_of_tile(read_tile(level - 1, i, WIDTH)) != hashes[i % WIDTH] for i in below):
                raise Inconsistent(f"{tile_path(level, index, width)} does not fit the tiles below it")
    return root(new, hash_reader(new, read_tile))
