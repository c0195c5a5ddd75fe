"""Small rulebooks for tests of the engine: one citation, the clocks that a test is about, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from core.times import parse_instant
from rules.due import what_is_due
from rules.rulebook import SHIPPED, Rulebook, Rulebooks, load_rulebooks
from rules.workdays import Calendar, Hours

WORDS = {"zh": "字", "en": "words"}


@cache
def shipped() -> Rulebooks:
    return load_rulebooks(SHIPPED, {"sharing": "sharing/qianjiang"})


def of_domain(domain: str) -> list[Rulebook]:
    return [rules for id, rules in sorted(shipped().books.items()) if id.startswith(f"{domain}/")]


def calendar() -> Calendar:
    return shipped().calendar


@cache
def close_of_business() -> Calendar:
    return Calendar(calendar().published, Hours(), "business_close")


def clock(name: str, **rule: Any) -> dict[str, Any]:
    return {"name": name, "title": WORDS, "cite": "it", **rule}


def book(*clocks: Mapping[str, Any], facts: Mapping[str, Any] | None = None, **parts: Any) -> Rulebook:
    """Return a book with these clocks; every event that they name is known and comes from outside."""
    named: set[str] = set()
    for raw in clocks:
        named.update(raw.get("starts", ()), raw.get("stops", ()))
        named.update(name for name in (raw.get("before_event"),) if name)
        named.update([raw["extend"]["event"]] if "extend" in raw else [])
    document = {
        "id": "hotline/test",
        "title": WORDS,
        "documents": {"text": {"title": {"zh": "试行办法", "en": "Trial Measures"}}},
        "citations": {"it": {"article": 1, "kind": "text", "summary": WORDS}},
        "readings": {},
        "facts": facts or {},
        "fields": {},
        "events": {
            name: {"title": {"zh": f"“{name}”", "en": f"({name})"}, "external": True} for name in named
        },
        "routing": {},
        "workflows": {},
        "clocks": list(clocks),
        "policies": {},
        "visibility": {},
    }
    return Rulebook("hotline/test", {**document, **parts})


def choice(*values: str) -> dict[str, Any]:
    return {"title": WORDS, "type": "choice", "choices": {v: {"title": {"zh": v, "en": v}} for v in values}}


def dues(
    rules: Rulebook,
    events: Mapping[str, str],
    facts: Mapping[str, Any] | None = None,
    days: Calendar | None = None,
) -> dict[str, str | None]:
    """Return when each clock falls due, as local time without the offset: ``2026-02-13 23:59:59``."""
    instants = {name: parse_instant(text) for name, text in events.items()}
    answer = what_is_due(rules, days or calendar(), facts or {}, instants)
    return {name: plain(entry["due"]) for name, entry in answer.items()}


def plain(due: str | None) -> str | None:
    if due is None:
        return None
    assert due.endswith("+08:00")
    return due.removesuffix("+08:00").replace("T", " ")
