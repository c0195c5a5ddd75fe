"""Makes the hotline's own dataset: monthly sums, nothing personal.

A cell of few tickets could point to a person. So what lies in a cell of less than `LEAST` tickets is added to
a coarser one: first whatever the channel, then whatever the place, then the category, then the unit, each
written as `*`. What is still too small after that is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from core.periods import Period, day_of, period_of
from core.settings import Settings
from core.work import Work
from hotline.reports.store import first_ticket_at, monthly
from hotline.statistics.store import write_rows

REFRESH_SECONDS = 3600.0
"""How often the statistics are made anew."""
LEAST = 3
SEVERAL = "*"
"""Stands for several values, which are too rare to be told apart."""
COARSER = ("channel", "place", "category", "unit")
"""What is given up, in this order."""
KEYS = ("month", "unit", "category", "place", "channel")
SUMS = ("tickets", "closed", "on_time", "overdue", "satisfied", "rated")

Line = dict[str, Any]


def statistics_file(settings: Settings) -> Path:
    """Return where the dataset lies, for a connection of the deployment to name."""
    return settings.data / "hotline" / "statistics.sqlite"


def publish_statistics(settings: Settings, rows: Sequence[Line]) -> int:
    """Put the rows where the gateway reads them; return how many there are."""
    write_rows(statistics_file(settings), rows)
    return len(rows)


def read_statistics(work: Work) -> list[Line]:
    """Return the statistics as of now.

    A row counts the tickets that came in during its month: how many there are, are closed, were closed with
    every limit for handling kept, had such a limit pass, are satisfied by the latest rating, are rated.
    """
    first = first_ticket_at(work.tx)
    months = [(m.name, m.start_at, m.end_at) for m in _months(first, work.now)] if first else []
    return coarsened(monthly(work.tx, months, work.now))


def _months(first: datetime, now: datetime) -> Iterator[Period]:
    month = period_of("month", day_of(first))
    while month.start_at <= now:
        yield month
        month = month.next


def coarsened(rows: Iterable[Line]) -> list[Line]:
    """Return the rows with every one of at least `LEAST` tickets; sums stay, but for what is left out."""
    kept: list[Line] = []
    left: Sequence[Line] = list(rows)
    for given_up in COARSER:
        enough, few = _parted(left)
        kept += enough
        left = _added([{**row, given_up: SEVERAL} for row in few])
    enough, _ = _parted(left)
    return _added([*kept, *enough])


def _parted(rows: Iterable[Line]) -> tuple[list[Line], list[Line]]:
    enough: list[Line] = []
    few: list[Line] = []
    for row in rows:
        (enough if row["tickets"] >= LEAST else few).append(row)
    return enough, few


def _added(rows: Iterable[Line]) -> list[Line]:
    """Add up the rows that have the same keys."""
    groups: defaultdict[tuple[str, ...], list[Line]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in KEYS)].append(row)
    return [
        {**dict(zip(KEYS, key, strict=True)), **{name: sum(r[name] for r in same) for name in SUMS}}
        for key, same in groups.items()
    ]
