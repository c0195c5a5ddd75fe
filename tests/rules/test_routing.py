"""First-match tables, and the tables of who decides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from rules.routing import Row, excluded, first_match, matches, missing_fact
from rules.rulebook import Rulebook
from tests.rules.books import shipped

CITE = shipped().get("sharing/qianjiang").citations["check"]
TABLE = (
    Row({"a": 1, "b": ["x", "y"]}, "first", CITE),
    Row({"a": 2}, "second", CITE),
    Row({"b": "x"}, "third", CITE),
)
facts = st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, 2, "x", "y", "z"]))


@pytest.mark.parametrize(
    ("given_facts", "value"),
    [
        ({"a": 1, "b": "x"}, "first"),
        ({"a": 1, "b": "y"}, "first"),
        ({"a": 2, "b": "x"}, "second"),
        ({"a": 3, "b": "x"}, "third"),
        ({"a": 1, "b": "z"}, None),
        ({}, None),
    ],
)
def test_the_first_row_that_holds_decides(given_facts: dict[str, Any], value: str | None) -> None:
    matched = first_match(TABLE, given_facts)
    assert (matched.value if matched else None) == value


@given(facts, facts)
def test_what_is_decided_stays_decided_when_more_is_known(
    known: dict[str, Any], more: dict[str, Any]
) -> None:
    if missing_fact(TABLE, known) is None:
        assert first_match(TABLE, {**more, **known}) == first_match(TABLE, known)


@given(facts)
def test_conditions_never_hold_and_are_ruled_out_at_once(known: dict[str, Any]) -> None:
    for row in TABLE:
        assert not (matches(row.when, known) and excluded(row.when, known))


@pytest.mark.parametrize(
    ("book", "given_facts", "decider", "article"),
    [
        (
            "sharing/qianjiang",
            {"share_class": "unconditional", "controlled_params": False},
            "platform_manager",
            "12",
        ),
        ("sharing/qianjiang", {"share_class": "unconditional", "controlled_params": True}, "provider", "11"),
        ("sharing/qianjiang", {"share_class": "conditional"}, "provider", "11"),
        ("sharing/qianjiang", {"share_class": "none"}, "nobody", "7"),
        (
            "sharing/ganzhou",
            {"share_class": "unconditional", "controlled_params": True},
            "platform_manager",
            "11",
        ),
        ("sharing/ganzhou", {"share_class": "conditional"}, "provider", "11"),
        ("sharing/ganzhou", {"share_class": "none"}, "nobody", "4"),
    ],
)
def test_who_decides_and_by_which_article(
    book: str, given_facts: dict[str, Any], decider: str, article: str
) -> None:
    rules = shipped().get(book)
    matched = rules.route("decider", given_facts)
    assert (matched.value, matched.cite.article) == (decider, article)
    assert rules.facts(given_facts)["decider"] == decider


def test_a_fact_that_decides_must_be_known() -> None:
    rules: Rulebook = shipped().get("sharing/qianjiang")
    with pytest.raises(Invalid) as caught:
        rules.route("decider", {"share_class": "unconditional"})
    assert caught.value.errors[0].pointer == "/facts/controlled_params"
    assert "decider" not in rules.facts({"share_class": "unconditional"})


def test_nobody_chooses_the_decider() -> None:
    given_facts = {"share_class": "conditional", "decider": "platform_manager"}
    assert shipped().get("sharing/qianjiang").facts(given_facts)["decider"] == "provider"
