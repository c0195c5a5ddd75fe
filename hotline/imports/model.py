"""An import: a table handed in, its rows on their way, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from core.text import Text

SOURCES = {
    "import": Text("本机构原有工单", "earlier tickets of this office"),
    "superior": Text("上级交办清单", "a list from the superior hotline"),
}
"""Where the rows come from; becomes the source of the tickets."""
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
STATES = {
    WAITING: Text("等待处理", "waiting"),
    RUNNING: Text("正在处理", "in progress"),
    DONE: Text("已完成", "done"),
    FAILED: Text("未能处理", "not done"),
}
UNFINISHED = (WAITING, RUNNING)
MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 60
LONGEST_CELL = 5_000
CHUNK = 50
"""Rows of one transaction."""


@dataclass(frozen=True, slots=True)
class Import:
    """One table handed in; its cells lie sealed until they have been dealt with, then nowhere."""

    id: str
    source: str
    dry_run: bool
    """Whether the rows are only checked."""
    format: str
    """csv or xlsx."""
    state: str
    department: str
    created_by: str
    created_at: datetime
    finished_at: datetime | None = None
    rows: int | None = None
    """How many rows there are; None until the table has been read."""
    taken: int = 0
    """Rows that became tickets, or would have."""
    repeated: int = 0
    """Rows whose ticket was there already."""
    refused: int = 0
    failure: Text | None = None
    """Why nothing could be done at all."""

    @property
    def done(self) -> int:
        """How many rows have been dealt with."""
        return self.taken + self.repeated + self.refused

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.state not in UNFINISHED


class Row(NamedTuple):
    """One row of a table: its number as a spreadsheet counts, and its cells by column; blanks left out."""

    number: int
    cells: dict[str, str]
    repeats: int | None = None
    """The row above that has the same number of origin."""


class Fault(NamedTuple):
    """Why a row was refused: the column as the table calls it, the reason, and what stood there."""

    row: int
    column: str
    code: str
    reason: Text
    value: str = ""
    """Never personal data: those are masked before they get here."""


class Waiting(NamedTuple):
    """A piece of an import that is to be dealt with next."""

    first: int
    rows: list[Row]
