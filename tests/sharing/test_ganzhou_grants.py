"""Grants in Ganzhou (GZ art. 4(五), 5(一)(二), 12): a term in days, an end by itself, idleness and misuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.errors import Conflict, NotPermitted
from core.times import SHANGHAI
from gateway.grants import find_grant, grant_state
from gateway.terms import term_view
from matters.acting import list_matters
from matters.model import Wanted
from supervision.store import put_last_calls
from tests.cast import alice, ann, bob, carol, chen, dave, mallory
from tests.sharing.beginnings import (
    api_granted,
    applied,
    granted_to,
    judged,
    may,
    pointers,
    shown,
    token_for,
    wrong,
)
from tests.sharing.telling import acted, at, breaches, clock, dealt, decided, due, inbox, records, swept
from tests.stories import STATEMENT, active_client, active_grant, offered, submitted_application

MISUSE = {"reason": "用于商业推广", "evidence": "访问日志第 1024 条"}


def last_day(held: Any) -> str:
    instant: str = held.grant.valid_until.astimezone(SHANGHAI).isoformat(timespec="seconds")
    return instant


def state(world: Any, held: Any) -> str:
    with world.read(bob) as work:
        return grant_state(work, find_grant(work, held.grant.id).case)


def called(world: Any, held: Any, when: str) -> None:
    """Let the statistics know of a call on a grant that was answered."""
    with world.work(bob) as work:
        put_last_calls(work.tx, {held.grant.number: at(when)})


def filings(world: Any, held: Any) -> list[Any]:
    with world.read(bob) as work:
        return list(list_matters(work, Wanted("filing", grant=held.grant.number), 50, None).rows)


# --- GZ-S-16: the code works in its own system and nowhere else ---------------------------------------


def test_the_code_of_an_interface_works_in_the_system_that_it_was_granted_to(ganzhou: Any) -> None:
    """GZ art. 12."""
    system, other = active_client(ganzhou), active_client(ganzhou)
    held = api_granted(ganzhou, system=system)
    assert granted_to(ganzhou, system.client) == held.grant.number
    assert granted_to(ganzhou, other.client) is None
    assert granted_to(ganzhou, active_client(ganzhou, chen).client) is None
    token = token_for(ganzhou, held)
    code = held.grant.dataset_code
    assert judged(ganzhou, token, code, "call/day") is None
    assert judged(ganzhou, token, code, "call/day", source="10.9.8.7") == "network_not_allowed"
    assert judged(ganzhou, token, offered(ganzhou, "divisions")) == "dataset_not_granted"


def test_use_keeps_to_what_was_confirmed_at_the_application(ganzhou: Any) -> None:
    """GZ art. 5(一): no step changes system, items, purpose or network: that takes a new application."""
    held = active_grant(ganzhou, term_days=30)
    flow = ganzhou.rulebooks.current("sharing").workflow("grant")
    named = {name for step in flow.transitions for name in (*step.requires, *step.accepts)}
    assert named == {"evidence", "note", "reason"}
    for actor in (alice, bob, carol):
        assert not {"change", "widen", "extend", "renew"} & set(may(ganzhou, actor, held))


# --- GZ-S-17: a term in days, three years at most --------------------------------------------------------


@pytest.mark.parametrize(
    ("granted", "days", "last"),
    [
        ("2026-02-13T15:20", 365, "2027-02-13T23:59:59+08:00"),
        ("2026-02-13T15:20", 1, "2026-02-14T23:59:59+08:00"),
        ("2026-02-13T23:59:59", 1096, "2029-02-13T23:59:59+08:00"),
        ("2024-02-29T15:20", 1095, "2027-02-28T23:59:59+08:00"),
        ("2026-09-30T10:00", 1, "2026-10-01T23:59:59+08:00"),  # a day off ends it all the same
    ],
)
def test_gs_5_the_term_runs_to_the_end_of_its_last_day(
    ganzhou: Any, granted: str, days: int, last: str
) -> None:
    """GZ art. 5(二), I-S-19: days from the recorded grant; a term is no duty and rolls over no holiday."""
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    ganzhou.now = at(granted)
    held = active_grant(ganzhou, code, system, term_days=days)
    assert last_day(held) == due(ganzhou, held, "expire") == last
    assert not clock(ganzhou, held, "expire").provisional


@pytest.mark.parametrize(
    ("asked", "days", "most"),
    [("2026-02-13T15:20", 1097, 1096), ("2024-02-29T10:00", 1096, 1095), ("2024-03-01T10:00", 1096, 1095)],
)
def test_three_years_are_counted_by_the_calendar(ganzhou: Any, asked: str, days: int, most: int) -> None:
    """I-S-19: 1 095 or 1 096 days, as leap years fall."""
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    ganzhou.now = at(asked)
    refused = wrong(submitted_application, ganzhou, code, system, term_days=days)
    assert (pointers(refused), "第5条" in str(refused.cite)) == (["/term_days"], True)
    assert f"{most} 天" in refused.errors[0].message.zh
    assert submitted_application(ganzhou, code, system, term_days=most).case.state == "with_manager"


@pytest.mark.parametrize("days", [None, 0, -1, 1.5, "30"])
def test_a_term_is_stated_in_whole_days_and_at_least_one(ganzhou: Any, days: Any) -> None:
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT}
    stated = {"term_days": days} if days is not None else {}
    answer = ganzhou.client(carol).post("/api/applications", json={**asked, **stated})
    assert answer.status_code == 400
    assert [e["pointer"] for e in answer.get_json()["errors"]] == ["/term_days"]


def test_a_decision_shortens_the_term_and_never_lengthens_it(ganzhou: Any) -> None:
    filed = applied(ganzhou, "2026-02-13T10:00", term_days=30)
    assert pointers(wrong(decided, ganzhou, bob, filed, "grant", term_days=31)) == ["/term_days"]
    held = decided(ganzhou, bob, filed, "grant", term_days=10)
    assert last_day(held) == "2026-02-23T23:59:59+08:00"


def test_a_grant_shows_its_term_under_the_article(ganzhou: Any) -> None:
    """D12."""
    held = active_grant(ganzhou, term_days=30)
    view = term_view(ganzhou.rulebooks.current("sharing"), held.case.facts)
    assert (view["days"], view["kind"], view["cite"]["article"]) == (30, "text", "5")


# --- GZ-S-18: it ends by itself ----------------------------------------------------------------------------


def test_a_grant_is_over_from_the_first_second_after_its_last_day(ganzhou: Any) -> None:
    """GZ art. 5(二): whether anybody sweeps or not; the data plane refuses from then on."""
    ganzhou.now = at("2026-02-13T15:20")
    system = active_client(ganzhou)
    held = active_grant(ganzhou, system=system, term_days=1)
    code = held.grant.dataset_code
    ganzhou.now = at("2026-02-14T23:59:30")
    token = token_for(ganzhou, held)
    for when, expected, objection in (
        ("2026-02-14T23:59:58", "active", None),
        ("2026-02-15T00:00:00", "expired", "token_expired"),
    ):
        ganzhou.now = at(when)
        assert state(ganzhou, held) == expected
        assert judged(ganzhou, token, code) == objection
    assert granted_to(ganzhou, system.client) is None
    assert may(ganzhou, alice, held) == []
    with pytest.raises(Conflict):
        dealt(ganzhou, alice, held, "suspend", **MISUSE)


def test_the_end_is_put_on_record_by_the_platform_once_and_told(ganzhou: Any) -> None:
    ganzhou.now = at("2026-02-13T15:20")
    held = active_grant(ganzhou, term_days=1)
    for when in ("2026-02-14T23:59:59", "2026-02-15T00:00:00", "2026-02-16T00:00", "2028-01-01T00:00"):
        swept(ganzhou, when)
    ended = [r for r in records(ganzhou, held) if r.get("action") == "expire"]
    assert [(r["role"], "第5条" in r["cite"]) for r in ended] == [("system", True)]
    for reader in (alice, carol):
        assert inbox(ganzhou, reader, held).count(f"Grant {held.grant.number}: Expire") == 1
    assert breaches(ganzhou, held) == []  # nobody failed a duty


def test_nobody_ends_a_term_by_hand(ganzhou: Any) -> None:
    held = active_grant(ganzhou, term_days=30)
    for actor in (alice, bob, carol):
        with pytest.raises(NotPermitted):
            dealt(ganzhou, actor, held, "expire")


# --- GZ-S-19: going on takes a new application ----------------------------------------------------------


def test_going_on_is_a_new_application_linked_to_the_old_grant(ganzhou: Any) -> None:
    """GZ art. 5(二): the whole way again, with a limit of its own; the old grant stays as it was."""
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    ganzhou.now = at("2026-03-02T10:00")
    old = active_grant(ganzhou, code, system, term_days=30)
    ganzhou.now = at("2026-03-25T10:00")
    filed = submitted_application(ganzhou, code, system, term_days=365, previous_grant=old.grant.number)
    assert filed.application.previous_grant == old.grant.id
    assert due(ganzhou, filed, "decide") == "2026-03-30T23:59:59+08:00"
    new = decided(ganzhou, bob, filed, "grant").grant
    assert new is not None
    assert new.number != old.grant.number
    with ganzhou.read(carol) as work:
        assert find_grant(work, old.grant.id).grant.valid_until == old.grant.valid_until


def test_a_new_application_for_an_interface_brings_its_papers_again(ganzhou: Any) -> None:
    system = active_client(ganzhou)
    held = api_granted(ganzhou, system=system)
    wish = {"fields": ["date"], "operations": ["day"], "term_days": 30}
    refused = wrong(
        submitted_application,
        ganzhou,
        held.grant.dataset_code,
        system,
        previous_grant=held.grant.number,
        **wish,
    )
    assert pointers(refused) == ["/attachments"]


def test_nobody_goes_on_with_a_grant_of_another_department(ganzhou: Any) -> None:
    old = active_grant(ganzhou, term_days=30)
    code = old.grant.dataset_code
    refused = wrong(
        submitted_application, ganzhou, code, active_client(ganzhou, chen), actor=chen, term_days=30,
        previous_grant=old.grant.number,
    )  # fmt: skip
    assert pointers(refused) == ["/previous_grant"]


# --- GZ-S-20: an interface that lies unused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("granted", "first"),
    [
        ("2026-02-10T10:00", "2026-05-11T00:00"),
        ("2026-11-30T10:00", "2027-03-01T00:00"),  # February has no 30th
        ("2025-11-30T23:59:59", "2026-03-01T00:00"),
        ("2026-01-31T09:00", "2026-05-01T00:00"),
    ],
)
def test_three_full_months_without_a_call_and_the_provider_may_take_it_back(
    ganzhou: Any, granted: str, first: str
) -> None:
    """GZ art. 5(二), I-S-13: "more than three months" begins on the day after."""
    ganzhou.now = at(granted)
    held = api_granted(ganzhou, term_days=1000)
    ganzhou.now = at(first) - timedelta(seconds=1)
    assert pointers(wrong(dealt, ganzhou, ann, held, "reclaim", reason="长期未用")) == ["/evidence"]
    ganzhou.now = at(first)
    taken = dealt(ganzhou, ann, held, "reclaim", reason="长期未用")
    assert (taken.case.state, filings(ganzhou, held)) == ("reclaimed", [])
    assert f"Grant {held.grant.number}: Take back" in inbox(ganzhou, carol, held)


def test_a_call_begins_the_three_months_anew(ganzhou: Any) -> None:
    held = api_granted(ganzhou, term_days=1000)
    called(ganzhou, held, "2026-04-20T15:00")
    ganzhou.now = at("2026-05-11T00:00")
    assert pointers(wrong(dealt, ganzhou, ann, held, "reclaim", reason="长期未用")) == ["/evidence"]
    assert due(ganzhou, held, "idle") == "2026-07-20T23:59:59+08:00"
    ganzhou.now = at("2026-07-21T00:00")
    assert dealt(ganzhou, ann, held, "reclaim", reason="长期未用").case.closed_at


def test_the_provider_is_told_once_and_nothing_happens_by_itself(ganzhou: Any) -> None:
    """The provider may, it need not: discretion stays with it."""
    held = api_granted(ganzhou, term_days=1000)
    for when in ("2026-05-10T23:59:59", "2026-05-11T00:00", "2026-06-11T00:00", "2026-08-01T00:00"):
        swept(ganzhou, when)
    assert sum("has run out" in line for line in inbox(ganzhou, ann, held)) == 1
    assert (state(ganzhou, held), breaches(ganzhou, held)) == ("active", [])


def test_only_the_provider_takes_it_back(ganzhou: Any) -> None:
    held = api_granted(ganzhou, term_days=1000)
    ganzhou.now = at("2026-06-01T00:00")
    for other in (bob, carol):
        with pytest.raises(NotPermitted):
            dealt(ganzhou, other, held, "reclaim", reason="长期未用")


def test_tables_and_files_are_never_idle(ganzhou: Any) -> None:
    """The text speaks of interfaces only."""
    held = active_grant(ganzhou, term_days=1000)
    ganzhou.now = at("2028-01-01T00:00")
    names = [c["name"] for c in shown(ganzhou, alice, held)["clocks"]]
    assert "idle" not in names
    assert pointers(wrong(dealt, ganzhou, alice, held, "reclaim", reason="长期未用")) == ["/evidence"]


# --- GZ-S-21: misuse --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "then"), [("suspend", "suspended"), ("reclaim", "reclaimed"), ("terminate", "terminated")]
)
def test_a_measure_against_misuse_is_filed_with_the_manager(ganzhou: Any, measure: str, then: str) -> None:
    """GZ art. 4(五), 5(一): dealt with at once, on evidence, and filed; the next call is judged by it."""
    held = active_grant(ganzhou, term_days=365)
    token = token_for(ganzhou, held)
    for left_out in MISUSE:
        given = {k: v for k, v in MISUSE.items() if k != left_out}
        assert pointers(wrong(dealt, ganzhou, alice, held, measure, **given)) == [f"/{left_out}"]
    assert dealt(ganzhou, alice, held, measure, **MISUSE).case.state == then
    [filed] = filings(ganzhou, held)
    assert (filed.case.state, filed.case.events[0].fields["subject"]) == ("filed", "misuse")
    assert filed.case.events[0].fields["basis"] == MISUSE["reason"]
    for reader in (bob, carol):
        assert any(line.startswith(f"Grant {held.grant.number}: ") for line in inbox(ganzhou, reader, held))
    assert judged(ganzhou, token, held.grant.dataset_code) in ("grant_suspended", "grant_ended")
    assert acted(ganzhou, bob, filed, "note_filing").case.state == "noted"


def test_a_suspension_is_lifted_and_what_was_taken_back_is_not(ganzhou: Any) -> None:
    """GZ art. 5(一): three measures; one of them is for a time (product default: by the provider)."""
    held = active_grant(ganzhou, term_days=365)
    token = token_for(ganzhou, held)
    dealt(ganzhou, alice, held, "suspend", **MISUSE)
    assert dealt(ganzhou, alice, held, "resume", reason="已整改").case.state == "active"
    assert judged(ganzhou, token, held.grant.dataset_code) is None
    dealt(ganzhou, alice, held, "terminate", **MISUSE)
    with pytest.raises(Conflict):
        dealt(ganzhou, alice, held, "resume")


def test_a_suspended_grant_ends_on_its_day_as_well(ganzhou: Any) -> None:
    ganzhou.now = at("2026-02-13T15:20")
    held = active_grant(ganzhou, term_days=10)
    dealt(ganzhou, alice, held, "suspend", **MISUSE)
    swept(ganzhou, "2026-02-24T00:00")
    assert state(ganzhou, held) == "expired"


def test_a_second_suspension_is_a_second_filing(ganzhou: Any) -> None:
    held = active_grant(ganzhou, term_days=365)
    dealt(ganzhou, alice, held, "suspend", **MISUSE)
    acted(ganzhou, bob, filings(ganzhou, held)[0], "note_filing")
    dealt(ganzhou, alice, held, "resume")
    dealt(ganzhou, alice, held, "suspend", **MISUSE)
    assert sorted(f.case.state for f in filings(ganzhou, held)) == ["filed", "noted"]


def test_misuse_is_recorded_on_evidence_and_only_the_provider_acts_on_it(ganzhou: Any) -> None:
    """I-G-09, I-G-10."""
    held = active_grant(ganzhou, term_days=365)
    assert pointers(wrong(dealt, ganzhou, bob, held, "report_misuse")) == ["/evidence"]
    assert dealt(ganzhou, bob, held, "report_misuse", evidence="异常调用量").case.state == "active"
    assert f"Grant {held.grant.number}: Report misuse" in inbox(ganzhou, alice, held)
    for measure in ("suspend", "reclaim", "terminate"):
        for other in (bob, carol):
            with pytest.raises(NotPermitted):
                dealt(ganzhou, other, held, measure, **MISUSE)


# --- who sees it ------------------------------------------------------------------------------------------


def test_a_grant_is_seen_by_its_parties_and_the_auditor(ganzhou: Any) -> None:
    """I-G-07."""
    held = active_grant(ganzhou, term_days=30)
    path = f"/api/grants/{held.grant.id}"
    seen = {a.login: ganzhou.client(a).get(path).status_code for a in (carol, alice, bob, dave, ann, mallory)}
    assert seen == {"carol": 200, "alice": 200, "bob": 200, "dave": 200, "ann": 404, "mallory": 404}
