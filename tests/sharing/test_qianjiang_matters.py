"""Doubts, disputes and other levels in Qianjiang (QJ art. 12, 23, 25): who asks, who answers."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.corrections import open_disputes
from catalog.store import dataset_by_code
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from gateway.applications import act_on_application
from matters.acting import find_matter
from tests.cast import alice, ann, bill, bob, carol, chen, dave, diana, mallory
from tests.sharing.telling import (
    acted,
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
from tests.stories import active_grant, offered, submitted_application

WISH = {"wanted": "省级婚姻登记信息", "purpose": "低保核对", "duty_basis": "社会救助暂行办法"}


def doubted(world: Any, **draft: Any) -> Any:
    """A doubt about the divisions, raised by a department that uses them."""
    held = active_grant(world)
    return opened(world, carol, "correction", dataset=held.grant.dataset_code, doubt="街道名称有误", **draft)


def notice_of(world: Any, code: str) -> Any:
    """What the data of a dataset carry of open corrections."""
    with world.read(bob) as work:
        dataset = dataset_by_code(work.tx, code)
        assert dataset is not None
        return open_disputes(work.tx, dataset.id)


# --- art. 23: doubts (D15) ---------------------------------------------------------------------------------


def test_a_doubt_goes_to_the_provider_on_the_platform_and_has_no_day(world: Any) -> None:
    doubt = doubted(world)
    assert inbox(world, alice, doubt) == ["correction C-2026-000001: Report a doubt"]
    assert due(world, doubt, "correct") is None
    swept(world, "2030-01-01T00:00")
    assert breaches(world, doubt) == []
    assert acted(world, alice, doubt, "take_up").case.state == "checking"
    done = acted(world, alice, doubt, "correct", result="已更正")
    assert (done.case.state, clock(world, done, "correct").running) == ("corrected", False)
    assert "correction C-2026-000001: Wrong and corrected" in inbox(world, carol, doubt)


def test_a_provider_that_finds_nothing_wrong_says_so_with_what_it_found(world: Any) -> None:
    doubt = doubted(world)
    with pytest.raises(Invalid):
        acted(world, alice, doubt, "confirm")
    assert acted(world, alice, doubt, "confirm", result="与登记一致").case.state == "confirmed"


@pytest.mark.parametrize("actor", [bob, carol, ann, chen], ids=lambda a: a.login)
def test_nobody_but_the_provider_answers_a_doubt(world: Any, actor: Any) -> None:
    doubt = doubted(world)
    with pytest.raises((NotPermitted, NotFound)):
        acted(world, actor, doubt, "correct", result="已更正")


def test_urging_a_provider_is_not_checking(world: Any) -> None:
    """The manager reminds; the doubt stands where it stood."""
    doubt = doubted(world)
    urged = acted(world, bob, doubt, "urge", note="请尽快校核")
    assert urged.case.state == "reported"
    assert "correction C-2026-000001: Urge" in inbox(world, alice, doubt)
    acted(world, alice, doubt, "take_up")
    assert acted(world, bob, doubt, "urge").case.state == "checking"


def test_feedback_off_line_is_not_a_way_in_qianjiang(world: Any) -> None:
    """QJ art. 23: through the platform."""
    assert world.rulebooks.current("sharing").policy("use.offline_feedback").value is None
    with pytest.raises(Invalid):
        doubted(world, feedback_channel="offline")


def test_whoever_has_no_part_in_the_data_raises_no_doubt(world: Any) -> None:
    code = offered(world, "divisions")
    for actor in (dave, alice):
        with pytest.raises(NotPermitted):
            opened(world, actor, "correction", dataset=code, doubt="有误")


def test_while_a_doubt_is_open_the_data_say_that_people_are_served_as_usual(world: Any) -> None:
    """QJ art. 23: whoever brings valid proof is served and not sent to correct the data first."""
    doubt = doubted(world, items="name", record={"code": "429005"})
    code = doubt.matter.datasets[0]
    [notice] = notice_of(world, code)
    assert (notice.number, notice.items, notice.served_as_usual) == ("C-2026-000001", ("name",), True)
    assert notice.cite["article"] == "23"
    assert "429005" not in str(notice)
    acted(world, alice, doubt, "take_up")
    assert len(notice_of(world, code)) == 1
    acted(world, alice, doubt, "correct", result="已更正")
    assert notice_of(world, code) == ()


def test_waiting_for_a_correction_is_no_reason_to_refuse(world: Any) -> None:
    """QJ art. 23, I-Q-02."""
    doubt = doubted(world)
    filed = submitted_application(world, doubt.matter.datasets[0])
    with pytest.raises(Invalid) as found:
        decided(world, bob, filed, "refuse", reason_code="awaiting_correction", reason="数据核实中")
    assert "第23条" in found.value.errors[0].message.zh


def test_a_doubt_that_is_taken_back_clears_the_notice(world: Any) -> None:
    doubt = doubted(world)
    assert acted(world, carol, doubt, "withdraw").case.state == "withdrawn"
    assert notice_of(world, doubt.matter.datasets[0]) == ()


# --- art. 25: disputes (D14) -------------------------------------------------------------------------------


def disputed(world: Any) -> Any:
    """A refused application, and what its applicant has to say."""
    filed = submitted_application(world)
    with world.work(bob) as work:
        fields = {"reason_code": "out_of_scope", "reason": "超出履职需要"}
        act_on_application(work, filed.application.id, "refuse", fields)
    return opened(world, carol, "dispute", application=filed.application.id, issue="属于本部门法定职责")


def test_the_three_departments_negotiate_and_settle(city: Any) -> None:
    dispute = disputed(city)
    for actor in (alice, bob):
        assert "dispute P-2026-000001: Open a dispute" in inbox(city, actor, dispute)
    for actor in (alice, bob, carol):
        assert acted(city, actor, dispute, "state_position", position="见附件").case.state == "open"
    with pytest.raises(NotPermitted):
        acted(city, carol, dispute, "settle", agreement="同意受理")
    assert acted(city, bob, dispute, "settle", agreement="同意重新申请").case.state == "settled"
    with city.read(diana) as work, pytest.raises(NotFound):
        find_matter(work, dispute.matter.id)


def test_where_talks_fail_the_competent_department_is_brought_in_and_decides(city: Any) -> None:
    """QJ art. 25: the second step."""
    dispute = disputed(city)
    with pytest.raises(Conflict):
        acted(city, bob, dispute, "decide", result="支持申请")
    with pytest.raises(Invalid):
        acted(city, bob, dispute, "refer")
    referred = acted(city, bob, dispute, "refer", reason="三方意见不一致")
    assert referred.case.state == "referred"
    assert "dispute P-2026-000001: Refer" in inbox(city, diana, dispute)
    with pytest.raises(NotPermitted):
        acted(city, bob, dispute, "decide", result="支持申请")
    done = acted(city, diana, dispute, "decide", result="支持申请")
    assert done.case.state == "decided"
    for actor in (alice, bob, carol):
        assert "dispute P-2026-000001: Decide" in inbox(city, actor, dispute)


def test_what_is_said_after_the_referral_leaves_it_with_the_competent_department(city: Any) -> None:
    dispute = disputed(city)
    acted(city, bob, dispute, "refer", reason="三方意见不一致")
    assert acted(city, carol, dispute, "state_position", position="补充说明").case.state == "referred"
    assert any("State a position" in subject for subject in inbox(city, diana, dispute))
    assert acted(city, diana, dispute, "decide", result="维持").case.state == "decided"


def test_the_clocks_of_the_application_run_on_during_a_dispute(world: Any) -> None:
    filed = submitted_application(world, offered(world, "workdays"), fields=["date"], operations=["day"])
    filed = decided(world, bob, filed, "accept")
    before = due(world, filed, "decide")
    opened(world, carol, "dispute", application=filed.application.id, issue="迟迟未办")
    assert due(world, filed, "decide") == before
    assert lateness(world, filed, "decide") == [False, False, True]


def test_the_conditions_of_sharing_may_be_disputed_before_anybody_applies(world: Any) -> None:
    dispute = opened(world, carol, "dispute", dataset=offered(world, "workdays"), issue="共享条件过严")
    assert dispute.case.parties["provider"] == "hr_social"
    with pytest.raises(NotFound):
        acted(world, mallory, dispute, "state_position", position="与我无关")


def test_each_step_of_a_dispute_is_on_record(city: Any) -> None:
    dispute = disputed(city)
    acted(city, bob, dispute, "refer", reason="三方意见不一致")
    acted(city, diana, dispute, "decide", result="支持申请")
    assert [r["action"] for r in records(city, dispute)] == ["open", "refer", "decide"]


# --- art. 12: other levels (D16) ---------------------------------------------------------------------------


@pytest.mark.parametrize("opening", ["2026-02-10T10:00", "2026-02-14T09:30", "2026-09-30T23:59:59"])
def test_an_application_across_levels_is_checked_in_the_own_levels_three_days(
    world: Any, opening: str
) -> None:
    """QJ art. 12, 19, I-Q-03."""
    world.now = at(opening)
    asked = opened(world, carol, "cascade", direction="to_upper", **WISH)
    assert due(world, asked, "cascade_check") == end_of_workday(opening, 3)
    assert lateness(world, asked, "cascade_check") == [False, False, True]


def test_what_was_forwarded_to_the_upper_platform_is_not_timed(world: Any) -> None:
    asked = opened(world, carol, "cascade", direction="to_upper", **WISH)
    acted(world, bob, asked, "accept")
    up = acted(world, bob, asked, "forward_up")
    assert [c.name for c in all_clocks(world, up) if c.running] == []
    swept(world, "2028-01-01T00:00")
    assert breaches(world, up) == []
    with pytest.raises(Invalid):
        acted(world, bob, asked, "record_answer")
    assert acted(world, bob, asked, "record_answer", result="省级同意").case.state == "answered"
    assert "cross-level application X-2026-000001: Record the answer from above" in inbox(world, carol, asked)


def test_a_lower_platforms_application_may_be_answered_here(world: Any) -> None:
    asked = opened(world, chen, "cascade", direction="from_lower", **WISH)
    assert acted(world, bob, asked, "accept").case.state == "accepted"
    assert acted(world, bob, asked, "answer_here", result="请在本级平台申请").case.state == "answered"


def test_an_application_across_levels_is_refused_for_a_reason_and_not_for_paper(world: Any) -> None:
    asked = opened(world, carol, "cascade", direction="to_upper", **WISH)
    for code in ("no_paper", "awaiting_correction"):
        with pytest.raises(Invalid):
            acted(world, bob, asked, "refuse", reason_code=code, reason="x")
    for actor in (alice, carol):
        with pytest.raises((NotPermitted, NotFound)):
            acted(world, actor, asked, "accept")
    done = acted(world, bill, asked, "refuse", reason_code="out_of_scope", reason="超出履职需要")
    assert done.case.state == "refused"
