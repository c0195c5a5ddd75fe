"""Applications in Ganzhou (GZ art. 3, 4(三), 9, 11): one limit, one desk, a basis for every no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cases.present import case_view
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from gateway.applications import attach, find_application
from tests.cast import alice, ann, bill, bob, carol, dave, mallory
from tests.sharing.beginnings import (
    CLOSED,
    FORM,
    PDF,
    REFUSAL,
    WITHHELD,
    api_applied,
    api_drafted,
    applied,
    may,
    moved,
    pointers,
    shown,
    wrong,
)
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
    opened,
    records,
    swept,
)
from tests.stories import STATEMENT, active_client, offered, submitted_application

# --- GZ-S-10: applying, with the papers that the kind asks for ---------------------------------------


@pytest.mark.parametrize("missing", list(STATEMENT))
def test_an_application_states_purpose_reasons_and_duty(ganzhou: Any, missing: str) -> None:
    """GZ art. 9, I-G-13."""
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT, "term_days": 30}
    answer = ganzhou.client(carol).post("/api/applications", json={**asked, missing: "　"})
    problem = answer.get_json()
    assert answer.status_code == 400
    assert [e["pointer"] for e in problem["errors"]] == [f"/{missing}"]
    assert "第9条" in problem["cite"]


def test_tables_and_files_are_applied_for_on_the_form_alone(ganzhou: Any) -> None:
    """GZ art. 9, D6: no paper for these kinds."""
    system = active_client(ganzhou)
    table = submitted_application(ganzhou, offered(ganzhou, "divisions"), system, term_days=30)
    files = submitted_application(ganzhou, offered(ganzhou, "calendars"), system, fields=None, term_days=30)
    assert [table.case.state, files.case.state] == ["with_manager", "with_manager"]


def test_an_interface_is_applied_for_with_the_scan_of_its_sealed_form(ganzhou: Any) -> None:
    """GZ art. 9: over HTTP, where a draft waits for the scan and is not submitted without it."""
    draft = api_drafted(ganzhou).application.id
    client, papers = ganzhou.client(carol), f"/api/applications/{draft}/attachments"
    plain = "?type=api_application_form&sealed=false&name=a.pdf"
    for answer in (
        client.post(f"/api/applications/{draft}/actions/submit", json={}),
        (client.post(papers + plain, data=PDF), client.post(f"/api/applications/{draft}/actions/submit"))[1],
    ):
        assert answer.status_code == 400
        assert [e["pointer"] for e in answer.get_json()["errors"]] == ["/attachments"]
        assert "第9条" in answer.get_json()["cite"]
    assert client.post(papers + plain.replace("false", "true"), data=b"no scan").status_code == 400
    assert client.post(papers + plain.replace("false", "true"), data=PDF).status_code == 201
    submitted = client.post(f"/api/applications/{draft}/actions/submit", json={})
    assert submitted.get_json()["state"] == "with_provider"


def test_the_papers_that_the_provider_listed_are_handed_in_too(ganzhou: Any) -> None:
    """GZ art. 4(一): the entry lists everything that an application needs."""
    filed = applied(ganzhou, entry={"required_materials": ["授权书"]}, submit=False)
    refused = wrong(decided, ganzhou, carol, filed, "submit")
    assert (pointers(refused), "第4条" in str(refused.cite)) == (["/attachments"], True)
    with ganzhou.work(carol) as work:
        attach(work, filed.application.id, **{**FORM, "type": "material", "sealed": False})
    assert decided(ganzhou, carol, filed, "submit").case.state == "with_manager"


def test_a_draft_runs_no_clock_and_is_nobody_elses_business(ganzhou: Any) -> None:
    draft = api_drafted(ganzhou)
    assert all_clocks(ganzhou, draft) == ()
    for other in (ann, bob, dave, mallory):
        with pytest.raises(NotFound), ganzhou.read(other) as work:
            find_application(work, draft.application.id)


# --- GZ-S-11: unconditional data, three working days at the manager's desk ----------------------------


def test_gs_1_a_direct_grant_before_the_spring_festival(ganzhou: Any) -> None:
    """The worked example: 14 February is worked, 15 to 23 are off."""
    filed = applied(ganzhou, "2026-02-13T10:00")
    assert due(ganzhou, filed, "decide") == "2026-02-25T23:59:59+08:00"
    assert lateness(ganzhou, filed, "decide") == [False, False, True]


@pytest.mark.parametrize(
    ("submitted", "last"),
    [
        ("2026-02-24T00:00", "2026-02-27"),
        ("2026-02-25T23:59:59", "2026-02-28"),  # a worked Saturday
        ("2026-02-28T08:00", "2026-03-04"),
        ("2026-04-30T16:00", "2026-05-08"),
        ("2026-05-02T12:00", "2026-05-08"),  # handed in on a day off
        ("2026-05-07T09:00", "2026-05-11"),  # 9 May is worked
        ("2026-09-24T09:00", "2026-09-30"),
        ("2026-09-30T18:00", "2026-10-10"),  # National Day, 10 October is worked
    ],
)
def test_three_working_days_from_submission(ganzhou: Any, submitted: str, last: str) -> None:
    """GZ art. 11, I-S-11, D3: counted again by the few lines of these stories."""
    filed = applied(ganzhou, submitted)
    assert due(ganzhou, filed, "decide") == f"{last}T23:59:59+08:00" == end_of_workday(submitted, 3)
    assert not clock(ganzhou, filed, "decide").provisional


def test_a_limit_that_runs_into_a_year_without_a_calendar_is_provisional(ganzhou: Any) -> None:
    first = applied(ganzhou, "2026-12-28T10:00")
    assert (due(ganzhou, first, "decide"), clock(ganzhou, first, "decide").provisional) == (
        "2026-12-31T23:59:59+08:00",
        False,
    )
    later = applied(ganzhou, "2026-12-30T10:00")
    assert clock(ganzhou, later, "decide").provisional


def test_the_manager_reviews_and_grants_in_one_step(ganzhou: Any) -> None:
    """GZ art. 11, D3, D4, D20: no formal check before, no telling within a day after, nobody else decides."""
    filed = applied(ganzhou, "2026-02-13T10:00")
    assert [c.name for c in all_clocks(ganzhou, filed)] == ["decide"]
    assert set(may(ganzhou, bob, filed)) == {"grant", "refuse"}
    assert may(ganzhou, alice, filed) == []
    done = moved(ganzhou, "2026-02-25T23:59:59", bob, filed, "grant")
    assert (done.case.state, done.case.closed_at) == ("granted", ganzhou.now)
    assert not clock(ganzhou, done, "decide").breached
    assert [c.name for c in all_clocks(ganzhou, done)] == ["decide"]
    assert "Application A-2026-000001: Grant" in inbox(ganzhou, carol, done)


def test_controlled_parameters_change_nothing_about_who_decides(ganzhou: Any) -> None:
    """D2: Ganzhou knows no such flag; unconditional is for the manager."""
    filed = applied(ganzhou, entry={"controlled_params": True})
    assert (filed.case.facts["decider"], filed.case.state) == ("platform_manager", "with_manager")


def test_a_manager_who_does_not_accept_shows_the_basis(ganzhou: Any) -> None:
    """GZ art. 11, D5."""
    filed = applied(ganzhou)
    refused = wrong(decided, ganzhou, bob, filed, "refuse", reason_code="other", reason="不需要")
    assert (pointers(refused), "第11条" in str(refused.cite)) == (["/basis"], True)
    done = decided(ganzhou, bob, filed, "refuse", reason_code="out_of_scope", basis="本办法第五条（一）")
    assert (done.case.state, done.grant) == ("refused", None)
    assert inbox(ganzhou, carol, done)[0] == "Application A-2026-000001: Refuse"
    last = records(ganzhou, done)[-1]
    assert (last["action"], last["fields"]) == ("refuse", ["basis", "reason_code"])
    assert "第11条" in last["cite"]


def test_the_page_of_a_deadline_says_what_started_it_and_by_which_article(ganzhou: Any) -> None:
    filed = applied(ganzhou, "2026-02-13T10:00")
    [running] = shown(ganzhou, carol, filed)["clocks"]
    assert (running["started_at"], running["due"]) == (
        "2026-02-13T10:00:00+08:00",
        "2026-02-25T23:59:59+08:00",
    )
    assert (running["cite"]["article"], running["cite"]["kind"]) == ("11", "text")


# --- GZ-S-13: conditional data, ten working days at the provider's desk -------------------------------


@pytest.mark.parametrize(
    ("submitted", "last"),
    [
        ("2026-02-13T10:00", "2026-03-05"),
        ("2026-02-10T23:59:59", "2026-03-02"),
        ("2026-04-20T09:00", "2026-05-07"),
        ("2026-09-21T09:00", "2026-10-12"),
        ("2025-09-26T09:00", "2025-10-16"),  # 28 September and 11 October are worked, 1 to 8 October off
    ],
)
def test_ten_working_days_from_submission(ganzhou: Any, submitted: str, last: str) -> None:
    """GZ art. 11, I-S-11, D4: forwarding comes with submission and takes no time."""
    ganzhou.now = at("2025-09-01T09:00")
    filed = applied(ganzhou, submitted, CLOSED)
    assert due(ganzhou, filed, "decide") == f"{last}T23:59:59+08:00" == end_of_workday(submitted, 10)
    assert lateness(ganzhou, filed, "decide") == [False, False, True]


def test_the_provider_grants_and_nobody_else(ganzhou: Any) -> None:
    filed = applied(ganzhou, "2026-02-13T10:00", CLOSED)
    assert filed.case.facts["decider"] == "provider"
    for other in (bob, bill, carol):
        assert "grant" not in may(ganzhou, other, filed)
        with pytest.raises(NotPermitted):
            decided(ganzhou, other, filed, "grant")
    done = moved(ganzhou, "2026-03-05T23:59:59", alice, filed, "grant")
    assert (done.case.state, clock(ganzhou, done, "decide").breached) == ("granted", False)
    assert inbox(ganzhou, carol, done)[0] == inbox(ganzhou, bob, done)[0]


def test_a_provider_that_does_not_grant_gives_basis_and_reason(ganzhou: Any) -> None:
    """GZ art. 4(三) asks for the specific reason, art. 11 for the basis (D5)."""
    filed = applied(ganzhou, entry=CLOSED)
    for left_out in REFUSAL:
        given = {k: v for k, v in REFUSAL.items() if k != left_out}
        assert pointers(wrong(decided, ganzhou, alice, filed, "refuse", **given)) == [f"/{left_out}"]
    done = decided(ganzhou, alice, filed, "refuse", **REFUSAL)
    assert done.case.state == "refused"
    assert shown(ganzhou, carol, done)["history"][-1]["fields"]["basis"] == REFUSAL["basis"]


def test_the_class_of_the_chosen_items_says_who_decides(ganzhou: Any) -> None:
    """I-S-02: a condition on one item leaves the others with the manager and its three days."""
    items: list[dict[str, Any]] = [
        {"name": "code", "title": "代码", "type": "string", "primary_key": True},
        {"name": "name", "title": "名称", "type": "string", "share_class": "unconditional"},
        {"name": "area_code", "title": "区号", "type": "string", "share_class": "none"},
    ]
    items[0]["share_class"] = "conditional"
    entry = {**WITHHELD, "share_condition": "说明所办事项", "attributes": items}
    code, system = offered(ganzhou, "divisions", **entry), active_client(ganzhou)
    ganzhou.now = at("2026-02-13T10:00")
    free = submitted_application(ganzhou, code, system, fields=["name"], term_days=30)
    bound = submitted_application(ganzhou, code, system, fields=["code", "name"], term_days=30)
    assert (free.case.state, due(ganzhou, free, "decide")) == ("with_manager", "2026-02-25T23:59:59+08:00")
    assert (bound.case.state, due(ganzhou, bound, "decide")) == ("with_provider", "2026-03-05T23:59:59+08:00")
    with pytest.raises(Invalid):
        submitted_application(ganzhou, code, system, fields=["area_code"], term_days=30)


def test_a_grant_of_some_items_says_why_not_of_the_others(ganzhou: Any) -> None:
    """GZ art. 5(一), minimum use: the decision takes away and never adds."""
    filed = applied(ganzhou, entry=CLOSED)
    assert pointers(wrong(decided, ganzhou, alice, filed, "grant", fields=["code"])) == ["/withheld_reason"]
    wider = wrong(decided, ganzhou, alice, filed, "grant", fields=["code", "name", "area_code"])
    assert pointers(wider) == ["/fields/2"]
    done = decided(ganzhou, alice, filed, "grant", fields=["code"], withheld_reason="名称另有公开来源")
    assert done.grant is not None
    assert done.grant.terms.fields == ("code",)


def test_who_grants_confirms_that_it_is_the_least_that_the_work_needs(ganzhou: Any) -> None:
    """GZ art. 5(一)."""
    for filed, decider in ((applied(ganzhou), bob), (applied(ganzhou, entry=CLOSED), alice)):
        form = shown(ganzhou, decider, filed)["forms"]["grant"]
        assert "最小范围" in form["confirms"]["zh"]


# --- GZ-S-14: the manager accepts, forwards, tracks and urges -----------------------------------------


def test_submission_is_accepted_and_forwarded_at_once(ganzhou: Any) -> None:
    """GZ art. 3, I-S-11."""
    filed = applied(ganzhou, "2026-02-13T10:00", CLOSED)
    submitted = filed.case.events[-1]
    assert (submitted.names, submitted.at) == (("submitted", "accepted", "forwarded"), ganzhou.now)
    for reader in (alice, bob):
        assert inbox(ganzhou, reader, filed) == ["Application A-2026-000001: Submit"]


def test_the_manager_urges_as_often_as_it_likes_and_moves_no_limit(ganzhou: Any) -> None:
    """GZ art. 3: no cadence in the text."""
    filed = applied(ganzhou, "2026-02-13T10:00", CLOSED)
    before = due(ganzhou, filed, "decide")
    for hours in range(3):
        ganzhou.now += timedelta(hours=hours)
        assert decided(ganzhou, bob, filed, "urge", note="请抓紧").case.state == "with_provider"
    assert inbox(ganzhou, alice, filed).count("Application A-2026-000001: Urge") == 3
    assert due(ganzhou, filed, "decide") == before
    for other in (alice, carol, dave):
        with pytest.raises(NotPermitted):
            decided(ganzhou, other, filed, "urge")


# --- GZ-S-15: no paper is no reason --------------------------------------------------------------------


@pytest.mark.parametrize(("entry", "actor"), [(CLOSED, alice), ({}, bob)], ids=["provider", "manager"])
def test_nobody_refuses_for_want_of_a_paper_application(ganzhou: Any, entry: Any, actor: Any) -> None:
    """GZ art. 4(三) binds the provider, and read with it the manager (I-G-08)."""
    filed = applied(ganzhou, entry=entry)
    refused = wrong(decided, ganzhou, actor, filed, "refuse", **{**REFUSAL, "reason_code": "no_paper"})
    assert pointers(refused) == ["/reason_code"]
    assert "第4条" in refused.errors[0].message.zh
    fields = shown(ganzhou, actor, filed)["forms"]["refuse"]["fields"]
    offered_reasons = next(f["choices"] for f in fields if f["name"] == "reason_code")
    assert "no_paper" not in offered_reasons
    assert "incomplete" in offered_reasons


# --- what the text leaves open --------------------------------------------------------------------------


@pytest.mark.parametrize(("entry", "desk"), [({}, bob), (CLOSED, alice)], ids=["manager", "provider"])
def test_silence_grants_nothing_however_long(ganzhou: Any, entry: Any, desk: Any) -> None:
    """I-S-20, D18: late is late, on record once and told; nothing is deemed granted, nothing reported up."""
    filed = applied(ganzhou, "2026-02-13T10:00", entry)
    for when in ("2026-03-06T00:00", "2026-03-06T00:00", "2027-06-01T09:00"):
        swept(ganzhou, when)
    assert breaches(ganzhou, filed) == ["decide"]
    assert clock(ganzhou, filed, "decide").breached
    assert "is overdue" in inbox(ganzhou, desk, filed)[0]
    with ganzhou.read(carol) as work:
        state = case_view(work, find_application(work, filed.application.id).case)["state"]
    assert state in ("with_manager", "with_provider")
    with pytest.raises(NotFound):
        opened(ganzhou, bob, "breach_report", issue="逾期")
    assert decided(ganzhou, desk, filed, "grant").case.state == "granted"
    assert clock(ganzhou, filed, "decide").breached


def test_no_decision_can_be_put_off(ganzhou: Any) -> None:
    """I-S-21: only updates of the catalog can be given more time."""
    for filed in (applied(ganzhou), applied(ganzhou, entry=CLOSED)):
        assert clock(ganzhou, filed, "decide").extendable_to is None
    book = ganzhou.rulebooks.current("sharing")
    assert [(r.workflow, r.name) for r in book.clocks if r.extension] == [("dataset", "update")]


def test_a_corrected_filing_is_a_new_application_with_a_limit_of_its_own(ganzhou: Any) -> None:
    """I-S-22: no clock waits for papers."""
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    ganzhou.now = at("2026-03-02T10:00")
    first = submitted_application(ganzhou, code, system, term_days=30)
    moved(ganzhou, "2026-03-04T10:00", bob, first, "refuse", reason_code="incomplete", basis="第九条")
    second = submitted_application(ganzhou, code, system, term_days=30)
    assert due(ganzhou, first, "decide") == "2026-03-05T23:59:59+08:00"
    assert due(ganzhou, second, "decide") == "2026-03-09T23:59:59+08:00"


def test_an_applicant_may_give_up_and_nobody_else_for_them(ganzhou: Any) -> None:
    """I-G-05."""
    filed = applied(ganzhou, entry=CLOSED)
    assert may(ganzhou, carol, filed) == ["withdraw"]
    with pytest.raises(NotPermitted):
        decided(ganzhou, alice, filed, "withdraw")
    done = decided(ganzhou, carol, filed, "withdraw", reason="不再需要")
    assert (done.case.state, clock(ganzhou, done, "decide").running) == ("withdrawn", False)
    with pytest.raises(Conflict):
        decided(ganzhou, alice, filed, "grant")


def test_what_is_withheld_cannot_be_applied_for(ganzhou: Any) -> None:
    """I-G-06."""
    code = offered(ganzhou, "divisions", **WITHHELD)
    refused = wrong(submitted_application, ganzhou, code, term_days=30)
    assert refused.code == "not_shared"


def test_an_application_is_seen_by_its_parties_and_the_auditor(ganzhou: Any) -> None:
    """I-G-07."""
    filed = api_applied(ganzhou)
    for reader in (carol, ann, bob, dave):
        with ganzhou.read(reader) as work:
            assert find_application(work, filed.application.id).case.state == "with_provider"
    for other in (alice, mallory):
        with pytest.raises(NotFound), ganzhou.read(other) as work:
            find_application(work, filed.application.id)
