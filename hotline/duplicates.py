"""Earlier tickets that may be about the same matter, and how often a matter was reported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from audit.log import record
from cases.store import cases_by_id
from core.errors import TooMany, invalid
from core.times import local_iso
from core.work import Work
from hotline import store
from hotline.callers import keyed, phone_index, plain_phone
from hotline.masking import masked_text
from hotline.model import Held, Hint, Ticket
from hotline.people import DESK
from hotline.repeats import is_repeated
from hotline.search import store as index
from hotline.search.find import alike, pairs
from hotline.tickets import viewer_of
from rules.rulebook import Rulebook

MOST = 10
"""Hints that are shown."""
LOOKED_AT = 60
"""Earlier tickets that are compared, for each reason to look at them."""
ALIKE = 0.4
"""From which likeness of summaries on (0 to 1) they may say the same."""
SHORTEST_PHONE, MOST_OF_PHONE = 5, 50
HOUR = timedelta(hours=1)
NUMBERS_AN_HOUR = 500
"""Different numbers that one person may ask after: more than anybody takes calls, fewer than one tries."""
WEIGHTS = {"phone": 0.5, "place": 0.3}
"""How much one reason says by itself."""


def hints(work: Work, draft: Mapping[str, Any]) -> list[Hint]:
    """Return earlier tickets that may be about the same matter as a draft, the likest first.

    `draft` may hold summary, place, category and phone. The same caller counts (at the desk alone), the same
    topic in the same place, and a summary that says much the same within the deployment's `duplicate_days`.
    """
    since = work.now - timedelta(days=work.settings.hotline.duplicate_days)
    viewer = viewer_of(work)
    summary = masked_text(str(draft.get("summary") or ""), [str(draft.get("phone") or "")])
    found: dict[str, tuple[Ticket, set[str]]] = {}

    def note(tickets: list[Ticket], why: str) -> None:
        for ticket in tickets:
            found.setdefault(ticket.id, (ticket, set()))[1].add(why)

    if plain_phone(str(draft.get("phone") or "")) and not DESK.isdisjoint(work.actor.roles):
        number = phone_index(work.settings, str(draft["phone"]))
        note(index.with_phone(work.tx, viewer, number, MOST) if _may_ask(work, number) else [], "phone")
    if draft.get("place") and draft.get("category"):
        place, category = str(draft["place"]), str(draft["category"])
        note(index.in_place(work.tx, viewer, place, category, since, LOOKED_AT), "place")
    words = alike(summary)
    if words:
        note(index.with_some_words(work.tx, viewer, words, since, LOOKED_AT), "text")
    made = [_hint(ticket, why, pairs(summary)) for ticket, why in found.values()]
    likely = [hint for hint in made if hint.why]
    return sorted(likely, key=lambda h: (-h.score, h.ticket.created_at, h.ticket.id))[:MOST]


def _hint(ticket: Ticket, why: set[str], words: frozenset[str]) -> Hint:
    likeness = alike_by(words, pairs(ticket.summary))
    reasons = [name for name in WEIGHTS if name in why]
    unlike = 1.0
    for name in reasons:
        unlike *= 1 - WEIGHTS[name]
    if likeness >= ALIKE:
        reasons.append("text")
        unlike *= 1 - likeness
    return Hint(ticket, tuple(reasons), 1 - unlike)


def alike_by(first: frozenset[str], second: frozenset[str]) -> float:
    """Return how much two sets of words have in common, 0 to 1 (the coefficient of Dice)."""
    both = len(first) + len(second)
    return 2 * len(first & second) / both if both else 0.0


def repeat_of(work: Work, book: Rulebook, ticket: Ticket) -> dict[str, Any]:
    """Return how often a ticket's matter was reported, since when, and whether that is to be flagged."""
    first, last, count = store.matter_span(work.tx, ticket.matter_id)
    if first is None or last is None:
        return {"count": count, "since": None, "flagged": False}
    flagged = is_repeated(book, count, first, last, work.rulebooks.calendar)
    return {"count": count, "since": local_iso(first), "flagged": flagged}


def tickets_of_phone(work: Work, phone: str) -> list[Held]:
    """Return the tickets of whoever called from a number, the newest first, on record without the number.

    Raises Invalid for what is no number, TooMany for one number too many within the hour.
    """
    if len(plain_phone(phone)) < SHORTEST_PHONE:
        raise invalid("/phone", "不是有效的电话号码", "is no phone number", code="format")
    number = phone_index(work.settings, phone)
    if not _may_ask(work, number):
        raise TooMany(
            "查询的电话号码过多，请稍后再试",
            "too many different phone numbers; try again later",
            retry_after=int(HOUR.total_seconds()),
        )
    found = index.with_phone(work.tx, viewer_of(work), number, MOST_OF_PHONE)
    record(work, "ticket.looked_up", {"found": len(found)})
    cases = cases_by_id(work.tx, [ticket.id for ticket in found])
    return [Held(ticket, cases[ticket.id]) for ticket in found]


def _may_ask(work: Work, number: str) -> bool:
    """Count a number that a person asks after; False beyond the bound. One asked before costs nothing."""
    since = work.now - HOUR
    person = f"asked|{work.actor.login}"
    one, all_of_them = keyed(work.settings, f"{person}|{number}"), keyed(work.settings, person)
    if store.guesses(work.tx, one, since):
        return True
    if store.guesses(work.tx, all_of_them, since) >= NUMBERS_AN_HOUR:
        return False
    for key in (one, all_of_them):
        store.count_guess(work.tx, key, since, work.now)
    return True
