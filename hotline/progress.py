"""How far a ticket is, for the citizen who holds its number and query code; and the citizen's rating."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.log import record
from cases.present import state_now
from cases.procedure import find_case
from cases.sealed import open_fields
from cases.timing import book_of
from core.errors import Conflict, NotFound, TooMany, invalid
from core.networks import address_of, customer_of
from core.text import Text, text_of
from core.work import SYSTEM, Actor, Work
from hotline import store
from hotline.book import coded, hotline_book, value_of
from hotline.callers import keyed
from hotline.intake import is_code
from hotline.model import CITIZEN, KIND, Held
from hotline.tickets import act_on_ticket
from rules.rulebook import Rulebook
from rules.workflow import Transition

WINDOW = timedelta(hours=1)
ROOM = 10
"""How many times as many wrong guesses an address has for all numbers together: others may be behind it."""
_NONE = "0" * 64
"""Compared with where there is no such ticket, so that this takes as long."""
REPLY = "reply"
"""The field in which whoever answers says what the citizen is told."""
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Scale:
    """One answer that the citizen may give."""

    code: str
    title: Text


@dataclass(frozen=True, slots=True)
class Progress:
    """What the citizen sees of a ticket: nothing of anybody, and not which department is at work."""

    number: str
    channel: Text
    category: Text | None
    state: Text
    taken_in_at: datetime
    dispatched_at: datetime | None
    due: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None
    reply: str | None
    """What the citizen was told, once an answer is there."""
    merged: bool
    """Whether it goes on in an earlier ticket of the same matter."""
    may_rate: bool
    scale: tuple[Scale, ...]


# --- asking ---------------------------------------------------------------------------------------


def progress_of(work: Work, number: str, code: str, asker: str) -> Progress | None:
    """Return how far a ticket is to whoever has its code; None where number and code are none.

    Whoever gets None counts the guess with `count_guess`. An unknown number costs as much as a wrong code.
    Raises TooMany after too many wrong guesses from this address, for this number or for all; NotFound in a
    deployment without a hotline. Guesses from elsewhere shut nobody out: a code has 31**10 spellings, so that
    even all addresses together do not find one.
    """
    held = _opened(work, number, code, asker)
    return _progress(work, held) if held is not None else None


def count_guess(work: Work, number: str, asker: str) -> None:
    """Count a wrong guess of an address, for its number and for all; neither is kept in clear."""
    for key, _ in _bounds(work, number, asker):
        store.count_guess(work.tx, key, work.now - WINDOW, work.now)


def forget_guesses(work: Work) -> int:
    """Drop the counts of wrong guesses that bind nobody any more; return how many."""
    return store.forget_guesses(work.tx, work.now - WINDOW)


def wrong_code() -> NotFound:
    """Return the one answer for a number that does not exist and for a wrong code."""
    return NotFound("工单编号或查询码不正确", "the number or the code is not right", code="wrong_code")


def _opened(work: Work, number: str, code: str, asker: str) -> Held | None:
    hotline_book(work)
    _must_not_guess(work, number, asker)
    plain = number.strip().upper()[:40]
    kept = store.code_of(work.tx, plain)
    if not is_code(work, plain, code[:40], kept or _NONE):
        return None
    ticket = store.ticket_by_number(work.tx, plain)
    return Held(ticket, find_case(work.acting_as(SYSTEM), ticket.id, KIND)) if ticket is not None else None


def _must_not_guess(work: Work, number: str, asker: str) -> None:
    since = work.now - WINDOW
    if any(store.guesses(work.tx, key, since) >= most for key, most in _bounds(work, number, asker)):
        raise TooMany(
            "查询码错误次数过多，请一小时后再试",
            "too many wrong codes; try again in an hour",
            retry_after=int(WINDOW.total_seconds()),
        )


def _bounds(work: Work, number: str, asker: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return under which keys the wrong guesses of an address are counted, and how many each allows."""
    plain, source, most = number.strip().upper()[:40], _source(asker), work.settings.hotline.code_guesses
    for_one, for_all = f"guess|number|{source}|{plain}", f"guess|address|{source}"
    return (keyed(work.settings, for_one), most), (keyed(work.settings, for_all), most * ROOM)


def _source(asker: str) -> str:
    address = address_of(asker)
    return asker if address is None else str(customer_of(address))


def _progress(work: Work, held: Held) -> Progress:
    """Return how far a ticket is; of one that was merged, how far the ticket is that it goes on in."""
    own = held.ticket
    followed = _followed(work, held)
    case, ticket = followed.case, followed.ticket
    book, flow = book_of(work, case)
    state = flow.states[state_now(work, case, flow)]
    topic = coded(book, "categories").get(own.category)
    return Progress(
        number=own.number,
        channel=coded(book, "channels").get(own.channel, Text(own.channel, own.channel)),
        category=topic,
        state=state.title,
        taken_in_at=own.created_at,
        dispatched_at=ticket.dispatched_at,
        due=ticket.due_at if ticket.closed_at is None else None,
        answered_at=ticket.fed_back_at,
        closed_at=ticket.closed_at,
        reply=_reply(work, followed),
        merged=own.merged_into is not None,
        may_rate=_rating_step(work, held) is not None,
        scale=tuple(Scale(str(e["code"]), text_of(e["title"])) for e in value_of(book, "satisfaction.scale")),
    )


def _followed(work: Work, held: Held) -> Held:
    """Return the ticket that goes on in place of another one, which may have gone into a third meanwhile."""
    ticket, passed = held.ticket, {held.ticket.id}
    while ticket.merged_into is not None and ticket.merged_into not in passed:
        passed.add(ticket.merged_into)
        ticket = store.ticket(work.tx, ticket.merged_into) or ticket
    if ticket.id == held.ticket.id:
        return held
    return Held(ticket, find_case(work.acting_as(SYSTEM), ticket.id, KIND))


def _reply(work: Work, held: Held) -> str | None:
    """Return the latest answer, once it is fed back or the ticket is closed; not one that was withdrawn."""
    answered = held.ticket.fed_back_at is not None or held.ticket.closed_at is not None
    said = [event for event in held.case.events if REPLY in event.fields]
    if not answered or not said:
        return None
    opened = open_fields(work, held.case, {REPLY: said[-1].fields[REPLY]})
    return str(opened[REPLY])


# --- rating ---------------------------------------------------------------------------------------


def rate_by_citizen(
    work: Work, number: str, code: str, satisfaction: str, note: str, asker: str
) -> Progress | None:
    """Rate the latest handling as the citizen; return how far the ticket then is, None for a wrong code.

    Raises Conflict while there is nothing to rate or when that takes more than a citizen can say, Invalid for
    an answer that is not on the rulebook's scale.
    """
    held = _opened(work, number, code, asker)
    if held is None:
        return None
    step = _rating_step(work, held)
    if step is None:
        raise Conflict("现在还不能评价", "there is nothing to rate now", code="wrong_state")
    book: Rulebook = book_of(work, held.case)[0]
    known = [str(e["code"]) for e in value_of(book, "satisfaction.scale")]
    if satisfaction not in known:
        names = ", ".join(known)
        raise invalid("/satisfaction", f"应为 {names} 之一", f"must be one of {names}", code="enum")
    fields = {"satisfaction": satisfaction}
    if note.strip() and "rating_note" in (*step.requires, *step.accepts):
        fields["rating_note"] = note.strip()[:LONGEST_NOTE]
    own = work.acting_as(_as_office(held, step))
    rated = act_on_ticket(own, held.ticket.id, step.action, fields)
    record(own, "ticket.rated", {"case": held.case.id, "case_kind": KIND, "number": held.ticket.number})
    return _progress(work, rated)


def _rating_step(work: Work, held: Held) -> Transition | None:
    """Return the step by which a rating is taken where the ticket stands; None where nothing else suffices.

    A step that demands more than the answer itself is for an operator.
    """
    _, flow = book_of(work, held.case)
    steps = [t for t in flow.transitions if t.does == "rate" and held.case.state in t.sources]
    return next((t for t in steps if set(t.requires) <= {"satisfaction"}), None)


def _as_office(held: Held, step: Transition) -> Actor:
    """Return the citizen as the office writes it down: in a role that may take the step."""
    role = next(r for r in sorted(step.roles) if r in held.case.parties)
    who = held.case.parties[role]
    department = who if isinstance(who, str) else who[0]
    return Actor(CITIZEN.login, CITIZEN.name, department, frozenset({role}), CITIZEN.pseudonym)
