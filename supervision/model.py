"""What statistics are worked out from: lines of applications, sums of calls, sums of looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from rules.clocks import is_past

PERMITTED, REFUSED_CALL, FAILED, ABORTED = "permitted", "refused", "failed", "aborted"
"""How calls end, as the data plane records it."""
UNFINISHED = "unfinished"
"""A stream whose end is not on record."""

GRANTED, REFUSED, NOT_ACCEPTED, WITHDRAWN = "granted", "refused", "not_accepted", "withdrawn"
"""How applications are concluded."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of an application: when it fell due, until when it ran, and who had to keep it."""

    clock: str
    due: datetime
    until: datetime | None
    """When it stopped or another limit took its place; None while it runs."""
    department: str

    @property
    def breached_at(self) -> datetime:
        """The first second in which it is late, if it still runs then."""
        return self.due.replace(microsecond=0) + timedelta(seconds=1)

    def is_breached(self, instant: datetime) -> bool:
        """Tell whether it was kept too late, or is late at `instant`."""
        return is_past(self.due, instant if self.until is None else min(instant, self.until))


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of an application."""

    case_id: str
    dataset: str
    decider: str
    """The department that decides."""
    checked: bool
    """Whether the rulebook has its form checked before somebody decides."""
    submitted_at: datetime | None = None
    accepted_at: datetime | None = None
    concluded_at: datetime | None = None
    outcome: str | None = None
    workdays: int | None = None
    """Working days from the day of submission (day 0) to that of the conclusion."""
    late: bool = False
    """Whether the decider let one of its own limits pass before it decided."""
    limits: tuple[Limit, ...] = ()


class CallSum(NamedTuple):
    """What some calls add up to."""

    dataset: str
    provider: str
    consumer: str
    client: str
    decision: str
    calls: int
    rows: int
    bytes: int
    milliseconds: int


class LookSum(NamedTuple):
    """What the looks at a dataset's distributions add up to."""

    dataset: str
    looks: int
    failures: int
    milliseconds: int
    """Of the looks that succeeded."""
    excused: int
    """Looks during announced maintenance, which count for nobody."""


class Target(NamedTuple):
    """A distribution of a published dataset."""

    dataset: str
    kind: str
    connection: str
    detail: Mapping[str, Any]
    document: Mapping[str, Any]


class Seen(NamedTuple):
    """What one look at a distribution found."""

    dataset: str
    kind: str
    at: datetime
    ok: bool
    milliseconds: int
    reason: str | None
    """What stood in the way: the name of the first thing that was not as it should be."""
    excused: bool


class DatasetName(NamedTuple):
    """A dataset as statistics name it."""

    code: str
    title: str
    provider: str
    share_class: str
