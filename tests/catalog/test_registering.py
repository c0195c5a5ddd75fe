"""A department registers a dataset: the platform gives the code, the rulebook says what it must hold."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.codes import from_url
from catalog.datasets import expect, find_dataset, register_dataset
from core.codes import in_url
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from tests.cast import alice, ann, bob, carol, chen, dave, mallory
from tests.catalog.entries import entry, pointers, registered, seen_by


def refuse(world: Any, **changes: Any) -> Invalid:
    with pytest.raises(Invalid) as refused, world.work(alice) as work:
        register_dataset(work, entry(**changes))
    return refused.value


def test_the_platform_counts_the_datasets_of_each_category(world: Any) -> None:
    codes = [registered(world, category_code=c).code for c in ("307001", "307001", "103001", "307001")]

    assert codes == ["307001/000001", "307001/000002", "103001/000001", "307001/000003"]


def test_a_registration_that_is_not_kept_uses_no_number(world: Any) -> None:
    def register_and_fail() -> None:
        with world.work(alice) as work:
            made = register_dataset(work, entry())
            expect(made, made.version + 1)

    with pytest.raises(Conflict):
        register_and_fail()
    assert registered(world).code == "307001/000001"


def test_codes_are_written_with_a_hyphen_in_addresses(world: Any) -> None:
    assert in_url("307001/000001") == "307001-000001"
    assert from_url("307001-000001") == "307001/000001"
    for wrong in ("307001/000001", "307001", "..", "307001-", "３０７００１-000001", "307001-000001-1"):
        with pytest.raises(NotFound):
            from_url(wrong)


def test_a_category_code_follows_the_deployments_rule(world: Any) -> None:
    assert pointers(refuse(world, category_code="907001")) == ["/category_code"]


def test_a_new_dataset_is_a_draft_that_only_its_provider_and_the_manager_know_of(world: Any) -> None:
    dataset = registered(world)

    assert seen_by(world, alice, dataset).case.state == "draft"
    assert seen_by(world, bob, dataset).title == "行政区划代码"
    for stranger in (ann, carol, chen, dave, mallory):
        with pytest.raises(NotFound):
            seen_by(world, stranger, dataset)


def test_an_unknown_dataset_and_somebody_elses_draft_look_alike(world: Any) -> None:
    dataset = registered(world)
    answers = []
    for code in (dataset.code, "307001/000999"):
        with pytest.raises(NotFound) as refused, world.read(mallory) as work:
            find_dataset(work, code)
        answers.append((refused.value.message, refused.value.code))

    assert answers[0] == answers[1]


def test_only_providers_register(world: Any) -> None:
    for stranger in (bob, carol, dave):
        with pytest.raises(NotPermitted), world.work(stranger) as work:
            register_dataset(work, entry())


def test_every_wrong_field_is_named_at_once(world: Any) -> None:
    refused = refuse(world, title="x", summary="short", attributes=[{"name": "a b", "type": "int"}])

    assert set(pointers(refused)) == {
        "/title",
        "/summary",
        "/attributes/0/name",
        "/attributes/0/title",
        "/attributes/0/type",
    }


def test_registering_is_on_record_with_the_case(world: Any) -> None:
    dataset = registered(world)

    assert [e.action for e in dataset.case.events] == ["open"]
    assert dataset.case.events[0].record_id
