"""Turns a rulebook's document, which already fits its schema, into workflows, clocks, tables and fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.text import Text, text_of
from rules.citation import KINDS, Citation
from rules.durations import Duration
from rules.limits import ByFact, ClockRule, Duty, Extension, Setting
from rules.routing import Row
from rules.values import FieldRule
from rules.visibility import View
from rules.workflow import Forbidden, Opening, Opens, State, Transition, Workflow

Cites = Mapping[str, Citation]


def citations(document: Mapping[str, Any]) -> dict[str, Citation]:
    """Return the provisions that the leaves cite by name."""
    documents = {name: text_of(raw["title"]) for name, raw in document["documents"].items()}
    first = next(iter(documents))
    return {
        name: Citation(
            documents[raw.get("document", first)] if raw["article"] is not None else KINDS[raw["kind"]],
            str(raw["article"]) if raw["article"] is not None else None,
            raw.get("item"),
            raw["kind"],
            raw.get("reading"),
            text_of(raw["summary"]),
        )
        for name, raw in document["citations"].items()
    }


def fields(entries: Mapping[str, Any]) -> dict[str, FieldRule]:
    """Return the fields or the facts of a book by name."""
    return {name: _field(name, raw) for name, raw in entries.items()}


def _field(name: str, raw: Mapping[str, Any]) -> FieldRule:
    aliases = dict.fromkeys(raw.get("also", ()), name)
    choices: dict[str, Text] = {}
    for key, choice in raw.get("choices", {}).items():
        choices[key] = text_of(choice["title"])
        aliases.update(dict.fromkeys(choice.get("also", ()), key))
    return FieldRule(
        name,
        text_of(raw["title"]),
        raw["type"],
        choices,
        aliases,
        raw.get("min"),
        raw.get("max"),
        raw.get("optional", False),
        raw.get("sealed", False),
        raw.get("default"),
    )


def tables(document: Mapping[str, Any], cites: Cites) -> dict[str, tuple[Row, ...]]:
    """Return the routing tables by name."""
    return {
        name: tuple(Row(row["when"], row["then"], cites[row["cite"]]) for row in rows)
        for name, rows in document.get("routing", {}).items()
    }


def views(document: Mapping[str, Any], cites: Cites) -> dict[str, dict[str, View]]:
    """Return the visibility tables by kind of object."""
    return {
        kind: {
            relation: View(tuple(raw.get("hide", ())), tuple(raw.get("mask", ())), cites[raw["cite"]])
            for relation, raw in table.items()
        }
        for kind, table in document.get("visibility", {}).items()
    }


def workflows(document: Mapping[str, Any], cites: Cites) -> dict[str, Workflow]:
    """Return the workflows by name."""
    return {name: _workflow(name, raw, cites) for name, raw in document["workflows"].items()}


def _workflow(name: str, raw: Mapping[str, Any], cites: Cites) -> Workflow:
    return Workflow(
        name,
        text_of(raw["title"]),
        raw["initial"],
        tuple(raw.get("opening", ())),
        _opening(raw["open"], cites) if "open" in raw else None,
        {key: _state(key, state) for key, state in raw["states"].items()},
        tuple(_transition(t, cites) for t in raw["transitions"]),
    )


def _opening(raw: Mapping[str, Any], cites: Cites) -> Opening:
    return Opening(
        raw["prefix"],
        text_of(raw["title"]),
        frozenset(raw["roles"]),
        tuple(raw.get("about", ())),
        tuple(raw.get("about_optional", ())),
        tuple(raw.get("requires", ())),
        tuple(raw.get("accepts", ())),
        raw["parties"],
        tuple(raw.get("tells", ())),
        cites[raw["cite"]],
    )


def _opens(raw: Mapping[str, Any] | None) -> Opens | None:
    return Opens(raw["workflow"], raw.get("given", {}), raw.get("taken", {})) if raw else None


def _state(name: str, raw: Mapping[str, Any]) -> State:
    return State(name, text_of(raw["title"]), raw.get("final", False), frozenset(raw.get("flags", ())))


def _transition(raw: Mapping[str, Any], cites: Cites) -> Transition:
    return Transition(
        raw["action"],
        raw.get("does"),
        text_of(raw["title"]),
        tuple(raw["from"]),
        raw["to"],
        frozenset(raw["roles"]),
        tuple(raw.get("requires", ())),
        tuple(raw.get("accepts", ())),
        {field: _forbidden(said, cites) for field, said in raw.get("forbids", {}).items()},
        tuple(raw.get("emits", ())),
        tuple(raw.get("tells", ())),
        raw.get("when", {}),
        raw.get("timer"),
        tuple(raw.get("joins", ())),
        _opens(raw.get("opens")),
        raw.get("by_another", False),
        text_of(raw["confirms"]) if "confirms" in raw else None,
        cites[raw["cite"]],
    )


def _forbidden(said: Any, cites: Cites) -> tuple[Forbidden, ...]:
    several = said if isinstance(said, list) else [said]
    return tuple(Forbidden(tuple(one["values"]), cites[one["cite"]]) for one in several)


def clocks(document: Mapping[str, Any], cites: Cites) -> tuple[ClockRule, ...]:
    """Return the clocks in the book's order."""
    return tuple(_clock(raw, cites) for raw in document["clocks"])


def _clock(raw: Mapping[str, Any], cites: Cites) -> ClockRule:
    before_event = raw.get("before_event")
    breach = raw.get("on_breach")
    return ClockRule(
        raw["name"],
        text_of(raw["title"]),
        raw.get("workflow"),
        raw.get("when", {}),
        (before_event,) if before_event else tuple(raw.get("starts", ())),
        tuple(raw.get("stops", ())),
        raw.get("restarts", False),
        raw.get("on_days_off", False),
        raw.get("obliges", True),
        before_event,
        raw.get("before_due"),
        duration(raw.get("lasts")),
        _by_fact(raw.get("lasts_by")),
        raw.get("counts_from"),
        raw.get("due_at"),
        _setting(raw.get("set")),
        tuple(raw.get("not_after", ())),
        _extension(raw.get("extend"), cites),
        duration(raw["warn"]["before"]) if "warn" in raw else None,
        Duty(text_of(breach["title"]), breach.get("opens"), cites[breach["cite"]]) if breach else None,
        tuple(raw.get("tells", ())),
        cites[raw["cite"]],
    )


def _setting(raw: Mapping[str, Any] | None) -> Setting | None:
    if raw is None:
        return None
    unit = raw.get("unit", "wd")
    return Setting(
        raw["field"], unit, duration(raw.get("min")), duration(raw.get("max")), tuple(raw.get("by", ()))
    )


def _by_fact(raw: Mapping[str, Any] | None) -> ByFact | None:
    if raw is None:
        return None
    return ByFact(raw["fact"], {value: duration(lasts) for value, lasts in raw["values"].items()})


def _extension(raw: Mapping[str, Any] | None, cites: Cites) -> Extension | None:
    if raw is None:
        return None
    return Extension(
        raw["event"],
        duration(raw.get("each")),
        raw.get("beyond"),
        raw.get("count"),
        duration(raw.get("total")),
        duration(raw.get("to")),
        tuple(raw.get("roles", ())),
        tuple(raw.get("requires", ())),
        cites[raw["cite"]],
    )


def duration(text: str | None) -> Duration | None:
    """Return the duration that a book writes, None for null."""
    return Duration.parse(text) if text is not None else None


def leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the policies of a book as (path, leaf): a leaf is what has a ``value`` and a ``cite``."""
    for key, child in node.items():
        at = f"{path}.{key}" if path else key
        if "cite" in child and "value" in child:
            yield at, child
        else:
            yield from leaves(child, at)
