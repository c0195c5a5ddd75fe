"""What is supposed of a fact that nobody stated, and limits that a reason may stretch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from core.errors import Invalid
from core.times import parse_instant
from rules.clocks import Recorded, extended_due
from tests.rules.books import book, calendar, choice, clock, dues

MODES = {"mode": {**choice("usual", "fast"), "default": "usual"}}
BY_MODE = {"fact": "mode", "values": {"usual": "5wd", "fast": "1wd"}}
SENT = {"sent": "2026-02-10T10:00"}


def test_a_fact_that_nobody_stated_is_what_its_book_supposes() -> None:
    rules = book(clock("answer", starts=["sent"], stops=["done"], lasts=None, lasts_by=BY_MODE), facts=MODES)
    assert rules.facts({}) == {"mode": "usual"}
    assert rules.facts({"mode": "fast"}) == {"mode": "fast"}
    assert dues(rules, SENT) == {"answer": "2026-02-24 23:59:59"}


def test_a_limit_by_a_fact_that_is_not_known_asks_for_it() -> None:
    facts = {"mode": choice("usual", "fast")}
    rules = book(clock("answer", starts=["sent"], stops=["done"], lasts=None, lasts_by=BY_MODE), facts=facts)
    with pytest.raises(Invalid) as refused:
        dues(rules, SENT)
    assert [e.pointer for e in refused.value.errors] == ["/facts/mode"]
    optional = book(rules.document["clocks"][0], facts={"mode": {**facts["mode"], "optional": True}})
    assert dues(optional, SENT) == {"answer": None}


def more(**fields: Any) -> datetime:
    extend = {"event": "extended", "each": "2wd", "beyond": "why", "count": 1, "cite": "it"}
    rule = clock("answer", starts=["sent"], stops=["done"], lasts="2wd", workflow="w", extend=extend)
    sent = Recorded("sent", parse_instant("2026-02-10T10:00"), {})
    now = parse_instant("2026-02-11T10:00")
    return extended_due(book(rule), "w", {}, [sent], calendar(), now, "answer", fields)


def test_an_extension_in_principle_goes_further_for_a_reason_and_a_length() -> None:
    assert more().date() == more(why="雨季").date() == more(by=2).date()
    assert more(by=3, why="雨季") > more(by=2)
    with pytest.raises(Invalid):
        more(by=3)
    with pytest.raises(Invalid):
        more(by=3, why="")
