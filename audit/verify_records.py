"""Checking one stretch of the log: each body against its envelope, each envelope against its leaf hash.

A stretch is what one file of bodies covers, so memory is bounded, and stretches can be checked side by side.
The innermost loops compare bytes and parse nothing: an envelope is canonical JSON, so its digest and the
first letter of its kind stand at fixed places. Whatever does not look as expected is looked at again, slowly.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from audit.bodies import PER_FILE, bodies_path, is_erased
from audit.files import tile_reader
from audit.keeping.kinds import BODY_ERASED, PRUNED
from audit.merkle import leaf_hashes, root_of_tile
from audit.tiles import (
    ENTRIES,
    HASH_BYTES,
    WIDTH,
    ReadTile,
    decode_bundle,
    hashes_at,
    split_hashes,
    tile_path,
    tiles_of,
)
from audit.verify_report import Faults

GAP, SEALED, STAMPED = "journal.gap", "segment.sealed", "timestamp"
_TELLING = (SEALED, STAMPED, BODY_ERASED, PRUNED)
"""Kinds of the records by which the log tells of its own files."""
LOOKED_AT = (GAP, *_TELLING)
LETTERS = frozenset((b"", *(kind[:1].encode() for kind in LOOKED_AT)))
"""First letters of kinds to look at; none at all is no envelope."""
DIGEST, KIND = b'{"b":"', b'","k":"'
_PIECE = 128 * 1024
"""What is read of bodies at a time."""
LETTER = len(DIGEST) + 44 + len(KIND)
"""Where the kind begins in an envelope."""


Erased = tuple[int, str, str | None]
"""A log index, the id of the record that is said to tell why its body is gone, and the id that this had."""


@dataclass(slots=True)
class Stretch:
    """What was found from record `first` up to, not including, `end`."""

    first: int
    end: int
    wrong: Faults = field(default_factory=Faults)
    bodies: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)
    """Records without a body, from and to; whether that is a fault depends on what the log tells."""
    erased: list[Erased] = field(default_factory=list)
    """Records whose body is erased, by the lines in their places."""
    gaps: list[int] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Kind and body of each record by which the log tells what it no longer holds, or what else it holds."""
    roots: list[bytes | None] = field(default_factory=list)
    """The root of each full tile of leaf hashes, None where there is nothing to sum it up from."""
    leaves: list[bytes] = field(default_factory=list)
    """The leaf hashes behind the last full tile."""


def check_stretch(folder: Path, first: int, size: int) -> Stretch:
    """Check the records from `first`, which begins a file of bodies, in a log of `size` entries."""
    stretch = Stretch(first, min(first + PER_FILE, size))
    read = tile_reader(folder / "log")
    bodies = Bodies(folder, stretch)
    lines = bodies.by_tile()
    for index, width in tiles_of(0, stretch.end, first // WIDTH):
        check_tile(stretch, read, index, width, bodies, next(lines, []))
    bodies.explain(sum(map(len, lines)) if stretch.end % PER_FILE == 0 else 0)
    check_roots(stretch, read, size)
    return stretch


def check_tile(
    stretch: Stretch, read: ReadTile, index: int, width: int, bodies: Bodies, lines: Sequence[bytes]
) -> None:
    """Check the records of one tile, of which `lines` are the bodies."""
    entries = _entries(stretch, read, index, width)
    bodies.check(index * WIDTH, entries, lines)
    bodies.doubtful |= _check_leaves(stretch, read, index, width, entries)


def read_hashes(wrong: Faults | None, read: ReadTile, level: int, index: int, width: int) -> bytes:
    """Return a tile, empty when it is missing or of a wrong length, which `wrong` is told."""
    try:
        raw = read(level, index, width)
    except OSError:
        raw, what = b"", "missing"
    else:
        what = f"has {len(raw)} bytes instead of {width * HASH_BYTES}"
    if len(raw) == width * HASH_BYTES:
        return raw
    if wrong is not None:
        wrong.add(tile_path(level, index, width), what)
    return b""


# --- entries and leaf hashes ------------------------------------------------------------------------


def _entries(stretch: Stretch, read: ReadTile, index: int, width: int) -> list[bytes]:
    path = tile_path(ENTRIES, index, width)
    try:
        entries = decode_bundle(read(ENTRIES, index, width))
    except OSError:
        stretch.wrong.add(path, "missing")
        return []
    except ValueError as wrong:
        stretch.wrong.add(path, str(wrong))
        return []
    if len(entries) != width:
        stretch.wrong.add(path, f"holds {len(entries)} entries instead of {width}")
    return entries[:width]


def _check_leaves(
    stretch: Stretch, read: ReadTile, index: int, width: int, entries: Sequence[bytes]
) -> set[int]:
    """Check entries against their leaf hashes and return the indexes of those that do not fit."""
    tile = read_hashes(stretch.wrong, read, 0, index, width)
    leaves = leaf_hashes(entries)
    summed = b"".join(leaves)
    doubtful = set[int]()
    if tile and summed != tile:
        pairs = enumerate(zip(leaves, split_hashes(tile), strict=False), index * WIDTH)
        doubtful = {at for at, (ours, theirs) in pairs if ours != theirs}
        for at in sorted(doubtful):
            stretch.wrong.add(tile_path(ENTRIES, index, width), "the entry does not fit its leaf hash", at)
    tile = tile or (summed if len(leaves) == width else b"")
    if width == WIDTH:
        stretch.roots.append(root_of_tile(tile) if tile else None)
    else:
        stretch.leaves = split_hashes(tile)
    return doubtful


def check_roots(stretch: Stretch, read: ReadTile, size: int) -> None:
    """Check the hash above each full tile of leaf hashes."""
    above, hashes = hashes_at(1, size), dict[int, bytes]()
    for i, expected in enumerate(stretch.roots, stretch.first // WIDTH):
        index, at = divmod(i, WIDTH)
        width = min(WIDTH, above - index * WIDTH)
        if index not in hashes:
            hashes[index] = read_hashes(None, read, 1, index, width)
        held = hashes[index][at * HASH_BYTES : (at + 1) * HASH_BYTES]
        if expected is None:
            stretch.roots[i - stretch.first // WIDTH] = held or None
        elif held and held != expected:
            stretch.wrong.add(tile_path(1, index, width), f"hash {at} does not fit {tile_path(0, i)}")


# --- bodies -----------------------------------------------------------------------------------------


class Bodies:
    """The bodies of a stretch, compared with the digests in its envelopes."""

    def __init__(self, folder: Path, stretch: Stretch) -> None:
        self._path = bodies_path(folder / "bodies", stretch.first)
        self._name = f"bodies/{self._path.name}"
        self._stretch = stretch
        self._wrong: list[tuple[int, str]] = []
        self.doubtful = set[int]()
        """Records whose envelope is not the one that was sealed, so that it says nothing of the body."""

    def by_tile(self) -> Iterator[list[bytes]]:
        """Yield as many bodies at a time as a tile covers; piece by piece, so that it stays warm."""
        lines, rest = list[bytes](), b""
        with suppress(FileNotFoundError), self._path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                *fresh, rest = (rest + piece).split(b"\n")
                lines += fresh
                while len(lines) >= WIDTH:
                    yield lines[:WIDTH]
                    del lines[:WIDTH]
        yield lines
        if rest:
            yield [rest]  # cut off within a line, and no body

    def check(self, first: int, entries: Sequence[bytes], lines: Sequence[bytes]) -> None:
        """Compare bodies of records, from `first` on, with the digests that their entries hold."""
        bodies = lines[: len(entries)]
        expected = [DIGEST + b2a_base64(sha256(body).digest())[:-1] + KIND for body in bodies]
        heads = [entry[:LETTER] for entry in entries]
        if expected == heads and LETTERS.isdisjoint([entry[LETTER : LETTER + 1] for entry in entries]):
            self._stretch.bodies += len(entries)
            return
        for i, entry in enumerate(entries):
            if expected[i : i + 1] == [heads[i]] and entry[LETTER : LETTER + 1] not in LETTERS:
                self._stretch.bodies += 1
            else:
                self._look(first + i, entry, bodies[i] if i < len(bodies) else None)

    def _look(self, at: int, entry: bytes, body: bytes | None) -> None:
        try:
            envelope = orjson.loads(entry)
            digest, kind = str(envelope["b"]), str(envelope["k"])
        except (ValueError, KeyError, TypeError):
            self._stretch.wrong.add(tile_path(ENTRIES, at // WIDTH), "the entry is no envelope", at)
            return
        if kind == GAP:
            self._stretch.gaps.append(at)
        if body is not None and digest_of(body) == digest:
            self._stretch.bodies += 1
            if kind in _TELLING:
                self._stretch.told.append((kind, orjson.loads(body)))
        elif body is not None and is_erased(body):
            line = orjson.loads(body)
            self._stretch.erased.append((at, line["erased"], line.get("id")))
        else:
            self._wrong.append((at, digest))

    def explain(self, extra: int = 0) -> None:
        """Tell edited bodies from missing ones, and those from bodies that lie in another's place.

        `extra` lines are behind the last body.
        """
        if extra:
            self._stretch.wrong.add(self._name, f"{extra} lines behind the last body that it should hold")
        if self.doubtful:
            self._wrong = [(at, digest) for at, digest in self._wrong if at not in self.doubtful]
        if not self._wrong:
            return
        lines = self._path.read_bytes().split(b"\n")[:-1] if self._path.exists() else []
        there = {digest_of(line) for line in lines}
        expected = {digest for _, digest in self._wrong}
        for at, digest in self._wrong:
            place = at - self._stretch.first
            line = lines[place] if place < len(lines) else None
            if digest in there:
                self._stretch.wrong.add(self._name, "the body lies in another's place", at)
            elif line is None or digest_of(line) in expected:
                self._miss(at)
            else:
                self._stretch.wrong.add(self._name, "the body does not fit its envelope", at)

    def _miss(self, at: int) -> None:
        missing = self._stretch.missing
        if missing and missing[-1][1] == at - 1:
            missing[-1] = (missing[-1][0], at)
        else:
            missing.append((at, at))


def digest_of(body: bytes) -> str:
    """Return the digest of a body as its envelope holds it."""
    return b2a_base64(sha256(body).digest(), newline=False).decode()
