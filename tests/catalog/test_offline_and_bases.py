"""Entries that are exchanged off line, and the list of what is withheld and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from catalog.model import Filing
from core.errors import Conflict
from core.work import Actor
from tests.cast import alice, ann, bob, carol, chen, dave
from tests.catalog.entries import BASIS, WITHHELD, acted, published, registered

BY_MEDIUM = {"share_method": ["media"]}
POLICY = {"level": "local_policy", "title": "甘州区数据目录", "article": "第三条"}


def withheld(world: Any, actor: Actor = alice, **changes: Any) -> Any:
    """Register what is withheld in whole."""
    return registered(world, actor, **{**WITHHELD, **changes})


# --- off line ---------------------------------------------------------------------------------------


def test_an_entry_for_exchange_off_line_needs_no_data_behind_it_in_qianjiang(world: Any) -> None:
    """QJ art. 16."""
    dataset = acted(world, registered(world, **BY_MEDIUM), "publish")
    assert dataset.is_public
    page = world.browser(carol).get(f"/datasets/{dataset.code.replace('/', '-')}").text
    assert "/applications/new" not in page


def test_ganzhou_knows_no_exchange_off_line(ganzhou: Any) -> None:
    with pytest.raises(Conflict) as refused:
        acted(ganzhou, registered(ganzhou, **BY_MEDIUM), "submit")
    assert refused.value.code == "no_offline_exchange"
    assert "第7条" in str(refused.value.cite)


def test_what_is_shared_on_the_platform_still_needs_its_data(world: Any) -> None:
    both = registered(world, share_method=["platform", "media"])
    with pytest.raises(Conflict) as refused:
        acted(world, both, "publish")
    assert refused.value.code == "not_attached"


def test_what_is_withheld_in_part_needs_its_data_too(world: Any) -> None:
    attributes = [
        {"name": "code", "title": "区划代码", "type": "string", "share_class": "unconditional"},
        {"name": "clue", "title": "执法线索", "type": "string"},
    ]
    with pytest.raises(Conflict) as refused:
        acted(world, registered(world, **WITHHELD, attributes=attributes), "publish")
    assert refused.value.code == "not_attached"


# --- bases ------------------------------------------------------------------------------------------


def bases(world: Any, actor: Actor, query: str = "") -> list[dict[str, Any]]:
    """The list as somebody's script gets it."""
    items: list[dict[str, Any]] = world.client(actor).get(f"/api/datasets/bases{query}").get_json()["items"]
    return items


def test_bases_are_listed_for_whoever_may_see_the_dataset(world: Any) -> None:
    public = acted(world, withheld(world, title="已发布线索"), "publish")
    draft = withheld(world, ann, title="未发布线索")
    published(world)
    assert [b["code"] for b in bases(world, carol)] == [public.code]
    assert [b["code"] for b in bases(world, dave)] == [public.code]
    assert {b["code"] for b in bases(world, ann)} == {public.code, draft.code}
    assert {b["code"] for b in bases(world, bob)} == {public.code, draft.code}
    [row] = bases(world, chen)
    assert row["basis"]["level_title"] == {"zh": "法律", "en": "law"}
    assert row["whole"]
    assert row["items"] == ["区划代码", "名称"]
    assert row["filing"] is None


def test_bases_are_found_by_their_level_page_by_page(ganzhou: Any) -> None:
    for number in range(3):
        withheld(ganzhou, title=f"线索{number}", basis=POLICY)
    withheld(ganzhou, title="线索", basis=BASIS)
    assert len(bases(ganzhou, bob, "?level=local_policy")) == 3
    assert len(bases(ganzhou, bob, "?level=law")) == 1
    client = ganzhou.client(bob)
    first = client.get("/api/datasets/bases?level=local_policy&limit=2").get_json()
    second = client.get(first["next"]).get_json()
    assert len(first["items"]) == 2
    assert len(second["items"]) == 1
    assert client.get("/api/datasets/bases?level=decree").status_code == 400
    page = ganzhou.browser(bob).get("/catalog/bases?level=local_policy").text
    assert "线索0" in page
    assert "市县政策" in page


def test_the_items_that_are_held_back_are_named(world: Any) -> None:
    attributes = [
        {"name": "code", "title": "区划代码", "type": "string", "share_class": "unconditional"},
        {"name": "clue", "title": "执法线索", "type": "string"},
    ]
    registered(world, **WITHHELD, attributes=attributes)
    [row] = bases(world, bob)
    assert row["items"] == ["执法线索"]
    assert not row["whole"]


def test_the_standing_of_a_filing_is_shown_beside_its_basis(ganzhou: Any) -> None:
    """GZ art. 4 (一)."""
    dataset = withheld(ganzhou)
    filed = Filing("F-2026-000001", "/matters/1", "noted", ganzhou.now)
    kit = ganzhou.app.extensions["shuxiang"]
    ties = {**kit.ties, "filings_of": lambda work, ids: {dataset.id: filed} if dataset.id in ids else {}}
    ganzhou.app.extensions["shuxiang"] = replace(kit, ties=ties)
    [row] = bases(ganzhou, bob)
    assert row["filing"]["number"] == "F-2026-000001"
    assert row["filing"]["state_title"]["zh"] == "已备案"
    assert 'href="/matters/1"' in ganzhou.browser(bob).get("/catalog/bases").text


@pytest.mark.parametrize(("city", "levels"), [("world", 7), ("ganzhou", 9)])
def test_the_form_offers_the_levels_that_count_and_no_others(city: str, levels: int, request: Any) -> None:
    """QJ art. 8 (一), I-S-24: seven kinds of basis, local regulations not among them; Ganzhou names none."""
    world = request.getfixturevalue(city)
    page = world.browser(alice).get("/datasets/new").text
    offered = page.split('name="basis.level"')[1].split("</select>")[0]
    assert offered.count('<option value="') - 1 == levels
    assert ("local_regulation" in offered) == (levels == 9)
