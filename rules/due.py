"""Answers the question "what would be due?" from facts and instants alone, without a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.errors import FieldError, Invalid, invalid
from core.text import Text
from core.times import local_iso
from rules.clocks import ClockState, run_clocks
from rules.durations import after
from rules.limits import ClockRule, Recorded
from rules.routing import excluded, missing_fact
from rules.rulebook import Rulebook
from rules.runs import set_length
from rules.values import missing, pointer_to, read_facts
from rules.workdays import FIRST_YEAR, LAST_YEAR, Calendar

MARGIN = 20
"""Years kept free at the far end of the calendar, so that no limit that a rulebook knows runs off it."""


Happened = Mapping[str, datetime] | Sequence[tuple[str, datetime]]
"""Events by name and instant; as pairs, where one happened more than once: a second extension."""


def what_is_due(
    book: Rulebook, calendar: Calendar, facts: Mapping[str, Any], events: Happened
) -> dict[str, dict[str, Any]]:
    """Return, by clock, when it would be due had `events` happened to a case with `facts`.

    What is no fact of the book but a field of its steps counts as said with each event: by how much a limit
    was extended, how long somebody made it.
    Each entry has ``due`` (RFC 3339 in Shanghai time; None where the text gives no number), ``provisional``,
    ``cite``, the clock's ``title``, and ``extendable_to`` where the rule allows an extension.
    Raises Invalid for unknown facts, values or events (``/facts/...``, ``/events/...``), for a fact that a
    started clock depends on and that is not given, and for a length beyond the bounds of the rule.
    """
    named = {word: value for word, value in facts.items() if _is_said(book, word)}
    known = book.facts({word: value for word, value in facts.items() if word not in named})
    said = read_facts(book.fields, named)
    recorded = _recorded(book, list(events.items() if isinstance(events, Mapping) else events), said)
    started = [r for r in book.clocks if any(e.name in r.starts for e in recorded)]
    usable = [r for r in started if _can_tell(book, r, {**said, **known})]
    usable += [r for r in book.clocks if r.before_due in {s.name for s in usable}]
    _refuse_lengths_out_of_bounds(usable, {**said, **known}, recorded, calendar)
    if not recorded:
        return {}
    states = run_clocks(usable, known, recorded, calendar, recorded[-1].at)
    return {s.name: _answer(s) for s in states}


def _answer(state: ClockState) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "due": local_iso(state.due) if state.due else None,
        "provisional": state.provisional,
        "cite": state.cite.as_json(),
        "title": state.title._asdict(),
    }
    if state.extendable_to is not None:
        answer["extendable_to"] = local_iso(state.extendable_to)
    return answer


def _is_said(book: Rulebook, word: str) -> bool:
    """Tell whether `word` is no fact of the book, but a field of its steps."""
    is_fact = any(fact.is_called(word) for fact in book.dimensions.values())
    return not is_fact and any(field.is_called(word) for field in book.fields.values())


def _recorded(
    book: Rulebook, events: Sequence[tuple[str, datetime]], said: Mapping[str, Any]
) -> list[Recorded]:
    """Return the events in the order of time. Raises Invalid for each that the book does not know."""
    wrong = [error for word, at in events for error in _wrong_event(book, word, at)]
    if wrong:
        raise Invalid(wrong)
    named = [(_event_called(book, word), at) for word, at in events]
    return sorted((Recorded(name, at, said) for name, at in named if name is not None), key=lambda e: e.at)


def _event_called(book: Rulebook, word: str) -> str | None:
    return next((name for name, title in book.events.items() if word in (name, *title)), None)


def _wrong_event(book: Rulebook, word: str, at: datetime) -> Iterator[FieldError]:
    pointer = pointer_to("events", word)
    if _event_called(book, word) is None:
        known = "、".join(f"{title.zh}({key})" for key, title in book.events.items())
        english = f"the rulebook knows no event {word!r}; it knows {', '.join(book.events)}"
        yield FieldError(pointer, Text(f"规则中没有“{word}”这一事件，可用：{known}", english), "unknown")
    elif not FIRST_YEAR < at.year < LAST_YEAR - MARGIN:
        first, last = FIRST_YEAR + 1, LAST_YEAR - MARGIN - 1
        words = Text(f"年份应在 {first} 至 {last} 之间", f"the year must be {first} to {last}")
        yield FieldError(pointer, words, "range")


def _can_tell(book: Rulebook, rule: ClockRule, facts: Mapping[str, Any]) -> bool:
    """Tell whether the rule applies. Raises Invalid when that depends on a missing fact."""
    if excluded(rule.when, facts):
        return False
    needed = [fact for fact in rule.when if fact not in facts]
    if rule.by_fact is not None and rule.by_fact.fact not in facts:
        _must_be_optional(book, rule.by_fact.fact, facts)
    unset = rule.setting is not None and rule.lasts is None and rule.by_fact is None
    if rule.setting is not None and unset and rule.setting.field not in facts:
        needed.append(rule.setting.field)
    for fact in needed:
        _must_be_optional(book, fact, facts)
    return not needed


def _must_be_optional(book: Rulebook, fact: str, facts: Mapping[str, Any]) -> None:
    """Raise Invalid for a missing fact that may not be unknown; of a derived one for what it derives from."""
    asked = missing_fact(book.tables[fact], facts) if fact in book.tables else fact
    dimension = book.dimensions.get(asked or fact)
    if dimension is None or not dimension.optional:
        raise missing(asked or fact, dimension)


def _refuse_lengths_out_of_bounds(
    rules: Sequence[ClockRule], facts: Mapping[str, Any], events: Sequence[Recorded], calendar: Calendar
) -> None:
    for rule in rules:
        length = set_length(rule, {}, facts)
        started = next((e.at for e in events if e.name in rule.starts), None)
        if rule.setting is None or length is None or started is None:
            continue
        due = after(started, length, calendar)
        for bound, is_wrong in ((rule.setting.min, _is_less), (rule.setting.max, _is_more)):
            limit = after(started, bound, calendar) if bound else None
            if due is not None and limit is not None and is_wrong(due, limit):
                raise invalid(
                    f"/facts/{rule.setting.field}",
                    f"{length} 超出允许的范围({bound})",
                    f"{length} is outside the bound of {bound}",
                    code="range",
                    cite=str(rule.cite),
                )


def _is_less(due: datetime, limit: datetime) -> bool:
    return due < limit


def _is_more(due: datetime, limit: datetime) -> bool:
    return due > limit
