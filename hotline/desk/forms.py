"""The form of an intake: what it asks for, read into a draft, and the steps that end the call at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cases.present import field_view, label
from core.errors import FieldError, Invalid
from core.settings_hotline import Hotline
from core.work import Work
from hotline.book import coded, dimensions, value_of
from hotline.desk.typed import pick
from hotline.intake import WHERE
from hotline.model import WORKFLOW
from rules.rulebook import Rulebook
from rules.workflow import Transition

CALLER = ("name", "phone", "address", "contact")
WORDS = (
    "summary",
    "description",
    "location",
    "occurred_at",
    "accused",
    "accused_person",
    "dataset",
    "grant",
    "recording",
    "external_id",
    "same_matter",
    "origin",
)
BOXES = ("anonymous", "confidential", "consent")
NOT_AT_ONCE = ("withdraw", "aside", "correct")
"""What steps do that end no call."""


def required(book: Rulebook) -> frozenset[str]:
    """Return the fields of the form that the rulebook requires of somebody who gives their name."""
    asked = value_of(book, "intake.fields")["required"]
    return frozenset(WHERE[name].removeprefix("/").replace("/", ".") for name in asked)


def read_draft(typed: Mapping[str, str], book: Rulebook, hotline: Hotline) -> dict[str, Any]:
    """Return what was typed as a draft (schema request/ticket).

    Raises Invalid with one entry for the topic and one for the place where either is not in its list.
    """
    draft: dict[str, Any] = {"channel": typed.get("channel", ""), "summary": ""}
    draft |= {name: typed[name].strip() for name in WORDS if typed.get(name, "").strip()}
    draft |= {name: True for name in BOXES if typed.get(name)}
    caller = {n: typed[f"caller.{n}"].strip() for n in CALLER if typed.get(f"caller.{n}", "").strip()}
    facts = {r.name: typed[f"facts.{r.name}"] for r in dimensions(book) if typed.get(f"facts.{r.name}")}
    lists = {"category": coded(book, "categories"), "place": hotline.places}
    wrong: list[FieldError] = []
    for name, options in lists.items():
        try:
            code = pick(typed.get(name, ""), options, f"/{name}")
        except Invalid as refused:
            wrong += refused.errors
            continue
        draft |= {name: code} if code else {}
    if wrong:
        raise Invalid(wrong)
    return {**draft, **({"caller": caller} if caller else {}), **({"facts": facts} if facts else {})}


# --- what may be done at once ---------------------------------------------------------------------


def outcomes(work: Work, book: Rulebook) -> dict[str, dict[str, Any]]:
    """Return the steps that the actor may take with a call right after it was taken in, each as a form.

    Of a step with several variants all fields are shown; which variant it is, the ticket decides.
    """
    flow = book.workflow(WORKFLOW)
    leaving = [
        step
        for step in flow.transitions
        if flow.initial in step.sources and step.target != flow.initial and step.roles & work.actor.roles
    ]
    ending = [s for s in leaving if s.timer is None and s.does not in NOT_AT_ONCE]
    actions = dict.fromkeys(step.action for step in ending)
    return {a: _form(book, [s for s in ending if s.action == a]) for a in actions}


def _form(book: Rulebook, variants: Sequence[Transition]) -> dict[str, Any]:
    first = variants[0]
    asked = dict.fromkeys(name for step in variants for name in (*step.requires, *step.accepts))
    classified = {rule.name for rule in dimensions(book)}
    always = frozenset.intersection(*(frozenset(step.requires) for step in variants))
    fields = [
        {
            **field_view(book.fields[name]),
            "key": name,
            "name": f"{first.action}.{name}",
            "required": name in always,
            "min": book.fields[name].min,
            "sealed": False,
        }
        for name in asked
        if name not in classified
    ]
    return {
        "title": label(first.title),
        "does": first.does,
        "fields": fields,
        "confirms": label(first.confirms) if first.confirms else None,
        "cite": first.cite.as_json(),
    }


def batch_steps(work: Work, book: Rulebook) -> dict[str, dict[str, Any]]:
    """Return the steps by which the actor gives many tickets to a unit at once."""
    return {a: form for a, form in outcomes(work, book).items() if form["does"] == "dispatch"}


def step_fields(action: str, typed: Mapping[str, str], several: Mapping[str, list[str]]) -> dict[str, str]:
    """Return what was typed for a step, by the names of its fields; several values one on each line."""
    start = f"{action}."
    return {
        name.removeprefix(start): "\n".join(v.strip() for v in several.get(name, [text]))
        for name, text in typed.items()
        if name.startswith(start) and text.strip()
    }


def at_step(errors: Sequence[FieldError], action: str, book: Rulebook) -> list[FieldError]:
    """Return a step's errors at the fields of the form; a dimension has one field for the whole form."""
    classified = {f"/{rule.name}": f"/facts/{rule.name}" for rule in dimensions(book)}
    return [FieldError(classified.get(e.pointer, f"/{action}{e.pointer}"), e.message, e.code) for e in errors]
