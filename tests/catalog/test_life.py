"""From draft to published to withdrawn, with every wording kept, the way each city wants it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.datasets import list_revisions, revise_dataset
from catalog.present import dataset_view
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from gateway.store import policy_version
from tests.cast import alice, ann, bob, carol, dave
from tests.catalog.entries import WITHHELD, acted, attached, divisions, published, registered, seen_by


def revised(world: Any, dataset: Any, cause: str | None = "名称更正", **changes: Any) -> Any:
    with world.work(alice) as work:
        return revise_dataset(work, dataset.code, changes, cause)


def named(clocks: Any, name: str) -> Any:
    return next(c for c in clocks if c["name"] == name)


def policy(world: Any) -> int:
    with world.read(bob) as work:
        return int(policy_version(work.tx))


def test_a_dataset_without_data_is_not_published(world: Any) -> None:
    with pytest.raises(Conflict) as refused:
        acted(world, registered(world), "publish")

    assert refused.value.code == "not_attached"


def test_what_nobody_gets_is_published_without_data(world: Any) -> None:
    assert acted(world, registered(world, **WITHHELD), "publish").case.state == "published"


def test_in_qianjiang_the_provider_publishes_and_everybody_sees_it(world: Any) -> None:
    dataset = published(world)

    assert dataset.published_at == world.now
    assert seen_by(world, carol, dataset).case.state == "published"
    assert seen_by(world, dave, dataset).code == dataset.code


def test_in_ganzhou_the_manager_reviews_first(ganzhou: Any) -> None:
    divisions(ganzhou)
    dataset = attached(ganzhou, registered(ganzhou))

    with pytest.raises(Conflict):
        acted(ganzhou, dataset, "publish")
    assert acted(ganzhou, dataset, "submit").case.state == "in_review"
    with pytest.raises(NotFound):
        seen_by(ganzhou, carol, dataset)
    with pytest.raises(NotPermitted):
        acted(ganzhou, dataset, "approve", alice)
    assert acted(ganzhou, dataset, "approve", bob).case.state == "published"


def test_in_ganzhou_a_returned_draft_is_mended_and_sent_again(ganzhou: Any) -> None:
    divisions(ganzhou)
    dataset = attached(ganzhou, registered(ganzhou))
    acted(ganzhou, dataset, "submit")
    with pytest.raises(Invalid):
        acted(ganzhou, dataset, "return", bob)

    acted(ganzhou, dataset, "return", bob, reason="摘要不清楚")
    revised(ganzhou, dataset, None, summary="市辖街道、社区的区划代码和名称。")
    assert acted(ganzhou, dataset, "submit").case.state == "in_review"


def test_an_entry_in_review_is_not_changed_under_the_managers_eyes(ganzhou: Any) -> None:
    divisions(ganzhou)
    dataset = attached(ganzhou, registered(ganzhou))
    acted(ganzhou, dataset, "submit")

    with pytest.raises(Conflict):
        revised(ganzhou, dataset, title="另一个名称")


def test_a_draft_in_ganzhou_is_not_sent_for_review_without_data(ganzhou: Any) -> None:
    with pytest.raises(Conflict):
        acted(ganzhou, registered(ganzhou), "submit")


def test_a_revision_keeps_the_wording_before_and_why_it_changed(world: Any) -> None:
    dataset = published(world)
    world.now += timedelta(days=1)

    after = revised(world, dataset, "名称更正", title="街道和社区区划代码")

    assert (after.revision, after.title) == (2, "街道和社区区划代码")
    with world.read(carol) as work:
        (second, changed), (first, nothing) = list_revisions(work, after)
    assert (second.cause, first.document["title"]) == ("名称更正", "行政区划代码")
    assert [str(d) for d in changed] == ["title: 行政区划代码 -> 街道和社区区划代码"]
    assert nothing == []


def test_a_published_entry_is_revised_for_a_cause_only(world: Any) -> None:
    dataset = published(world)

    with pytest.raises(Invalid) as refused:
        revised(world, dataset, None, title="新名称")
    assert [e.pointer for e in refused.value.errors] == ["/cause"]
    assert seen_by(world, carol, dataset).title == "行政区划代码"


def test_a_draft_is_edited_without_a_cause_and_still_leaves_a_trace(world: Any) -> None:
    dataset = registered(world)

    after = revised(world, dataset, None, keywords=["区划"])

    assert (after.revision, after.version, after.case.state) == (2, 2, "draft")
    with world.read(alice) as work:
        assert len(list_revisions(work, after)) == 2


def test_strangers_see_no_wording_from_before_the_publication(world: Any) -> None:
    dataset = registered(world)
    world.now += timedelta(hours=1)
    revised(world, dataset, None, title="第二稿名称")
    world.now += timedelta(hours=1)
    divisions(world)
    attached(world, dataset)
    acted(world, dataset, "publish")
    world.now += timedelta(hours=1)
    after = revised(world, dataset, title="第三稿名称")

    def titles(actor: Any) -> list[str]:
        with world.read(actor) as work:
            return [r.document["title"] for r, _ in list_revisions(work, after)]

    assert titles(carol) == ["第三稿名称", "第二稿名称"]
    assert titles(alice) == ["第三稿名称", "第二稿名称", "行政区划代码"]


def test_a_revision_that_changes_nothing_is_none(world: Any) -> None:
    dataset = published(world)

    assert revised(world, dataset, title="行政区划代码").revision == 1


def test_the_category_code_stays_with_the_code(world: Any) -> None:
    with pytest.raises(Invalid) as refused:
        revised(world, registered(world), category_code="103001")
    assert [e.pointer for e in refused.value.errors] == ["/category_code"]


def test_a_revision_meets_the_same_guards_as_a_registration(world: Any) -> None:
    with pytest.raises(Invalid) as refused:
        revised(world, published(world), share_class="none")
    assert {e.pointer for e in refused.value.errors} >= {"/basis", "/class_reason"}


def test_only_the_provider_revises(world: Any) -> None:
    dataset = published(world)

    for stranger in (ann, bob, carol):
        with pytest.raises(NotPermitted), world.work(stranger) as work:
            revise_dataset(work, dataset.code, {"title": "别人的名称"}, "因")


def test_nobody_overwrites_what_somebody_else_changed_meanwhile(world: Any) -> None:
    dataset = registered(world)
    revised(world, dataset, None, keywords=["区划"])

    with pytest.raises(Conflict) as refused, world.work(alice) as work:
        revise_dataset(work, dataset.code, {"title": "名称"}, None, expect_version=dataset.version)
    assert refused.value.code == "changed_meanwhile"


def test_every_change_of_a_published_dataset_lets_the_data_plane_look_again(world: Any) -> None:
    dataset = registered(world)
    divisions(world)
    attached(world, dataset)
    versions = [policy(world)]
    for step in (
        lambda: acted(world, dataset, "publish"),
        lambda: revised(world, dataset, title="新的名称"),
        lambda: acted(world, dataset, "take_offline", reason="维护"),
        lambda: acted(world, dataset, "publish"),
    ):
        step()
        versions.append(policy(world))

    assert versions == sorted(set(versions))


def test_a_draft_is_nothing_to_the_data_plane(world: Any) -> None:
    before = policy(world)
    revised(world, registered(world), None, title="新的名称")

    assert policy(world) == before


def test_what_is_off_line_is_gone_for_strangers_and_comes_back(world: Any) -> None:
    dataset = published(world)
    first = dataset.published_at
    world.now += timedelta(days=1)

    acted(world, dataset, "take_offline", reason="口径调整")
    with pytest.raises(NotFound):
        seen_by(world, carol, dataset)
    assert seen_by(world, dave, dataset).case.state == "offline"
    revised(world, dataset, None, title="新口径的区划代码")
    assert acted(world, dataset, "publish").published_at == first
    assert seen_by(world, carol, dataset).title == "新口径的区划代码"


def test_a_dataset_is_withdrawn_in_steps_and_for_good(world: Any) -> None:
    dataset = published(world)
    with pytest.raises(Conflict):
        acted(world, dataset, "request_withdrawal", ground="duties_changed", basis="职能划转")

    acted(world, dataset, "take_offline", reason="职能划转")
    acted(world, dataset, "request_withdrawal", ground="duties_changed", basis="职能划转")
    assert acted(world, dataset, "approve_withdrawal", bob).case.state == "withdrawn"
    with pytest.raises(Conflict):
        revised(world, dataset, title="再改一次")
    assert registered(world).code == "307001/000002"


def test_in_ganzhou_an_entry_changed_off_line_is_reviewed_again(ganzhou: Any) -> None:
    dataset = in_public(ganzhou)
    acted(ganzhou, dataset, "take_offline", reason="口径调整")

    assert acted(ganzhou, dataset, "publish").case.state == "published"
    acted(ganzhou, dataset, "take_offline", reason="口径调整")
    revised(ganzhou, dataset, title="街道区划代码")
    with pytest.raises(Conflict):
        acted(ganzhou, dataset, "publish")
    assert acted(ganzhou, dataset, "submit").case.state == "in_review"


def test_in_ganzhou_a_changed_share_class_is_reviewed_before_anybody_gets_it(ganzhou: Any) -> None:
    dataset = in_public(ganzhou)
    assert revised(ganzhou, dataset, title="街道区划代码").case.state == "published"

    conditional = {"share_class": "conditional", "share_condition": "说明用途"}
    changed = revised(ganzhou, dataset, **conditional)

    assert (changed.case.state, changed.is_public) == ("in_review", False)
    assert acted(ganzhou, dataset, "approve", bob).is_public


def in_public(world: Any) -> Any:
    divisions(world)
    dataset = attached(world, registered(world))
    acted(world, dataset, "submit")
    return acted(world, dataset, "approve", bob)


def test_revising_is_an_action_like_the_others(world: Any) -> None:
    dataset = published(world)

    with pytest.raises(Conflict) as refused:
        acted(world, dataset, "revise", cause="更正", title=dataset.document["title"])
    assert refused.value.code == "unchanged"
    after = acted(world, dataset, "revise", cause="更正", title="街道区划代码")

    assert (after.title, after.revision) == ("街道区划代码", 2)


def test_a_change_that_is_announced_runs_the_clock_of_ganzhou_until_it_is_made(ganzhou: Any) -> None:
    dataset = published(ganzhou)
    acted(ganzhou, dataset, "report_change", cause="街道合并")
    with ganzhou.read(alice) as work:
        clock = named(dataset_view(work, seen_by(ganzhou, alice, dataset))["clocks"], "update")
    assert (clock["name"], clock["due"], clock["stopped_at"]) == ("update", "2026-03-02T23:59:59+08:00", None)

    ganzhou.now += timedelta(days=2)
    after = revised(ganzhou, dataset, "街道合并", title="合并后的区划代码")
    with ganzhou.read(alice) as work:
        clock = named(dataset_view(work, after)["clocks"], "update")
    assert clock["stopped_at"] == "2026-02-12T10:00:00+08:00"
