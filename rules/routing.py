"""Equality tables: the first row whose conditions all hold decides. There is no expression language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.citation import Citation


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `when` maps a fact to the value, or to the list of values, that it must have."""

    when: Mapping[str, Any]
    then: Any
    cite: Citation


@dataclass(frozen=True, slots=True)
class Matched:
    """What a table decided, and the provision that says so."""

    value: Any
    cite: Citation


def matches(when: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Tell whether every condition holds; a fact that is not there holds none."""
    return all(fact in facts and _allows(wanted, facts[fact]) for fact, wanted in when.items())


def excluded(when: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Tell whether the facts that are there already rule the conditions out."""
    return any(fact in facts and not _allows(wanted, facts[fact]) for fact, wanted in when.items())


def first_match(table: Sequence[Row], facts: Mapping[str, Any]) -> Matched | None:
    """Return what the first matching row says, None when no row matches."""
    return next((Matched(row.then, row.cite) for row in table if matches(row.when, facts)), None)


def missing_fact(table: Sequence[Row], facts: Mapping[str, Any]) -> str | None:
    """Return the first fact that the table would have to know before it can decide; None when it can."""
    for row in table:
        if matches(row.when, facts):
            return None
        if not excluded(row.when, facts):
            return next(fact for fact in row.when if fact not in facts)
    return None


def _allows(wanted: Any, value: Any) -> bool:
    return value in wanted if isinstance(wanted, list | tuple) else bool(value == wanted)
