"""What may be asked for and decided, as pure functions: a decision is never more than was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from gateway.asking import complete, decide, share_class
from gateway.model import Authentication, Client, Offer

NAMES = ["code", "name", "phone", "secret"]
VALUES = ["1", "2", "3"]
OFFER = Offer(
    id="d",
    code="307001/000001",
    title="名录",
    provider="civil_affairs",
    share_class="unconditional",
    controlled_params=False,
    is_public=True,
    was_public=True,
    attributes=(
        {"name": "code", "share_class": "unconditional"},
        {"name": "name", "share_class": "conditional"},
        {"name": "phone", "sensitivity": "personal"},
        {"name": "secret", "share_class": "none"},
    ),
    required_materials=(),
    distributions={"table": {"kind": "table", "table": "t"}},
)
SECRET = Authentication("client_secret")
CLIENT = Client(
    "c", "系统", "health", "active", ("10.0.0.0/8",), datetime(2026, 1, 1, tzinfo=UTC), "carol", SECRET
)

subsets = st.lists(st.sampled_from(NAMES[:3]), min_size=1, unique=True)
filters = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(VALUES), min_size=1, unique=True), max_size=3
)


def test_a_field_that_is_not_shared_cannot_be_asked_for() -> None:
    with pytest.raises(Invalid) as refused:
        complete({"fields": ["code", "secret"]}, OFFER, CLIENT)
    assert [e.pointer for e in refused.value.errors] == ["/fields/1"]


def test_the_most_closed_field_gives_the_class() -> None:
    assert share_class(OFFER, ["code"]) == "unconditional"
    assert share_class(OFFER, ["code", "name"]) == "conditional"


def test_personal_fields_are_recorded_before_each_call_unless_the_decision_says_otherwise() -> None:
    asked = complete({"fields": ["code", "phone"]}, OFFER, CLIENT)
    assert decide(asked, {}, OFFER).sensitive
    assert not decide(asked, {"fields": ["code"]}, OFFER).sensitive
    assert not decide(asked, {"sensitive": False}, OFFER).sensitive


@given(subsets, filters, subsets, filters)
def test_a_grant_never_holds_more_than_was_asked_for(
    fields: list[str], rows: dict[str, Any], decided: list[str], narrowed: dict[str, Any]
) -> None:
    asked = complete({"fields": fields, "row_filter": rows}, OFFER, CLIENT)
    try:
        terms = decide(asked, {"fields": decided, "row_filter": narrowed}, OFFER)
    except Invalid:
        widened = any(set(narrowed[n]) - set(rows[n]) for n in narrowed if n in rows)
        assert set(decided) - set(fields) or widened
        return
    assert set(terms.fields) <= set(fields)
    for name, values in rows.items():
        assert set(terms.row_filter[name]) <= set(values)
