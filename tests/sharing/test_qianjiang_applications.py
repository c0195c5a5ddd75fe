"""Applications in Qianjiang (QJ art. 11-13, 18-22): checked, forwarded, decided on, told, in their days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cases.present import case_view
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from gateway.applications import find_application
from tests.cast import alice, ann, bill, bob, carol, dave, mallory
from tests.sharing.telling import (
    all_clocks,
    at,
    breaches,
    clock,
    decided,
    due,
    end_of_workday,
    inbox,
    lateness,
    records,
    swept,
)
from tests.stories import STATEMENT, active_client, offered, submitted_application

DAY: dict[str, Any] = {"fields": ["date", "workday"], "operations": ["day"]}
"""What is asked for of the working-day service, which is conditional."""
REFUSAL = {"reason_code": "condition_not_met", "reason": "所述事项不需要此数据"}


def conditional(world: Any, when: str | None = None) -> Any:
    """An application for conditional data, submitted at `when`."""
    code, system = offered(world, "workdays"), active_client(world)
    world.now = at(when) if when else world.now
    return submitted_application(world, code, system, **DAY)


def direct(world: Any, when: str | None = None, **entry: Any) -> Any:
    """An application for unconditional data, submitted at `when`."""
    code, system = offered(world, "divisions", **entry), active_client(world)
    world.now = at(when) if when else world.now
    return submitted_application(world, code, system)


def moved(world: Any, when: str, actor: Any, filed: Any, action: str, **fields: Any) -> Any:
    world.now = at(when)
    return decided(world, actor, filed, action, **fields)


def wrong(world: Any, actor: Any, filed: Any, action: str, **fields: Any) -> list[str]:
    with pytest.raises(Invalid) as found:
        decided(world, actor, filed, action, **fields)
    return [e.pointer for e in found.value.errors]


def may(world: Any, actor: Any, filed: Any) -> list[str]:
    """What an actor is offered to do."""
    with world.read(actor) as work:
        actions: list[str] = case_view(work, find_application(work, filed.application.id).case)["actions"]
    return actions


# --- QJ-S-10: applying ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", list(STATEMENT))
def test_an_application_states_purpose_reasons_and_duty(world: Any, missing: str) -> None:
    """QJ art. 13, 18: over HTTP, where a script learns which field it is and by which article."""
    code, system = offered(world, "divisions"), active_client(world)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT, missing: "　"}
    answer = world.client(carol).post("/api/applications", json=asked)
    problem = answer.get_json()
    assert answer.status_code == 400
    assert [e["pointer"] for e in problem["errors"]] == [f"/{missing}"]
    assert "第13条" in problem["cite"]


def test_applications_are_made_on_line_by_those_who_found_the_entry(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    browsing = world.client(carol)
    assert [d["code"] for d in browsing.get("/api/datasets?q=区划").get_json()["items"]] == [code]
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT}
    made = browsing.post("/api/applications", json=asked)
    assert (made.status_code, made.get_json()["state"]) == (201, "checking")
    assert made.get_json()["clocks"][0]["cite"]["article"] == "19"


def test_no_paper_is_asked_for(world: Any) -> None:
    """QJ art. 22 (D6): nothing has to be attached, whatever kind it is."""
    policy = world.rulebooks.current("sharing").policy("application.attachments")
    assert (policy.value, policy.cite.article) == (None, "22")
    assert conditional(world).case.state == "checking"


# --- QJ-S-11: the formal check, three working days (I-S-09) ---------------------------------------------


@pytest.mark.parametrize(
    "submitted",
    [
        "2026-02-10T10:00",
        "2026-02-13T23:59:59",
        "2026-02-14T09:30",  # a Saturday that is worked
        "2026-02-16T20:00",  # New Year's Eve
        "2026-04-30T16:00",  # before Labour Day
        "2026-09-19T08:00",  # a Saturday off before a Sunday that is worked
        "2025-09-28T11:00",  # a Sunday that is worked
        "2025-12-30T10:00",  # over the turn of a year that is published
    ],
)
def test_the_check_ends_with_the_third_working_day_after_submission(world: Any, submitted: str) -> None:
    filed = conditional(world, submitted)
    assert due(world, filed, "check") == end_of_workday(submitted, 3)
    assert not clock(world, filed, "check").provisional
    assert lateness(world, filed, "check") == [False, False, True]


def test_a_day_of_a_year_whose_holidays_are_not_published_is_provisional(world: Any) -> None:
    filed = conditional(world, "2026-12-29T10:00")
    assert clock(world, filed, "check").provisional


def test_the_clock_starts_with_submission_and_not_with_the_draft(world: Any) -> None:
    code, system = offered(world, "workdays"), active_client(world)
    drafted = submitted_application(world, code, system, submit=False, **DAY)
    assert all_clocks(world, drafted) == ()
    filed = moved(world, "2026-03-02T23:59", carol, drafted, "submit")
    assert due(world, filed, "check") == "2026-03-05T23:59:59+08:00"


def test_acceptance_forwards_at_once_and_the_record_of_it_is_the_start(world: Any) -> None:
    """I-S-09: forwarding lies within the three days; QJ art. 22: the platform's time counts."""
    filed = conditional(world, "2026-02-10T10:00")
    accepted = moved(world, "2026-02-13T15:00", bob, filed, "accept")
    assert accepted.case.state == "with_provider"
    assert accepted.case.events[-1].names == ("accepted", "forwarded")
    assert not clock(world, accepted, "check").running
    assert clock(world, accepted, "decide").started_at == at("2026-02-13T15:00")
    assert inbox(world, ann, accepted) == ["Application A-2026-000001: Accept and forward"]


def test_whoever_does_not_accept_says_specifically_why(world: Any) -> None:
    filed = conditional(world)
    assert wrong(world, bob, filed, "refuse") == ["/reason_code", "/reason"]
    assert wrong(world, bob, filed, "refuse", reason_code="incomplete", reason="  ") == ["/reason"]
    refused = decided(world, bob, filed, "refuse", reason_code="incomplete", reason="用途未写明系统")
    assert refused.case.state == "refused"
    assert inbox(world, carol, refused) == ["Application A-2026-000001: Do not accept"]
    with world.read(carol) as work:
        shown = case_view(work, find_application(work, filed.application.id).case)
    assert shown["history"][-1]["fields"]["reason"] == "用途未写明系统"


@pytest.mark.parametrize("actor", [ann, alice, carol, dave], ids=lambda a: a.login)
def test_only_the_platform_manager_checks(world: Any, actor: Any) -> None:
    filed = conditional(world)
    with pytest.raises((NotPermitted, NotFound)):
        decided(world, actor, filed, "accept")


def test_a_mended_filing_is_a_new_application(world: Any) -> None:
    """I-S-22: nothing pauses the clock and nothing reopens what was refused."""
    filed = conditional(world, "2026-02-10T10:00")
    decided(world, bob, filed, "refuse", reason_code="incomplete", reason="缺少用途")
    with pytest.raises(Conflict):
        decided(world, carol, filed, "submit")
    flow = world.rulebooks.current("sharing").workflow("application")
    assert not {"returned", "paused"} & set(flow.states)
    world.now = at("2026-02-11T09:00")
    again = submitted_application(world, filed.application.dataset_code, active_client(world), **DAY)
    assert again.application.number != filed.application.number
    assert due(world, again, "check") == end_of_workday("2026-02-11T09:00", 3)


def test_a_late_check_is_on_record_once_and_drafts_a_report(world: Any) -> None:
    """QJ art. 26, I-Q-06: also when nobody swept for weeks."""
    filed = conditional(world, "2026-03-02T10:00")
    swept(world, "2026-03-06T00:00:00")
    assert breaches(world, filed) == ["check"]
    swept(world, "2026-03-20T00:00:00")
    assert breaches(world, filed) == ["check"]
    assert "breach report B-2026-000001: Draft a report" not in inbox(world, carol)
    items = world.client(bob).get("/api/matters?kind=breach_report").get_json()["items"]
    assert [(m["number"], m["application"]) for m in items] == [("B-2026-000001", filed.application.number)]


def test_a_page_with_a_deadline_says_what_started_it_when_it_ends_and_by_which_article(world: Any) -> None:
    filed = conditional(world, "2026-12-29T10:00")
    page = world.browser(carol).get(f"/applications/{filed.application.id}").get_data(as_text=True)
    for words in ("2026-12-29", "2027-01-01 23:59", "第19条", "暂定"):
        assert words in page, words


# --- QJ-S-12: the provider decides within ten working days of the forwarding ----------------------------


@pytest.mark.parametrize(
    "forwarded", ["2026-02-13T15:00", "2026-02-14T16:00", "2026-09-24T23:59:59", "2026-04-29T08:00"]
)
def test_the_provider_has_ten_working_days_from_the_forwarding(world: Any, forwarded: str) -> None:
    filed = conditional(world, f"{forwarded[:10]}T00:00")
    accepted = moved(world, forwarded, bob, filed, "accept")
    assert due(world, accepted, "decide") == end_of_workday(forwarded, 10)
    assert lateness(world, accepted, "decide") == [False, False, True]


def test_unconditional_data_with_controlled_parameters_go_to_the_provider(world: Any) -> None:
    """QJ art. 11, D2; worked example QS-3."""
    filed = direct(world, "2026-02-14T09:30", controlled_params=True)
    assert due(world, filed, "check") == "2026-02-26T23:59:59+08:00"
    accepted = moved(world, "2026-02-14T16:00", bob, filed, "accept")
    assert accepted.case.facts["decider"] == "provider"
    assert due(world, accepted, "decide") == "2026-03-06T23:59:59+08:00"
    with pytest.raises(NotPermitted):
        decided(world, bob, accepted, "grant")
    granted = decided(world, alice, accepted, "grant", row_filter={"street_code": ["429005001"]})
    assert granted.grant is not None


def test_a_conditional_application_takes_three_ten_and_one_days(world: Any) -> None:
    """QJ art. 19, 20 (D4); worked example QS-1."""
    filed = conditional(world, "2026-02-10T10:00")
    assert due(world, filed, "check") == "2026-02-13T23:59:59+08:00"
    filed = moved(world, "2026-02-13T15:00", bob, filed, "accept")
    assert due(world, filed, "decide") == "2026-03-05T23:59:59+08:00"
    filed = moved(world, "2026-03-05T16:00", ann, filed, "grant")
    assert due(world, filed, "inform") == "2026-03-06T23:59:59+08:00"
    filed = moved(world, "2026-03-06T23:59:59", bob, filed, "inform")
    assert filed.case.state == "closed"
    assert [c.breached for c in all_clocks(world, filed)] == [False, False, False]


def test_silence_is_no_consent(world: Any) -> None:
    """I-S-20: months later it is pending, overdue, and without a grant; the article's report is drafted."""
    filed = moved(world, "2026-03-02T10:00", bob, conditional(world, "2026-03-02T09:00"), "accept")
    swept(world, "2026-08-01T10:00")
    with world.read(carol) as work:
        seen = find_application(work, filed.application.id)
    assert (seen.case.state, seen.grant) == ("with_provider", None)
    assert breaches(world, filed) == ["decide"]
    assert "Application A-2026-000001: provider's decision is overdue" in inbox(world, ann, filed)
    assert "Application A-2026-000001: provider's decision is overdue" in inbox(world, bob, filed)
    assert decided(world, ann, filed, "grant").grant is not None


def test_nobody_is_offered_more_time(world: Any) -> None:
    """I-S-21."""
    filed = moved(world, "2026-03-02T10:00", bob, conditional(world, "2026-03-02T09:00"), "accept")
    assert clock(world, filed, "decide").extendable_to is None
    for actor in (ann, bob, carol):
        assert "extend" not in may(world, actor, filed)
        with pytest.raises(NotFound):
            decided(world, actor, filed, "extend", reason="人手不足")


@pytest.mark.parametrize("actor", [alice, bob, carol], ids=lambda a: a.login)
def test_conditional_data_are_granted_by_their_provider_alone(world: Any, actor: Any) -> None:
    filed = decided(world, bob, conditional(world), "accept")
    with pytest.raises((NotPermitted, NotFound)):
        decided(world, actor, filed, "grant")


def test_a_refusing_provider_says_why_in_its_own_words(world: Any) -> None:
    """QJ art. 20 (D5): a reason; a legal basis is not asked for."""
    filed = decided(world, bob, conditional(world), "accept")
    assert wrong(world, ann, filed, "refuse") == ["/reason_code", "/reason"]
    assert wrong(world, ann, filed, "refuse", **REFUSAL, basis="条例") == ["/basis"]
    assert decided(world, ann, filed, "refuse", **REFUSAL).case.state == "refused"


# --- QJ-S-13: the applicant is told within one working day -----------------------------------------------


@pytest.mark.parametrize("action", ["grant", "refuse"])
@pytest.mark.parametrize("answered", ["2026-03-05T16:00", "2026-02-14T23:59:59", "2026-02-27T09:00"])
def test_the_manager_tells_the_applicant_within_one_working_day(
    world: Any, answered: str, action: str
) -> None:
    filed = conditional(world, "2026-02-10T10:00")
    filed = decided(world, bob, filed, "accept")
    filed = moved(world, answered, ann, filed, action, **(REFUSAL if action == "refuse" else {}))
    assert due(world, filed, "inform") == end_of_workday(answered, 1)
    assert any(subject.endswith(("Grant", "Refuse")) for subject in inbox(world, bob, filed))
    assert not any(subject.endswith(("Grant", "Refuse")) for subject in inbox(world, carol, filed))
    with pytest.raises(NotPermitted):
        decided(world, ann, filed, "inform")
    told = decided(world, bob, filed, "inform")
    assert told.case.state == "closed"
    assert "Application A-2026-000001: Inform the applicant" in inbox(world, carol, filed)


def test_forgetting_to_tell_is_a_breach_without_a_report(world: Any) -> None:
    """QJ art. 20 sets the day, art. 26 speaks of grants that are not decided."""
    filed = decided(world, bob, conditional(world, "2026-03-02T10:00"), "accept")
    filed = decided(world, ann, filed, "grant")
    swept(world, "2026-03-10T10:00")
    assert breaches(world, filed) == ["inform"]
    assert world.client(bob).get("/api/matters?kind=breach_report").get_json()["items"] == []


# --- QJ-S-14: the manager's direct grant -----------------------------------------------------------------


@pytest.mark.parametrize("accepted", ["2026-02-13T09:00", "2026-09-25T10:00", "2026-02-14T23:00"])
def test_a_direct_grant_takes_three_days_after_acceptance(world: Any, accepted: str) -> None:
    """QJ art. 21, I-S-10 (D3): after the check and not in place of it, six working days in all."""
    filed = direct(world, "2026-02-10T10:00")
    assert due(world, filed, "check") == end_of_workday("2026-02-10T10:00", 3)
    filed = moved(world, accepted, bob, filed, "accept")
    assert due(world, filed, "decide") == end_of_workday(accepted, 3)
    assert lateness(world, filed, "decide") == [False, False, True]


def test_a_provider_is_told_of_a_direct_grant_at_the_same_time(world: Any) -> None:
    """QJ art. 21 (D20)."""
    filed = decided(world, bob, direct(world), "accept")
    with pytest.raises(NotPermitted):
        decided(world, alice, filed, "grant")
    filed = decided(world, bob, filed, "grant")
    assert filed.grant is not None
    assert inbox(world, alice, filed) == ["Application A-2026-000001: Grant directly"]
    assert "Application A-2026-000001: Grant directly" in inbox(world, carol, filed)
    with world.read(alice) as work:
        assert find_application(work, filed.application.id).grant is not None


def test_a_manager_that_refuses_says_why_and_tells_both(world: Any) -> None:
    filed = decided(world, bob, direct(world), "accept")
    assert wrong(world, bob, filed, "refuse") == ["/reason_code", "/reason"]
    filed = decided(world, bob, filed, "refuse", **REFUSAL)
    for actor in (alice, carol):
        assert "Application A-2026-000001: Refuse" in inbox(world, actor, filed)


def test_a_late_direct_grant_is_reported_as_well(world: Any) -> None:
    filed = decided(world, bob, direct(world, "2026-03-02T10:00"), "accept")
    swept(world, "2026-03-06T00:00:00")
    assert breaches(world, filed) == ["decide"]
    [report] = world.client(bob).get("/api/matters?kind=breach_report").get_json()["items"]
    assert report["application"] == filed.application.number


# --- QJ-S-15: the platform's time, and no paper -----------------------------------------------------------


@pytest.mark.parametrize(("code", "article"), [("no_paper", "第22条"), ("awaiting_correction", "第23条")])
def test_neither_missing_paper_nor_an_open_correction_is_a_reason(
    world: Any, code: str, article: str
) -> None:
    """QJ art. 22, 23, I-Q-01, I-Q-02: at every desk, and the answer names the article that forbids it."""
    desks = [(bob, conditional(world)), (ann, decided(world, bob, conditional(world), "accept"))]
    desks.append((bob, decided(world, bob, direct(world), "accept")))
    for actor, filed in desks:
        with pytest.raises(Invalid) as found:
            decided(world, actor, filed, "refuse", reason_code=code, reason="请补正")
        assert [(e.pointer, e.code) for e in found.value.errors] == [("/reason_code", "forbidden")]
        assert article in found.value.errors[0].message.zh


def test_a_form_does_not_even_offer_the_forbidden_reasons(world: Any) -> None:
    filed = decided(world, bob, conditional(world), "accept")
    with world.read(ann) as work:
        form = case_view(work, find_application(work, filed.application.id).case)["forms"]["refuse"]
    offered_reasons = next(f["choices"] for f in form["fields"] if f["name"] == "reason_code")
    assert {"no_paper", "awaiting_correction"}.isdisjoint(offered_reasons)


def test_what_counts_is_the_time_on_the_platforms_record(world: Any) -> None:
    filed = conditional(world, "2026-02-10T10:00")
    accepted = moved(world, "2026-02-13T15:00", bob, filed, "accept")
    event = accepted.case.events[-1]
    assert [r["action"] for r in records(world, accepted)] == ["open", "submit", "accept"]
    assert (event.at, clock(world, accepted, "decide").started_at) == (world.now, world.now)
    with pytest.raises(Invalid):
        decided(world, ann, accepted, "refuse", **REFUSAL, at="2026-02-01T00:00")


# --- QJ-S-16: urging ---------------------------------------------------------------------------------------


def test_the_manager_urges_a_provider_as_often_as_it_likes(world: Any) -> None:
    """QJ art. 12: the cadence is not said, so nothing is due and nothing is missed."""
    filed = moved(world, "2026-03-02T10:00", bob, conditional(world, "2026-03-02T09:00"), "accept")
    before = due(world, filed, "decide")
    for day in ("2026-03-05T09:00", "2026-03-06T09:00"):
        urged = moved(world, day, bob, filed, "urge", note="请尽快办理")
        assert urged.case.state == "with_provider"
    assert due(world, filed, "decide") == before
    assert inbox(world, ann, filed).count("Application A-2026-000001: Urge") == 2
    assert [c.name for c in all_clocks(world, filed) if c.running] == ["decide"]
    for actor in (carol, ann):
        with pytest.raises(NotPermitted):
            decided(world, actor, filed, "urge")


# --- what else holds ---------------------------------------------------------------------------------------


def test_the_applicant_may_withdraw_until_it_is_decided(world: Any) -> None:
    filed = moved(world, "2026-03-02T10:00", bob, conditional(world, "2026-03-02T09:00"), "accept")
    taken = decided(world, carol, filed, "withdraw")
    assert taken.case.state == "withdrawn"
    world.now += timedelta(days=60)
    swept(world)
    assert breaches(world, taken) == []
    with pytest.raises(Conflict):
        decided(world, ann, taken, "grant")


def test_no_application_is_urgent_in_qianjiang(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT, "urgent": True}
    assert world.client(carol).post("/api/applications", json=asked).status_code == 400
    assert world.rulebooks.current("sharing").policy("application.urgent").value is None


def test_part_of_what_was_asked_for_may_be_granted_with_the_reason_for_the_rest(world: Any) -> None:
    """I-S-02: a partial grant lists its items."""
    filed = decided(world, bob, direct(world), "accept")
    assert wrong(world, bob, filed, "grant", fields=["code"]) == ["/withheld_reason"]
    granted = decided(world, bob, filed, "grant", fields=["code"], withheld_reason="核对地址只需代码")
    assert granted.grant is not None
    assert granted.grant.terms.fields == ("code",)


def test_any_second_manager_may_go_on_where_the_first_left_off(world: Any) -> None:
    filed = decided(world, bob, conditional(world), "accept")
    assert "urge" in may(world, bill, filed)
    with pytest.raises(NotFound):
        decided(world, mallory, filed, "withdraw")
