"""What follows a breach in Qianjiang (QJ art. 26, 31): a report that a person signs, and an order."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.periods import period_of
from matters.acting import find_matter, list_matters
from matters.model import Wanted
from supervision.statistics import Wanted as Asked
from supervision.statistics import read_statistics
from tests.cast import alice, ann, bob, carol, gus, mallory, rita, stella
from tests.sharing.telling import (
    acted,
    at,
    breaches,
    case_of,
    clock,
    decided,
    due,
    inbox,
    lateness,
    opened,
    records,
    swept,
)
from tests.stories import active_client, active_grant, offered, submitted_application

DAY: dict[str, Any] = {"fields": ["date"], "operations": ["day"]}
ORDER = {
    "department": "hr_social",
    "breach": "not_decided",
    "demand": "三日内作出授权决定",
    "deadline": "2026-04-30T18:00:00+08:00",
}


def overdue(world: Any) -> Any:
    """An application that its provider has let lie, forwarded on 2 March."""
    code, system = offered(world, "workdays"), active_client(world)
    world.now = at("2026-03-02T10:00")
    filed = decided(world, bob, submitted_application(world, code, system, **DAY), "accept")
    swept(world, "2026-04-01T10:00")
    return filed


def found(world: Any, kind: str, actor: Any = bob) -> list[Any]:
    with world.read(actor) as work:
        return list(list_matters(work, Wanted(kind), 20, None).rows)


def reported(world: Any) -> Any:
    overdue(world)
    [report] = found(world, "breach_report")
    return acted(world, bob, report, "sign", statement="提供部门逾期未授权")


# --- art. 26: the report (D18) --------------------------------------------------------------------------


def test_a_missed_limit_is_drafted_with_what_was_missed_and_waits_for_a_person(city: Any) -> None:
    filed = overdue(city)
    [report] = found(city, "breach_report")
    said = report.case.events[0].fields
    assert (said["clock"], report.case.state) == ("decide", "draft")
    assert at("2026-03-16T23:59:59").isoformat()[:10] in said["due"]
    [breach] = [r for r in records(city, filed) if r.get("action") == "breach"]
    assert breach["clock"] == "decide"
    assert inbox(city, stella) == []
    swept(city, "2026-05-01T10:00")
    assert len(found(city, "breach_report")) == 1


def test_a_person_signs_the_report_and_the_steering_office_has_it(city: Any) -> None:
    """QJ art. 26: the data management body reports, promptly; who signs confirms what is said."""
    overdue(city)
    [report] = found(city, "breach_report")
    with pytest.raises(Invalid):
        acted(city, bob, report, "sign")
    for actor in (alice, ann, stella):
        with pytest.raises((NotPermitted, NotFound)):
            acted(city, actor, report, "sign", statement="逾期")
    signed = acted(city, bob, report, "sign", statement="提供部门逾期未授权")
    assert signed.case.state == "reported"
    assert records(city, signed)[-1]["actor"] == "pseudonym-of-bob"
    assert inbox(city, stella, signed) == ["breach report B-2026-000001: Sign and report"]
    step = city.rulebooks.current("sharing").workflow("breach_report").find("draft", "sign", {})
    assert (step.cite.article, step.confirms is not None) == ("26", True)


def test_the_steering_office_orders_rectification_and_the_department_learns_of_it(city: Any) -> None:
    report = reported(city)
    with pytest.raises(NotPermitted):
        acted(city, bob, report, "order_rectification", **ORDER)
    with pytest.raises(Invalid):
        acted(city, stella, report, "order_rectification", **{**ORDER, "department": "nowhere"})
    ordered = acted(city, stella, report, "order_rectification", **ORDER)
    assert ordered.case.state == "ordered"
    [notice] = found(city, "rectification")
    assert notice.case.parties["member"] == "hr_social"
    assert due(city, notice, "rectify") == "2026-04-30T18:00:00+08:00"
    for actor in (ann, rita, bob):
        assert "rectification R-2026-000001: Order rectification" in inbox(city, actor, notice)
    with city.read(mallory) as work, pytest.raises(NotFound):
        find_matter(work, notice.matter.id)


def test_what_the_text_does_not_say_of_reports_is_marked_as_the_platforms_own(city: Any) -> None:
    flow = city.rulebooks.current("sharing").workflow("breach_report")
    kinds = [flow.find(*where, {}).cite.kind for where in (("draft", "drop"), ("reported", "note_report"))]
    assert kinds == ["product_default", "product_default"]
    report = reported(city)
    with pytest.raises(Invalid):
        acted(city, stella, report, "note_report")
    assert acted(city, stella, report, "note_report", reason="已办结").case.state == "noted"


def test_a_draft_that_is_not_true_is_dropped_with_a_reason_and_the_breach_stays_on_record(city: Any) -> None:
    filed = overdue(city)
    [report] = found(city, "breach_report")
    with pytest.raises(Invalid):
        acted(city, bob, report, "drop")
    assert acted(city, bob, report, "drop", reason="节假日通知调整").case.state == "dropped"
    assert breaches(city, filed) == ["decide"]
    swept(city, "2026-06-01T10:00")
    assert len(found(city, "breach_report")) == 1


def test_an_interruption_of_service_is_reported_by_the_manager(city: Any) -> None:
    """QJ art. 26: with the impact on the user's business."""
    held = active_grant(city)
    with pytest.raises(NotPermitted):
        opened(city, carol, "breach_report", grant=held.grant.number, statement="服务中断两天")
    report = opened(
        city, bob, "breach_report", grant=held.grant.number, statement="服务中断", impact="窗口停办两天"
    )
    assert acted(city, bob, report, "sign", statement="服务中断两天").case.state == "reported"
    order = {**ORDER, "department": "civil_affairs", "breach": "interruption"}
    assert acted(city, stella, report, "order_rectification", **order).case.state == "ordered"


# --- art. 31: rectification and the steering group ------------------------------------------------------


def ordered(world: Any, **changes: Any) -> Any:
    """A rectification that the competent department orders of itself."""
    world.now = at("2026-04-01T10:00")
    return opened(world, rita, "rectification", **{**ORDER, **changes})


@pytest.mark.parametrize("breach", ["catalog", "supply", "quality", "misuse", "other"])
def test_each_of_the_five_cases_of_the_article_may_be_ordered_to_be_rectified(city: Any, breach: str) -> None:
    notice = ordered(city, breach=breach)
    assert notice.case.state == "noticed"
    assert "rectification R-2026-000001: Order rectification" in inbox(city, ann, notice)


@pytest.mark.parametrize("missing", ["department", "breach", "demand", "deadline"])
def test_a_notice_names_department_ground_demand_and_time(city: Any, missing: str) -> None:
    """QJ art. 31: the text sets no time, so the notice does."""
    with pytest.raises(Invalid) as refused:
        ordered(city, **{missing: None})
    assert [e.pointer for e in refused.value.errors] == [f"/{missing}"]


@pytest.mark.parametrize("actor", [alice, bob, carol, stella], ids=lambda a: a.login)
def test_nobody_but_the_competent_department_orders_by_itself(city: Any, actor: Any) -> None:
    with pytest.raises(NotPermitted):
        opened(city, actor, "rectification", **ORDER)


def test_a_department_answers_in_time_and_the_notice_is_closed(city: Any) -> None:
    notice = ordered(city)
    for actor in (alice, bob, rita):
        with pytest.raises((NotPermitted, NotFound)):
            acted(city, actor, notice, "answer", result="已整改")
    city.now = at("2026-04-30T18:00:00")
    answered = acted(city, ann, notice, "answer", result="已作出授权决定")
    assert (clock(city, answered, "rectify").running, clock(city, answered, "rectify").breached) == (
        False,
        False,
    )
    assert acted(city, rita, notice, "accept").case.state == "rectified"
    assert breaches(city, notice) == []


def test_what_is_not_rectified_in_time_goes_to_the_steering_group(city: Any) -> None:
    """QJ art. 31: at the second after the time set, and not before, however late the sweep."""
    notice = ordered(city)
    city.now = at("2026-04-30T18:00:00")
    with pytest.raises(Conflict):
        acted(city, rita, notice, "report_up", statement="逾期未整改")
    assert lateness(city, notice, "rectify") == [False, False, True]
    swept(city)
    assert breaches(city, notice) == ["rectify"]
    assert "rectification R-2026-000001: rectification is overdue" in inbox(city, rita, notice)
    with pytest.raises(Invalid):
        acted(city, rita, notice, "report_up")
    for actor in (ann, bob):
        with pytest.raises(NotPermitted):
            acted(city, actor, notice, "report_up", statement="逾期未整改")
    up = acted(city, rita, notice, "report_up", statement="逾期未整改")
    assert up.case.state == "reported_up"
    assert inbox(city, gus, up) == ["rectification R-2026-000001: Report to the steering group"]


def test_what_was_sent_back_has_a_new_time_of_its_own(city: Any) -> None:
    notice = ordered(city)
    acted(city, ann, notice, "answer", result="已整改")
    with pytest.raises(Invalid):
        acted(city, rita, notice, "send_back", reason="未见授权结果")
    later = {"reason": "未见授权结果", "deadline": "2026-05-15T18:00:00+08:00"}
    again = acted(city, rita, notice, "send_back", **later)
    assert again.case.state == "noticed"
    assert due(city, again, "rectify") == "2026-05-15T18:00:00+08:00"
    city.now = at("2026-05-15T18:00:01")
    assert acted(city, rita, notice, "report_up", statement="仍未整改").case.state == "reported_up"


# --- art. 26: published statistics (D17) ----------------------------------------------------------------


def test_three_families_of_statistics_are_public(world: Any) -> None:
    leaf = world.rulebooks.current("sharing").policy("supervision.statistics")
    assert leaf.value == {
        "families": ["authorisation", "calls", "availability"],
        "period": None,
        "public": True,
    }
    answer = world.app.test_client().get("/api/statistics")
    assert answer.status_code == 200
    assert [f["family"] for f in answer.get_json()["families"]] == leaf.value["families"]


def test_the_figures_count_what_was_late(city: Any) -> None:
    overdue(city)
    with city.read(bob) as work:
        statistics = read_statistics(work, Asked(period_of("month", at("2026-03-31T12:00").date())))
    [family] = [f for f in statistics.families if f.key == "authorisation"]
    assert (family.total["submitted"], family.total["granted"]) == (1, 0)


def test_the_breach_of_an_application_is_found_by_its_own_case(city: Any) -> None:
    """QJ art. 26: the report is about the application, so that nobody has to search for it."""
    filed = overdue(city)
    [report] = found(city, "breach_report")
    assert report.matter.origin == case_of(filed).id
    assert report.matter.application == filed.application.number
