"""The static layout of C2SP tlog-tiles: paths, tile widths and entry bundles. Pure.

A tile of level L holds up to 256 hashes, each over 256**L leaves. A partial tile carries its width in its
path and exists only at the right edge; a full one never changes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from audit.merkle import Read, node_hash

WIDTH = 256
HEIGHT = 8
HASH_BYTES = 32
ENTRIES = -1
"""The level that stands for entry bundles."""

_U16 = struct.Struct(">H")
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)

ReadTile = Callable[[int, int, int], bytes]
"""Return the bytes of the tile (level, index, width); level ENTRIES is a bundle."""


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Return where a tile lies below the log's folder, such as ``tile/0/x001/x234/067.p/8``."""
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join([f"x{g}" for g in groups[:-1]] + groups[-1:])
    part = "" if width == WIDTH else f".p/{width}"
    return f"tile/{'entries' if level == ENTRIES else level}/{name}{part}"


def parse_path(path: str) -> tuple[int, int, int]:
    """Return level, index and width of a tile's path. Raises ValueError when it is not a canonical one."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise ValueError(f"not a tile path: {path!r}")
    level = ENTRIES if found["level"] == "entries" else int(found["level"])
    tile = level, int(found["index"].replace("/", "").replace("x", "")), int(found["width"] or WIDTH)
    if tile_path(*tile) != path or (found["width"] and tile[2] >= WIDTH):
        raise ValueError(f"not a tile path: {path!r}")
    return tile


def hashes_at(level: int, size: int) -> int:
    """Return how many complete hashes the level holds in a tree of `size` leaves."""
    return size if level == ENTRIES else size >> (HEIGHT * level)


def tiles_of(level: int, size: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (index, width) of the level's tiles for a tree of `size`, those from tile `start` on."""
    hashes = hashes_at(level, size)
    for index in range(start, -(-hashes // WIDTH)):
        yield index, min(WIDTH, hashes - index * WIDTH)


def levels_of(size: int) -> int:
    """Return how many levels have tiles in a tree of `size` leaves."""
    levels = 0
    while hashes_at(levels, size):
        levels += 1
    return levels


def split_hashes(tile: bytes) -> list[bytes]:
    """Return the hashes of a tile."""
    return [tile[i : i + HASH_BYTES] for i in range(0, len(tile), HASH_BYTES)]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry behind its length (u16, big-endian)."""
    return b"".join([part for entry in entries for part in (_U16.pack(len(entry)), entry)])


def decode_bundle(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises ValueError when it is cut off."""
    entries, at, size = _of_one_length(bundle), 0, len(bundle)
    if entries:
        return entries
    while at < size:
        if at + 2 > size:
            raise ValueError("the bundle ends within a length")
        end = at + 2 + (bundle[at] << 8 | bundle[at + 1])
        if end > size:
            raise ValueError("the bundle ends within an entry")
        entries.append(bundle[at + 2 : end])
        at = end
    return entries


def _of_one_length(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle where all are as long as the first, as most are; else none."""
    step = 2 + int.from_bytes(bundle[:2])
    count, rest = divmod(len(bundle), step)
    if rest or bundle[::step] != bundle[:1] * count or bundle[1::step] != bundle[1:2] * count:
        return []
    return [bundle[i : i + step - 2] for i in range(2, len(bundle) + 1, step)]


def hash_reader(size: int, read_tile: ReadTile) -> Read:
    """Return a `merkle.Read` over the tiles of a tree of `size` leaves.

    It remembers the last tiles read. It raises ValueError when a tile has the wrong length, and whatever
    `read_tile` raises.
    """

    @lru_cache(maxsize=64)
    def tile(level: int, index: int) -> list[bytes]:
        width = min(WIDTH, hashes_at(level, size) - index * WIDTH)
        raw = read_tile(level, index, width)
        if len(raw) != width * HASH_BYTES:
            raise ValueError(f"{tile_path(level, index, width)} has {len(raw)} bytes")
        return split_hashes(raw)

    def read(level: int, index: int) -> bytes:
        row, above = divmod(level, HEIGHT)
        first = index << above
        hashes = tile(row, first // WIDTH)[first % WIDTH : first % WIDTH + (1 << above)]
        while len(hashes) > 1:
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]

    return read
