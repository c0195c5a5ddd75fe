"""Checking a log folder offline: bodies, envelopes, leaves, tiles, root, signature, nothing taken on trust.

What this finds: an edited body; an edited, removed or reordered entry; a flipped bit in a bundle or a tile;
a missing file; a log cut off; a wrong signature; a journal segment that vanished before it was sealed. What
no folder can show about itself is that all of it was put back to an earlier day: for that compare the
checkpoint with one kept elsewhere, such as the anchor, a witness or a receipt.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from audit.bodies import Line, bodies_path, read_bodies
from audit.drain import find_journals
from audit.files import Inconsistent, tile_reader
from audit.merkle import leaf_hash, root, root_of_list
from audit.note import BadNote, Checkpoint, NoteVerifier, open_note, split_note
from audit.record import body_digest
from audit.state import State, load_state
from audit.tiles import (
    ENTRIES,
    HASH_BYTES,
    WIDTH,
    decode_bundle,
    hash_reader,
    levels_of,
    split_hashes,
    tile_path,
    tiles_of,
)

Progress = Callable[[int, int], None]
"""Called with the records checked so far and their number in all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong: the file, what is wrong with it, and the log indexes from `first` to `last`."""

    file: str
    what: str
    first: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.file}: {self.what}"
        span = f"record {self.first}" if self.first == self.last else f"records {self.first} to {self.last}"
        return f"{self.file}: {self.what} ({span})"


@dataclass(slots=True)
class Report:
    """What a check found; `gaps` are the records by which the log itself states that others may be lost."""

    size: int = 0
    origin: str = ""
    root: bytes = b""
    is_signed: bool = False
    bodies: int = 0
    faults: list[Fault] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def __str__(self) -> str:
        if self.faults:
            lines = (f"  {fault}" for fault in self.faults)
            return "\n".join([f"{self.origin or '?'}: {len(self.faults)} 处问题 / faults", *lines])
        signed = "签名有效 / signature good" if self.is_signed else "未核对签名 / signature not checked"
        root_hash = base64.b64encode(self.root).decode()
        lost = f"; 日志自述可能缺失 / stated losses: {len(self.gaps)}" if self.gaps else ""
        return f"{self.origin}: {self.size} 条记录完好 / records sound, {root_hash}, {signed}{lost}"

    def as_json(self) -> dict[str, Any]:
        """Return the report for a script."""
        return {
            "sound": self.sound,
            "origin": self.origin,
            "size": self.size,
            "root": base64.b64encode(self.root).decode(),
            "signature_checked": self.is_signed,
            "bodies": self.bodies,
            "gaps": self.gaps,
            "faults": [
                {"file": f.file, "what": f.what, "first": f.first, "last": f.last} for f in self.faults
            ],
        }

    def add(self, file: str, what: str, index: int | None = None) -> None:
        """Note a fault; faults of one sort on neighbouring records become one."""
        for i in range(len(self.faults) - 1, max(-1, len(self.faults) - 5), -1):
            fault = self.faults[i]
            if index is not None and (fault.file, fault.what, fault.last) == (file, what, index - 1):
                self.faults[i] = replace(fault, last=index)
                return
        self.faults.append(Fault(file, what, index, index))


def verify(folder: Path, vkey: str | None = None, progress: Progress | None = None) -> Report:
    """Check the audit folder and name each fault; `vkey` is the log's verifier key, which is not in there.

    Without a key the signature is not checked and `is_signed` stays false. The log may grow meanwhile: what
    the checkpoint covers is checked. Raises BadNote for a malformed key.
    """
    report = Report()
    if _check_note(folder, None if vkey is None else NoteVerifier.parse(vkey), report):
        _check_records(folder, report, progress or (lambda done, size: None))
        _check_levels(folder, report)
        _check_root(folder, report)
        _check_state(folder, report)
    return report


def _check_note(folder: Path, verifier: NoteVerifier | None, report: Report) -> bool:
    """Read the checkpoint; tell whether there is one to go by."""
    try:
        note = (folder / "log" / "checkpoint").read_text(encoding="utf-8")
        checkpoint = Checkpoint.parse(split_note(note)[0])
    except (OSError, ValueError) as wrong:
        report.add("checkpoint", f"cannot be read: {wrong}")
        return False
    report.origin, report.size, report.root = checkpoint.origin, checkpoint.size, checkpoint.root
    if verifier is not None:
        try:
            open_note(note, [verifier])
            report.is_signed = True
        except BadNote as wrong:
            report.add("checkpoint", str(wrong))
    return True


def _check_records(folder: Path, report: Report, progress: Progress) -> None:
    """Check each body against its envelope and each envelope against its leaf hash."""
    bodies = _Bodies(folder, report)
    for index, width in tiles_of(0, report.size):
        first = index * WIDTH
        hashes = _tile(folder, report, 0, index, width)
        for at, entry in enumerate(_entries(folder, report, index, width), first):
            if at - first < len(hashes) and leaf_hash(entry) != hashes[at - first]:
                report.add(tile_path(ENTRIES, index, width), "the entry does not fit its leaf hash", at)
            bodies.check(at, entry)
        progress(min(first + WIDTH, report.size), report.size)


def _entries(folder: Path, report: Report, index: int, width: int) -> list[bytes]:
    path = tile_path(ENTRIES, index, width)
    try:
        entries = decode_bundle(tile_reader(folder / "log")(ENTRIES, index, width))
    except OSError:
        report.add(path, "missing")
        return []
    except ValueError as wrong:
        report.add(path, str(wrong))
        return []
    if len(entries) != width:
        report.add(path, f"holds {len(entries)} entries instead of {width}")
    return entries[:width]


def _tile(folder: Path, report: Report | None, level: int, index: int, width: int) -> list[bytes]:
    """Return the hashes of a tile, none when it is missing or of a wrong length, which `report` is told."""
    path = tile_path(level, index, width)
    try:
        raw = tile_reader(folder / "log")(level, index, width)
    except OSError:
        if report is not None:
            report.add(path, "missing")
        return []
    if len(raw) != width * HASH_BYTES:
        if report is not None:
            report.add(path, f"has {len(raw)} bytes instead of {width * HASH_BYTES}")
        return []
    return split_hashes(raw)


class _Bodies:
    """The bodies, walked along beside the entries."""

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder = folder / "bodies"
        self._report = report
        self._lines: Iterator[Line] = read_bodies(self._folder, 0, report.size)
        self._line = next(self._lines, None)

    def check(self, at: int, entry: bytes) -> None:
        """Compare the body `at` with the digest that the entry holds."""
        while self._line is not None and self._line.at < at:
            self._line = next(self._lines, None)
        name = f"bodies/{bodies_path(self._folder, at).name}"
        if self._line is None or self._line.at != at:
            self._report.add(name, "the body is missing", at)
            return
        self._report.bodies += 1
        try:
            envelope = orjson.loads(entry)
            if envelope["k"] == "journal.gap":
                self._report.gaps.append(at)
            if envelope["b"] != body_digest(self._line.body):
                self._report.add(name, "the body does not fit its envelope", at)
        except (ValueError, KeyError, TypeError):
            self._report.add(tile_path(ENTRIES, at // WIDTH), "the entry is no envelope", at)


def _check_levels(folder: Path, report: Report) -> None:
    """Check each hash above the leaves against the full tile that it stands for."""
    for level in range(1, levels_of(report.size)):
        for index, width in tiles_of(level, report.size):
            path = tile_path(level, index, width)
            for i, expected in enumerate(_tile(folder, report, level, index, width), index * WIDTH):
                below = _tile(folder, None, level - 1, i, WIDTH)
                if below and root_of_list(below) != expected:
                    report.add(path, f"hash {i} does not fit {tile_path(level - 1, i)}")


def _check_root(folder: Path, report: Report) -> None:
    try:
        found = root(report.size, hash_reader(report.size, tile_reader(folder / "log")))
    except (OSError, ValueError, IndexError) as wrong:
        report.add("checkpoint", f"its root cannot be summed up: {wrong}")
    else:
        if found != report.root:
            report.add("checkpoint", "its root is not that of the tiles")


def _check_state(folder: Path, report: Report) -> None:
    """Check that the state covers the checkpoint, and that no unsealed journal segment is gone."""
    try:
        state = load_state(folder)
    except Inconsistent as wrong:
        report.add("log/.state/state.json", str(wrong))
        return
    if state.size < report.size:
        report.add("log/.state/state.json", f"holds {state.size} entries, the checkpoint {report.size}")
    for journal, number in _missing_segments(folder, state):
        if load_state(folder).journals == state.journals:  # else it was sealed and deleted meanwhile
            report.add(f"journal/{journal}.{number:06d}.jnl", "missing before it was sealed")


def _missing_segments(folder: Path, state: State) -> Iterator[tuple[str, int]]:
    found = find_journals(folder / "journal")
    for journal, place in state.journals.items():
        numbers = found.get(journal, {}).keys()
        last = max(numbers, default=place.segment)
        yield from ((journal, n) for n in range(place.segment + place.done, last + 1) if n not in numbers)
