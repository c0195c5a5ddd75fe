"""The console's forms of procedures: read into what opening and acting take, and shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matters.words import names_in
from rules.rulebook import Rulebook
from rules.values import FieldRule

SEVERAL = "datasets"
"""The one name of a subject that holds several."""


def read_form(given: Mapping[str, str], rules: Mapping[str, FieldRule]) -> dict[str, Any]:
    """Return what was typed, by name: several datasets as a list, lists and records by line."""
    return {name: _read(name, text, rules.get(name)) for name, text in given.items()}


def _read(name: str, text: str, rule: FieldRule | None) -> Any:
    if name == SEVERAL:
        return names_in(text)
    if rule is not None and rule.type == "list":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if rule is not None and rule.type == "record":
        return text.replace("\uff1d", "=").replace("\uff1b", ";")  # as an input method writes them
    return text.strip()


def field_shown(rule: FieldRule, required: bool) -> dict[str, Any]:
    """Return what a page shows of a field that is to be filled in."""
    names = ("name", "title", "type", "choices", "min", "max", "sealed")
    return {**{n: getattr(rule, n) for n in names}, "required": required}


def form_shown(book: Rulebook, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step's form with what its fields may hold at least, and which are kept sealed."""
    rules = {f["name"]: book.fields[f["name"]] for f in form["fields"]}
    fields = [{**f, "min": rules[f["name"]].min, "sealed": rules[f["name"]].sealed} for f in form["fields"]]
    return {**form, "fields": fields}
