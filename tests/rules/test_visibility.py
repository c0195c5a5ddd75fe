"""Who sees what of a document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.visibility import View, masked, visible
from tests.rules.books import of_domain, shipped

CITE = shipped().get("sharing/qianjiang").citations["check"]
TABLE = {
    "provider": View((), (), CITE),
    "other": View(("distributions.connection", "note"), ("contact.name", "phone"), CITE),
}
DOCUMENT = {
    "title": "区划",
    "note": "内部",
    "phone": "13812345678",
    "contact": {"name": "王小明", "office": "数据科"},
    "distributions": [{"kind": "table", "connection": "db"}, {"kind": "file", "connection": "folder"}],
}


def test_hidden_keys_are_gone_and_masked_ones_masked_at_any_depth() -> None:
    assert visible(TABLE, "other", DOCUMENT) == {
        "title": "区划",
        "phone": "1*********8",
        "contact": {"name": "王**", "office": "数据科"},
        "distributions": [{"kind": "table"}, {"kind": "file"}],
    }


def test_the_document_itself_is_left_alone() -> None:
    before = repr(DOCUMENT)
    visible(TABLE, "other", DOCUMENT)
    assert repr(DOCUMENT) == before
    assert visible(TABLE, "provider", DOCUMENT) == DOCUMENT


def test_who_is_not_named_sees_nothing() -> None:
    assert visible(TABLE, "stranger", DOCUMENT) == {}
    for rules in of_domain("sharing"):
        assert visible(rules.views["application"], "other", {"purpose": "x"}) == {}


@pytest.mark.parametrize("relation", ["consumer", "auditor", "other"])
def test_how_a_source_is_connected_is_the_provider_s_business(relation: str) -> None:
    document: dict[str, Any] = {
        "title": "x",
        "distributions": [{"kind": "table", "connection": "db", "detail": {}}],
    }
    for rules in of_domain("sharing"):
        assert visible(rules.views["dataset"], relation, document)["distributions"] == [{"kind": "table"}]
        assert visible(rules.views["dataset"], "provider", document) == document


@given(st.text("王小明ab1*", min_size=1, max_size=12))
def test_a_mask_shows_at_most_the_two_ends(text: str) -> None:
    shown = masked(text)
    assert shown is not None
    assert len(shown) >= 2
    assert set(shown[1:-1]) <= {"*"}
    assert shown[0] == text[0]
    assert shown[-1] == "*" or len(text) > 3


def test_what_is_no_text_is_masked_whole_and_nothing_stays_nothing() -> None:
    assert masked(42) == "**"
    assert masked({"a": 1}) == "**"
    assert masked(None) is None
