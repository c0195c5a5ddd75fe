"""One source for each item (QJ art. 14): whoever registers again what is there is told so, and may go on."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

import schemas
from catalog.alike.find import note_all_items
from catalog.alike.keys import keys_of_item, tidy
from catalog.alike.store import dataset_items
from catalog.datasets import find_dataset, revise_dataset
from catalog.distributions import attach_distribution, plan_mount
from catalog.model import CheckReport, Dataset
from catalog.present import dataset_view
from core.work import SYSTEM, Actor
from tests.cast import alice, ann, bob, carol
from tests.catalog.entries import TABLE, acted, entry, objections, registered

pytestmark = pytest.mark.long

PEOPLE = "姓名 公民身份号码 户籍地址 民族 婚姻状况 联系电话"


def items(titles: str, type: str = "string", **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"a{i}", "title": title, "type": type, **more} for i, title in enumerate(titles.split())]


def there_is(world: Any, actor: Actor = alice, **changes: Any) -> Dataset:
    """A published entry; what its table holds does not matter."""
    draft = registered(world, actor, **changes)
    with world.work(actor) as work:
        mount = plan_mount(work, draft.code, "table", {k: v for k, v in TABLE.items() if k != "order"})
        attach_distribution(work, mount, CheckReport(()))
    flow = world.rulebooks.current("sharing").workflow("dataset")
    if "in_review" not in flow.states:
        return acted(world, draft, "publish", actor)
    acted(world, draft, "submit", actor)
    return acted(world, draft, "approve", bob)


def same(world: Any, actor: Actor, dataset: Dataset) -> list[dict[str, Any]]:
    """What the catalog says of other sources to whoever keeps the entry."""
    with world.read(actor) as work:
        view = dataset_view(work, find_dataset(work, dataset.code))
    schemas.validate("response/dataset", view)
    return [w for w in view["warnings"] if "dataset" in w]


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_whoever_registers_the_same_items_is_shown_where_they_are(city: str, request: Any) -> None:
    world = request.getfixturevalue(city)
    there = there_is(world, title="常住人口", attributes=items(PEOPLE))
    again = registered(world, ann, title="参保人员", attributes=items("参保号 民族 婚姻状况 户籍地址"))
    [warning] = same(world, ann, again)
    assert warning["dataset"]["code"] == there.code
    assert warning["dataset"]["items"] == ["民族", "婚姻状况", "户籍地址"]
    assert warning["dataset"]["provider"] == "civil_affairs"
    assert "潜江市民政局" in warning["zh"]
    page = world.browser(ann).get(f"/datasets/{again.code.replace('/', '-')}").text
    assert f"查看 {there.code}" in page


def test_the_title_alone_or_a_data_element_is_enough(world: Any) -> None:
    titled = there_is(world, title="婚姻登记", attributes=items("甲 乙"))
    coded = there_is(world, title="收养登记", attributes=items("丙", element="DE00001"))
    one = registered(world, ann, title="婚姻　登记！", attributes=items("丁"))
    other = registered(world, ann, title="名册", attributes=items("戊", element="de 00001"))
    assert [w["dataset"]["code"] for w in same(world, ann, one)] == [titled.code]
    assert [w["dataset"]["code"] for w in same(world, ann, other)] == [coded.code]
    assert same(world, ann, other)[0]["dataset"]["items"] == ["戊"]


@pytest.mark.parametrize(
    "titles",
    ["姓名 民族 车牌 颜色", "姓名 民族 婚姻状况 车牌 颜色 型号 里程 年检"],
    ids=["two", "under half"],
)
def test_a_few_items_in_common_are_no_sign(world: Any, titles: str) -> None:
    there_is(world, title="常住人口", attributes=items(PEOPLE))
    assert same(world, ann, registered(world, ann, title="车辆", attributes=items(titles))) == []


def test_an_item_of_another_type_is_another_item(world: Any) -> None:
    there_is(world, title="常住人口", attributes=items(PEOPLE))
    numbers = registered(world, ann, title="编号", attributes=items("民族 婚姻状况 户籍地址", "integer"))
    assert same(world, ann, numbers) == []


def test_another_departments_draft_stays_its_own(world: Any) -> None:
    registered(world, alice, title="常住人口", attributes=items(PEOPLE))
    assert same(world, ann, registered(world, ann, title="常住人口", attributes=items(PEOPLE))) == []


def test_ones_own_draft_is_pointed_out(world: Any) -> None:
    first = registered(world, title="常住人口", attributes=items(PEOPLE))
    second = registered(world, title="常住人口", attributes=items(PEOPLE))
    assert [w["dataset"]["code"] for w in same(world, alice, second)] == [first.code]
    assert [w["dataset"]["code"] for w in same(world, bob, second)] == [first.code]


def test_a_revision_is_compared_anew(world: Any) -> None:
    there = there_is(world, title="常住人口", attributes=items(PEOPLE))
    draft = registered(world, ann, title="车辆", attributes=items("车牌"))
    assert same(world, ann, draft) == []
    with world.work(ann) as work:
        revise_dataset(work, draft.code, {"attributes": items(PEOPLE)})
    assert [w["dataset"]["code"] for w in same(world, ann, draft)] == [there.code]
    with world.work(ann) as work:
        revise_dataset(work, draft.code, {"attributes": items("车牌")})
    assert same(world, ann, draft) == []


def test_five_are_pointed_out_at_most_the_closest_first(world: Any) -> None:
    for _ in range(6):
        there_is(world, title="常住人口", attributes=items(PEOPLE))
    closest = there_is(world, title="户籍", attributes=items(PEOPLE))
    found = same(world, ann, registered(world, ann, title="户籍", attributes=items(PEOPLE)))
    assert len(found) == 5
    assert found[0]["dataset"]["code"] == closest.code


def test_readers_of_the_catalog_are_not_bothered_with_it(world: Any) -> None:
    there_is(world, title="常住人口", attributes=items(PEOPLE))
    second = there_is(world, title="常住人口", attributes=items(PEOPLE))
    assert same(world, alice, second)
    assert same(world, carol, second) == []


def test_what_an_earlier_version_registered_is_compared_as_well(world: Any) -> None:
    there = there_is(world, title="常住人口", attributes=items(PEOPLE))
    with world.work(SYSTEM) as work:
        work.tx.execute(delete(dataset_items))
        assert note_all_items(work) == 1
        assert note_all_items(work) == 0
    again = registered(world, ann, title="常住人口", attributes=items("甲"))
    assert [w["dataset"]["code"] for w in same(world, ann, again)] == [there.code]


def test_width_case_blanks_and_punctuation_do_not_count() -> None:
    assert tidy("  ＩＤ-Card（号）") == "idcard号"
    assert keys_of_item({"title": "——", "type": "string"}) == frozenset()


def test_what_comes_from_the_platform_is_not_provided_again(cities: Any) -> None:
    """QJ art. 14 and GZ art. 5 (一)."""
    first, second = entry()["attributes"]
    for book, article in ((cities.qianjiang, "第14条"), (cities.ganzhou, "第5条")):
        refused = objections(book, attributes=[first, {**second, "obtained_from": "307001/000001"}])
        assert [(e.pointer, e.code) for e in refused.errors] == [
            ("/attributes/1/obtained_from", "onward_provision")
        ]
        assert article in str(refused.cite)
