"""A ticket: what a citizen told the hotline, the case that moves it, and the person behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cases.model import TICKET, Case
from core.settings_hotline import Duty
from core.work import Actor

KIND = TICKET
"""The kind of a ticket's case."""
WORKFLOW = "ticket"
"""The workflow of the hotline's rulebook that tickets follow."""
DOMAIN = "hotline"
"""The domain of the rulebooks that tickets follow."""
SOURCES = ("operator", "citizen", "open311", "import", "superior")
"""Through whom a ticket came in: the face that took it, never what somebody writes."""
LONGEST_SUMMARY = 200
"""Characters of the summary, the one text of a ticket that lists show and searches find."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What lists, searches and reports look at; nothing in it says who called.

    From `state` on the columns follow from the case and are written together with each of its steps.
    """

    id: str
    number: str
    """Prefix, year, sequence: ``T-2026-000001``."""
    channel: str
    """How it reached the hotline, in the rulebook's code."""
    source: str
    external_id: str | None
    """What another system calls it."""
    summary: str
    """A sentence without names or numbers of people."""
    place: str
    """Code of the division that it is about; empty when unknown."""
    category: str
    """Code of the topic; empty when unclassified."""
    accused: str | None
    """The department that the ticket complains about."""
    matter_id: str
    """Id of the first ticket of the same matter; its own when it is the first."""
    dataset: str | None
    """Code of the dataset that it is about."""
    grant: str | None
    """Number of the grant that it is about."""
    created_by: str
    created_at: datetime
    state: str
    lead: str | None = None
    """The department that handles it."""
    merged_into: str | None = None
    """Id of the ticket that it was merged into."""
    correction: str | None = None
    """Id of the matter in which the provider corrects the data."""
    about_person: bool = False
    """Whether it complains about a person, who stands in its sealed texts alone."""
    masked: bool = False
    """Whether those who handle it are to see neither the caller nor the caller's own words."""
    handlings: int = 0
    """How often a unit was asked to handle it: once, and once more for each redo."""
    satisfied: bool | None = None
    """What the latest rating says."""
    hung: bool = False
    accepted_at: datetime | None = None
    dispatched_at: datetime | None = None
    fed_back_at: datetime | None = None
    due_at: datetime | None = None
    """The earliest due of a running clock that somebody must keep."""
    closed_at: datetime | None = None


class Held(NamedTuple):
    """A ticket with the case that moves it."""

    ticket: Ticket
    case: Case


class Taken(NamedTuple):
    """A ticket just taken in, and the query code that the citizen is told once."""

    held: Held
    code: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called, as it is kept: sealed, with an index under which a phone number can be looked up."""

    ticket_id: str
    sealed: str
    """JSON of name, phone, address, ip and contact."""
    phone_index: str | None
    anonymous: bool
    confidential: bool
    consent: bool
    """Whether the caller agrees that the handling unit learns who they are."""
    code_digest: str
    """Keyed digest of the query code."""


@dataclass(frozen=True, slots=True)
class ClockRow:
    """One clock of a ticket as reports and lists of the overdue read it."""

    ticket_id: str
    clock: str
    started_at: datetime
    unit: str
    """The department whose clock it is: the lead unit, empty for the office."""
    due: datetime | None
    stopped_at: datetime | None
    provisional: bool
    obliges: bool


@dataclass(frozen=True, slots=True)
class Rating:
    """What the caller says of one handling."""

    ticket_id: str
    seq: int
    unit: str
    satisfaction: str
    """In the code of the rulebook's scale."""
    level: int
    """1 (worst) to 5 (best)."""
    satisfied: bool
    at: datetime
    by: str
    """operator, or citizen."""


class Wanted(NamedTuple):
    """What a list of tickets is narrowed down to; None does not narrow."""

    state: str | None = None
    flag: str | None = None
    """Tickets in a state with this flag."""
    q: str | None = None
    place: str | None = None
    """A division or what lies within it."""
    category: str | None = None
    channel: str | None = None
    source: str | None = None
    lead: str | None = None
    dataset: str | None = None
    matter: str | None = None
    is_open: bool | None = None
    late: bool | None = None
    hung: bool | None = None
    satisfied: bool | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None
    merged_into: str | None = None
    created_by: str | None = None
    due_from: datetime | None = None
    due_until: datetime | None = None
    turn: bool = False
    """Only those that wait for a step of the viewer's."""
    pending: str | None = None
    """Only those in which this event was recorded and nobody has answered it yet."""
    supervised: bool = False
    """Only those with an open supervision that the viewer takes part in."""
    by_due: bool = False
    """Those that fall due first, first; else the newest."""


@dataclass(frozen=True, slots=True)
class Hint:
    """An earlier ticket that may be about the same matter, and why one may think so."""

    ticket: Ticket
    why: tuple[str, ...]
    """phone, place, or text."""
    score: float
    """0 to 1; the likest first."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """A unit that the duty table names for a ticket, and by which of its rows."""

    unit: str
    duty: Duty
    barred: bool
    """The ticket complains about this unit."""


CITIZEN = Actor(":citizen", "市民", "", frozenset(), "citizen")
"""Whoever follows or rates a ticket with its number and code; no account can have this login."""
