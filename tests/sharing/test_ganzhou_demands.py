"""Demand matching in Ganzhou (GZ art. 10): raised, forwarded in three days, confirmed and shared in ten."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Invalid, NotFound, NotPermitted
from gateway.grants import list_grants
from tests.cast import alice, ann, bob, carol, chen, dave
from tests.sharing.beginnings import WITHHELD, judged, may, pointers, shown, stepped, token_for, wrong
from tests.sharing.telling import (
    acted,
    all_clocks,
    at,
    breaches,
    clock,
    due,
    end_of_workday,
    inbox,
    lateness,
    opened,
    records,
    swept,
)
from tests.stories import System, active_client, offered

REFUSAL = {"reason_code": "other", "basis": "《档案法》第二十八条"}


def demanded(world: Any, when: str | None = None, system: System | None = None, **said: Any) -> Any:
    """A demand of the health department for what civil affairs holds."""
    client = (system or active_client(world)).client.id
    world.now = at(when) if when else world.now
    wish = {
        "client": client,
        "provider": "civil_affairs",
        "wanted": "行政区划代码和名称",
        "purpose": "健康档案地址规范化",
        "duty_basis": "公共卫生服务职责",
        "term_days": 365,
    }
    return opened(world, carol, "demand", **{k: v for k, v in {**wish, **said}.items() if v is not None})


def forwarded(world: Any, when: str | None = None, **said: Any) -> Any:
    demand = demanded(world, **said)
    world.now = at(when) if when else world.now
    return acted(world, bob, demand, "forward")


# --- GZ-S-25: a demand for what is not published, of a provider that is known ----------------------------


@pytest.mark.parametrize("missing", ["provider", "wanted", "purpose", "duty_basis", "term_days", "client"])
def test_a_demand_names_its_provider_and_what_it_is_for(ganzhou: Any, missing: str) -> None:
    assert pointers(wrong(demanded, ganzhou, **{missing: None})) == [f"/{missing}"]


def test_a_demand_goes_to_the_manager_first(ganzhou: Any) -> None:
    demand = demanded(ganzhou)
    assert demand.matter.number == "D-2026-000001"
    assert demand.case.parties == {
        "consumer": "health",
        "provider": "civil_affairs",
        "platform_manager": "bigdata",
    }
    assert len(inbox(ganzhou, bob, demand)) == 1
    assert (may(ganzhou, bob, demand), may(ganzhou, alice, demand)) == (["forward", "return"], [])


def test_a_demand_of_a_department_that_is_none_is_refused(ganzhou: Any) -> None:
    assert pointers(wrong(demanded, ganzhou, provider="weather")) == ["/provider"]


def test_only_users_raise_demands(ganzhou: Any) -> None:
    for actor in (alice, bob, dave):
        with pytest.raises((NotPermitted, Invalid)):
            opened(ganzhou, actor, "demand", provider="hr_social", wanted="参保信息")


def test_qianjiang_has_no_such_procedure(world: Any) -> None:
    """D13."""
    with pytest.raises(NotFound):
        opened(world, carol, "demand", provider="civil_affairs", wanted="行政区划")


# --- GZ-S-26: forwarded within three working days ---------------------------------------------------------


def test_gs_3_forwarding_and_sharing_over_national_day(ganzhou: Any) -> None:
    """The worked example: Sunday 28 September 2025 is worked, 1 to 8 October are off."""
    ganzhou.now = at("2025-09-01T09:00")
    demand = demanded(ganzhou, "2025-09-28T11:00")
    assert due(ganzhou, demand, "demand_forward") == "2025-10-09T23:59:59+08:00"
    ganzhou.now = at("2025-10-09T14:00")
    demand = acted(ganzhou, bob, demand, "forward")
    assert not clock(ganzhou, demand, "demand_forward").breached
    assert due(ganzhou, demand, "demand_fulfil") == "2025-10-22T23:59:59+08:00"
    assert lateness(ganzhou, demand, "demand_fulfil") == [False, False, True]


@pytest.mark.parametrize(
    ("raised", "last"),
    [
        ("2026-02-13T10:00", "2026-02-25"),
        ("2026-02-14T17:00", "2026-02-26"),
        ("2026-05-06T00:00", "2026-05-09"),
        ("2026-09-24T23:59:59", "2026-09-30"),
    ],
)
def test_three_working_days_to_forward(ganzhou: Any, raised: str, last: str) -> None:
    demand = demanded(ganzhou, raised)
    assert due(ganzhou, demand, "demand_forward") == f"{last}T23:59:59+08:00" == end_of_workday(raised, 3)
    assert lateness(ganzhou, demand, "demand_forward") == [False, False, True]


def test_what_does_not_qualify_goes_back_with_a_reason_in_the_same_days(ganzhou: Any) -> None:
    """I-S-15."""
    demand = demanded(ganzhou, "2026-02-13T10:00")
    assert pointers(wrong(acted, ganzhou, bob, demand, "return")) == ["/reason"]
    ganzhou.now = at("2026-02-25T23:59:59")
    back = acted(ganzhou, bob, demand, "return", reason="该数据已在平台发布，请直接申请")
    assert back.case.state == "returned"
    assert not clock(ganzhou, back, "demand_forward").breached
    assert [c.name for c in all_clocks(ganzhou, back)] == ["demand_forward"]
    assert "demand for data D-2026-000001: Return" in inbox(ganzhou, carol, back)


def test_a_manager_that_is_late_is_on_record_once(ganzhou: Any) -> None:
    demand = demanded(ganzhou, "2026-02-13T10:00")
    for when in ("2026-02-25T23:59:59", "2026-02-26T00:00", "2026-12-01T00:00"):
        swept(ganzhou, when)
    assert breaches(ganzhou, demand) == ["demand_forward"]
    assert may(ganzhou, bob, demand) == ["forward", "return"]


# --- GZ-S-27: confirmed and shared within ten working days -----------------------------------------------


@pytest.mark.parametrize(
    ("sent_on", "last"),
    [
        ("2026-02-13T10:00", "2026-03-05"),
        ("2026-04-24T16:00", "2026-05-12"),
        ("2026-06-17T08:00", "2026-07-02"),
    ],
)
def test_ten_working_days_to_confirm_and_share(ganzhou: Any, sent_on: str, last: str) -> None:
    demand = forwarded(ganzhou, sent_on)
    assert due(ganzhou, demand, "demand_fulfil") == f"{last}T23:59:59+08:00" == end_of_workday(sent_on, 10)


def test_sharing_is_publishing_and_granting(ganzhou: Any) -> None:
    """GZ art. 10, I-G-12: "confirm and share", not merely promise; no application follows."""
    system = active_client(ganzhou)
    demand = forwarded(ganzhou, system=system)
    assert pointers(wrong(acted, ganzhou, alice, demand, "share")) == ["/dataset", "/items"]
    code = offered(ganzhou, "divisions")
    done = acted(ganzhou, alice, demand, "share", dataset=code, items="code、name")
    assert (done.case.state, clock(ganzhou, done, "demand_fulfil").running) == ("shared", False)
    with ganzhou.read(carol) as work:
        [held] = list_grants(work, limit=5).rows
    assert (held.grant.terms.fields, held.grant.client_id) == (("code", "name"), system.client.id)
    assert judged(ganzhou, token_for(ganzhou, held), code) is None
    assert "demand for data D-2026-000001: Confirm and share" in inbox(ganzhou, carol, done)
    [opening] = [r for r in records(ganzhou, held) if r["action"] == "open"]
    assert opening["dataset"] == code


def test_the_provider_confirms_that_the_entry_is_published(ganzhou: Any) -> None:
    demand = forwarded(ganzhou)
    assert "已发布目录" in shown(ganzhou, alice, demand)["forms"]["share"]["confirms"]["zh"]


def test_what_is_not_reviewed_yet_is_not_shared_yet(ganzhou: Any) -> None:
    """The manager's review lies inside the ten days (GZ art. 6): the platform does not wait for it."""
    demand = forwarded(ganzhou)
    code = offered(ganzhou, "divisions")
    stepped(ganzhou, alice, code, "take_offline", reason="整理")
    refused = wrong(acted, ganzhou, alice, demand, "share", dataset=code, items="code")
    assert refused.code == "not_published"
    assert clock(ganzhou, demand, "demand_fulfil").running


def test_a_provider_shares_its_own_data_and_only_what_is_shared(ganzhou: Any) -> None:
    demand = forwarded(ganzhou)
    code = offered(ganzhou, "workdays")
    assert isinstance(wrong(acted, ganzhou, alice, demand, "share", dataset=code, items="date"), NotPermitted)
    withheld = offered(ganzhou, "divisions", **WITHHELD)
    assert isinstance(
        wrong(acted, ganzhou, alice, demand, "share", dataset=withheld, items="code"), Invalid | Conflict
    )


def test_a_provider_may_shorten_the_term_and_not_lengthen_it(ganzhou: Any) -> None:
    demand = forwarded(ganzhou)
    code = offered(ganzhou, "divisions")
    longer = {"dataset": code, "items": "code", "term_days": 366}
    assert pointers(wrong(acted, ganzhou, alice, demand, "share", **longer)) == ["/term_days"]
    assert acted(ganzhou, alice, demand, "share", **{**longer, "term_days": 10}).case.state == "shared"


def test_who_does_not_agree_shows_the_basis(ganzhou: Any) -> None:
    """GZ art. 10."""
    demand = forwarded(ganzhou)
    assert pointers(wrong(acted, ganzhou, alice, demand, "refuse", reason_code="other")) == ["/basis"]
    done = acted(ganzhou, alice, demand, "refuse", **REFUSAL)
    assert (done.case.state, clock(ganzhou, done, "demand_fulfil").running) == ("refused", False)
    for reader in (carol, bob):
        assert "demand for data D-2026-000001: Refuse" in inbox(ganzhou, reader, done)


def test_no_paper_is_no_reason_here_either(ganzhou: Any) -> None:
    """GZ art. 4(三) names demands beside applications."""
    demand = forwarded(ganzhou)
    refused = wrong(acted, ganzhou, alice, demand, "refuse", **{**REFUSAL, "reason_code": "no_paper"})
    assert (pointers(refused), "第4条" in refused.errors[0].message.zh) == (["/reason_code"], True)


def test_only_the_provider_named_answers(ganzhou: Any) -> None:
    demand = forwarded(ganzhou)
    for other in (ann, bob, carol, chen):
        with pytest.raises((NotPermitted, NotFound)):
            acted(ganzhou, other, demand, "refuse", **REFUSAL)


def test_silence_shares_nothing(ganzhou: Any) -> None:
    """I-S-20: late is late, and the manager may urge."""
    demand = forwarded(ganzhou, "2026-02-13T10:00")
    for when in ("2026-03-05T23:59:59", "2026-03-06T00:00", "2026-09-01T00:00"):
        swept(ganzhou, when)
    assert breaches(ganzhou, demand) == ["demand_fulfil"]
    assert acted(ganzhou, bob, demand, "urge").case.state == "forwarded"
    with ganzhou.read(carol) as work:
        assert list_grants(work, limit=5).rows == []


def test_who_raised_a_demand_may_give_it_up(ganzhou: Any) -> None:
    demand = demanded(ganzhou)
    assert may(ganzhou, carol, demand) == ["withdraw"]
    assert acted(ganzhou, carol, demand, "withdraw").case.state == "withdrawn"
    with pytest.raises(Conflict):
        acted(ganzhou, bob, demand, "forward")
