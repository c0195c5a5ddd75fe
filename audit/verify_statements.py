"""What other logs say of one that was closed: which of its bodies went since, and how its blocks are now.

A statement counts as far as it is proven: its body by its envelope, that by a path to the checkpoint of the
log that holds it, and the checkpoint by a key of that log, where keys were given at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from audit.bodies import is_erased, read_bodies
from audit.checkpoint import Checkpoint
from audit.files import tile_reader
from audit.keeping.kinds import BODY_ERASED, PRUNED
from audit.keeping.past import PAST
from audit.keys import NoteVerifier
from audit.merkle import inclusion_proof, leaf_hash, verify_inclusion
from audit.note import open_note, split_note
from audit.tiles import ENTRIES, WIDTH, decode_bundle, hash_reader, tiles_of
from audit.verify_progress import Known
from audit.verify_records import SEALED, digest_of
from audit.verify_report import Report, Source

_MARKS = tuple(f'"k":"{kind}"'.encode() for kind in (BODY_ERASED, PRUNED, SEALED))


class _Statement(NamedTuple):
    """A record about a log: when it was made (ms since 1970), its kind, its body."""

    at: int
    kind: str
    body: dict[str, Any]


def beside(folder: Path) -> list[Path]:
    """Return the audit folders of the other logs of a deployment, for that of a log that it closed."""
    folder = folder.resolve()
    if folder.parent.name != PAST:
        return []
    others = [path for path in sorted(folder.parent.iterdir()) if path != folder]
    return [path for path in (*others, folder.parent.parent) if (path / "log").is_dir()]


def hear(folders: Sequence[Path], report: Report, known: Known, verifiers: Sequence[NoteVerifier]) -> None:
    """Add to what is known of a log what the logs in these folders say of it; the report names them.

    One that no key was given for is passed over. Where its checkpoint cannot be trusted, that is a fault.
    """
    heard: list[_Statement] = []
    for folder in folders:
        path = folder / "log" / "checkpoint"
        try:
            checkpoint = _open(path, verifiers) if path.exists() else None
            if checkpoint is not None:
                found = list(_statements(folder, checkpoint, report.origin))
                report.sources.append(Source(checkpoint.origin, checkpoint.size, len(found)))
                heard += found
        except (OSError, ValueError, IndexError) as wrong:
            report.wrong.add(str(path), f"what that log says of this one does not count: {wrong}")
    for said in sorted(heard, key=lambda one: one.at):
        if said.body.get("log") == report.origin:
            known.learn(said.kind, said.body)
        else:
            known.pruned = report.size


def _open(path: Path, verifiers: Sequence[NoteVerifier]) -> Checkpoint | None:
    """Return a checkpoint that can be trusted; None when there is no key for it. Raises ValueError."""
    note = path.read_text(encoding="utf-8")
    checkpoint = Checkpoint.parse(split_note(note)[0])
    if not verifiers:
        return checkpoint
    if all(verifier.name != checkpoint.origin for verifier in verifiers):
        return None
    open_note(note, verifiers)
    return checkpoint


def _statements(folder: Path, checkpoint: Checkpoint, origin: str) -> Iterator[_Statement]:
    """Yield what a log says of the log `origin`, as far as it is proven."""
    read = hash_reader(checkpoint.size, tile_reader(folder / "log"))
    for index, entry in _telling(folder, checkpoint.size):
        line = next(read_bodies(folder / "bodies", index, index + 1), None)
        envelope = orjson.loads(entry)
        if line is None or is_erased(line.body) or digest_of(line.body) != envelope["b"]:
            continue
        body = orjson.loads(line.body)
        if body.get("log") != origin and origin not in body.get("gone", ()):
            continue
        path = inclusion_proof(index, checkpoint.size, read)
        if verify_inclusion(index, checkpoint.size, leaf_hash(entry), path, checkpoint.root):
            yield _Statement(envelope["t"], envelope["k"], body)


def _telling(folder: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield index and envelope of the records that may be statements; other bundles are not taken apart."""
    read = tile_reader(folder / "log")
    for index, width in tiles_of(0, size):
        bundle = read(ENTRIES, index, width)
        if any(mark in bundle for mark in _MARKS):
            for i, entry in enumerate(decode_bundle(bundle)):
                if any(mark in entry for mark in _MARKS):
                    yield index * WIDTH + i, entry
