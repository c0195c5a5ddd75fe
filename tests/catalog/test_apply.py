"""The manifests of a deployment bring the catalog to what they say, and leave alone what people did since."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from catalog.apply import Change, apply_manifests, check_manifests, plan_manifests
from catalog.search.find import find_datasets
from core.errors import Conflict, Invalid
from core.settings import Manifest
from core.work import SYSTEM
from tests.cast import alice, carol
from tests.catalog.entries import TABLE, acted, divisions, entry, seen_by


def manifest(name: str = "divisions", **changes: Any) -> Manifest:
    document = {
        "provider": "civil_affairs",
        "dataset": entry(**changes.pop("dataset", {})),
        "distributions": [TABLE],
        "publish": True,
        **changes,
    }
    return Manifest(f"/etc/city/datasets/{name}.yaml", document)


def applied(world: Any, *manifests: Manifest) -> list[Change]:
    reports = check_manifests(world.settings, manifests)
    with world.work(SYSTEM) as work:
        return apply_manifests(work, manifests, reports)


def planned(world: Any, *manifests: Manifest) -> list[Change]:
    with world.read(SYSTEM) as work:
        return plan_manifests(work, manifests)


def of_manifest(world: Any) -> Any:
    with world.read(alice) as work:
        (dataset,) = find_datasets(work, {}).datasets
    return dataset


def test_a_manifest_registers_attaches_and_publishes_as_its_provider(world: Any) -> None:
    divisions(world)
    (change,) = applied(world, manifest())

    assert (change.manifest, change.code, change.change) == ("divisions", "307001/000001", "register")
    dataset = of_manifest(world)
    assert seen_by(world, carol, dataset).case.state == "published"
    assert {e.actor_department for e in dataset.case.events} == {"civil_affairs"}


def test_a_dry_run_shows_the_same_and_changes_nothing(world: Any) -> None:
    divisions(world)
    (plan,) = planned(world, manifest())

    assert plan.code is None
    assert plan.diff == ("+ 行政区划代码", "+ table <- divisions_db", "+ publish")
    assert (plan.change, plan.diff) == (applied(world, manifest())[0].change, plan.diff)


def test_a_second_run_changes_nothing(world: Any) -> None:
    divisions(world)
    applied(world, manifest())
    before = of_manifest(world).version

    assert [c.change for c in applied(world, manifest())] == ["unchanged"]
    assert of_manifest(world).version == before


def test_a_changed_manifest_revises_the_entry_and_says_what_changes(world: Any) -> None:
    divisions(world)
    applied(world, manifest(dataset={"keywords": ["区划"]}))
    changed = manifest(dataset={"title": "区划代码表", "keywords": None})

    (plan,) = planned(world, changed)
    assert plan.change == "update"
    assert set(plan.diff) == {"~ title: 行政区划代码 -> 区划代码表", "~ keywords: ['区划'] -> (无)"}
    applied(world, changed)
    dataset = of_manifest(world)
    assert (dataset.title, dataset.revision, "keywords" in dataset.document) == ("区划代码表", 2, False)
    assert planned(world, changed)[0].change == "unchanged"


def test_what_people_took_off_line_stays_off_line(world: Any) -> None:
    divisions(world)
    applied(world, manifest())
    acted(world, of_manifest(world), "take_offline", reason="维护")

    assert applied(world, manifest())[0].change == "unchanged"
    assert of_manifest(world).case.state == "offline"


def test_data_that_are_not_there_yet_stop_the_whole_run(world: Any) -> None:
    with pytest.raises(Conflict):
        applied(world, manifest("first", publish=False), manifest("second"))
    with world.read(alice) as work:
        assert find_datasets(work, {}).total == 0


def test_a_manifest_that_the_rulebook_does_not_allow_is_refused(world: Any) -> None:
    divisions(world)
    with pytest.raises(Invalid) as refused:
        applied(world, manifest(dataset={"theme": "养鱼"}))
    assert [e.pointer for e in refused.value.errors] == ["/theme"]


def test_in_ganzhou_a_manifest_goes_as_far_as_the_review(ganzhou: Any) -> None:
    divisions(ganzhou)
    applied(ganzhou, manifest())

    assert of_manifest(ganzhou).case.state == "in_review"
    assert applied(ganzhou, manifest())[0].change == "unchanged"


def test_a_manifest_without_publish_stays_a_draft_until_it_says_so(world: Any) -> None:
    divisions(world)
    applied(world, manifest(publish=False))
    assert of_manifest(world).case.state == "draft"

    assert applied(world, manifest())[0].diff == ("+ publish",)
    assert of_manifest(world).case.state == "published"


def test_a_distribution_that_failed_its_check_is_tried_again(world: Any) -> None:
    draft = manifest(publish=False)
    applied(world, draft)
    divisions(world)

    assert applied(world, draft)[0].diff == ("+ table <- divisions_db",)
    assert of_manifest(world).distribution("table").report.passed


def test_the_demos_own_manifests_are_allowed_in_their_city(world: Any) -> None:
    from demo.prepare import prepare

    prepare(world.settings)
    drafts = [replace(m, document={**m.document, "publish": False}) for m in world.settings.manifests]
    changes = applied(world, *drafts)

    assert [c.change for c in changes] == ["register"] * len(drafts)
