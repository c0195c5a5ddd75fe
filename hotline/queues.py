"""The queues of tickets that the roles of a hotline work through, as lists that one address each names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cases.model import HANDLER
from core.text import Text
from core.times import SHANGHAI
from core.work import Work
from hotline.book import OFFICE as SEATS
from hotline.book import coded, hotline_book, value_of
from hotline.model import Wanted
from hotline.supervising.store import running_clocks
from hotline.tickets import count_tickets
from rules.durations import Duration, after
from rules.rulebook import Rulebook

PRESSING = ("turn", "to_dispatch", "returned", "extension", "due_soon", "overdue", "revisit")
"""Queues whose length stands beside their name."""
COUNTED = 100
"""Tickets of a queue that are counted; beyond it there are simply more."""
SOON = Duration.parse("1wd")
"""How long before its limit a ticket is due soon, where the rulebook says no other time to remind."""

OFFICE = frozenset(SEATS)
UNITS = frozenset({HANDLER})


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue: what it is called, for whom it is, what belongs to it."""

    title: Text
    roles: frozenset[str]
    """Whose work it is; others can open its address all the same."""
    wanted: Callable[[Work, Rulebook], Wanted]


def _flagged(flag: str) -> Callable[[Work, Rulebook], Wanted]:
    return lambda work, book: Wanted(flag=flag, by_due=True)


def _due_soon(work: Work, book: Rulebook) -> Wanted:
    said = value_of(book, "notices.remind_before")
    lead = Duration.parse(said) if said is not None else SOON
    now = work.now.replace(microsecond=0)
    return Wanted(due_from=now, due_until=after(now, lead, work.rulebooks.calendar), by_due=True)


def _pending(event: str) -> Callable[[Work, Rulebook], Wanted]:
    return lambda work, book: Wanted(pending=event, by_due=True)


def _returned(work: Work, book: Rulebook) -> Wanted:
    """Return the tickets that a unit gave back; a book where that takes a state of its own lists by it."""
    leaving = [s for s in book.workflow("ticket").transitions if "returned" in s.emits]
    states = {s.target for s in leaving if s.target not in s.sources}
    if len(states) == 1:
        return Wanted(state=next(iter(states)), by_due=True)
    return Wanted(pending="returned", by_due=True)


QUEUES: Mapping[str, Queue] = {
    "turn": Queue(
        Text("待我办理", "My turn"),
        OFFICE | UNITS | {"superior", "business_environment", "discipline", "emergency_office"},
        lambda work, book: Wanted(turn=True, is_open=True, by_due=True),
    ),
    "taken": Queue(
        Text("我登记的", "Taken in by me"),
        frozenset({"operator", "superior"}),
        lambda work, book: Wanted(created_by=work.actor.login),
    ),
    "to_dispatch": Queue(
        Text("待派单", "To dispatch"), frozenset({"operator", "dispatcher"}), _flagged("intake")
    ),
    "handling": Queue(Text("办理中", "With a unit"), UNITS | {"dispatcher"}, _flagged("handling")),
    "returned": Queue(Text("退单", "Returned"), frozenset({"dispatcher", "supervisor"}), _returned),
    "extension": Queue(
        Text("延期申请", "Extension requests"),
        frozenset({"dispatcher", "supervisor", "superior"}),
        _pending("extension_requested"),
    ),
    "due_soon": Queue(Text("即将到期", "Due soon"), UNITS | {"dispatcher", "supervisor"}, _due_soon),
    "overdue": Queue(
        Text("已逾期", "Overdue"),
        OFFICE | UNITS | {"superior"},
        lambda work, book: Wanted(late=True, by_due=True),
    ),
    "revisit": Queue(
        Text("待回访", "To revisit"), frozenset({"operator", "dispatcher"}), _flagged("answered")
    ),
    "hung": Queue(
        Text("挂账", "Hung"),
        (OFFICE | UNITS) - {"operator"},
        lambda work, book: Wanted(hung=True, by_due=True),
    ),
    "supervised": Queue(
        Text("督办中", "Supervised"),
        UNITS | {"dispatcher", "supervisor", "leader", "superior", "business_environment"},
        lambda work, book: Wanted(supervised=True, by_due=True),
    ),
    "all": Queue(
        Text("全部", "All"),
        OFFICE | UNITS | {"superior", "business_environment", "discipline", "emergency_office", "auditor"},
        lambda work, book: Wanted(),
    ),
}


def queues_of(work: Work) -> dict[str, Queue]:
    """Return the queues of the actor's roles; those of what the rulebook does not know are left out."""
    book = hotline_book(work)
    mine = {name: queue for name, queue in QUEUES.items() if queue.roles & work.actor.roles}
    flow = book.workflow("ticket")
    events = {event for step in flow.transitions for event in step.emits}
    flags = {flag for state in flow.states.values() for flag in state.flags}
    lacking = {"returned": "returned" not in events, "extension": "extension_requested" not in events}
    return {n: q for n, q in mine.items() if not {**lacking, "hung": "hung" not in flags}.get(n, False)}


def counts(work: Work, queues: Mapping[str, Queue]) -> dict[str, int]:
    """Return how many tickets the queues have that press (`PRESSING`), each counted up to `COUNTED`."""
    book = hotline_book(work)
    counted = [name for name in queues if name in PRESSING]
    return {name: count_tickets(work, queues[name].wanted(work, book), COUNTED) for name in counted}


def provisional(work: Work, ids: Sequence[str]) -> frozenset[str]:
    """Return those of a page of tickets whose earliest limit may still move with the calendar."""
    running = running_clocks(work.tx, ids)
    first = {
        id: min((c for c in clocks if c.due and c.obliges), key=lambda c: str(c.due), default=None)
        for id, clocks in running.items()
    }
    return frozenset(id for id, clock in first.items() if clock is not None and clock.provisional)


def narrowed(work: Work, queue: Queue, asked: Mapping[str, str]) -> Wanted:
    """Return a queue narrowed down by what a form asks; what the rulebook does not have narrows nothing."""
    book = hotline_book(work)
    wanted = queue.wanted(work, book)
    known = {
        "category": coded(book, "categories"),
        "channel": coded(book, "channels"),
        "lead": work.settings.departments,
        "state": book.workflow("ticket").states,
    }
    chosen = {name: asked[name] for name, values in known.items() if asked.get(name) in values}
    place = asked.get("place") if asked.get("place") in work.settings.hotline.places else None
    return replace_wanted(
        wanted,
        **chosen,
        **({"place": place} if place else {}),
        **({"q": asked["q"].strip()[:200]} if asked.get("q", "").strip() else {}),
        **_between(asked),
    )


def replace_wanted(wanted: Wanted, **changes: object) -> Wanted:
    """Return a list narrowed further; a state takes the place of a kind of state."""
    made: Wanted = wanted._replace(**changes)  # type: ignore[arg-type]
    return made._replace(flag=None) if made.state is not None else made


def _between(asked: Mapping[str, str]) -> dict[str, datetime]:
    """Return the days of intake as instants: from the first one's midnight to the end of the last."""
    since, until = day_of(asked.get("from", "")), day_of(asked.get("until", ""))
    return {
        **({"created_from": since} if since else {}),
        **({"created_until": until + timedelta(days=1)} if until else {}),
    }


def day_of(text: str) -> datetime | None:
    """Return the midnight in Shanghai with which a day begins, None for what is no day."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=SHANGHAI)
    except ValueError:
        return None
