"""The lines of the applications, kept beside the cases and made again when a case or the calendar changes.

What is kept is a convenience. A reader takes the lines that fit their cases and works the others out on the
spot, so the statistics are exact whether or not anybody keeps the lines up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection

from cases.model import Case
from cases.store import cases_by_id
from core.db import Database
from rules.rulebook import Rulebooks
from rules.workdays import Calendar
from supervision import store
from supervision.handling import Handling
from supervision.model import Handled

KIND = "application"
BATCH = 200
_FORM = "1"
"""To be raised when a change of `supervision.handling` makes other lines of the same events."""
_ALL = 10_000_000


@lru_cache(maxsize=16)
def basis_of(calendar: Calendar) -> str:
    """Return the digest of what lines depend on beside their case and its rulebook."""
    told = (_FORM, sorted(calendar.published.items()), calendar.hours, calendar.end_of_day)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def keep_lines(database: Database, rulebooks: Rulebooks, limit: int = BATCH) -> int:
    """Make up to `limit` lines that are missing or out of date; return how many were."""
    basis = basis_of(rulebooks.calendar)
    with database.read() as tx:
        found = cases_by_id(tx, store.stale_applications(tx, KIND, basis, limit))
    made = [(case.version, line) for case, line in _worked_out(rulebooks, found.values())]
    with database.begin() as tx:
        store.put_handled(tx, made, basis)
    return len(made)


def lines_between(tx: Connection, rulebooks: Rulebooks, start: datetime, end: datetime) -> list[Handled]:
    """Return the lines of the applications that concern the time from `start` up to `end`."""
    basis = basis_of(rulebooks.calendar)
    lines = store.handled_between(tx, basis, start, end)
    stale = store.stale_applications(tx, KIND, basis, _ALL)
    for at in range(0, len(stale), BATCH):
        found = cases_by_id(tx, stale[at : at + BATCH])
        lines += [line for _, line in _worked_out(rulebooks, found.values()) if line.submitted_at]
    return lines


def _worked_out(rulebooks: Rulebooks, cases: Iterable[Case]) -> Iterator[tuple[Case, Handled]]:
    readers: dict[tuple[str, str, str], Handling] = {}
    for case in cases:
        key = (case.rulebook, case.rulebook_version, case.workflow)
        if key not in readers:
            book = rulebooks.get(case.rulebook, case.rulebook_version)
            readers[key] = Handling(book, case.workflow, rulebooks.calendar)
        yield case, readers[key].line(case)
