"""What people read of a case: which event began each limit, and which step it was that was taken."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cases.present import case_view
from cases.procedure import find_case
from cases.timing import book_of
from catalog.datasets import act_on_dataset
from core.codes import in_url
from core.errors import Conflict, Invalid
from core.times import local_iso
from core.work import Actor
from tests.cases.acts import MANAGER_DECIDES, PROVIDER_DECIDES, opened, seen, taken
from tests.cast import alice, bob, carol
from tests.conftest import World
from tests.stories import active_grant, offered


def view(world: World, id: str, actor: Actor = bob) -> dict[str, Any]:
    with world.read(actor) as work:
        return case_view(work, find_case(work, id))


def test_a_limit_says_which_event_began_it_though_several_happened_at_once(ganzhou: World) -> None:
    case = opened(ganzhou, carol, "application", "consumer", PROVIDER_DECIDES)
    taken(ganzhou, carol, case, "submit")
    events = seen(ganzhou, case).events[-1].names
    assert len(events) > 1
    with ganzhou.read(bob) as work:
        book, _ = book_of(work, case)
    for clock in view(ganzhou, case.id)["clocks"]:
        rules = [r for r in book.clocks if (r.workflow, r.name) == ("application", clock["name"])]
        assert clock["started_by"]["name"] in {start for r in rules for start in r.starts} & {*events}
        assert clock["started_by"]["title"]["zh"] == book.events[clock["started_by"]["name"]].zh


def test_an_allowance_that_ran_out_is_over_and_not_late(ganzhou: World) -> None:
    held = active_grant(ganzhou, term_days=90)
    page = ganzhou.browser(bob).get(f"/grants/{held.grant.id}").text
    assert "已届满" not in page
    ganzhou.now += timedelta(days=91)
    page = ganzhou.browser(bob).get(f"/grants/{held.grant.id}").text
    assert "已届满" in page
    assert "已逾期" not in page
    over = [c for c in view(ganzhou, held.grant.id)["clocks"] if c["passed"]]
    assert {(c["obliges"], c["breached"]) for c in over} == {(False, False)}


@pytest.mark.parametrize(
    ("facts", "title"),
    [(PROVIDER_DECIDES, "受理并转交"), (MANAGER_DECIDES, "受理")],
)
def test_of_several_steps_of_one_action_history_names_the_one_taken(
    world: World, facts: dict[str, Any], title: str
) -> None:
    case = opened(world, carol, "application", "consumer", facts)
    taken(world, carol, case, "submit")
    taken(world, bob, case, "accept")
    assert view(world, case.id)["history"][-1]["title"]["zh"] == title


def test_an_urgent_application_is_named_as_such_in_history(ganzhou: World) -> None:
    case = opened(ganzhou, carol, "application", "consumer", {**MANAGER_DECIDES, "urgent": False})
    taken(ganzhou, carol, case, "submit")
    assert view(ganzhou, case.id)["history"][-1]["title"]["zh"] == "提交"
    case = opened(ganzhou, carol, "application", "consumer", {**MANAGER_DECIDES, "urgent": True})
    taken(ganzhou, carol, case, "submit")
    assert view(ganzhou, case.id)["history"][-1]["title"]["zh"] == "急用直接受理"


def test_a_refusal_names_the_step_that_came_nearest(world: World) -> None:
    case = opened(world, carol, "application", "consumer", MANAGER_DECIDES)
    taken(world, carol, case, "submit")
    taken(world, bob, case, "accept")
    with pytest.raises(Conflict) as refusal:
        taken(world, bob, case, "accept")
    assert "不能“受理”" in refusal.value.message.zh


def test_history_shows_what_was_said_under_its_title_and_in_local_time(world: World) -> None:
    code = offered(world, "divisions")
    with world.work(alice) as work:
        said = {"cause": "区划调整", "changed_on": "2026-02-01T01:00:00Z"}
        act_on_dataset(work, code, "report_change", said)
    page = world.browser(alice).get(f"/datasets/{in_url(code)}").text
    assert "实际变化时间" in page
    assert "2026-02-01T01:00:00Z" not in page
    assert "2026-02-01 09:00" in page


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_a_change_cannot_be_reported_before_it_happens(city: str, request: pytest.FixtureRequest) -> None:
    place = request.getfixturevalue(city)
    code = offered(place, "divisions")
    said = {"cause": "区划调整", "changed_on": local_iso(place.now + timedelta(seconds=1))}
    with place.work(alice) as work, pytest.raises(Invalid) as refused:
        act_on_dataset(work, code, "report_change", said)
    assert [e.pointer for e in refused.value.errors] == ["/changed_on"]
