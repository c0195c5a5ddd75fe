"""The share class is not the provider's to choose freely: each city's rulebook says what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.guards import warnings
from tests.catalog.conftest import Cities
from tests.catalog.entries import BASIS, WITHHELD, allowed, entry, objections, pointers

CONDITIONAL = {"share_class": "conditional", "share_condition": "限医疗救助", "class_reason": "涉及个人信息"}


def test_a_base_item_of_a_base_register_is_shared_unconditionally_in_qianjiang(cities: Cities) -> None:
    base = {"category": "base", "register": "人口信息", "base_item": True}

    assert allowed(cities.qianjiang, **base)["share_class"] == "unconditional"
    refused = objections(cities.qianjiang, **base, **CONDITIONAL)
    assert pointers(refused) == ["/share_class"]
    assert "第8条（二）" in str(refused.cite)


def test_other_items_of_a_base_register_may_be_conditional(cities: Cities) -> None:
    assert allowed(cities.qianjiang, category="base", register="population", **CONDITIONAL)


def test_base_data_name_a_register_of_the_list(cities: Cities) -> None:
    assert pointers(objections(cities.qianjiang, category="base")) == ["/register"]
    assert pointers(objections(cities.qianjiang, category="base", register="鱼塘信息")) == ["/register"]


def test_ganzhou_knows_no_base_registers(cities: Cities) -> None:
    base = {"category": "base", "register": "人口信息", "base_item": True}

    assert allowed(cities.ganzhou, **base, **CONDITIONAL)


def test_theme_data_name_a_theme_of_the_list(cities: Cities) -> None:
    assert allowed(cities.qianjiang, category="theme", theme="食品安全监管")
    assert allowed(cities.qianjiang, category="theme", theme="food_safety")
    assert pointers(objections(cities.qianjiang, category="theme")) == ["/theme"]
    assert pointers(objections(cities.qianjiang, theme="养鱼")) == ["/theme"]
    assert allowed(cities.ganzhou, theme="养鱼")


def test_withholding_takes_a_reason_and_a_basis_in_both_cities(cities: Cities) -> None:
    for book in cities:
        assert allowed(book, **WITHHELD)
        assert pointers(objections(book, **{**WITHHELD, "basis": None})) == ["/basis"]
        assert pointers(objections(book, **{**WITHHELD, "class_reason": None})) == ["/class_reason"]


@pytest.mark.parametrize("level", ["local_regulation", "local_policy"])
def test_a_local_basis_does_in_ganzhou_and_not_in_qianjiang(cities: Cities, level: str) -> None:
    local = {**WITHHELD, "basis": {**BASIS, "level": level}}

    assert allowed(cities.ganzhou, **local)
    refused = objections(cities.qianjiang, **local)
    assert pointers(refused) == ["/basis/level"]
    assert "第8条（一）" in str(refused.cite)


@pytest.mark.parametrize(
    "level",
    [
        "law",
        "admin_regulation",
        "ministry_rule",
        "cpc_central_policy",
        "state_council_policy",
        "provincial_party_policy",
        "provincial_gov_policy",
    ],
)
def test_seven_levels_do_in_qianjiang(cities: Cities, level: str) -> None:
    assert allowed(cities.qianjiang, **{**WITHHELD, "basis": {**BASIS, "level": level}})


def test_conditional_sharing_states_its_condition_and_in_qianjiang_its_reason(cities: Cities) -> None:
    unexplained = {**CONDITIONAL, "class_reason": None}

    assert allowed(cities.ganzhou, **unexplained)
    assert pointers(objections(cities.qianjiang, **unexplained)) == ["/class_reason"]
    assert pointers(objections(cities.ganzhou, share_class="conditional")) == ["/share_condition"]


def attribute(name: str, share_class: str | None) -> dict[str, Any]:
    made = {"name": name, "title": name, "type": "string", "share_class": share_class}
    return {k: v for k, v in made.items() if v}


def test_no_item_is_stricter_than_the_dataset(cities: Cities) -> None:
    items = [attribute("a", "unconditional"), attribute("b", "conditional")]

    for book in cities:
        assert pointers(objections(book, attributes=items)) == ["/attributes/1/share_class"]


def test_a_dataset_is_no_stricter_than_its_strictest_item(cities: Cities) -> None:
    items = [attribute("a", "unconditional"), attribute("b", "unconditional")]

    for book in cities:
        assert pointers(objections(book, attributes=items, **CONDITIONAL)) == ["/share_class"]
        for third in ("conditional", None):
            assert allowed(book, attributes=[*items, attribute("c", third)], **CONDITIONAL)


def test_withheld_theme_data_draw_a_warning_in_qianjiang(cities: Cities) -> None:
    document = entry(theme="食品安全监管", **WITHHELD)

    ((_, cite),) = warnings(cities.qianjiang, document)
    assert cite.reading == "I-S-04"
    assert warnings(cities.qianjiang, entry(**WITHHELD)) == []
    assert warnings(cities.ganzhou, document) == []


@pytest.mark.parametrize("element", ["category", "format", "update_limit", "share_method", "use_terms"])
def test_qianjiang_demands_eight_elements_of_every_entry(cities: Cities, element: str) -> None:
    refused = objections(cities.qianjiang, **{element: None})

    assert pointers(refused) == [f"/{element}"]
    assert "第6条" in str(refused.cite)


def test_ganzhou_wants_the_materials_listed_and_lets_the_format_be(cities: Cities) -> None:
    assert allowed(cities.ganzhou, format=None)
    assert pointers(objections(cities.ganzhou, required_materials=None)) == ["/required_materials"]
    assert allowed(cities.qianjiang, required_materials=None)


def test_a_dataset_without_a_class_has_the_one_that_the_rulebook_prefers(cities: Cities) -> None:
    assert {allowed(book, share_class=None)["share_class"] for book in cities} == {"unconditional"}


def test_attributes_are_told_apart_by_their_names(cities: Cities) -> None:
    twice = [{"name": "code", "title": t, "type": "string"} for t in ("一", "二")]

    assert pointers(objections(cities.qianjiang, attributes=twice)) == ["/attributes/1/name"]


def test_the_refusal_of_an_entry_names_every_field_and_article(cities: Cities) -> None:
    refused = objections(cities.qianjiang, share_class="none", theme="养鱼")

    assert set(pointers(refused)) == {"/class_reason", "/basis", "/theme"}
    assert "第8条（一）" in str(refused.cite)
    assert "第8条（三）" in str(refused.cite)
