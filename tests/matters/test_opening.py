"""A matter is opened by whom the rulebook names, about what it names, and everybody concerned takes part."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cases.sweep import sweep
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.work import SYSTEM
from gateway.applications import act_on_application
from gateway.grants import list_grants
from matters.acting import act_on_matter, find_matter, list_matters
from matters.model import Wanted
from matters.opening import MOST_OPEN, open_matter
from tests.cast import alice, ann, bob, carol, dave, mallory
from tests.stories import active_client, active_grant, offered, submitted_application


def opened(world: Any, actor: Any, kind: str, **draft: Any) -> Any:
    with world.work(actor) as work:
        return open_matter(work, kind, draft)


def acted(world: Any, actor: Any, held: Any, action: str, **fields: Any) -> Any:
    with world.work(actor) as work:
        return act_on_matter(work, held.matter.id, action, fields)


def listed(world: Any, actor: Any, **wanted: Any) -> list[str]:
    with world.read(actor) as work:
        return [h.matter.number for h in list_matters(work, Wanted(**wanted), 50, None).rows]


def test_a_doubt_reaches_the_provider_and_comes_back_answered(world: Any) -> None:
    held = active_grant(world)
    doubt = opened(
        world,
        carol,
        "correction",
        dataset=held.grant.dataset_code,
        doubt="街道名称有误",
        record={"code": "429005"},
    )
    assert doubt.matter.number == "C-2026-000001"
    assert doubt.case.parties == {
        "consumer": "health",
        "provider": "civil_affairs",
        "platform_manager": "bigdata",
    }
    assert listed(world, alice, is_open=True) == [doubt.matter.number]
    done = acted(world, alice, doubt, "correct", result="已更正街道名称")
    assert done.case.state == "corrected"
    assert listed(world, carol, is_open=True) == []


def test_nobody_else_learns_of_a_matter(world: Any) -> None:
    held = active_grant(world)
    doubt = opened(world, carol, "correction", dataset=held.grant.dataset_code, doubt="有误")
    assert listed(world, mallory) == []
    assert listed(world, ann) == []
    assert listed(world, dave) == [doubt.matter.number]
    with world.read(mallory) as work, pytest.raises(NotFound):
        find_matter(work, doubt.matter.id)


def test_a_place_without_a_procedure_has_none(world: Any) -> None:
    with pytest.raises(NotFound):
        opened(world, carol, "demand", wanted="企业年报")


def test_a_matter_names_what_it_is_about(world: Any) -> None:
    with pytest.raises(Invalid) as refused:
        opened(world, carol, "correction", doubt="有误")
    assert [e.pointer for e in refused.value.errors] == ["/dataset"]


def test_who_is_no_party_opens_no_dispute(world: Any) -> None:
    filed = submitted_application(world)
    with pytest.raises(Invalid):
        opened(world, mallory, "dispute", application=filed.application.id, issue="不公")
    dispute = opened(world, carol, "dispute", application=filed.application.id, issue="迟迟未办")
    assert dispute.case.parties["provider"] == "civil_affairs"
    with pytest.raises(NotPermitted):
        opened(world, dave, "dispute", dataset=filed.application.dataset_code, issue="审计不是当事人")


def test_a_missed_limit_drafts_a_report_for_a_person_to_sign(world: Any) -> None:
    filed = submitted_application(world, offered(world, "workdays"), fields=["date"], operations=["day"])
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    world.now += timedelta(days=40)
    for _ in range(3):
        with world.work(SYSTEM) as work:
            sweep(work)
    [number] = listed(world, bob, workflow="breach_report")
    assert number == "B-2026-000001"
    with world.read(bob) as work:
        [held] = list_matters(work, Wanted("breach_report"), 10, None).rows
    assert held.case.state == "draft"
    assert held.case.events[0].fields["clock"] == "decide"
    assert held.matter.application == filed.application.number


def test_a_demand_ends_in_a_grant(ganzhou: Any) -> None:
    system = active_client(ganzhou)
    demand = opened(
        ganzhou,
        carol,
        "demand",
        client=system.client.id,
        provider="civil_affairs",
        wanted="行政区划代码",
        purpose="健康档案地址规范化",
        duty_basis="公共卫生服务职责",
        term_days=365,
    )
    acted(ganzhou, bob, demand, "forward")
    code = offered(ganzhou, "divisions")
    done = acted(ganzhou, alice, demand, "share", dataset=code, items="code name")
    assert done.case.state == "shared"
    with ganzhou.read(carol) as work:
        [held] = list_grants(work, limit=10).rows
    assert held.grant.terms.fields == ("code", "name")
    assert held.grant.application_id is None
    assert held.grant.valid_until is not None


# --- what an opening may not name -----------------------------------------------------------------


def refused_at(world: Any, actor: Any, kind: str, **draft: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        opened(world, actor, kind, **draft)
    return [(e.pointer, e.code) for e in refused.value.errors]


def test_a_demand_goes_to_another_department_that_provides_data(ganzhou: Any) -> None:
    wish = {"wanted": "行政区划代码", "purpose": "规范化", "duty_basis": "公共卫生职责", "term_days": 365}
    client = active_client(ganzhou).client.id
    wrong = refused_at(ganzhou, carol, "demand", client=client, provider="audit", **wish)
    assert wrong == [("/provider", "not_the_departments")]
    wrong = refused_at(ganzhou, carol, "demand", client=client, provider="health", **wish)
    assert wrong == [("/provider", "own")]


def test_a_doubt_on_behalf_of_somebody_names_a_consumer(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    received = "2026-01-05T09:00:00+08:00"
    doubt = {"dataset": code, "doubt": "有误", "channel": "offline", "received_on": received}
    wrong = refused_at(ganzhou, bob, "correction", reported_by="audit", **doubt)
    assert wrong == [("/reported_by", "not_the_departments")]
    held = opened(ganzhou, bob, "correction", reported_by="health", **doubt)
    assert held.case.parties["consumer"] == "health"


def test_a_grant_named_beside_a_dataset_is_a_grant_on_it(world: Any) -> None:
    held, other = active_grant(world), offered(world, "calendars")
    named = {"grant": held.grant.number, "doubt": "有误"}
    assert refused_at(world, carol, "correction", dataset=other, **named) == [("/grant", "other_dataset")]
    doubt = opened(world, carol, "correction", dataset=held.grant.dataset_code, **named)
    assert doubt.matter.datasets == (held.grant.dataset_code,)


def test_one_dataset_written_in_two_ways_is_one(world: Any) -> None:
    code = offered(world, "divisions")
    twice = [code, code.replace("/", "-")]
    wrong = refused_at(world, bob, "verification", datasets=twice, difference="门牌不一")
    assert wrong == [("/datasets", "required")]


def test_a_department_has_so_many_doubts_open_about_a_dataset_and_no_more(world: Any) -> None:
    code, other = offered(world, "divisions"), offered(world, "calendars")
    held = [opened(world, carol, "correction", dataset=code, doubt="有误") for _ in range(MOST_OPEN)]
    with pytest.raises(Conflict) as refused:
        opened(world, carol, "correction", dataset=code, doubt="有误")
    assert refused.value.code == "too_many_open"
    opened(world, carol, "correction", dataset=other, doubt="有误")
    opened(world, mallory, "correction", dataset=code, doubt="有误")
    acted(world, alice, held[0], "correct", result="已更正")
    opened(world, carol, "correction", dataset=code, doubt="有误")
