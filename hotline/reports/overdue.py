"""What was not kept, with what the unit says in explanation, which the office alone may read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from cases.model import Case
from cases.sealed import open_fields
from cases.store import cases_by_id
from core.work import Work
from hotline.callers import summaries_seen
from hotline.reports import store
from hotline.reports.model import Overdue, Wanted
from hotline.reports.report import as_seen, sees_all
from hotline.store import tickets_by_id

EXPLAINS = ("explanation", "overdue_reason")
"""The fields in which a unit explains itself."""
BATCH = 200


@dataclass(frozen=True, slots=True)
class OverdueList:
    """A page of the limits that were not kept."""

    wanted: Wanted
    as_of: datetime
    rows: tuple[Overdue, ...]
    next_cursor: str | None
    with_reasons: bool


def list_overdue(work: Work, asked: Wanted, *, limit: int = 50, cursor: str | None = None) -> OverdueList:
    """Return a page of the limits that still run overdue, or were met late in the period; the oldest first.

    Raises NotPermitted like a report. The units' reasons are opened for the office alone.
    """
    wanted = as_seen(work, asked)
    period = wanted.period
    page = store.overdue_page(
        work.tx, period.start_at, period.end_at, work.now, wanted.narrowed, limit=limit, cursor=cursor
    )
    rows = _told(work, tuple(page.rows))
    rows = _explained(work, rows) if sees_all(work) else rows
    return OverdueList(wanted, work.now, rows, page.next_cursor, sees_all(work))


def every_overdue(work: Work, asked: Wanted) -> Iterator[Overdue]:
    """Yield the whole list, page by page."""
    cursor: str | None = None
    while True:
        found = list_overdue(work, asked, limit=BATCH, cursor=cursor)
        yield from found.rows
        cursor = found.next_cursor
        if cursor is None:
            return


def _told(work: Work, rows: tuple[Overdue, ...]) -> tuple[Overdue, ...]:
    """Return the rows with their summaries as the reader may see them."""
    found = tickets_by_id(work.tx, sorted({row.ticket_id for row in rows}))
    seen = summaries_seen(work, list(found.values()))
    return tuple(replace(row, summary=seen[row.ticket_id]) for row in rows)


def _explained(work: Work, rows: tuple[Overdue, ...]) -> tuple[Overdue, ...]:
    held = cases_by_id(work.tx, sorted({row.ticket_id for row in rows}))
    return tuple(replace(row, reason=_reason(work, held[row.ticket_id], row)) for row in rows)


def _reason(work: Work, case: Case, row: Overdue) -> str | None:
    """Return the last explanation that was given since the ticket went to the unit and before it went on."""
    said: str | None = None
    for event in case.events[row.seq - 1 :]:
        if event.seq > row.seq and isinstance(event.fields.get("unit"), str):
            break
        explained = {name: event.fields[name] for name in EXPLAINS if name in event.fields}
        for text in open_fields(work, case, explained).values():
            said = str(text)
    return said
