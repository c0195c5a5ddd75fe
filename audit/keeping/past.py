"""Logs that were closed by a rotation: each a whole audit folder of its own, to be read and checked for ever.

<data>/audit/past/<slug>/log bodies columns anchors journal ids keys/*.vkey

What the platform says of them later, such as that a body goes, it says in the log that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from audit.files import Inconsistent
from audit.keys import NoteVerifier
from audit.note import Checkpoint, split_note
from audit.proofs import entry_at, published_checkpoint
from core.errors import NotFound

PAST = "past"
PARTS = ("log", "bodies", "columns", "anchors", "journal", "ids")
"""What of an audit folder belongs to one log."""


@dataclass(frozen=True, slots=True)
class PastLog:
    """A closed log; `slug` names it in addresses, `folder` is its audit folder."""

    slug: str
    folder: Path
    origin: str
    size: int
    root: bytes

    @property
    def verifiers(self) -> tuple[NoteVerifier, NoteVerifier]:
        """The keys that signed for it, as `LogSigners.verifiers`. Raises Inconsistent."""
        try:
            texts = [(self.folder / "keys" / f"{name}.vkey").read_text() for name in ("log", "log-mldsa")]
            return NoteVerifier.parse(texts[0]), NoteVerifier.parse(texts[1])
        except (OSError, ValueError) as wrong:
            raise Inconsistent(f"the keys of {self.origin} cannot be read: {wrong}") from wrong


def past_logs(folder: Path) -> list[PastLog]:
    """Return the closed logs beside the log in the audit folder, by name."""
    found = sorted(path.parent.parent for path in (folder / PAST).glob("*/log/checkpoint"))
    return [_read(path) for path in found]


def past_log(folder: Path, slug: str) -> PastLog:
    """Return one closed log. Raises NotFound."""
    found = next((log for log in past_logs(folder) if log.slug == slug), None)
    if found is None:
        raise NotFound("没有这个已关闭的日志", "no such closed log")
    return found


def _read(folder: Path) -> PastLog:
    _, checkpoint = published_checkpoint(folder)
    return PastLog(folder.name, folder, checkpoint.origin, checkpoint.size, checkpoint.root)


def lineage(folder: Path) -> list[PastLog]:
    """Return the closed logs in the order in which they followed each other, the oldest first.

    Raises Inconsistent when one does not end where entry 0 of the next says, or nobody follows it.
    """
    beside, found = {log.origin: log for log in past_logs(folder)}, list[PastLog]()
    at = folder
    while beside and (previous := _previous(at)) is not None and previous.origin in beside:
        log = beside.pop(previous.origin)
        if (log.size, log.root) != (previous.size, previous.root):
            raise Inconsistent(f"{log.origin} does not end where the log after it says that it did")
        found.insert(0, log)
        at = log.folder
    if beside:
        raise Inconsistent(f"the log that followed {', '.join(sorted(beside))} is not there")
    return found


def _previous(folder: Path) -> Checkpoint | None:
    """Return the checkpoint that the log before ended with, as entry 0 says; None for a first log."""
    note = orjson.loads(entry_at(folder, 0)).get("p")
    return None if note is None else Checkpoint.parse(split_note(note)[0])
