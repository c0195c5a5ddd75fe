"""Taking a call: what is known while it is typed, and a ticket with the step that ends the call at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.errors import FieldError, Invalid, Refusal
from core.work import Work
from hotline.book import coded, hotline_book
from hotline.desk.forms import at_step
from hotline.desk.typed import pick
from hotline.duplicates import hints
from hotline.intake import take_in
from hotline.knowledge.model import Article
from hotline.knowledge.search.find import LONGEST, find_answers
from hotline.model import Hint, Suggested, Taken
from hotline.people import source_of
from hotline.routing import suggest
from hotline.tickets import act_on_ticket
from schemas import validate

MOST_ANSWERS = 3


class Known(NamedTuple):
    """What the platform knows about a call that is being typed."""

    hints: list[Hint]
    """Earlier tickets that may be about the same matter."""
    units: list[Suggested]
    """Who answers for it."""
    answers: list[Article]
    """What the caller may be answered with."""


def known_of(work: Work, typed: Mapping[str, str]) -> Known:
    """Return what is known about what was typed so far; what cannot be read yet counts as not typed."""
    book = hotline_book(work)
    category = _meant(typed.get("category", ""), coded(book, "categories"))
    place = _meant(typed.get("place", ""), work.settings.hotline.places)
    summary = typed.get("summary", "").strip()[:LONGEST]
    phone = typed.get("caller.phone", "").strip()[:40]
    asked = {"summary": summary, "phone": phone, "category": category, "place": place}
    found = hints(work, asked) if summary or phone or (category and place) else []
    units = suggest(work, category, place, typed.get("accused") or None) if category or place else []
    answers = find_answers(work, summary, None, MOST_ANSWERS).articles if summary else []
    return Known(found, units, answers)


def _meant(typed: str, options: Mapping[str, Any]) -> str:
    try:
        return pick(typed, options, "")
    except Invalid:
        return ""


def take_call(work: Work, draft: Mapping[str, Any], action: str, fields: Mapping[str, Any]) -> Taken:
    """Take a ticket in and, unless `action` is empty, take that step of it; both or neither.

    Raises Invalid with the errors of the step under ``/<action>``, also where the step is not open to such a
    ticket at all: whoever is on the line waits, and what was typed must not be lost.
    """
    validate("request/ticket", draft)
    taken = take_in(work, {**draft, "source": source_of(work.actor)})
    if not action:
        return taken
    try:
        return Taken(act_on_ticket(work, taken.held.ticket.id, action, fields), taken.code)
    except Invalid as wrong:
        raise Invalid(at_step(wrong.errors, action, hotline_book(work)), cite=wrong.cite) from wrong
    except Refusal as refused:
        raise Invalid([FieldError(f"/{action}", refused.message, refused.code)], cite=refused.cite) from None
