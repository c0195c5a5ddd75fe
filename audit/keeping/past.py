"""Logs that were closed by a rotation: each a whole audit folder of its own, to be read and checked for ever.

<data>/audit/past/<slug>/log bodies columns anchors journal keys/*.vkey
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.proofs import published_checkpoint
from core.errors import NotFound

PAST, ASIDE = "past", "rotating"
PARTS = ("log", "bodies", "columns", "anchors", "journal")
"""What of an audit folder belongs to one log."""


@dataclass(frozen=True, slots=True)
class PastLog:
    """A closed log; `slug` names it in addresses, `folder` is its audit folder."""

    slug: str
    folder: Path
    origin: str
    size: int


def is_rotating(folder: Path) -> bool:
    """Tell whether a rotation was begun in the audit folder that must be finished before anything else."""
    return (folder / ASIDE / "ready").exists()


def past_logs(folder: Path) -> list[PastLog]:
    """Return the closed logs beside the log in the audit folder, by name."""
    found = sorted(path.parent.parent for path in (folder / PAST).glob("*/log/checkpoint"))
    return [_read(path) for path in found]


def past_log(folder: Path, slug: str) -> PastLog:
    """Return one closed log. Raises NotFound."""
    found = next((log for log in past_logs(folder) if log.slug == slug), None)
    if found is None:
        raise NotFound("没有这个已封存的日志", "no such closed log")
    return found


def _read(folder: Path) -> PastLog:
    _, checkpoint = published_checkpoint(folder)
    return PastLog(folder.name, folder, checkpoint.origin, checkpoint.size)
