"""Doubts, disputes and needs beyond the district in Ganzhou (GZ art. 4(四), 5(三)(四), 13)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.corrections import open_disputes
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from tests.cast import alice, ann, bob, carol, chen, dave, mallory
from tests.sharing.beginnings import CLOSED, REFUSAL, applied, dataset, may, pointers, wrong
from tests.sharing.telling import (
    acted,
    all_clocks,
    breaches,
    clock,
    decided,
    due,
    inbox,
    opened,
    records,
    swept,
)
from tests.stories import active_grant, offered


def doubted(world: Any, actor: Any = carol, code: str | None = None, **said: Any) -> Any:
    code = code or offered(world, "divisions")
    return opened(world, actor, "correction", **{"dataset": code, "doubt": "街道名称有误", **said})


# --- corrections (D15) -----------------------------------------------------------------------------------


def test_a_doubt_reaches_the_provider_and_the_manager(ganzhou: Any) -> None:
    """GZ art. 5(三): two addressees."""
    doubt = doubted(ganzhou)
    assert [len(inbox(ganzhou, reader, doubt)) for reader in (alice, bob, carol)] == [1, 1, 0]
    assert set(may(ganzhou, alice, doubt)) == {"take_up", "correct", "confirm"}
    assert may(ganzhou, bob, doubt) == ["urge"]


def test_a_doubt_has_an_age_and_no_limit(ganzhou: Any) -> None:
    """GZ art. 4(四): promptly, without a number."""
    doubt = doubted(ganzhou)
    swept(ganzhou, "2030-01-01T00:00")
    running = clock(ganzhou, doubt, "correct")
    assert (running.due, running.running, running.breached, breaches(ganzhou, doubt)) == (
        None,
        True,
        False,
        [],
    )


@pytest.mark.parametrize(("answer", "then"), [("correct", "corrected"), ("confirm", "confirmed")])
def test_the_provider_confirms_or_corrects_and_says_what_it_found(
    ganzhou: Any, answer: str, then: str
) -> None:
    doubt = doubted(ganzhou)
    acted(ganzhou, alice, doubt, "take_up")
    assert pointers(wrong(acted, ganzhou, alice, doubt, answer)) == ["/result"]
    done = acted(ganzhou, alice, doubt, answer, result="已核对民政台账")
    assert (done.case.state, clock(ganzhou, done, "correct").running) == (then, False)
    for reader in (carol, bob):
        assert len(inbox(ganzhou, reader, done)) >= 1
    for other in (bob, carol):
        with pytest.raises((NotPermitted, Conflict)):
            acted(ganzhou, other, done, answer, result="越权")


def test_a_doubt_that_came_in_off_line_is_entered_by_whoever_received_it(ganzhou: Any) -> None:
    """I-S-16: recorded when it is entered, with the day on which it came; its giver is answered."""
    for receiver in (bob, alice):
        doubt = doubted(
            ganzhou,
            receiver,
            channel="offline",
            received_on="2026-02-06T15:00:00+08:00",
            reported_by="health",
        )
        assert doubt.case.events[0].at == ganzhou.now
        assert doubt.case.events[0].fields["received_on"] == "2026-02-06T15:00:00+08:00"
        assert doubt.case.parties["consumer"] == "health"
        done = acted(ganzhou, alice, doubt, "correct", result="已更正")
        assert len(inbox(ganzhou, carol, done)) == 1
    leaf = ganzhou.rulebooks.current("sharing").policy("use.offline_feedback")
    assert (leaf.value, leaf.cite.kind) == (True, "interpretation")


def test_nobody_reports_a_doubt_in_the_name_of_another_department(ganzhou: Any) -> None:
    code = offered(ganzhou, "divisions")
    with pytest.raises(NotPermitted):
        doubted(ganzhou, mallory, code, reported_by="health")
    assert pointers(wrong(doubted, ganzhou, bob, code, reported_by="weather")) == ["/reported_by"]


def test_urging_leaves_a_doubt_where_it_stands(ganzhou: Any) -> None:
    """What the provider has not begun is not shown as begun because somebody urged it."""
    doubt = doubted(ganzhou)
    for state in ("reported", "checking"):
        assert acted(ganzhou, bob, doubt, "urge", note="请抓紧").case.state == state
        if state == "reported":
            acted(ganzhou, alice, doubt, "take_up")
    assert sum(line.endswith(": Urge") for line in inbox(ganzhou, alice, doubt)) == 2


def test_data_in_doubt_are_marked_and_carry_no_rule_on_serving_people(ganzhou: Any) -> None:
    """D15: Qianjiang's protection of the citizen is not in this text, so the notice does not claim it."""
    code = offered(ganzhou, "divisions")
    doubt = doubted(ganzhou, code=code, items="name")
    with ganzhou.read(bob) as work:
        [mark] = open_disputes(work.tx, dataset(ganzhou, code).id)
    assert (mark.number, mark.items, mark.served_as_usual) == (doubt.matter.number, ("name",), False)
    acted(ganzhou, alice, doubt, "confirm", result="无误")
    with ganzhou.read(bob) as work:
        assert open_disputes(work.tx, dataset(ganzhou, code).id) == ()


def test_what_is_doubted_is_for_the_parties_only(ganzhou: Any) -> None:
    """The doubt and the record are sealed; the audit log names fields and never their content."""
    doubt = doubted(ganzhou, record={"code": "429005001"})
    path = f"/api/matters/{doubt.matter.id}"
    for reader, status in ((alice, 200), (bob, 200), (dave, 200), (mallory, 404), (ann, 404)):
        answer = ganzhou.client(reader).get(path)
        assert answer.status_code == status
        assert ("街道名称有误" in answer.get_data(as_text=True)) == (reader in (alice, bob))
    assert "429005001" not in str(records(ganzhou, doubt))


# --- disputes (D14) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("about", ["application", "grant", "dataset"])
def test_conditions_reasons_and_results_are_disputed_among_the_three(ganzhou: Any, about: str) -> None:
    """GZ art. 13."""
    filed = applied(ganzhou, entry=CLOSED)
    if about == "grant":
        grant = decided(ganzhou, alice, filed, "grant").grant
        assert grant is not None
        named = grant.number
    else:
        named = {"application": filed.application.id, "dataset": filed.application.dataset_code}[about]
    dispute = opened(ganzhou, carol, "dispute", **{about: named, "issue": "对结果有异议"})
    assert dispute.case.parties == {
        "consumer": "health",
        "provider": "civil_affairs",
        "platform_manager": "bigdata",
    }
    for party in (alice, bob, carol):
        acted(ganzhou, party, dispute, "state_position", position="本部门意见")
    settled = acted(ganzhou, bob, dispute, "settle", agreement="补充用途说明后授权")
    assert settled.case.state == "settled"
    for reader in (alice, carol):
        assert any(line.endswith(": Settle") for line in inbox(ganzhou, reader, settled))


def test_talks_that_fail_leave_the_dispute_open_and_there_is_no_next_step(ganzhou: Any) -> None:
    """I-S-17: noted, with the word that city and province rules apply; nobody above decides here."""
    filed = applied(ganzhou, entry=CLOSED)
    decided(ganzhou, alice, filed, "refuse", **REFUSAL)
    dispute = opened(ganzhou, carol, "dispute", application=filed.application.id, issue="理由不成立")
    assert pointers(wrong(acted, ganzhou, bob, dispute, "note_failure")) == ["/note"]
    noted = acted(ganzhou, bob, dispute, "note_failure", note="按省、市规定处理")
    assert (noted.case.state, noted.case.closed_at) == ("open", None)
    with pytest.raises((NotFound, Conflict)):
        acted(ganzhou, bob, dispute, "refer", reason="协商未果")
    assert "dispute_body" not in noted.case.parties


def test_a_dispute_stops_no_other_clock(ganzhou: Any) -> None:
    """I-S-17: the provider's ten days run on."""
    filed = applied(ganzhou, "2026-02-13T10:00", CLOSED)
    before = due(ganzhou, filed, "decide")
    opened(ganzhou, carol, "dispute", application=filed.application.id, issue="共享条件过严")
    ganzhou.now += timedelta(days=5)
    assert (due(ganzhou, filed, "decide"), clock(ganzhou, filed, "decide").running) == (before, True)


def test_who_is_no_party_disputes_nothing(ganzhou: Any) -> None:
    filed = applied(ganzhou)
    for stranger in (mallory, chen, ann, dave):
        with pytest.raises((Invalid, NotPermitted)):
            opened(ganzhou, stranger, "dispute", application=filed.application.id, issue="不公")


# --- needs beyond the district (D16) ------------------------------------------------------------------------


def need(world: Any) -> Any:
    return opened(
        world,
        carol,
        "cascade",
        wanted="省级医保参保信息",
        purpose="健康档案核对",
        duty_basis="公共卫生服务职责",
    )


def test_a_need_is_collected_sent_up_published_here_and_then_applied_for(ganzhou: Any) -> None:
    """GZ art. 5(四): two stages, level by level; the second is an ordinary application."""
    case = need(ganzhou)
    acted(ganzhou, bob, case, "collect", note="纳入一季度汇总")
    acted(ganzhou, bob, case, "submit_up")
    acted(ganzhou, bob, case, "approved_up", result="张掖市大数据中心同意")
    code = offered(ganzhou, "divisions")
    assert pointers(wrong(acted, ganzhou, bob, case, "publish_here")) == ["/dataset"]
    done = acted(ganzhou, bob, case, "publish_here", dataset=code)
    assert done.case.state == "supplied"
    assert [line.rpartition(": ")[2] for line in inbox(ganzhou, carol, done)].count(
        "Name the dataset published here"
    ) == 1
    assert active_grant(ganzhou, code, term_days=30).grant.application_id is not None


def test_no_limit_runs_at_any_level(ganzhou: Any) -> None:
    case = need(ganzhou)
    acted(ganzhou, bob, case, "collect")
    acted(ganzhou, bob, case, "submit_up")
    ganzhou.now += timedelta(days=900)
    swept(ganzhou)
    assert (all_clocks(ganzhou, case), breaches(ganzhou, case)) == ((), [])


def test_a_need_that_the_upper_platform_refuses_ends_with_its_answer(ganzhou: Any) -> None:
    case = need(ganzhou)
    acted(ganzhou, bob, case, "collect")
    acted(ganzhou, bob, case, "submit_up")
    assert pointers(wrong(acted, ganzhou, bob, case, "refused_up")) == ["/result"]
    assert acted(ganzhou, bob, case, "refused_up", result="省级平台不同意").case.state == "refused"


def test_no_level_is_left_out(ganzhou: Any) -> None:
    case = need(ganzhou)
    for early in ("submit_up", "approved_up", "publish_here"):
        with pytest.raises(Conflict):
            acted(ganzhou, bob, case, early, result="同意", dataset="307001/000001")
    for other in (alice, carol):
        with pytest.raises((NotPermitted, NotFound)):
            acted(ganzhou, other, case, "collect")


def test_an_unclear_need_goes_back_with_a_reason(ganzhou: Any) -> None:
    case = need(ganzhou)
    assert pointers(wrong(acted, ganzhou, bob, case, "return")) == ["/reason"]
    assert acted(ganzhou, bob, case, "return", reason="未写明数据范围").case.state == "refused"


# --- what this text does not know (D18) ---------------------------------------------------------------------


@pytest.mark.parametrize("procedure", ["rectification", "breach_report", "verification", "offline_exchange"])
def test_procedures_on_which_the_text_is_silent_do_not_exist(ganzhou: Any, procedure: str) -> None:
    book = ganzhou.rulebooks.current("sharing")
    leaf = book.policy(f"procedures.{procedure}")
    assert (leaf.value, leaf.cite.kind, procedure in book.workflows) == (None, "silent", False)
    for actor in (alice, bob, carol):
        with pytest.raises(NotFound):
            opened(ganzhou, actor, procedure, dataset="307001/000001")
