"""Checks what a person hands in with an action against the fields that the rulebook defines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import FieldError, Invalid
from core.text import Text
from rules.rulebook import Rulebook
from rules.values import pointer_to, read_value
from rules.workflow import Opening, Transition

Step = Transition | Opening


def check_fields(book: Rulebook, transition: Step, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an action, trimmed and typed. Raises Invalid with one entry per wrong field."""
    fields = {k: v.strip() if isinstance(v, str) else v for k, v in given.items()}
    fields = {k: v for k, v in fields.items() if v not in (None, "", [], {})}
    wrong = [*_missing(book, transition, fields), *_unknown(transition, given)]
    typed: dict[str, Any] = {}
    for name in (*transition.requires, *transition.accepts):
        if name not in fields:
            continue
        try:
            typed[name] = read_value(book.fields[name], fields[name], pointer_to(name))
        except Invalid as fault:
            wrong += fault.errors
    wrong += _forbidden(transition, typed)
    if wrong:
        raise Invalid(wrong, cite=str(transition.cite))
    return typed


def _missing(book: Rulebook, transition: Step, fields: Mapping[str, Any]) -> Iterable[FieldError]:
    for name in transition.requires:
        if name not in fields:
            title = book.fields[name].title
            words = Text(
                f"“{transition.title.zh}”必须填写“{title.zh}”",
                f"is required for the action {transition.title.en!r}: {title.en}",
            )
            yield FieldError(pointer_to(name), words, "required")


def _unknown(transition: Step, given: Mapping[str, Any]) -> Iterable[FieldError]:
    for name in given:
        if name not in (*transition.requires, *transition.accepts):
            yield FieldError(
                pointer_to(name), Text("此操作没有这个字段", "is not a field of this action"), "unknown"
            )


def _forbidden(transition: Step, fields: Mapping[str, Any]) -> Iterable[FieldError]:
    said = [(name, one) for name, provisions in transition.forbids.items() for one in provisions]
    for name, forbidden in said:
        if fields.get(name) in forbidden.values:
            words = Text(
                f"规定不允许以此为由（{forbidden.cite}）",
                f"is not accepted as a reason ({forbidden.cite.in_language('en')})",
            )
            yield FieldError(pointer_to(name), words, "forbidden")
