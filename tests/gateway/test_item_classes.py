"""Share classes are kept item by item (I-S-02): the chosen items say who decides; part may be granted."""

from __future__ import annotations

from typing import Any

import pytest

import schemas
from core.errors import Conflict, Invalid
from gateway.applications import act_on_application, find_application
from gateway.present import application_view
from tests.cast import alice, bob, carol
from tests.stories import CONDITION, OFFERS, active_client, offered, submitted_application

pytestmark = pytest.mark.long

BASIS = {"level": "law", "title": "中华人民共和国数据安全法", "article": "第二十一条"}
TERM = {"term_days": 30}


@pytest.fixture(params=["world", "ganzhou"])
def city(request: Any) -> Any:
    """Both cities read their texts alike here."""
    return request.getfixturevalue(request.param)


def classed(world: Any, share_class: str, **classes: str) -> str:
    """Publish the divisions with a class for some of its items; the others are unconditional."""
    attributes = [
        {**a, "share_class": classes.get(a["name"], "unconditional")}
        for a in OFFERS["divisions"][1]["attributes"]
    ]
    return offered(
        world, "divisions", attributes=attributes, share_class=share_class, basis=BASIS, **CONDITION
    )


def view(world: Any, application_id: str) -> dict[str, Any]:
    """The application as its applicant sees it."""
    with world.read(carol) as work:
        shown = application_view(work, find_application(work, application_id))
    schemas.validate("response/application", shown)
    return shown


@pytest.mark.parametrize(
    ("fields", "decider"), [(["code"], "platform_manager"), (["code", "name"], "provider")]
)
def test_the_strictest_of_the_chosen_items_says_who_decides(
    city: Any, fields: list[str], decider: str
) -> None:
    code = classed(city, "conditional", name="conditional")
    filed = submitted_application(city, code, fields=fields, **TERM)
    assert filed.case.facts["decider"] == decider


def test_one_withheld_item_does_not_close_the_others(city: Any) -> None:
    code, system = classed(city, "none", street_name="none", name="conditional"), active_client(city)
    free = submitted_application(city, code, system, fields=["code"], **TERM)
    assert free.case.facts["share_class"] == "unconditional"
    assert free.case.facts["decider"] == "platform_manager"
    with pytest.raises(Invalid) as refused:
        submitted_application(city, code, system, fields=["code", "street_name"], **TERM)
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/fields/1", "not_shared")]


def test_a_dataset_of_withheld_items_only_is_closed(city: Any) -> None:
    code = offered(city, "divisions", share_class="none", class_reason="涉及执法线索", basis=BASIS)
    with pytest.raises(Conflict) as refused:
        submitted_application(city, code, **TERM)
    assert refused.value.code == "not_shared"


def test_part_of_the_items_is_granted_with_the_reason_for_the_rest(city: Any) -> None:
    """QJ art. 20 and GZ art. 11: what is not granted is refused, and a refusal says why."""
    filed = submitted_application(city, fields=["code", "name"], **TERM)
    assert view(city, filed.application.id)["decision"] is None
    if filed.case.state == "checking":
        with city.work(bob) as work:
            act_on_application(work, filed.application.id, "accept", {})
    with pytest.raises(Invalid) as refused, city.work(bob) as work:
        act_on_application(work, filed.application.id, "grant", {"fields": ["code"]})
    assert [e.pointer for e in refused.value.errors] == ["/withheld_reason"]
    decision = {"fields": ["code"], "withheld_reason": "核对地址只需要代码"}
    with city.work(bob) as work:
        act_on_application(work, filed.application.id, "grant", decision)
    assert view(city, filed.application.id)["decision"] == {
        "granted": ["code"],
        "withheld": ["name"],
        "reason": "核对地址只需要代码",
    }
    page = city.browser(carol).get(f"/applications/{filed.application.id}").text
    assert "核对地址只需要代码" in page
    assert "未予授权" in page


def test_the_form_names_the_class_of_each_item_where_they_differ(city: Any) -> None:
    code = classed(city, "conditional", name="conditional")
    active_client(city)
    page = city.browser(carol).get(f"/applications/new?dataset={code.replace('/', '-')}").text
    assert "name(name) · 有条件共享" in page
    assert "code(code) · 无条件共享" in page


def test_a_condition_is_stated_for_items_too(city: Any) -> None:
    from catalog.datasets import register_dataset

    entry = {**OFFERS["divisions"][1], "share_class": "none", "class_reason": "涉及执法线索", "basis": BASIS}
    first, *others = entry["attributes"]
    entry["attributes"] = [{**first, "share_class": "conditional"}, *others]
    with pytest.raises(Invalid) as refused, city.work(alice) as work:
        register_dataset(work, entry)
    assert [e.pointer for e in refused.value.errors] == ["/share_condition"]
