"""What is late is on record whoever looks first: the sweep, or the one who acts too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cases import store
from cases.sweep import sweep
from core.work import SYSTEM
from gateway.applications import act_on_application, find_application
from matters.acting import list_matters
from matters.model import Wanted
from tests.cast import bob
from tests.stories import submitted_application


def test_a_step_that_comes_late_leaves_the_breach_on_record_though_no_sweep_passed(world: Any) -> None:
    filed = submitted_application(world)
    world.now += timedelta(days=30)
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    with world.read(bob) as work:
        assert {clock for clock, _ in store.recorded_breaches(work.tx, filed.case.id)} == {"check"}
        [report] = list_matters(work, Wanted("breach_report"), 10, None).rows
    assert report.case.events[0].fields["clock"] == "check"


def test_two_missed_limits_are_two_reports(world: Any) -> None:
    filed = submitted_application(world)
    for _ in range(2):
        world.now += timedelta(days=30)
        with world.work(SYSTEM) as work:
            sweep(work)
        with world.work(bob) as work:
            state = find_application(work, filed.application.id).case.state
            act_on_application(work, filed.application.id, "accept" if state == "checking" else "grant", {})
    with world.read(bob) as work:
        reports = list_matters(work, Wanted("breach_report"), 10, None).rows
    assert sorted(r.case.events[0].fields["clock"] for r in reports) == ["check", "decide"]
