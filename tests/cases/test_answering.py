"""Steps that answer something: given to a request and to nothing else, by somebody else than who asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from cases.model import Case
from cases.present import case_view
from core.errors import Conflict, NotPermitted
from core.times import local_iso
from core.work import Actor
from tests.cases.acts import (
    MANAGER_DECIDES,
    PARTIES,
    PROVIDER_DECIDES,
    clock_of,
    desk,
    opened,
    taken,
    told_by,
)
from tests.cast import alice, bill, bob, carol
from tests.conftest import World

ENTRY = {"dataset": "307001/000001", "update_limit": "yearly", "class_changed": False}


def changed_dataset(world: World) -> Case:
    """A published dataset with a change that is to be brought in."""
    case = opened(world, alice, "dataset", "provider", ENTRY)
    taken(world, alice, case, "submit")
    taken(world, bob, case, "approve")
    return taken(world, alice, case, "report_change", cause="职能变动")


def due(world: World, case: Case) -> str:
    state = clock_of(world, case, "update")
    assert state.due is not None
    return local_iso(state.due)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Conflict) as caught:
        act()
    return caught.value.code


def test_nobody_gives_more_time_unasked(ganzhou: World) -> None:
    """GZ art. 6: with the platform manager's consent."""
    case = changed_dataset(ganzhou)
    assert desk(ganzhou, bob) == {}
    for answer in ("extend", "refuse_extension"):
        assert refused(partial(taken, ganzhou, bob, case, answer, reason="情况特殊")) == "condition_not_met"


def test_a_request_waits_for_the_platform_manager_until_it_is_answered(ganzhou: World) -> None:
    case = changed_dataset(ganzhou)
    assert due(ganzhou, case) == "2026-03-02T23:59:59+08:00"
    ask = partial(taken, ganzhou, alice, case, "request_extension", reason="系统改造")
    assert told_by(ganzhou, case, ask) == {("task", "platform_manager", "bigdata")}
    assert desk(ganzhou, bob) == {case.id: ["同意延长更新期限", "不同意延长"]}
    give = partial(taken, ganzhou, bob, case, "extend", reason="情况属实", by=5)
    assert told_by(ganzhou, case, give) == {("task", "provider", "civil_affairs")}
    assert due(ganzhou, case) == "2026-03-09T23:59:59+08:00"
    assert desk(ganzhou, bob) == {}
    assert refused(give) == "condition_not_met"


def test_a_refused_request_is_answered_and_may_be_made_again(ganzhou: World) -> None:
    case = changed_dataset(ganzhou)
    refuse = partial(taken, ganzhou, bob, case, "refuse_extension", reason="理由不足")
    for _ in range(2):
        taken(ganzhou, alice, case, "request_extension", reason="系统改造")
        refuse()
        assert refused(refuse) == "condition_not_met"
    assert due(ganzhou, case) == "2026-03-02T23:59:59+08:00"


def test_the_one_extension_is_given_once(ganzhou: World) -> None:
    """GZ art. 6: twenty working days in all."""
    case = changed_dataset(ganzhou)
    taken(ganzhou, alice, case, "request_extension", reason="系统改造")
    taken(ganzhou, bob, case, "extend", reason="情况属实")
    assert due(ganzhou, case) == "2026-03-16T23:59:59+08:00"
    taken(ganzhou, alice, case, "request_extension", reason="仍未完成")
    with pytest.raises(Conflict):
        taken(ganzhou, bob, case, "extend", reason="再延长")
    assert desk(ganzhou, bob) == {case.id: ["同意延长更新期限", "不同意延长"]}
    taken(ganzhou, bob, case, "refuse_extension", reason="已延长过")
    assert desk(ganzhou, bob) == {}


def test_who_asks_for_more_time_does_not_give_it(ganzhou: World) -> None:
    both = replace(alice, roles=frozenset({"provider", "platform_manager"}))
    parties = {**PARTIES, "platform_manager": "civil_affairs"}
    case = opened(ganzhou, both, "dataset", "provider", ENTRY, parties)
    other = replace(both, login="alan")
    taken(ganzhou, both, case, "submit")
    taken(ganzhou, other, case, "approve")
    taken(ganzhou, both, case, "report_change", cause="职能变动")
    taken(ganzhou, both, case, "request_extension", reason="系统改造")
    with pytest.raises(NotPermitted):
        taken(ganzhou, both, case, "extend", reason="情况属实")
    assert taken(ganzhou, other, case, "extend", reason="情况属实").version > case.version


# --- by another -----------------------------------------------------------------------------------


def urgent(world: World, actor: Actor) -> Case:
    """An application that the platform manager itself enters, because it is urgent (GZ art. 11)."""
    facts = {**MANAGER_DECIDES, "urgent": True}
    case = opened(world, actor, "application", "platform_manager", facts)
    return taken(world, actor, case, "submit")


@pytest.mark.parametrize(
    ("action", "fields"), [("grant", {}), ("refuse", {"reason_code": "other", "basis": "第四条"})]
)
def test_who_entered_an_urgent_application_does_not_decide_on_it(
    ganzhou: World, action: str, fields: dict[str, str]
) -> None:
    """GZ art. 11: the same role asks and decides there, so it takes two people."""
    case = urgent(ganzhou, bob)
    with pytest.raises(NotPermitted):
        taken(ganzhou, bob, case, action, **fields)
    assert taken(ganzhou, bill, case, action, **fields).closed_at == ganzhou.now


def test_what_is_not_urgent_is_not_entered_by_the_platform_manager(ganzhou: World) -> None:
    case = opened(ganzhou, bob, "application", "platform_manager", {**MANAGER_DECIDES, "urgent": False})
    with pytest.raises(NotPermitted):
        taken(ganzhou, bob, case, "submit")


def test_who_decides_is_shown_what_they_confirm(ganzhou: World) -> None:
    """GZ art. 5(一): the least that the work needs."""
    case = opened(ganzhou, carol, "application", "consumer", PROVIDER_DECIDES)
    case = taken(ganzhou, carol, case, "submit")
    with ganzhou.read(alice) as work:
        forms = case_view(work, case)["forms"]
    assert "最小范围" in forms["grant"]["confirms"]["zh"]
    assert forms["refuse"]["confirms"] is None
