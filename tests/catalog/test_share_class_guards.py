"""The share class is not the provider's to choose freely: each city's rulebook says what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Invalid
from tests.catalog.entries import registered
from tests.catalog.test_registering import pointers, refuse

BASIS = {"level": "law", "title": "中华人民共和国数据安全法", "article": "第二十一条"}
WITHHELD = {"share_class": "none", "class_reason": "涉及未公开的执法线索", "basis": BASIS}


def test_a_base_item_of_a_base_register_is_shared_unconditionally_in_qianjiang(world: Any) -> None:
    base = {"category": "base", "register": "人口信息", "base_item": True}
    conditional = {"share_class": "conditional", "share_condition": "限公安", "class_reason": "敏感"}

    assert registered(world, **base).share_class == "unconditional"
    refused = refuse(world, **base, **conditional)
    assert pointers(refused) == ["/share_class"]
    assert "第8条(二)" in str(refused.value.cite)


def test_other_items_of_a_base_register_may_be_conditional(world: Any) -> None:
    made = registered(
        world,
        category="base",
        register="population",
        share_class="conditional",
        share_condition="限公安",
        class_reason="敏感",
    )
    assert made.share_class == "conditional"


def test_base_data_name_a_register_of_the_list(world: Any) -> None:
    assert pointers(refuse(world, category="base")) == ["/register"]
    assert pointers(refuse(world, category="base", register="鱼塘信息")) == ["/register"]


def test_ganzhou_knows_no_base_registers(ganzhou: Any) -> None:
    made = registered(
        ganzhou,
        category="base",
        register="人口信息",
        base_item=True,
        share_class="conditional",
        share_condition="限公安",
    )
    assert made.share_class == "conditional"


def test_theme_data_name_a_theme_of_the_list(cities: Any) -> None:
    assert (
        registered(cities.qianjiang, category="theme", theme="食品安全监管").document["theme"]
        == "食品安全监管"
    )
    assert pointers(refuse(cities.qianjiang, category="theme")) == ["/theme"]
    assert pointers(refuse(cities.qianjiang, theme="养鱼")) == ["/theme"]
    assert registered(cities.ganzhou, theme="养鱼").document["theme"] == "养鱼"


def test_withholding_takes_a_reason_and_a_basis_in_both_cities(cities: Any) -> None:
    for city in cities:
        assert registered(city, **WITHHELD).share_class == "none"
        assert pointers(refuse(city, **{**WITHHELD, "basis": None})) == ["/basis"]
        assert pointers(refuse(city, **{**WITHHELD, "class_reason": None})) == ["/class_reason"]


@pytest.mark.parametrize("level", ["local_regulation", "local_policy"])
def test_a_local_basis_does_in_ganzhou_and_not_in_qianjiang(cities: Any, level: str) -> None:
    local = {**WITHHELD, "basis": {**BASIS, "level": level}}

    assert registered(cities.ganzhou, **local).share_class == "none"
    refused = refuse(cities.qianjiang, **local)
    assert pointers(refused) == ["/basis/level"]
    assert "第8条(一)" in str(refused.value.cite)


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
def test_seven_levels_do_in_qianjiang(world: Any, level: str) -> None:
    assert registered(world, **{**WITHHELD, "basis": {**BASIS, "level": level}}).share_class == "none"


def test_conditional_sharing_states_its_condition_and_in_qianjiang_its_reason(cities: Any) -> None:
    conditional = {"share_class": "conditional", "share_condition": "限医疗救助"}

    assert registered(cities.ganzhou, **conditional).share_class == "conditional"
    assert pointers(refuse(cities.qianjiang, **conditional)) == ["/class_reason"]
    assert pointers(refuse(cities.ganzhou, share_class="conditional")) == ["/share_condition"]


def attribute(name: str, share_class: str | None) -> dict[str, Any]:
    made = {"name": name, "title": name, "type": "string", "share_class": share_class}
    return {k: v for k, v in made.items() if v}


def test_no_item_is_stricter_than_the_dataset(world: Any) -> None:
    items = [attribute("a", "unconditional"), attribute("b", "conditional")]

    assert pointers(refuse(world, attributes=items)) == ["/attributes/1/share_class"]


def test_a_dataset_is_no_stricter_than_its_strictest_item(world: Any) -> None:
    items = [attribute("a", "unconditional"), attribute("b", "unconditional")]
    conditional = {"share_class": "conditional", "share_condition": "限公安", "class_reason": "敏感"}

    assert pointers(refuse(world, attributes=items, **conditional)) == ["/share_class"]
    mixed = [*items, attribute("c", "conditional")]
    assert registered(world, attributes=mixed, **conditional).share_class == "conditional"
    unstated = [*items, attribute("c", None)]
    assert registered(world, attributes=unstated, **conditional).share_class == "conditional"


def test_withheld_theme_data_draw_a_warning_in_qianjiang(world: Any) -> None:
    from catalog.present import dataset_view
    from tests.cast import alice

    dataset = registered(world, theme="食品安全监管", **WITHHELD)
    with world.read(alice) as work:
        (warning,) = dataset_view(work, dataset)["warnings"]
    assert warning["cite"]["reading"] == "I-S-04"


def test_the_refusal_of_an_entry_names_every_article(world: Any) -> None:
    with pytest.raises(Invalid) as refused:
        registered(world, share_class="none", theme="养鱼")

    assert {e.pointer for e in refused.value.errors} == {"/class_reason", "/basis", "/theme"}
