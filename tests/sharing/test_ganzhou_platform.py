"""The platform in Ganzhou (GZ art. 3, 5(五), 14): a tenant of the city's, its accounts, its maintenance."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.managing import allocate_account
from accounts.people import active_account, ensure_account
from accounts.store import update_account
from core.administrators import ADMINISTRATORS
from core.errors import Invalid, NotPermitted
from tests.cast import alice, bill, bob, carol, dave, mallory
from tests.sharing.beginnings import may, pointers, wrong
from tests.sharing.telling import acted, at, inbox, is_workday, opened, records
from tests.stories import active_grant, offered


def policy(world: Any, name: str) -> Any:
    return world.rulebooks.current("sharing").policy(name)


# --- the platform itself ------------------------------------------------------------------------------------


def test_the_district_has_no_platform_of_its_own(cities: Any) -> None:
    """GZ art. 3, D1."""
    ganzhou, qianjiang = cities.ganzhou, cities.qianjiang
    assert ganzhou.policy("deployment.platform").value == "city_tenant"
    leaf = ganzhou.policy("deployment.standalone_platform")
    assert (leaf.value, leaf.cite.article, leaf.cite.kind) == ("forbidden", "3", "text")
    assert qianjiang.policy("deployment.standalone_platform").value != "forbidden"


def test_use_is_counted_and_circulated_without_a_period(cities: Any) -> None:
    """GZ art. 14, D17: one family, from time to time, not published."""
    value = cities.ganzhou.policy("supervision.statistics").value
    assert value == {"families": ["calls"], "period": None, "public": False}
    assert len(cities.qianjiang.policy("supervision.statistics").value["families"]) == 3


# --- GZ-S-30: maintenance ---------------------------------------------------------------------------------


def announced(world: Any, when: str, stop: str, resume: str, **said: Any) -> Any:
    world.now = at(when)
    span = {"service_stop": f"{stop}+08:00", "service_resume": f"{resume}+08:00", "reason": "升级"}
    return opened(world, bob, "maintenance", **{**span, **said})


@pytest.mark.parametrize(
    ("stop", "resume", "last"),
    [
        ("2026-05-01T22:00:00", "2026-05-02T06:00:00", "2026-04-28T23:59:59"),  # GS-7
        ("2026-03-07T20:00:00", "2026-03-08T20:00:00", "2026-03-04T23:59:59"),
        ("2026-02-15T08:00:00", "2026-02-16T08:00:00", "2026-02-12T23:59:59"),  # Friday, worked Saturday
        ("2026-02-21T08:00:00", "2026-02-22T08:00:00", "2026-02-12T23:59:59"),
        ("2026-10-11T08:00:00", "2026-10-11T20:00:00", "2026-10-08T23:59:59"),  # Friday, worked Saturday
    ],
)
def test_gs_7_two_whole_working_days_lie_between_the_notice_and_the_stop(
    ganzhou: Any, stop: str, resume: str, last: str
) -> None:
    """GZ art. 14, I-S-18: on the last day it is in time, the day after it is refused with that day."""
    between = [at(last).date().toordinal() + n for n in range(1, 12)]
    whole = [d for d in between if d < at(stop).date().toordinal()]
    days = [at(last).date().fromordinal(d) for d in whole]
    assert sum(map(is_workday, days)) == 2
    assert announced(ganzhou, last, stop, resume).case.state == "announced"
    next_day = f"{days[0]}T00:00:00"
    refused = wrong(announced, ganzhou, next_day, stop, resume)
    assert (pointers(refused), "第14条" in str(refused.cite)) == (["/service_stop"], True)
    assert last[:10] in refused.errors[0].message.en


def test_maintenance_lies_on_days_off_unless_there_is_a_reason(ganzhou: Any) -> None:
    """GZ art. 14: in principle; a worked Saturday is no day off."""
    for stop, resume in (
        ("2026-03-10T22:00:00", "2026-03-10T23:00:00"),
        ("2026-05-09T22:00:00", "2026-05-10T06:00:00"),
    ):
        refused = wrong(announced, ganzhou, "2026-03-02T10:00", stop, resume)
        assert (pointers(refused), "第14条" in str(refused.cite)) == (["/override_reason"], True)
        done = announced(ganzhou, "2026-03-02T10:00", stop, resume, override_reason="厂商只在当日到场")
        assert done.case.state == "announced"


def test_users_and_providers_are_told_of_the_stop_and_of_its_end(ganzhou: Any) -> None:
    held = active_grant(ganzhou, term_days=365)
    stop = announced(
        ganzhou,
        "2026-03-02T10:00",
        "2026-03-07T20:00:00",
        "2026-03-08T20:00:00",
        datasets=[held.grant.dataset_code, offered(ganzhou, "calendars")],
    )
    assert [len(inbox(ganzhou, reader, stop)) for reader in (alice, carol, mallory)] == [1, 1, 0]
    ganzhou.now = at("2026-03-08T19:00")
    done = acted(ganzhou, bob, stop, "resume_service")
    assert done.case.state == "over"
    assert [len(inbox(ganzhou, reader, stop)) for reader in (alice, carol)] == [2, 2]


def test_a_stop_of_the_whole_platform_is_told_to_everybody(ganzhou: Any) -> None:
    stop = announced(ganzhou, "2026-03-02T10:00", "2026-03-07T20:00:00", "2026-03-08T20:00:00")
    assert all(inbox(ganzhou, reader, stop) for reader in (alice, carol, mallory))


def test_a_stop_is_in_the_future_and_ends(ganzhou: Any) -> None:
    wrong_spans = [
        ("2026-03-01T20:00:00", "2026-03-08T20:00:00"),
        ("2026-03-08T20:00:00", "2026-03-07T20:00:00"),
        ("2026-03-07T20:00:00", "2026-05-07T20:00:00"),
    ]
    for stop, resume in wrong_spans:
        refused = wrong(announced, ganzhou, "2026-03-02T10:00", stop, resume)
        assert pointers(refused) == ["/service_resume"]


def test_only_the_manager_announces_and_calls_off(ganzhou: Any) -> None:
    for actor in (alice, carol, dave):
        with pytest.raises(NotPermitted):
            opened(ganzhou, actor, "maintenance", service_stop="2026-03-07T20:00:00+08:00")
    stop = announced(ganzhou, "2026-03-02T10:00", "2026-03-07T20:00:00", "2026-03-08T20:00:00")
    assert pointers(wrong(acted, ganzhou, bob, stop, "cancel")) == ["/reason"]
    assert acted(ganzhou, bob, stop, "cancel", reason="推迟").case.state == "cancelled"


# --- GZ-S-31: accounts -------------------------------------------------------------------------------------


def test_the_manager_allocates_the_accounts(ganzhou: Any) -> None:
    """GZ art. 14, D19: with a one-time password that is shown once, on record."""
    with ganzhou.work(bob) as work:
        assert allocate_account(work, "lin.tao", "林涛", "health", ["consumer"])
    with ganzhou.read(bob) as work:
        assert active_account(work, "lin.tao") is not None
    body = {"login": "he.jing", "name": "何静", "department": "health", "roles": ["consumer"]}
    assert ganzhou.client(bob).post("/api/accounts", json=body).status_code == 201


def test_nobody_else_does(ganzhou: Any) -> None:
    for actor in (alice, carol, dave):
        with pytest.raises(NotPermitted), ganzhou.work(actor) as work:
            allocate_account(work, "lin.tao", "林涛", "health", ["consumer"])


def test_the_manager_gives_no_role_that_stands_above_or_beside_it(ganzhou: Any) -> None:
    for role in ("administrator", "auditor", "platform_manager"):
        with pytest.raises(Invalid), ganzhou.work(bob) as work:
            allocate_account(work, "lin.tao", "林涛", "bigdata", [role])


def test_in_qianjiang_accounts_are_the_administrators_affair(world: Any) -> None:
    """D19: that text does not speak of accounts."""
    with pytest.raises(NotPermitted), world.work(bob) as work:
        allocate_account(work, "lin.tao", "林涛", "health", ["consumer"])


# --- GZ-S-32: a change of staff ---------------------------------------------------------------------------


def staffed(world: Any) -> None:
    with world.work(bob) as work:
        for login in ("carol", "lin.tao"):
            ensure_account(work, login, login, "health", {"consumer"})
        ensure_account(work, "outsider", "外人", "education", {"consumer"})


def leaving(world: Any, actor: Any = carol, **said: Any) -> Any:
    change = {"person": "carol", "successor": "lin.tao", "left_on": "2026-02-28T18:00:00+08:00"}
    return opened(world, actor, "handover", **{k: v for k, v in {**change, **said}.items() if v})


@pytest.mark.parametrize("missing", ["person", "successor", "left_on"])
def test_a_change_of_staff_names_who_goes_who_comes_and_when(ganzhou: Any, missing: str) -> None:
    """GZ art. 5(五)."""
    staffed(ganzhou)
    assert pointers(wrong(leaving, ganzhou, **{missing: None})) == [f"/{missing}"]


def test_the_successor_has_an_account_in_the_same_department(ganzhou: Any) -> None:
    staffed(ganzhou)
    assert pointers(wrong(leaving, ganzhou, successor="outsider")) == ["/successor"]
    assert pointers(wrong(leaving, ganzhou, successor="nobody")) == ["/successor"]


def test_filing_it_shuts_the_account_of_who_left(ganzhou: Any) -> None:
    staffed(ganzhou)
    change = leaving(ganzhou)
    assert len(inbox(ganzhou, bob, change)) == 1
    filed = acted(ganzhou, bob, change, "file_handover")
    assert filed.case.state == "filed"
    with ganzhou.read(bob) as work:
        assert active_account(work, "carol") is None
        assert active_account(work, "lin.tao") is not None
    assert "第14条" in records(ganzhou, filed)[-1]["cite"]


def test_a_report_that_is_wrong_goes_back_and_shuts_nobody_out(ganzhou: Any) -> None:
    staffed(ganzhou)
    change = leaving(ganzhou)
    assert pointers(wrong(acted, ganzhou, bob, change, "return")) == ["/reason"]
    assert acted(ganzhou, bob, change, "return", reason="调离时间有误").case.state == "returned"
    with ganzhou.read(bob) as work:
        assert active_account(work, "carol") is not None


def test_nobody_succeeds_themselves_and_nobody_files_their_own_report(ganzhou: Any) -> None:
    staffed(ganzhou)
    for oneself in ("carol", "CARoL", "ｃａｒｏｌ"):
        assert pointers(wrong(leaving, ganzhou, successor=oneself)) == ["/successor"]
    change = leaving(ganzhou)
    assert may(ganzhou, carol, change) == ["withdraw"]


@pytest.mark.parametrize("role", ["administrator", "auditor", "rectifier", "steering_office"])
def test_no_report_shuts_the_account_of_those_who_manage_and_review(ganzhou: Any, role: str) -> None:
    """GZ art. 14: only an administrator manages such an account, so a change of staff does not either."""
    staffed(ganzhou)
    with ganzhou.work(bob) as work:
        ensure_account(
            work, "wang.yi", "王毅", "health", {role} if role in ADMINISTRATORS else {"consumer", role}
        )
    assert pointers(wrong(leaving, ganzhou, person="wang.yi")) == ["/person"]


def test_a_role_that_was_given_after_the_report_keeps_the_account_open(ganzhou: Any) -> None:
    staffed(ganzhou)
    change = leaving(ganzhou)
    with ganzhou.work(bob) as work:
        update_account(work.tx, "carol", roles=["auditor"])
    assert isinstance(wrong(acted, ganzhou, bill, change, "file_handover"), NotPermitted)
    with ganzhou.read(bob) as work:
        assert active_account(work, "carol") is not None


def test_providers_report_changes_as_well(ganzhou: Any) -> None:
    """I-G-14."""
    with ganzhou.work(bob) as work:
        for login in ("alice", "xu.lei"):
            ensure_account(work, login, login, "civil_affairs", {"provider"})
    change = leaving(ganzhou, alice, person="alice", successor="xu.lei")
    assert acted(ganzhou, bob, change, "file_handover").case.state == "filed"
