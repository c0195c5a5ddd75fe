"""Checking one stretch of the log with its hashes made by the thousand.

What fits is passed over, a tile at a time: all hashes of its records are as the log has them, and none of its
records tells anything of the log. Every other tile is looked at record by record. A stretch in which anything
is wrong, or of which a file is missing or far too large, is checked as if this were not there, so that no
fault is named on the word of any library but `hashlib`.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import orjson
from numpy.lib.stride_tricks import sliding_window_view

from audit.bodies import PER_FILE, bodies_path
from audit.files import tile_reader
from audit.hashing import DIGEST_BYTES, VIEW_LEAST, Bytes, Hasher, Places, hasher, nodes, within
from audit.merkle import root_of_tile
from audit.tiles import ENTRIES, HASH_BYTES, WIDTH, ReadTile, decode_bundle
from audit.verify_records import (
    DIGEST,
    KIND,
    LETTER,
    LETTERS,
    LOOKED_AT,
    Bodies,
    Stretch,
    check_roots,
    check_stretch,
    check_tile,
)

_MOST_BYTES = 1024 * 1024
"""The most of a tile's entries or bodies. Where they are longer, to hash their bytes is what costs."""
_LENGTH_BYTES = 2
"""What stands before each entry of a bundle."""
_BASE64 = 44
_IS_LETTER = np.isin(np.arange(256), [letter[0] for letter in LETTERS if letter])
_SINGLY = 8
"""From so few nodes a tile on they are hashed one by one, which then costs less."""


def check_at_once(folder: Path, first: int, size: int) -> Stretch:
    """Check the records from `first` as `check_stretch` does; the same way where DataFusion is missing."""
    stretch = Stretch(first, min(first + PER_FILE, size))
    read, make = tile_reader(folder / "log"), hasher()
    loaded = None if make is None else _load(bodies_path(folder / "bodies", first), stretch, read)
    if make is None or loaded is None:
        return check_stretch(folder, first, size)
    bodies, roots = Bodies(folder, stretch), _roots(make, loaded.leaves)
    for i, fits in enumerate([*loaded.fit(make), *[False] * (stretch.end % WIDTH > 0)]):
        if fits:
            stretch.bodies += WIDTH
            stretch.roots.append(roots[i])
        else:
            index = first // WIDTH + i
            width = min(WIDTH, stretch.end - index * WIDTH)
            check_tile(stretch, read, index, width, bodies, loaded.bodies.some(i * WIDTH, width))
    bodies.explain()
    check_roots(stretch, read, size)
    return check_stretch(folder, first, size) if stretch.wrong.found else stretch


# --- reading ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What lies in a file between these places."""

    raw: bytes
    starts: Places
    ends: Places

    def some(self, begin: int, count: int = 1) -> list[bytes]:
        """Return some of the pieces."""
        places = slice(begin, begin + count)
        spans = zip(self.starts[places].tolist(), self.ends[places].tolist(), strict=True)
        return [self.raw[start:end] for start, end in spans]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The full tiles of a stretch, and all its bodies."""

    bodies: _Pieces
    entries: _Pieces
    leaves: Bytes
    """The leaf hashes as the tiles hold them."""

    def fit(self, make: Hasher) -> list[bool]:
        """Tell of each tile whether all of its records are in order and none tells of the log."""
        count, starts = len(self.leaves), self.entries.starts
        # A leaf is hashed behind a nought: that takes the place of the second byte of its length.
        messages = np.frombuffer(bytearray(self.entries.raw), np.uint8)
        messages[starts - 1] = 0
        digests, leaves = make.digests(
            within(self.bodies.raw, self.bodies.starts[:count], self.bodies.ends[:count]),
            within(messages, starts - 1, self.entries.ends),
        )
        heads = sliding_window_view(messages, LETTER + 1)[starts]
        wrong = (heads[:, :LETTER] != _heads(digests)).any(axis=1) | (leaves != self.leaves).any(axis=1)
        for at in np.flatnonzero(_IS_LETTER[heads[:, LETTER]] & ~wrong).tolist():
            wrong[at] = _tells(self.entries.some(at)[0])
        fit: list[bool] = (~wrong.reshape(-1, WIDTH).any(axis=1)).tolist()
        return fit


def _load(path: Path, stretch: Stretch, read: ReadTile) -> _Loaded | None:
    """Read a stretch; None when there is not just what there should be, of the sizes that are usual."""
    tiles = range(stretch.first // WIDTH, stretch.end // WIDTH)
    bodies = _bodies(path, stretch.end - stretch.first)
    if not tiles or bodies is None:
        return None
    try:
        leaves = [read(0, index, WIDTH) for index in tiles]
        entries = _entries(read(ENTRIES, index, WIDTH) for index in tiles)
    except (OSError, ValueError):
        return None
    if entries is None or any(len(tile) != WIDTH * HASH_BYTES for tile in leaves):
        return None
    return _Loaded(bodies, entries, np.frombuffer(b"".join(leaves), np.uint8).reshape(-1, HASH_BYTES))


def _bodies(path: Path, count: int) -> _Pieces | None:
    """Return the lines of a file; None when there are not `count`, or, in one not yet full, less."""
    if not path.exists() or path.stat().st_size > PER_FILE // WIDTH * _MOST_BYTES:
        return None
    raw = path.read_bytes()
    lengths = np.fromiter(map(len, BytesIO(raw)), np.int32)
    is_whole = len(lengths) == count or len(lengths) > count < PER_FILE
    if not is_whole or not raw.endswith(b"\n") or lengths.min() <= VIEW_LEAST:
        return None
    ends = np.cumsum(lengths, dtype=np.int32)
    return _Pieces(raw, ends - lengths, ends - 1)


def _entries(bundles: Iterable[bytes]) -> _Pieces | None:
    """Return the entries of full tiles; None when a bundle has not so many, or one ends before its kind.

    Raises ValueError when a bundle is cut off.
    """
    raw, lengths = list[bytes](), list[Places]()
    for bundle in bundles:
        fresh = _lengths(bundle)
        if len(fresh) != WIDTH or len(bundle) > _MOST_BYTES or fresh.min() <= LETTER:
            return None
        raw.append(bundle)
        lengths.append(fresh)
    length = np.concatenate(lengths)
    ends = np.cumsum(length + _LENGTH_BYTES, dtype=np.int32)
    return _Pieces(b"".join(raw), ends - length, ends)


def _lengths(bundle: bytes) -> Places:
    """Return the lengths of the entries of a bundle. Raises ValueError when it is cut off."""
    step = _LENGTH_BYTES + int.from_bytes(bundle[:_LENGTH_BYTES])
    is_even = len(bundle) == WIDTH * step and bundle[::step] == bundle[:1] * WIDTH
    if is_even and bundle[1::step] == bundle[1:2] * WIDTH:
        return np.full(WIDTH, step - _LENGTH_BYTES, np.int32)
    return np.fromiter(map(len, decode_bundle(bundle)), np.int32)


# --- comparing --------------------------------------------------------------------------------------


def _heads(digests: Bytes) -> Bytes:
    """Return how the envelopes of bodies with these digests begin, up to their kinds."""
    padded = np.zeros((len(digests), DIGEST_BYTES + 1), np.uint8)
    padded[:, :DIGEST_BYTES] = digests
    # A nought behind each digest makes it a multiple of three bytes, so that all are encoded in one piece.
    texts = np.frombuffer(b2a_base64(padded.data, newline=False), np.uint8).reshape(-1, _BASE64)
    heads = np.empty((len(digests), LETTER), np.uint8)
    heads[:, : len(DIGEST)] = np.frombuffer(DIGEST, np.uint8)
    heads[:, len(DIGEST) : -len(KIND)] = texts
    heads[:, -len(KIND) - 1] = ord("=")
    heads[:, -len(KIND) :] = np.frombuffer(KIND, np.uint8)
    return heads


def _tells(entry: bytes) -> bool:
    """Tell whether a record is to be looked at by itself, given that its envelope begins as it should."""
    try:
        envelope = orjson.loads(entry)
        digest = entry[len(DIGEST) : LETTER - len(KIND)]
        return envelope["b"].encode() != digest or envelope["k"] in LOOKED_AT
    except (ValueError, KeyError, TypeError, AttributeError):
        return True


def _roots(make: Hasher, leaves: Bytes) -> list[bytes]:
    """Return the root of each full tile."""
    row = leaves
    while len(row) > len(leaves) // WIDTH * _SINGLY:
        row = nodes(make, row)
    raw, width = row.tobytes(), _SINGLY * HASH_BYTES
    return [root_of_tile(raw[i : i + width]) for i in range(0, len(raw), width)]
