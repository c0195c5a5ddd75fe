"""The one procedure behind datasets, applications and grants, told with applications in Qianjiang."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from audit.store import audit_outbox
from cases import store
from cases.model import Case
from cases.present import case_view
from cases.procedure import find_case, open_case, take
from cases.sweep import sweep
from cases.timing import clocks
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.times import local_iso
from core.work import SYSTEM, Work
from tests.cast import alice, bob, carol, dave, mallory
from tests.conftest import World

PARTIES = {"consumer": "health", "provider": "civil_affairs", "platform_manager": "bigdata"}


def conditional(work: Work) -> Case:
    return open_case(
        work,
        kind="application",
        workflow="application",
        facts={"share_class": "conditional", "controlled_params": False, "decider": "provider"},
        parties=PARTIES,
        opened_as="consumer",
    )


def submitted(world: World) -> Case:
    with world.work(carol) as work:
        return take(work, conditional(work), "submit", {})


def records(world: World) -> int:
    with world.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(audit_outbox)).scalar_one())


def clock(world: World, case: Case, name: str) -> Any:
    with world.read(SYSTEM) as work:
        fresh = store.case(work.tx, case.id)
        assert fresh is not None
        return next(c for c in clocks(work, fresh) if c.name == name)


def test_the_chain_of_a_conditional_application_runs_the_clocks_of_each_desk(world: World) -> None:
    case = submitted(world)
    assert local_iso(clock(world, case, "check").due) == "2026-02-13T23:59:59+08:00"

    world.now = datetime(2026, 2, 13, 7, 0, tzinfo=UTC)
    with world.work(bob) as work:
        case = take(work, case, "accept", {})
    assert clock(world, case, "check").stopped_at == world.now
    assert local_iso(clock(world, case, "decide").due) == "2026-03-05T23:59:59+08:00"

    world.now = datetime(2026, 3, 5, 8, 0, tzinfo=UTC)
    with world.work(alice) as work:
        case = take(work, case, "grant", {})
    assert local_iso(clock(world, case, "inform").due) == "2026-03-06T23:59:59+08:00"
    with world.work(bob) as work:
        case = take(work, case, "inform", {})
    assert case.state == "closed"
    assert case.next_due_at is None


def test_the_act_and_its_record_are_one(world: World) -> None:
    before = records(world)
    with pytest.raises(ZeroDivisionError), world.work(carol) as work:
        conditional(work).version / 0
    assert records(world) == before
    with world.work(carol) as work:
        case = conditional(work)
    assert records(world) == before + 1
    assert case.events[0].record_id


def test_a_refused_act_leaves_neither_state_nor_record(world: World) -> None:
    case = submitted(world)
    before = records(world)
    with pytest.raises(Invalid), world.work(bob) as work:
        take(work, case, "refuse", {"reason": "  ", "reason_code": "other"})
    with world.read(bob) as work:
        assert find_case(work, case.id).state == "checking"
    assert records(world) == before


def test_refusing_needs_a_reason_in_the_callers_words(world: World) -> None:
    case = submitted(world)
    with pytest.raises(Invalid) as refused, world.work(bob) as work:
        take(work, case, "refuse", {"reason_code": "other"})
    [fault] = refused.value.errors
    assert fault.pointer == "/reason"
    assert "理由" in fault.message.zh
    assert "reason" in fault.message.en


def test_no_paper_is_not_a_reason(world: World) -> None:
    case = submitted(world)
    with pytest.raises(Invalid) as refused, world.work(bob) as work:
        take(work, case, "refuse", {"reason": "未收到纸质申请", "reason_code": "no_paper"})
    assert [e.pointer for e in refused.value.errors] == ["/reason_code"]


def test_an_unknown_field_is_named(world: World) -> None:
    case = submitted(world)
    with pytest.raises(Invalid) as refused, world.work(bob) as work:
        take(work, case, "accept", {"state": "granted"})
    assert refused.value.errors[0].pointer == "/state"


def test_a_state_that_does_not_allow_the_action_is_a_conflict_in_words(world: World) -> None:
    case = submitted(world)
    with pytest.raises(Conflict) as refused, world.work(alice) as work:
        take(work, case, "grant", {})
    assert refused.value.code == "wrong_state"
    assert "规范性检查" in refused.value.message.zh


def test_an_action_that_no_state_has_is_not_found(world: World) -> None:
    case = submitted(world)
    with pytest.raises(NotFound), world.work(bob) as work:
        take(work, case, "approve_everything", {})


def test_another_role_may_not_act(world: World) -> None:
    case = submitted(world)
    with pytest.raises(NotPermitted), world.work(alice) as work:
        take(work, case, "accept", {})


def test_a_case_does_not_exist_for_other_departments(world: World) -> None:
    case = submitted(world)
    with world.read(mallory) as work, pytest.raises(NotFound):
        find_case(work, case.id)
    with world.read(dave) as work:
        assert find_case(work, case.id).id == case.id


def test_nobody_decides_on_their_own_request(world: World) -> None:
    both = bob.__class__("bob", "Bob", "bigdata", frozenset({"consumer", "platform_manager"}), "p")
    parties = {**PARTIES, "consumer": "bigdata"}
    with world.work(both) as work:
        case = open_case(
            work,
            kind="application",
            workflow="application",
            facts={"share_class": "conditional", "controlled_params": False, "decider": "provider"},
            parties=parties,
            opened_as="consumer",
        )
        case = take(work, case, "submit", {})
    other = bob.__class__("bill", "Bill", "bigdata", frozenset({"platform_manager"}), "p2")
    with pytest.raises(NotPermitted), world.work(both) as work:
        take(work, case, "accept", {})
    with world.work(other) as work:
        assert take(work, case, "accept", {}).state == "with_provider"


def test_who_holds_two_roles_goes_on_in_the_one_they_opened_in(world: World) -> None:
    both = bob.__class__("bob", "Bob", "bigdata", frozenset({"provider", "platform_manager"}), "p")
    parties = {"provider": "bigdata", "platform_manager": "bigdata"}
    with world.work(both) as work:
        case = open_case(
            work, kind="dataset", workflow="dataset", facts={}, parties=parties, opened_as="provider"
        )
        case = take(work, case, "publish", {})
    assert (case.state, case.events[-1].role) == ("published", "provider")


def test_acting_on_something_that_changed_meanwhile_is_refused(world: World) -> None:
    case = submitted(world)
    with world.work(bob) as work:
        take(work, case, "accept", {}, expect_version=case.version)
    with pytest.raises(Conflict) as refused, world.work(carol) as work:
        take(work, case, "withdraw", {}, expect_version=case.version)
    assert refused.value.code == "changed_meanwhile"


def test_the_offered_actions_are_those_that_the_procedure_accepts(world: World) -> None:
    case = submitted(world)
    with world.read(bob) as work:
        assert case_view(work, case)["actions"] == ["accept", "refuse"]
    with world.read(carol) as work:
        assert case_view(work, case)["actions"] == ["withdraw"]
    with world.read(alice) as work:
        assert case_view(work, case)["actions"] == []


def test_a_breach_is_true_at_its_instant_whoever_looks(world: World) -> None:
    case = submitted(world)
    world.now = datetime(2026, 2, 13, 15, 59, 59, tzinfo=UTC)
    assert not clock(world, case, "check").breached
    world.now += timedelta(seconds=1)
    assert clock(world, case, "check").breached


def test_the_sweep_records_each_breach_once(world: World) -> None:
    submitted(world)
    world.now += timedelta(days=10)
    before = records(world)
    with world.work(SYSTEM) as work:
        assert sweep(work) == 1
    assert records(world) == before + 2  # the breach, and the report of it that somebody is to sign
    with world.work(SYSTEM) as work:
        assert sweep(work) == 0
    assert records(world) == before + 2


def granted_until(world: World, until: datetime) -> Case:
    with world.work(SYSTEM) as work:
        return open_case(
            work, kind="grant", workflow="grant", facts={"valid_until": until.isoformat()}, parties=PARTIES
        )


def test_a_timer_runs_out_at_its_instant_with_nobody_watching(world: World) -> None:
    until = world.now + timedelta(days=30)
    case = granted_until(world, until)
    world.now = until - timedelta(milliseconds=1)
    with world.read(carol) as work:
        assert case_view(work, case)["state"] == "active"
    world.now = until
    with world.read(carol) as work:
        assert case_view(work, case)["state"] == "expired"
    with pytest.raises(Conflict), world.work(bob) as work:
        take(work, case, "suspend", {"reason": "安全事件"})


def test_the_sweep_moves_what_has_lapsed_and_tells_the_data_plane(world: World) -> None:
    case = granted_until(world, world.now + timedelta(days=1))
    version = world.counter.read()
    world.now += timedelta(days=2)
    with world.work(SYSTEM) as work:
        assert sweep(work) == 1
    with world.read(carol) as work:
        assert find_case(work, case.id).state == "expired"
    assert world.counter.read() > version


def test_a_case_keeps_the_rulebook_version_it_was_opened_under(world: World) -> None:
    case = submitted(world)
    with world.read(bob) as work:
        view = case_view(work, case)
    assert view["rulebook"] == {
        "id": "sharing/qianjiang",
        "version": world.rulebooks.current("sharing").version,
    }
