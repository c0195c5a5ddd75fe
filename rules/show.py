"""A rulebook as rows to read: where a rule stands, what it says, which provision it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rules.citation import Citation
from rules.limits import ClockRule, Extension
from rules.rulebook import Rulebook
from rules.workflow import Transition


class Rule(NamedTuple):
    """One leaf of a rulebook."""

    path: str
    value: str
    article: str | None
    kind: str
    reading: str | None
    summary: str
    """In both languages, as everything that the command line prints."""


def _rule(path: str, value: str, cite: Citation) -> Rule:
    article = f"{cite.article}{cite.item or ''}" if cite.article else None
    return Rule(path, value, article, cite.kind, cite.reading, f"{cite.summary.zh} / {cite.summary.en}")


def show(book: Rulebook) -> Iterator[Rule]:
    """Yield every leaf of a book: policies, routing, steps, clocks, views, in this order."""
    for path, leaf in book.policies.items():
        yield _rule(f"policies.{path}", told(leaf.value), leaf.cite)
    for name, table in book.tables.items():
        for row in table:
            yield _rule(f"routing.{name}", f"{told(row.when)} -> {told(row.then)}", row.cite)
    for flow in book.workflows.values():
        for transition in flow.transitions:
            yield _rule(f"workflows.{flow.name}.{transition.action}", _step(transition), transition.cite)
    for rule in book.clocks:
        yield from _clock(rule)
    for kind, views in book.views.items():
        for relation, view in views.items():
            hidden = f"hides {told(view.hide)}; masks {told(view.mask)}"
            yield _rule(f"visibility.{kind}.{relation}", hidden, view.cite)


def told(value: Any) -> str:
    """Return a value in one line; an em dash for what the text leaves open or what is empty."""
    if value is None or value in ({}, [], ()):
        return "—"
    if isinstance(value, Mapping) and set(value) == {"zh", "en"}:
        return str(value["zh"])
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={told(v)}" for k, v in value.items())
    if isinstance(value, list | tuple | frozenset):
        return "|".join(told(v) for v in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _step(transition: Transition) -> str:
    forbids = transition.forbids
    parts = [f"{told(transition.sources)} -> {transition.target}", f"by {told(sorted(transition.roles))}"]
    for label, value in (
        ("when", transition.when),
        ("requires", transition.requires),
        ("forbids", {name: [v for one in said for v in one.values] for name, said in forbids.items()}),
        ("timer", transition.timer),
        ("tells", transition.tells),
    ):
        if value:
            parts.append(f"{label} {told(value)}")
    return "; ".join(parts)


def _clock(rule: ClockRule) -> Iterator[Rule]:
    at = f"clocks.{rule.name}"
    yield _rule(at, _limit(rule), rule.cite)
    if rule.extension is not None:
        yield _rule(f"{at}.extend", _extension(rule.extension), rule.extension.cite)
    if rule.on_breach is not None:
        yield _rule(f"{at}.on_breach", rule.on_breach.title.en, rule.on_breach.cite)


def _limit(rule: ClockRule) -> str:
    parts = [told(rule.lasts)]
    for label, value in (
        ("when", rule.when),
        ("from", rule.starts if rule.before_event is None else ()),
        ("before", rule.before_event or rule.before_due),
        ("until", rule.stops),
        ("set in", rule.setting.field if rule.setting else None),
        ("at most", rule.setting.max if rule.setting else None),
    ):
        if value:
            parts.append(f"{label} {told(value)}")
    return "; ".join(parts)


def _extension(extension: Extension) -> str:
    bounds = {"each": extension.each, "count": extension.count}
    bounds |= {"total": extension.total, "to": extension.to}
    return (
        ", ".join(f"{name} {told(value)}" for name, value in bounds.items() if value is not None)
        or "without a bound"
    )
