"""The page on which calls become tickets, and what helps while they are typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audit.log import record
from core.errors import FieldError, invalid
from core.text import Text
from core.work import Work
from hotline.book import coded, dimensions, hotline_book
from hotline.desk.forms import outcomes, read_draft, required, step_fields
from hotline.desk.taking import known_of, take_call
from hotline.people import TAKERS
from hotline.present import hint_view, ticket_row
from rules.rulebook import Rulebook
from schemas import titles
from web.pages import Page, Pages, Seen

pages = Pages("desk")

THEN = "then"
"""The button by which a form was sent names the step that ends the call; the usual one names none."""


@pages.show("/tickets/new", who=TAKERS, summary=Text("登记工单", "Take in a ticket"))
def intake(work: Work, seen: Seen) -> Page:
    """Show the form of an intake, empty or as it was typed."""
    return _form(work, seen, None)


@pages.form("/tickets/new", who=TAKERS, summary=Text("登记工单", "Take in a ticket"), again=intake)
def take_one_in(work: Work, seen: Seen) -> Page:
    """Take a ticket in, with the step that ends the call; show its number and query code, this once."""
    book = hotline_book(work)
    action = seen.form.get(THEN, "")
    if action and action not in outcomes(work, book):
        raise invalid("", "您不能这样办理", "you may not take this step", code="not_permitted")
    typed = seen.form.to_dict()
    draft = read_draft(typed, book, work.settings.hotline)
    several = {name: seen.form.getlist(name) for name in seen.form}
    taken = take_call(work, draft, action, step_fields(action, typed, several) if action else {})
    return Page("hotline/taken.html", {"row": ticket_row(work, taken.held), "code": taken.code})


@pages.form(
    "/tickets/new/actions/hints",
    who=TAKERS,
    summary=Text("登记时的提示", "What is known while a ticket is typed"),
    again=intake,
)
def known_so_far(work: Work, seen: Seen) -> Page:
    """Show earlier tickets, units and answers for what was typed; only that part for a script that asks."""
    context = _known(work, seen.form.to_dict())
    record(work, "ticket.hinted", {"found": len(context["hints"])})
    if seen.form.get("part"):
        return Page("hotline/intake_known.html", {"known": context})
    return _form(work, seen, context)


def _form(work: Work, seen: Seen, known: Mapping[str, Any] | None) -> Page:
    book = hotline_book(work)
    steps, shown = outcomes(work, book), _listed_once(seen)
    suggested = next((u["id"] for u in (known or {}).get("units", ()) if not u["barred"]), "")
    context = {
        "seen": shown,
        "summary": replace(shown, errors=tuple(_named(book, e) for e in shown.errors)),
        "channels": coded(book, "channels"),
        "categories": coded(book, "categories"),
        "places": work.settings.hotline.places,
        "dimensions": dimensions(book),
        "origins": coded(book, "supervise.origins"),
        "required": required(book),
        "takes_nameless": book.policy("intake.fields").value["anonymous"] != "refused",
        "provision": book.policy("intake.fields").cite.as_json(),
        "steps": steps,
        "tried": seen.form.get(THEN, "") if seen.form else "",
        "units": {d.id: d.name for d in work.settings.departments.values() if d.hotline_unit},
        "known": known,
        "suggested": suggested,
    }
    return Page("hotline/intake.html", context, scripts=True)


def _listed_once(seen: Seen) -> Seen:
    """Return what was seen with one error a field."""
    first = {e.pointer: e for e in reversed(seen.errors)}
    kept: tuple[FieldError, ...] = tuple(e for e in seen.errors if first[e.pointer] is e)
    return replace(seen, errors=kept)


def _named(book: Rulebook, error: FieldError) -> FieldError:
    """Return an error for the list above the form, where it must say which field it is about."""
    parts = error.pointer.strip("/").split("/")
    rules = book.dimensions if parts[0] == "facts" else book.fields
    title = (
        rules[parts[1]].title
        if len(parts) > 1 and parts[1] in rules
        else titles("request/ticket").get(parts[-1])
    )
    if title is None:
        return error
    words = Text(f"{title.zh}：{error.message.zh}", f"{title.en}: {error.message.en}")
    return replace(error, message=words)


def _known(work: Work, typed: Mapping[str, str]) -> dict[str, Any]:
    found = known_of(work, typed)
    departments = work.settings.departments
    return {
        "hints": [hint_view(work, hint) for hint in found.hints],
        "units": [
            {
                "id": s.unit,
                "name": departments[s.unit].name if s.unit in departments else s.unit,
                "barred": s.barred,
            }
            for s in found.units
        ],
        "answers": [
            {"code": a.code, **{n: (a.published or a.document)[n] for n in ("question", "answer")}}
            for a in found.answers
        ],
    }
