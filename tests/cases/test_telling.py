"""Who learns of a step: those whom the book names and those who have the turn, each once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from cases.model import Case
from catalog.datasets import act_on_dataset
from core.errors import Conflict
from tests.cases.acts import (
    MANAGER_DECIDES,
    PARTIES,
    PROVIDER_DECIDES,
    desk,
    opened,
    posted,
    seen,
    swept,
    taken,
    told,
    told_by,
    with_roles,
)
from tests.cast import alice, bob, carol
from tests.conftest import World
from tests.stories import CONDITION, active_grant, offered


def test_each_desk_learns_when_an_application_reaches_it(world: World) -> None:
    case = opened(world, carol, "application", "consumer", PROVIDER_DECIDES)
    assert told(world, case) == []  # a draft is nobody else's business
    assert told_by(world, case, lambda: taken(world, carol, case, "submit")) == {
        ("task", "platform_manager", "bigdata")
    }
    assert told_by(world, case, lambda: taken(world, bob, case, "accept")) == {
        ("task", "provider", "civil_affairs")
    }
    assert told_by(world, case, lambda: taken(world, bob, case, "urge")) == {
        ("task", "provider", "civil_affairs")
    }
    # Whom the book names has the turn as well, and is told of it once.
    assert told_by(world, case, lambda: taken(world, alice, case, "grant")) == {
        ("task", "platform_manager", "bigdata")
    }
    assert told_by(world, case, lambda: taken(world, bob, case, "inform")) == {("step", "consumer", "health")}


def test_a_department_is_told_of_its_own_act_only_when_the_next_step_is_its_own(world: World) -> None:
    case = opened(world, carol, "application", "consumer", MANAGER_DECIDES)
    taken(world, carol, case, "submit")
    assert told_by(world, case, lambda: taken(world, bob, case, "accept")) == {
        ("task", "platform_manager", "bigdata")
    }
    assert told_by(world, case, lambda: taken(world, bob, case, "grant")) == {
        ("step", "consumer", "health"),
        ("step", "provider", "civil_affairs"),
        ("task", "platform_manager", "bigdata"),  # which has to inform the applicant
    }


def test_a_party_that_speaks_is_not_told_what_it_said(world: World) -> None:
    case = opened(world, carol, "dispute", "consumer", issue="拒绝理由有分歧")
    assert set(told(world, case)) == {
        ("step", "provider", "civil_affairs"),
        ("task", "platform_manager", "bigdata"),
    }
    for actor, others in (
        (alice, {("step", "consumer", "health"), ("task", "platform_manager", "bigdata")}),
        (carol, {("step", "provider", "civil_affairs"), ("task", "platform_manager", "bigdata")}),
        (bob, {("step", "provider", "civil_affairs"), ("step", "consumer", "health")}),
    ):
        say = partial(taken, world, actor, case, "state_position", position="本部门意见")
        assert told_by(world, case, say) == others


def test_what_the_platform_does_by_itself_is_told_to_everybody_whom_the_book_names(world: World) -> None:
    case = opened(world, bob, "grant", facts={"valid_until": "2026-03-10T23:59:59+08:00"})
    world.now = world.now.replace(month=4)

    assert told_by(world, case, lambda: swept(world, world.now)) == {
        ("step", "consumer", "health"),
        ("step", "provider", "civil_affairs"),
    }


def test_a_notice_names_the_case_the_step_and_the_place(world: World) -> None:
    facts = {**PROVIDER_DECIDES, "number": "A-2026-000007"}
    case = taken(world, carol, opened(world, carol, "application", "consumer", facts), "submit")
    (row,) = posted(world, case).values()
    assert row.subject == {"zh": "申请 A-2026-000007：提交", "en": "Application A-2026-000007: Submit"}
    assert row.link == f"/applications/{case.id}"
    assert row.due == case.next_due_at


# --- who is brought in ----------------------------------------------------------------------------


def test_a_step_brings_in_every_department_that_holds_the_role(world: World) -> None:
    """QJ art. 25: where talks fail the competent departments are asked."""
    world.settings = with_roles(world.settings, statistics="dispute_body", housing="dispute_body")
    case = opened(world, carol, "dispute", "consumer", issue="拒绝理由有分歧")
    told_now = told_by(world, case, lambda: taken(world, bob, case, "refer", reason="协商未果"))
    assert told_now == {
        ("task", "dispute_body", "government_office"),
        ("task", "dispute_body", "housing"),
        ("task", "dispute_body", "statistics"),
        ("step", "consumer", "health"),
        ("step", "provider", "civil_affairs"),
    }
    brought_in = ["housing", "statistics", "government_office"]
    assert seen(world, case).parties == {**PARTIES, "dispute_body": brought_in}
    for department in ("housing", "statistics"):
        judge = replace(bob, login=department, department=department, roles=frozenset({"dispute_body"}))
        assert seen(world, case, judge).state == "referred"
        assert desk(world, judge) == {case.id: ["协调决定"]}
    assert desk(world, bob) == {}
    decided = taken(world, judge, case, "decide", result="按原授权执行")
    assert (decided.state, desk(world, judge)) == ("decided", {})


def test_a_step_that_brings_in_who_does_not_exist_says_so_and_changes_nothing(world: World) -> None:
    departments = world.settings.departments
    vacant = {id: replace(d, roles=d.roles - {"dispute_body"}) for id, d in departments.items()}
    world.settings = replace(world.settings, departments=vacant)
    case = opened(world, carol, "dispute", "consumer", issue="拒绝理由有分歧")
    before = told(world, case)
    with pytest.raises(Conflict) as refused:
        taken(world, bob, case, "refer", reason="协商未果")
    assert refused.value.code == "no_seat"
    assert "dispute_body" in refused.value.message.en
    assert seen(world, case).state == "open"
    assert told(world, case) == before


def test_who_takes_part_already_is_not_brought_in_again(world: World) -> None:
    world.settings = with_roles(world.settings, statistics="dispute_body")
    parties = {**PARTIES, "dispute_body": "housing"}
    case = opened(world, carol, "dispute", "consumer", parties=parties, issue="拒绝理由有分歧")
    assert taken(world, bob, case, "refer", reason="协商未果").parties == parties


def test_several_departments_in_one_role_all_have_the_turn(world: World) -> None:
    """QJ art. 17: whoever provides the data that differ verifies them together."""
    both = {"provider": ["civil_affairs", "hr_social"], "platform_manager": "bigdata"}
    case = opened(world, bob, "verification", "platform_manager", parties=both, difference="数量不一致")
    assert set(told(world, case)) == {
        ("step", "provider", "civil_affairs"),
        ("step", "provider", "hr_social"),
        ("task", "platform_manager", "bigdata"),
    }
    told_now = told_by(
        world, case, lambda: taken(world, alice, case, "state_position", position="以本部门为准")
    )
    assert told_now == {("step", "provider", "hr_social"), ("task", "platform_manager", "bigdata")}


# --- what a notice says ---------------------------------------------------------------------------


def _bodies(world: World, case: Case, kind: str) -> dict[str, tuple[str, str]]:
    rows = posted(world, case).values()
    return {r.department: (r.body["zh"], r.body["en"]) for r in rows if r.kind == kind}


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_an_announcement_tells_the_users_in_the_providers_own_words(
    city: str, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue(city)
    code = offered(place, "divisions", None, share_class="conditional", **CONDITION)
    held = active_grant(place, code, term_days=90)
    words = "月底停止供数，请提前安排。"
    with place.work(alice) as work:
        dataset = act_on_dataset(work, held.grant.dataset_code, "announce_withdrawal", {"notice": words})
    assert _bodies(place, dataset.case, "announcement")["health"] == (words, words)


def test_only_who_has_the_turn_is_told_until_when(world: World) -> None:
    code = offered(world, "divisions")
    active_grant(world, code)
    with world.work(bob) as work:
        said = {"cause": "区划调整"}
        changed = act_on_dataset(work, code, "report_change", said)
    with world.work(alice) as work:
        announced = act_on_dataset(work, code, "announce_withdrawal", {"notice": "月底停止供数。"})
    assert announced.case.next_due_at is not None
    dues = {(r.kind, r.department): r.due for r in posted(world, changed.case).values()}
    assert dues["task", "civil_affairs"] == announced.case.next_due_at
    assert dues["announcement", "health"] is None
