"""Journals in which something lies that no writer left, so that nothing behind it is sealed for now.

The sealer stops at the first frame that is not right. Half a write is right a moment later. What stays for
seconds was put there by somebody, or the disk did it, and calls go on meanwhile: so whoever looks at the
alarms is told where. Once the writer has moved on, `journal.gap` says the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from audit.drain import Drained
from audit.files import write_file
from audit.segments import segment_path
from core.text import Text

PATIENCE = timedelta(seconds=5)
"""How long what was read may be half a write."""

Spot = tuple[str, int, int]
"""Journal, segment and offset."""


class Watch:
    """Since when the sealer could not read on, and where."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._since: dict[Spot, datetime] = {}
        self._told: list[Spot] | None = None

    def look(self, drained: Mapping[str, Drained], now: datetime) -> None:
        """Note where reading stopped in this step, and put down what has stayed for too long."""
        spots = [(name, part.place.segment, part.place.offset) for name, part in drained.items() if part.odd]
        self._since = {spot: self._since.get(spot, now) for spot in spots}
        stuck = sorted(spot for spot, since in self._since.items() if now - since >= PATIENCE)
        if stuck != self._told:
            _tell(self._folder, stuck)
            self._told = stuck


def _tell(folder: Path, spots: Iterable[Spot]) -> None:
    lines = [f"{segment_path(folder, name, number).name} {offset}" for name, number, offset in spots]
    path, text = _path(folder), "\n".join(lines)
    if not text:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        write_file(path, text.encode())


def stuck_alarms(folder: Path) -> Iterator[Text]:
    """Say in which segments, and from which byte on, nothing can be sealed."""
    try:
        lines = _path(folder).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for segment, offset in (line.rsplit(" ", 1) for line in lines):
        yield Text(
            f"日记段 {segment} 自第 {offset} 字节起不是其写入者所写，其后的记录无法封存",
            f"in journal segment {segment} its writer did not write what lies at byte {offset}; "
            "records behind it are not sealed",
        )


def _path(folder: Path) -> Path:
    return folder / "log" / ".state" / "journals-stuck"
