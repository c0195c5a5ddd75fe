"""What `rulebook due` refuses, and where it points."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from rules.rulebook import Rulebook
from tests.rules.books import dues, shipped

FORWARDED = {"forwarded": "2026-02-13T15:00"}


def refusal(book: str, events: dict[str, str], facts: dict[str, Any]) -> list[tuple[str, str]]:
    rulebook: Rulebook = shipped().get(book)
    with pytest.raises(Invalid) as caught:
        dues(rulebook, events, facts)
    for error in caught.value.errors:
        assert error.message.zh
        assert error.message.en
    return [(e.pointer, e.code) for e in caught.value.errors]


@pytest.mark.parametrize(
    ("facts", "pointer", "code"),
    [
        ({"share_class": "partly"}, "/facts/share_class", "enum"),
        ({"共享类型": "部分共享"}, "/facts/共享类型", "enum"),
        ({"urgency": "high"}, "/facts/urgency", "unknown"),
        ({"a/b~c": "x"}, "/facts/a~1b~0c", "unknown"),
        ({"share_class": "conditional", "controlled_params": "perhaps"}, "/facts/controlled_params", "type"),
        ({"share_class": "conditional", "共享类型": "无条件共享"}, "/facts/共享类型", "invalid"),
        ({"valid_until": "tomorrow"}, "/facts/valid_until", "format"),
        ({}, "/facts/share_class", "required"),
        ({"share_class": "unconditional"}, "/facts/controlled_params", "required"),
    ],
)
def test_a_fact_that_is_unknown_wrong_or_missing_is_refused(
    facts: dict[str, Any], pointer: str, code: str
) -> None:
    assert refusal("sharing/qianjiang", FORWARDED, facts) == [(pointer, code)]


def test_all_wrong_facts_are_named_at_once() -> None:
    found = refusal("sharing/qianjiang", FORWARDED, {"share_class": "x", "colour": "red"})
    assert found == [("/facts/share_class", "enum"), ("/facts/colour", "unknown")]


@pytest.mark.parametrize(
    ("event", "at", "code"),
    [
        ("dispatched", "2026-02-13T15:00", "unknown"),
        ("forwarded", "1999-02-13T15:00", "range"),
        ("forwarded", "9999-12-31T15:00", "range"),
    ],
)
def test_an_event_that_is_unknown_or_beyond_the_calendar_is_refused(event: str, at: str, code: str) -> None:
    assert refusal("sharing/qianjiang", {event: at}, {"share_class": "conditional"}) == [
        (f"/events/{event}", code)
    ]


@pytest.mark.parametrize(
    ("days", "code"), [("1097", "range"), ("0", "invalid"), ("-3", "invalid"), ("x", "type")]
)
def test_a_term_beyond_the_bounds_is_refused(days: str, code: str) -> None:
    found = refusal("sharing/ganzhou", {"granted": "2026-02-13T15:20"}, {"term_days": days})
    assert found == [("/facts/term_days", code)]


def test_the_refusal_of_too_long_a_term_names_the_article() -> None:
    with pytest.raises(Invalid) as caught:
        dues(shipped().get("sharing/ganzhou"), {"granted": "2026-02-13T15:20"}, {"term_days": 1097})
    assert caught.value.cite == "《甘州区政务数据共享平台管理办法》第5条（二）"


def test_nothing_is_due_when_nothing_has_happened() -> None:
    assert dues(shipped().get("sharing/qianjiang"), {}, {"share_class": "conditional"}) == {}


WORDS = [
    "share_class",
    "共享类型",
    "controlled_params",
    "kind",
    "decider",
    "valid_until",
    "in_use",
    "term_days",
    "天",
]
VALUES = st.one_of(
    st.sampled_from(
        ["conditional", "无条件共享", "none", "api", "是", "provider", "2026-02-10", "", "9" * 30]
    ),
    st.booleans(),
    st.integers(-5, 10**12),
    st.none(),
    st.lists(st.integers(), max_size=1),
)
EVENTS = [
    "submitted",
    "提交",
    "forwarded",
    "granted",
    "changed",
    "extended",
    "service_stop",
    "answered",
    "天",
]
YEARS = st.integers(1, 9999).map(lambda year: f"{year:04}-06-01T10:00:00+08:00")


@settings(max_examples=150)
@given(
    st.sampled_from(["sharing/qianjiang", "sharing/ganzhou"]),
    st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4),
    st.dictionaries(st.sampled_from(EVENTS), YEARS, max_size=3),
)
def test_whatever_is_asked_there_is_an_answer_or_a_refusal(
    id: str, facts: dict[str, Any], events: dict[str, str]
) -> None:
    found: dict[str, str | None] = {}
    places = [""]
    try:
        found = dues(shipped().get(id), events, facts)
    except Invalid as refusal:
        places = [e.pointer.split("/")[1] for e in refusal.errors]
    assert set(places) in ({""}, {"facts"}, {"events"})
    assert all(due is None or len(due) == len("2026-02-13 23:59:59") for due in found.values())
