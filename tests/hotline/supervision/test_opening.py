"""Supervisions begin as drafts, opened by a person or by a limit, and nobody outside hears of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from cases.store import cases
from core.errors import Conflict, Invalid, NotFound, NotPermitted, Refusal
from hotline.supervising.acting import find_supervision, of_ticket, packet_of
from hotline.supervising.model import Supervised
from hotline.supervising.opening import open_supervisions
from notices.store import notices
from tests.cast import carol, dave
from tests.conftest import World
from tests.hotline.supervision.people import (
    acted,
    called,
    desmond,
    diego,
    dispatched,
    hans,
    helen,
    lena,
    listed,
    moved,
    olive,
    opened,
    susan,
    swept,
)

ISSUE = {"trigger": "overdue", "notice": "请说明进展并抓紧办理"}


def told(world: World, department: str) -> list[str]:
    """The kinds of notices that a department was posted about supervisions."""
    with world.database.read() as tx:
        query = select(notices.c.link).where(notices.c.department == department)
        return [link for link in tx.execute(query).scalars() if link.startswith("/supervisions/")]


def test_a_draft_is_before_the_office_alone_until_a_person_signs_it(city: World) -> None:
    held = dispatched(city)
    draft = opened(city, susan, held, "supervision", **ISSUE)
    assert draft.supervision.number == "HS-2026-000001"
    assert [s.supervision.number for s in listed(city, desmond)] == [draft.supervision.number]
    assert listed(city, hans) == []
    with city.read(hans) as work, pytest.raises(NotFound):
        find_supervision(work, draft.supervision.id)
    assert told(city, "housing") == []
    moved(city, susan, draft, "issue", **ISSUE)
    assert [s.supervision.number for s in listed(city, hans)] == [draft.supervision.number]
    assert len(told(city, "housing")) == 1
    assert listed(city, helen) == []


def test_what_is_dropped_is_never_heard_of(city: World) -> None:
    held = dispatched(city)
    draft = opened(city, susan, held, "supervision")
    done = moved(city, susan, draft, "drop", reason="已与单位电话沟通")
    assert done.case.closed_at is not None
    assert listed(city, hans) == []
    assert told(city, "housing") == []


def test_a_limit_that_ran_out_drafts_a_supervision_for_a_person_to_sign(city: World) -> None:
    held = dispatched(city)
    city.now += timedelta(days=20)
    swept(city)
    [draft] = listed(city, susan)
    assert draft.case.state == "draft"
    assert draft.supervision.origin == held.ticket.id
    assert draft.case.events[0].role == "system"
    assert listed(city, hans) == []
    with city.read(susan) as work:
        kept = packet_of(work, find_supervision(work, draft.supervision.id))
    assert kept is not None
    packet = kept.document
    assert packet["occasion"]["kind"] == "ticket"
    assert packet["breaches"]
    assert packet["breaches"][0]["record"]
    assert packet["breaches"][0]["stopped_at"] is None


def test_several_limits_of_one_ticket_draft_one_supervision(city: World) -> None:
    held = dispatched(city)
    city.now += timedelta(days=20)
    swept(city)
    assert len(listed(city, susan)) == 1
    [draft] = listed(city, susan)
    moved(city, susan, draft, "issue", **ISSUE)
    with city.read(susan) as work:
        assert of_ticket(work, held).rows[0].case.state == "issued"


def test_the_unit_answers_and_the_supervisor_ends(city: World) -> None:
    held = dispatched(city)
    draft = opened(city, susan, held, "supervision", **ISSUE)
    issued = moved(city, susan, draft, "issue", **ISSUE)
    answered = moved(city, hans, issued, "answer", reply="今日内修复")
    ended = moved(city, susan, answered, "end")
    assert ended.case.closed_at is not None


def test_the_same_is_not_opened_twice_while_it_is_under_way(city: World) -> None:
    held = dispatched(city)
    first = opened(city, susan, held, "supervision")
    with pytest.raises(Conflict) as refused:
        opened(city, susan, held, "supervision")
    assert refused.value.code == "already_open"
    moved(city, susan, first, "drop", reason="重复")
    opened(city, susan, held, "supervision")


@pytest.mark.parametrize("who", [olive, hans, diego])
def test_only_the_roles_that_the_book_names_open_one(city: World, who: Any) -> None:
    held = dispatched(city)
    with pytest.raises(NotPermitted):
        opened(city, who, held, "supervision")


def test_nobody_supervises_a_ticket_that_they_may_not_see(city: World) -> None:
    held = called(city)
    with pytest.raises((NotPermitted, NotFound)):
        opened(city, carol, held, "supervision")


def test_what_the_place_does_not_have_cannot_be_opened(city: World) -> None:
    held = dispatched(city)
    for workflow in ("urge_notice", "ticket", "article"):
        with pytest.raises((NotFound, NotPermitted)):
            opened(city, susan, held, workflow)


def test_a_deployment_without_a_hotline_has_no_supervisions(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        listed(world, susan)
    assert refused.value.code == "no_hotline"


def test_wrong_fields_are_named(city: World) -> None:
    held = dispatched(city)
    with pytest.raises(Invalid) as refused:
        opened(city, susan, held, "accountability", department="nowhere", ground="late", nonsense="x")
    assert {e.pointer for e in refused.value.errors} == {"/facts_found", "/nonsense"}


def test_the_discipline_body_learns_of_papers_once_a_person_has_signed_them(city: World) -> None:
    held = dispatched(city)
    papers = {"department": "housing", "ground": "late", "facts_found": "逾期未办"}
    draft = opened(city, susan, held, "accountability", **papers)
    assert listed(city, diego) == []
    assert told(city, "discipline") == []
    with city.read(diego) as work, pytest.raises(NotFound):
        find_supervision(work, draft.supervision.id)
    city.now += timedelta(days=60)
    swept(city, 6)
    assert listed(city, diego) == []
    referred = moved(city, susan, draft, "refer", facts_found="逾期未办，经督办仍未答复")
    assert [s.supervision.id for s in listed(city, diego)] == [referred.supervision.id]
    assert len(told(city, "discipline")) == 1
    done = moved(city, diego, referred, "record_result", decision="已谈话提醒")
    assert done.case.closed_at is not None


def test_a_report_reaches_the_leaders_and_comes_back_with_an_instruction(city: World) -> None:
    held = dispatched(city)
    report = opened(city, desmond, held, "leader_report", report_ground="unsolved", statement="多次协调未果")
    assert [s.supervision.id for s in listed(city, susan)] == [report.supervision.id]
    signed = moved(city, susan, report, "report", statement="多次协调未果，请批示")
    assert [s.supervision.id for s in listed(city, lena)] == [report.supervision.id]
    assert listed(city, hans) == []
    instructed = moved(city, lena, signed, "instruct", instruction="住建局三日内解决")
    assert [s.supervision.id for s in listed(city, hans)] == [report.supervision.id]
    assert moved(city, susan, instructed, "end", decision="已解决").case.closed_at is not None


def test_an_auditor_sees_every_supervision_and_opens_none(city: World) -> None:
    held = dispatched(city)
    draft = opened(city, susan, held, "supervision")
    assert [s.supervision.id for s in listed(city, dave)] == [draft.supervision.id]
    with pytest.raises(NotPermitted):
        opened(city, dave, held, "supervision")


def test_many_tickets_are_supervised_at_once_and_each_for_itself(city: World) -> None:
    first, second = dispatched(city), dispatched(city)
    opened(city, susan, first, "supervision")
    ids = [first.ticket.id, second.ticket.id, "no-such-ticket", second.ticket.id]
    with city.work(susan) as work:
        done = dict(open_supervisions(work, ids, "supervision", ISSUE))
    assert isinstance(done[first.ticket.id], Refusal)
    assert isinstance(done["no-such-ticket"], Refusal)
    assert isinstance(done[second.ticket.id], Supervised)
    assert len(listed(city, susan)) == 2
    with city.work(susan) as work, pytest.raises(Invalid):
        open_supervisions(work, [str(n) for n in range(201)], "supervision", ISSUE)


def test_a_refused_opening_leaves_nothing_behind(city: World) -> None:
    held = dispatched(city)
    with city.work(susan) as work:
        open_supervisions(work, [held.ticket.id], "accountability", {"department": "housing"})
    with city.database.read() as tx:
        kinds = list(tx.execute(select(cases.c.kind).where(cases.c.kind == "supervision")).scalars())
    assert kinds == []


def test_a_supervision_goes_to_the_unit_that_has_the_ticket_when_it_is_opened(city: World) -> None:
    held = dispatched(city)
    acted(city, desmond, held, "redispatch", unit="education", reason="职责在教育局")
    draft = opened(city, susan, held, "supervision", **ISSUE)
    moved(city, susan, draft, "issue", **ISSUE)
    assert listed(city, hans) == []
    assert len(listed(city, helen)) == 1


def test_beside_a_ticket_stands_what_its_reader_may_know_and_open(city: World) -> None:
    held = dispatched(city)
    opened(city, susan, held, "supervision")
    with city.read(susan) as work:
        seen = of_ticket(work, held)
        assert [s.supervision.workflow for s in seen.rows] == ["supervision"]
        assert {o.workflow for o in seen.offers} == {"leader_report", "accountability"}
        assert seen.light is None  # this place has no lights
    with city.read(hans) as work:
        assert of_ticket(work, held).rows == []
        assert of_ticket(work, held).offers == []
