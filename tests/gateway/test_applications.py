"""The grant cycle in both cities: who checks, who decides, by when, and what a decision may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

import schemas
from cases.present import case_view
from cases.sweep import sweep
from catalog.datasets import act_on_dataset
from core.errors import Conflict, FieldError, Invalid, NotFound, NotPermitted
from core.times import SHANGHAI
from core.work import Actor
from gateway.applications import (
    act_on_application,
    apply_for_fields,
    attach,
    find_application,
    list_applications,
)
from gateway.grants import act_on_grant, find_grant, grant_state, list_grants
from tests.cast import alice, ann, bob, carol, chen, dave, mallory
from tests.stories import (
    STATEMENT,
    active_client,
    active_grant,
    offered,
    submitted_application,
    taken_offline,
)

PDF = b"%PDF-1.7\n% a scan\n"
STEPS = ["submit", "accept", "grant"]


def at(text: str) -> datetime:
    """An instant in Shanghai time."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def clock(world: Any, actor: Actor, application_id: str, name: str) -> dict[str, Any]:
    """One clock of an application, as its parties see it."""
    with world.read(actor) as work:
        view = case_view(work, find_application(work, application_id).case)
    return next(c for c in view["clocks"] if c["name"] == name)


def pointers(refused: pytest.ExceptionInfo[Invalid]) -> list[str]:
    """The fields that a refusal names."""
    return [e.pointer for e in refused.value.errors]


# --- Qianjiang ------------------------------------------------------------------------------------


def test_a_conditional_dataset_takes_the_check_the_provider_and_the_information(world: Any) -> None:
    """QJ art. 19, 20: three working days to check, ten to decide, one to inform, over the Spring Festival."""
    code, system = offered(world, "workdays"), active_client(world)
    world.now = at("2026-02-10T10:00")
    filed = submitted_application(world, code, system, fields=["date", "workday"])
    assert filed.case.state == "checking"
    assert clock(world, carol, filed.application.id, "check")["due"] == "2026-02-13T23:59:59+08:00"
    world.now = at("2026-02-13T15:00")
    with world.work(bob) as work:
        assert act_on_application(work, filed.application.id, "accept", {}).case.state == "with_provider"
    assert clock(world, ann, filed.application.id, "decide")["due"] == "2026-03-05T23:59:59+08:00"
    world.now = at("2026-03-05T16:00")
    with world.work(ann) as work:
        decided = act_on_application(work, filed.application.id, "grant", {})
    assert decided.grant is not None
    assert clock(world, bob, filed.application.id, "inform")["due"] == "2026-03-06T23:59:59+08:00"
    with world.work(bob) as work:
        assert act_on_application(work, filed.application.id, "inform", {}).case.state == "closed"


def test_unconditional_data_are_granted_directly_by_the_manager(world: Any) -> None:
    """QJ art. 12, 21: no controlled parameter, so the manager decides within three days of accepting."""
    filed = submitted_application(world)
    assert filed.case.facts["decider"] == "platform_manager"
    world.now = at("2026-02-11T09:00")
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    assert clock(world, bob, filed.application.id, "decide")["due"] == "2026-02-14T23:59:59+08:00"
    with pytest.raises(NotPermitted), world.work(alice) as work:
        act_on_application(work, filed.application.id, "grant", {})
    with world.work(bob) as work:
        assert act_on_application(work, filed.application.id, "grant", {}).case.state == "granted"


def test_controlled_parameters_send_unconditional_data_to_the_provider(world: Any) -> None:
    """QJ art. 11: and the grant must name the values, so that nothing is left open."""
    code = offered(world, "divisions", controlled_params=True)
    filed = submitted_application(world, code)
    assert filed.case.facts["decider"] == "provider"
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    with pytest.raises(Invalid) as refused, world.work(alice) as work:
        act_on_application(work, filed.application.id, "grant", {})
    assert pointers(refused) == ["/row_filter"]
    with world.work(alice) as work:
        terms = {"row_filter": {"street_code": ["429005001"]}}
        decided = act_on_application(work, filed.application.id, "grant", terms)
    assert decided.grant is not None
    assert decided.grant.terms.row_filter == {"street_code": ("429005001",)}


def test_a_refusal_gives_a_reason_and_no_paper_is_none(world: Any) -> None:
    """QJ art. 19, 22."""
    filed = submitted_application(world)
    with pytest.raises(Invalid) as refused, world.work(bob) as work:
        act_on_application(work, filed.application.id, "refuse", {})
    assert pointers(refused) == ["/reason_code", "/reason"]
    fields = {"reason": "没有纸质申请", "reason_code": "no_paper"}
    with pytest.raises(Invalid) as refused, world.work(bob) as work:
        act_on_application(work, filed.application.id, "refuse", fields)
    assert pointers(refused) == ["/reason_code"]
    with world.work(bob) as work:
        fields = {"reason": "用途不明", "reason_code": "incomplete"}
        assert act_on_application(work, filed.application.id, "refuse", fields).case.state == "refused"


def test_a_grant_in_qianjiang_has_no_end_of_its_own(world: Any) -> None:
    held = active_grant(world)
    assert held.grant.valid_until is None
    world.now += timedelta(days=365 * 10)
    with world.read(carol) as work:
        assert grant_state(work, find_grant(work, held.grant.id).case) == "active"


def test_the_deployments_own_term_is_labelled_as_such(world: Any) -> None:
    platform = replace(world.settings.platform, default_term_days=30)
    world.settings = replace(world.settings, platform=platform)
    held = active_grant(world)
    with world.read(carol) as work:
        view = _grant_view(work, held)
    assert view["term"]["set_by"] == "deployment"
    assert view["term"]["kind"] == "product_default"
    assert view["valid_until"] == "2026-03-12T23:59:59+08:00"


def test_the_data_of_one_department_do_not_exist_for_another(world: Any) -> None:
    held = active_grant(world)
    application_id = str(held.grant.application_id)
    for stranger in (mallory, chen, ann):
        with world.read(stranger) as work:
            with pytest.raises(NotFound):
                find_application(work, application_id)
            with pytest.raises(NotFound):
                find_grant(work, held.grant.id)
            assert list_applications(work, None, 50, None).rows == []
            assert list_grants(work, limit=50).rows == []
    for reader in (alice, bob, carol, dave):
        with world.read(reader) as work:
            assert [h.grant.id for h in list_grants(work, limit=50).rows] == [held.grant.id]
            assert len(list_applications(work, None, 50, None).rows) == 1


def test_nobody_decides_on_their_own_application(world: Any) -> None:
    both = Actor("bea", "bea", "bigdata", frozenset({"consumer", "platform_manager"}), "bea")
    code, system = offered(world, "divisions"), active_client(world, both)
    filed = submitted_application(world, code, system, actor=both)
    with pytest.raises(NotPermitted), world.work(both) as work:
        act_on_application(work, filed.application.id, "accept", {})


def test_acting_on_what_changed_meanwhile_is_refused(world: Any) -> None:
    filed = submitted_application(world)
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    with pytest.raises(Conflict) as refused, world.work(bob) as work:
        act_on_application(work, filed.application.id, "grant", {}, expect_version=filed.case.version)
    assert refused.value.code == "changed_meanwhile"


# --- what may be asked for and decided ------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"fields": []}, ["/fields"]),
        ({"fields": ["code", "id_number"]}, ["/fields/1"]),
        ({"kind": "api"}, ["/kind"]),
        ({"networks": ["10.0.0.0/8"]}, ["/networks/0"]),
        ({"networks": ["::1/128"]}, ["/networks/0"]),
        ({"row_filter": {"id_number": ["1"]}}, ["/row_filter/id_number"]),
        ({"parameters": {"date": ["1"]}}, ["/parameters/date"]),
        ({"operations": ["day"]}, ["/operations/day"]),
        ({"purpose": " "}, ["/purpose"]),
        ({"reasons": "", "duty_basis": ""}, ["/reasons", "/duty_basis"]),
        ({"previous_grant": "G-2020-000001"}, ["/previous_grant"]),
        ({"dataset": "999999/000001"}, ["/dataset"]),
    ],
)
def test_a_wrong_application_names_the_field(gathered: Any, wish: Any, expected: list[str]) -> None:
    world, code, system = gathered
    asked = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT, **wish}
    with pytest.raises(Invalid) as refused, world.work(carol) as work:
        apply_for_fields(work, asked)
    assert pointers(refused) == expected


@pytest.fixture(scope="module")
def gathered(shared_world: Any) -> Any:
    """One world with a dataset and a system, for stories that end in a refusal."""
    return shared_world, offered(shared_world, "divisions"), active_client(shared_world)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({"fields": ["code", "name", "street_code"]}, ["/fields/2"]),
        ({"networks": ["127.0.0.0/8"]}, ["/networks/0"]),
        ({"row_filter": {"street_code": ["429005002"]}}, ["/row_filter/street_code"]),
        ({"row_filter": {"id_number": ["1"]}}, ["/row_filter/id_number"]),
        ({"term_days": 31}, ["/term_days"]),
        ({"calls_per_day": 101}, ["/calls_per_day"]),
        ({"calls_per_day": 0}, ["/calls_per_day"]),
        ({"fields": []}, ["/fields"]),
        ({"row_limit": 0}, ["/row_limit"]),
        ({"sensitive": "no"}, ["/sensitive"]),
        ({"reason": "x"}, ["/reason"]),
    ],
)
def test_a_decision_narrows_and_never_widens(gathered: Any, decision: Any, expected: list[str]) -> None:
    world, code, system = gathered
    asked = {"row_filter": {"street_code": ["429005001"]}, "term_days": 30, "calls_per_day": 100}
    filed = submitted_application(world, code, system, **asked)
    decider = {"provider": alice, "platform_manager": bob}[filed.case.facts["decider"]]
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    with pytest.raises(Invalid) as refused, world.work(decider) as work:
        act_on_application(work, filed.application.id, "grant", decision)
    assert pointers(refused) == expected
    with world.read(decider) as work:
        untouched = find_application(work, filed.application.id)
    assert untouched.case.state.startswith("with_")
    assert untouched.grant is None


def test_a_decision_takes_away_what_is_too_much(world: Any) -> None:
    decision = {
        "fields": ["code"],
        "withheld_reason": "名称不需要",
        "row_limit": 100,
        "calls_per_day": 100,
        "term_days": 10,
        "sensitive": True,
    }
    held = active_grant(world, decision=decision, term_days=30)
    assert held.grant.terms.fields == ("code",)
    assert held.grant.terms.row_limit == 100
    assert held.grant.terms.calls_per_day == 100
    assert held.grant.terms.sensitive
    assert held.grant.valid_until is not None
    assert held.grant.valid_until.astimezone(SHANGHAI).date().isoformat() == "2026-02-20"


def test_files_are_asked_for_whole(world: Any) -> None:
    code, system = offered(world, "calendars"), active_client(world)
    with pytest.raises(Invalid) as refused:
        submitted_application(world, code, system, fields=["date"])
    assert pointers(refused) == ["/fields"]
    assert active_grant(world, code, system, fields=None).grant.terms.fields == ("date", "workday")


def test_what_is_not_published_cannot_be_asked_for(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    with world.work(alice) as work:
        act_on_dataset(work, code, "take_offline", {"reason": "维护"})
    with pytest.raises(Conflict) as refused:
        submitted_application(world, code, system)
    assert refused.value.code == "not_published"


def test_a_system_of_another_department_cannot_be_used(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    with pytest.raises(Invalid) as refused:
        submitted_application(world, code, system, actor=mallory)
    assert pointers(refused) == ["/client"]


# --- Ganzhou --------------------------------------------------------------------------------------


def test_one_clock_runs_from_submission_in_ganzhou(ganzhou: Any) -> None:
    """GZ art. 11: no separate check; the manager has three working days in all."""
    ganzhou.now = at("2026-02-13T10:00")
    filed = submitted_application(ganzhou, term_days=365)
    assert filed.case.state == "with_manager"
    assert clock(ganzhou, bob, filed.application.id, "decide")["due"] == "2026-02-25T23:59:59+08:00"


def test_a_refusal_in_ganzhou_gives_its_basis(ganzhou: Any) -> None:
    filed = submitted_application(ganzhou, term_days=30)
    with pytest.raises(Invalid) as refused, ganzhou.work(bob) as work:
        act_on_application(work, filed.application.id, "refuse", {"reason_code": "other", "reason": "不需要"})
    assert pointers(refused) == ["/basis"]
    with ganzhou.work(bob) as work:
        fields = {"reason_code": "out_of_scope", "basis": "第四条"}
        done = act_on_application(work, filed.application.id, "refuse", fields)
    assert done.case.state == "refused"


def test_an_api_needs_the_sealed_scan_in_ganzhou(ganzhou: Any) -> None:
    """GZ art. 9: an incomplete application is not accepted; a draft waits for its papers."""
    code, system = offered(ganzhou, "workdays"), active_client(ganzhou)
    wish: dict[str, Any] = {"fields": ["date", "workday"], "term_days": 30}
    with pytest.raises(Invalid) as refused:
        submitted_application(ganzhou, code, system, **wish)
    assert pointers(refused) == ["/attachments"]
    draft = submitted_application(ganzhou, code, system, **wish, submit=False)
    with pytest.raises(NotFound), ganzhou.read(ann) as work:
        find_application(work, draft.application.id)
    paper = {"type": "api_application_form", "name": "申请表.pdf", "content": PDF}
    with ganzhou.work(carol) as work:
        attach(work, draft.application.id, sealed=False, **paper)
    with pytest.raises(Invalid), ganzhou.work(carol) as work:
        act_on_application(work, draft.application.id, "submit", {})
    with ganzhou.work(carol) as work:
        attach(work, draft.application.id, sealed=True, **paper)
    with ganzhou.work(carol) as work:
        submitted = act_on_application(work, draft.application.id, "submit", {})
    assert submitted.case.state == "with_provider"
    with pytest.raises(Conflict), ganzhou.work(carol) as work:
        attach(work, draft.application.id, sealed=True, **paper)


def test_each_paper_that_the_entry_lists_is_handed_in_where_the_book_says_so(ganzhou: Any) -> None:
    """GZ art. 4(一): the provider lists what an application needs."""
    code, system = (
        offered(ganzhou, "divisions", required_materials=["授权书", "清单"]),
        active_client(ganzhou),
    )
    draft = submitted_application(ganzhou, code, system, term_days=30, submit=False)
    for number in range(2):
        with pytest.raises(Invalid) as refused, ganzhou.work(carol) as work:
            act_on_application(work, draft.application.id, "submit", {})
        assert len(refused.value.errors) == 2 - number
        with ganzhou.work(carol) as work:
            attach(work, draft.application.id, type="material", sealed=False, name="a.pdf", content=PDF)
    with ganzhou.work(carol) as work:
        submitted = act_on_application(work, draft.application.id, "submit", {})
    assert submitted.case.state == "with_manager"


def test_a_paper_is_what_its_content_says(ganzhou: Any) -> None:
    draft = submitted_application(ganzhou, term_days=30, submit=False)
    papers = {b"": "a.pdf", b"MZ\x90": "b.pdf", b"<svg/>": "c.png", b"PK\x03\x04rubbish": "d.ofd"}
    for content, name in papers.items():
        with pytest.raises(Invalid) as refused, ganzhou.work(carol) as work:
            attach(work, draft.application.id, type="material", sealed=False, name=name, content=content)
        assert pointers(refused) == ["/content"]


def test_a_term_is_stated_in_days_and_three_years_at_most(ganzhou: Any) -> None:
    """GZ art. 5(二); a grant of 29 February runs to 28 February at most."""
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    with pytest.raises(Invalid) as refused:
        submitted_application(ganzhou, code, system)
    assert pointers(refused) == ["/term_days"]
    ganzhou.now = at("2028-02-29T10:00")
    with pytest.raises(Invalid) as refused:
        submitted_application(ganzhou, code, system, term_days=1096)
    assert refused.value.errors[0] == FieldError("/term_days", refused.value.errors[0].message, "maximum")
    held = active_grant(ganzhou, code, system, term_days=1095)
    assert held.grant.valid_until is not None
    assert held.grant.valid_until.astimezone(SHANGHAI).isoformat(timespec="seconds") == (
        "2031-02-28T23:59:59+08:00"
    )


def test_a_late_decision_cannot_lengthen_the_term_beyond_the_cap(ganzhou: Any) -> None:
    ganzhou.now = at("2026-02-27T10:00")
    filed = submitted_application(ganzhou, term_days=1096)
    ganzhou.now = at("2028-02-29T10:00")
    with ganzhou.work(bob) as work:
        decided = act_on_application(work, filed.application.id, "grant", {})
    assert decided.grant is not None
    assert decided.grant.valid_until is not None
    assert decided.grant.valid_until.astimezone(SHANGHAI).date().isoformat() == "2031-02-28"


def test_a_grant_expires_at_its_instant_with_nobody_watching(ganzhou: Any) -> None:
    ganzhou.now = at("2026-02-13T15:20")
    held = active_grant(ganzhou, term_days=365)
    ganzhou.now = at("2027-02-13T23:59:59")
    with ganzhou.read(carol) as work:
        assert grant_state(work, find_grant(work, held.grant.id).case) == "active"
        assert len(list_grants(work, state="active", limit=5).rows) == 1
    ganzhou.now = at("2027-02-14T00:00")
    with ganzhou.read(carol) as work:
        assert _grant_view(work, find_grant(work, held.grant.id))["state"] == "expired"
        assert list_grants(work, state="active", limit=5).rows == []
        assert len(list_grants(work, state="expired", limit=5).rows) == 1
    with pytest.raises(Conflict), ganzhou.work(alice) as work:
        act_on_grant(work, held.grant.id, "suspend", {"reason": "滥用", "evidence": "日志"})
    with ganzhou.work(bob) as work:
        sweep(work)
    with ganzhou.read(carol) as work:
        assert find_grant(work, held.grant.id).case.state == "expired"


def _grant_view(work: Any, held: Any) -> dict[str, Any]:
    from gateway.present import grant_view

    view = grant_view(work, held)
    schemas.validate("response/grant", view)
    return view


def test_an_api_is_taken_back_without_evidence_only_when_it_lies_idle(ganzhou: Any) -> None:
    """GZ art. 5(二): three months unused; before that it takes misuse and its evidence (art. 5(一))."""
    system = active_client(ganzhou)
    code = offered(ganzhou, "workdays")
    wish: dict[str, Any] = {"fields": ["date"], "operations": ["day"], "term_days": 365}
    draft = submitted_application(ganzhou, code, system, **wish, submit=False).application.id
    with ganzhou.work(carol) as work:
        attach(work, draft, type="api_application_form", sealed=True, name="a.pdf", content=PDF)
        act_on_application(work, draft, "submit", {})
    with ganzhou.work(ann) as work:
        grant = act_on_application(work, draft, "grant", {}).grant
        assert grant is not None
    with pytest.raises(Invalid) as refused, ganzhou.work(ann) as work:
        act_on_grant(work, grant.id, "reclaim", {"reason": "长期未用"})
    assert pointers(refused) == ["/evidence"]
    ganzhou.now += timedelta(days=120)
    with ganzhou.work(ann) as work:
        assert act_on_grant(work, grant.id, "reclaim", {"reason": "长期未用"}).case.closed_at


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_users_are_told_before_data_in_use_go_off_line(city: str, request: pytest.FixtureRequest) -> None:
    """GZ art. 8, and the platform's own order in Qianjiang: notice is due to each user, and only to users."""
    world = request.getfixturevalue(city)
    used, unused = offered(world, "divisions"), offered(world, "calendars")
    active_grant(world, used, term_days=30)
    with world.work(ann) as work:
        assert not act_on_dataset(work, unused, "take_offline", {"reason": "维护"}).is_public
    with pytest.raises(Conflict) as refused, world.work(alice) as work:
        act_on_dataset(work, used, "take_offline", {"reason": "维护"})
    assert refused.value.code == "condition_not_met"
    with pytest.raises(Invalid) as wordless, world.work(alice) as work:
        act_on_dataset(work, used, "announce_withdrawal", {})
    assert pointers(wordless) == ["/notice"]
    assert not taken_offline(world, used).is_public


def test_who_began_to_use_the_data_after_the_announcement_is_told_as_well(ganzhou: Any) -> None:
    """GZ art. 8: the users are those of the day on which the data go off line."""
    code = offered(ganzhou, "divisions")
    active_grant(ganzhou, code, term_days=30)
    with ganzhou.work(alice) as work:
        act_on_dataset(work, code, "announce_withdrawal", {"notice": "月底停止供数"})
    active_grant(ganzhou, code, active_client(ganzhou, chen), actor=chen, term_days=30)
    with pytest.raises(Conflict) as refused, ganzhou.work(alice) as work:
        act_on_dataset(work, code, "take_offline", {"reason": "维护"})
    assert refused.value.code == "condition_not_met"
    assert not taken_offline(ganzhou, code).is_public


def test_an_announcement_counts_until_the_data_come_back(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    active_grant(ganzhou, code, term_days=30)
    taken_offline(ganzhou, code)
    ganzhou.now += timedelta(days=1)
    with ganzhou.work(alice) as work:
        act_on_dataset(work, code, "publish", {})
    with pytest.raises(Conflict), ganzhou.work(alice) as work:
        act_on_dataset(work, code, "take_offline", {"reason": "维护"})


def test_a_department_that_uses_its_own_data_need_not_tell_itself(world: Any) -> None:
    code = offered(world, "divisions")
    own = replace(carol, login="cathy", department="civil_affairs")
    active_grant(world, code, active_client(world, own), actor=own)
    with world.work(alice) as work:
        assert not act_on_dataset(work, code, "take_offline", {"reason": "维护"}).is_public
    code = offered(world, "calendars")
    both = replace(ann, roles=frozenset({"provider", "consumer"}))
    active_grant(world, code, active_client(world, both), actor=both, fields=None)
    active_grant(world, code, active_client(world), fields=None)
    assert not taken_offline(world, code, ann).is_public


def test_a_length_of_the_applicants_own_is_not_called_the_texts(world: Any) -> None:
    """QJ art. 24 sets no term."""
    held = active_grant(world, term_days=30)
    with world.read(carol) as work:
        assert _grant_view(work, held)["term"]["kind"] == "silent"
