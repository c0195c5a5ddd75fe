"""What may be called to account: findings that the platform makes by itself, each for a person to weigh.

A finding is no sanction and sets nothing in motion. Which kinds there are, and from which number or span on,
the rulebook says (`accountability`, `repeat`, `satisfaction`); the rest of its list is for people to find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases.model import HANDLER, Case, in_role
from cases.store import cases_by_id
from cases.timing import book_of, clocks
from core.db import Page
from core.text import Text, text_of
from core.work import SYSTEM, Work
from hotline import store as tickets
from hotline.book import hotline_book
from hotline.model import WORKFLOW, ClockRow, Held, Rating
from hotline.repeats import is_repeated
from hotline.supervising import store
from hotline.supervising.store import Flags
from rules.citation import Citation
from rules.clocks import is_past
from rules.rulebook import Leaf, Rulebook
from rules.workdays import Calendar

SECOND = 2
"""Which dissatisfied rating is the second; from which refused return on a unit does so again and again."""
OVERSEERS = frozenset({"supervisor", "leader", "business_environment", "auditor"})
"""Who looks at what was found; a discipline body is sent what a person has signed, and looks at nothing."""
RETURN_REFUSED, URGED = "return_refused", "urged"
LIAISON = "liaison_missing"
"""The one finding that is about a unit and no ticket of it."""
EXPLANATION = "overdue_reason"
"""The field in which a unit explains why it is late."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the findings go by: plain facts of one ticket."""

    late: int
    """Limits of units that were missed, in any handling."""
    dissatisfied: int
    refused_returns: int
    urged_in_vain: int
    """Limits that an urge notice began and that were missed."""
    unanswered: int
    """Supervisions whose own limit was missed."""
    strange_unmaskings: int
    """How often a department that the matter accuses, or that never took part, was shown the caller."""
    reports: int
    """How often the matter was reported, this ticket included."""
    first_report: datetime
    last_report: datetime
    satisfied: bool
    explained: bool
    """Whether the unit said why it was late."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One ground of the rulebook that the facts of a ticket fit."""

    code: str
    title: Text
    flag: str
    explained: bool
    """Of what is late: whether the unit said why."""
    cite: Citation


Holds = Callable[[Known, Rulebook, Calendar], bool]


def findings(book: Rulebook, known: Known, calendar: Calendar) -> list[Finding]:
    """Return the grounds of the book that the facts fit, in the book's order."""
    leaf = book.policy("accountability")
    return [
        Finding(
            ground["code"],
            text_of(ground["title"]),
            ground["flag"],
            known.explained and ground["flag"] == "late",
            leaf.cite,
        )
        for ground in leaf.value or ()
        if ground["flag"] in FLAGS and FLAGS[ground["flag"]](known, book, calendar)
    ]


def _repeats(known: Known, book: Rulebook, calendar: Calendar) -> bool:
    """A matter that is not settled and was reported again and again."""
    if known.satisfied:
        return False
    return is_repeated(book, known.reports, known.first_report, known.last_report, calendar)


FLAGS: Mapping[str, Holds] = {
    "late": lambda known, book, calendar: known.late > 0,
    "second_dissatisfied": lambda known, book, calendar: known.dissatisfied >= SECOND,
    "repeat_matter": _repeats,
    "return_refused": lambda known, book, calendar: known.refused_returns >= SECOND,
    "urged_in_vain": lambda known, book, calendar: known.urged_in_vain > 0,
    "supervision_unanswered": lambda known, book, calendar: known.unanswered > 0,
    "unmasked": lambda known, book, calendar: known.strange_unmaskings > 0,
}
"""Kind of finding to when it holds."""


# --- the facts of a ticket ------------------------------------------------------------------------


def known_of(work: Work, held: Held) -> Known:
    """Return what the findings go by, of one ticket, as of now."""
    ticket, case = held
    rows, ratings = tickets.clocks_of(work.tx, ticket.id), tickets.ratings_of(work.tx, ticket.id)
    book, _ = book_of(work, case)
    happened = Counter(name for event in case.events for name in event.names)
    matter = store.same_matter(work.tx, ticket.matter_id)
    times = [row.created_at for row in matter] or [ticket.created_at]
    return Known(
        late=len(missed(rows, work.now)),
        urged_in_vain=len([row for row in missed(rows, work.now) if row.clock in begun_by_urging(book)]),
        dissatisfied=_dissatisfied(ratings),
        refused_returns=happened[RETURN_REFUSED],
        unanswered=_unanswered(work, ticket.id),
        strange_unmaskings=_strange(work, held, {row.accused for row in matter}),
        reports=len(times),
        first_report=times[0],
        last_report=times[-1],
        satisfied=bool(ticket.satisfied),
        explained=any(EXPLANATION in event.fields for event in case.events),
    )


def begun_by_urging(book: Rulebook) -> frozenset[str]:
    """Return the clocks of a ticket that an urge notice starts: the grace of a unit (GZ art. 11)."""
    return frozenset(c.name for c in book.clocks if c.workflow == WORKFLOW and URGED in c.starts)


def refusing(book: Rulebook) -> list[str]:
    """Return the steps by which a ticket's return is refused."""
    return [t.action for t in book.workflow(WORKFLOW).transitions if RETURN_REFUSED in t.emits]


def missed(rows: Iterable[ClockRow], now: datetime) -> list[ClockRow]:
    """Return the clocks that a unit had to keep and did not."""
    return [c for c in rows if c.unit and c.obliges and is_past(c.due, c.stopped_at or now)]


def _dissatisfied(ratings: Iterable[Rating]) -> int:
    return sum(1 for rating in ratings if not rating.satisfied)


def _unanswered(work: Work, ticket_id: str) -> int:
    """Return how many supervisions of the ticket were not answered in time, on record already or not."""
    ids = [s.id for s in store.of_ticket(work.tx, ticket_id)]
    late = store.late_among(work.tx, ids)
    own = work.acting_as(SYSTEM)
    for id, case in cases_by_id(work.tx, ids).items():
        if case.closed_at is None and any(c.breached for c in clocks(own, case)):
            late.add(id)
    return len(late)


def _strange(work: Work, held: Held, accused: Collection[str | None]) -> int:
    """Return how often the caller was shown to people of an accused department, or of one without a part."""
    seen = store.unmaskings_by_department(work.tx, held.ticket.id)
    parties = took_part(held.case)
    return sum(n for department, n in seen.items() if department in accused or department not in parties)


def took_part(case: Case) -> set[str]:
    """Return the departments that take part in a ticket, or did before it went to another unit."""
    now = {d for role in case.parties for d in in_role(case.parties, role)}
    acted = {event.actor_department for event in case.events}
    return now | acted | {str(e.fields["unit"]) for e in case.events if "unit" in e.fields}


def findings_of(work: Work, held: Held) -> list[Finding]:
    """Return the findings about one ticket, under the rulebook in force."""
    book: Rulebook = hotline_book(work)
    return findings(book, known_of(work, held), work.rulebooks.calendar)


# --- the list -------------------------------------------------------------------------------------


def flagged(work: Work, wanted: Flags, limit: int, cursor: str | None) -> Page:
    """Return one page of (Held, findings) of the tickets that something was found about, the newest first.

    A page may hold fewer than `limit`: what the database takes for likely is looked at closely here.
    """
    book: Rulebook = hotline_book(work)
    kinds = {ground["flag"] for ground in book.policy("accountability").value or ()} & FLAGS.keys()
    kinds = kinds & {wanted.flag} if wanted.flag else kinds
    urging = sorted(begun_by_urging(book))
    found = store.likely(work.tx, work.now, kinds, wanted, refusing(book), urging, SECOND, limit, cursor)
    cases = cases_by_id(work.tx, [t.id for t in found.rows])
    looked: Sequence[tuple[Held, list[Finding]]] = [
        (held, findings_of(work, held)) for held in (Held(t, cases[t.id]) for t in found.rows)
    ]
    rows = [(held, fits) for held, fits in looked if any(f.flag in kinds for f in fits)]
    return Page(rows, found.next_cursor)


def units_without_liaison(work: Work) -> list[str]:
    """Return the units that nobody could handle a ticket for, where the book has that among its grounds.

    A unit reports who its liaison is, and every change of it (YM art. 23(五)); without one it has not.
    """
    listed = hotline_book(work).policy("accountability").value or ()
    if all(ground["flag"] != LIAISON for ground in listed):
        return []
    reachable = store.departments_with(work.tx, HANDLER)
    return [d.id for d in work.settings.departments.values() if d.hotline_unit and d.id not in reachable]


def grounds(book: Rulebook) -> list[Mapping[str, Any]]:
    """Return every ground of the book, those that the platform cannot find among them."""
    leaf: Leaf = book.policy("accountability")
    return [
        {"code": g["code"], "title": g["title"], "flag": g["flag"], "cite": leaf.cite.as_json()}
        for g in leaf.value or ()
    ]
