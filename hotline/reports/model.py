"""What reports are made of: the turns of units, the counts that add up, and what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from core.periods import Period
from core.text import Text
from rules.citation import Citation

SIGN_IN, HANDLE = "sign_in", "handle"
"""The clocks that the rates ask about."""
DIMENSIONS = {
    "unit": Text("承办单位", "Unit"),
    "category": Text("类别", "Category"),
    "place": Text("区划", "Place"),
    "channel": Text("渠道", "Channel"),
}
"""What figures are broken down by."""
FLOOR = 5
"""The fewest cases on which a unit is ranked, where nobody asks for another floor."""
OFFICE = frozenset(
    {"operator", "dispatcher", "supervisor", "leader", "superior", "business_environment", "auditor"}
)
"""The roles that see the figures of every unit."""
HANDLER = "handler"
"""The role that sees the figures of its own unit, and the average of all."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a unit at a ticket: from the step that gave it to the unit up to the next such step."""

    ticket_id: str
    seq: int
    """The event that gave it to the unit."""
    unit: str
    at: datetime
    over_at: datetime | None
    """When the ticket was given on, or closed; None while the turn lasts."""
    sign_late_at: datetime | None
    """The first second in which signing in is late; None without a limit for it."""
    signed_at: datetime | None
    late_at: datetime | None
    """The first second in which handling is late; None without a limit for it."""
    until: datetime | None
    """When the limit for handling stopped, or the ticket went on; None while it runs."""
    answered: bool
    """Whether that limit was stopped by handling the matter, and not by setting it aside."""


class Counts(NamedTuple):
    """How much happened; what two groups count adds up."""

    received: int = 0
    dispatched: int = 0
    signed_in_time: int = 0
    sign_ahead: int = 0
    """Dispatched, neither signed in nor late as yet."""
    closed: int = 0
    due: int = 0
    closed_in_time: int = 0
    due_ahead: int = 0
    """Limits that fall due later in the period."""
    overdue: int = 0
    """Limits that have passed and still run."""
    closed_late: int = 0
    rated: int = 0
    satisfied: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return what both count together."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What a report is narrowed down to; None does not narrow."""

    unit: str | None = None
    category: str | None = None
    below: tuple[str, ...] = ()
    """The categories below that one."""
    place: str | None = None
    """A division, which stands for all that lies within it."""
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for."""

    period: Period
    by: str = "unit"
    narrowed: Narrowed = Narrowed()
    floor: int = FLOOR


@dataclass(frozen=True, slots=True)
class RateRule:
    """A rate as the rulebook has it: two measures, their formula in words, and where it is written."""

    code: str
    title: Text
    numerator: str
    denominator: str
    formula: Text
    cite: Citation | None
    """None where the book names no rates: then these are the platform's own."""


class Share(NamedTuple):
    """A number out of another."""

    numerator: int
    denominator: int

    @property
    def percent(self) -> float | None:
        """Per cent to one place; None where there is nothing to divide by."""
        return round(100 * self.numerator / self.denominator, 1) if self.denominator else None

    @property
    def shown(self) -> str:
        """The whole of it, never a bare percentage: ``92.3 % = 12/13``, ``— = 0/0``."""
        percent = "—" if self.percent is None else f"{self.percent:.1f} %"
        return f"{percent} = {self.numerator}/{self.denominator}"


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one unit, category, place or channel."""

    key: str
    title: Text
    counts: Counts
    shares: Mapping[str, Share]
    """Rate to its value."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A unit's place by one rate; those that are equal share it."""

    rank: int
    row: Row
    share: Share


@dataclass(frozen=True, slots=True)
class Topic:
    """Tickets of one category in one place, beside those of the period before."""

    category: Text
    place: Text
    category_code: str
    place_code: str
    now: int
    before: int

    @property
    def growth(self) -> int:
        """How many more they are than in the period before."""
        return self.now - self.before


@dataclass(frozen=True, slots=True)
class Overdue:
    """A limit that was not kept: still open, or closed late in the period."""

    ticket_id: str
    seq: int
    number: str
    summary: str
    unit: str
    category: str
    place: str
    channel: str
    limit: str
    late_at: datetime
    until: datetime | None
    reason: str | None = None
    """What the unit says in explanation; None where it said nothing or the reader may not know."""

    @property
    def due(self) -> datetime:
        """The last second in which it would have been in time."""
        return self.late_at - timedelta(seconds=1)
