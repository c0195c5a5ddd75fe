"""What the statistics say of applications equals a recount from the recorded events, whoever looks when."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from cases.store import case, case_breaches, case_events, cases, cases_by_id
from cases.sweep import sweep
from cases.timing import clocks
from core.periods import period_of
from core.times import SHANGHAI
from rules.rulebook import Rulebook
from supervision.handling import Handling
from supervision.lines import keep_lines
from supervision.statistics import Wanted, read_statistics
from tests.cast import bob
from tests.stories import submitted_application
from tests.supervision.city import work_for_weeks

pytestmark = pytest.mark.long

FLOWS = ("submitted", "not_accepted", "granted", "refused", "withdrawn", "accepted")


def figures(world: Any, kind: str = "year", department: str | None = None) -> dict[str, Any]:
    """The figures of the period that the story has come to."""
    with world.read(bob) as work:
        period = period_of(kind, world.now.astimezone(SHANGHAI).date())
        found = read_statistics(work, Wanted(period, department))
    return {k: v for family in found.families for k, v in family.total.items()}


def recount(world: Any) -> Counter[str]:
    """Count steps by their names in the shipped books, straight from the table of events."""
    counted: Counter[str] = Counter()
    with world.database.read() as tx:
        query = select(case_events).join(cases, cases.c.id == case_events.c.case_id)
        for row in tx.execute(query.where(cases.c.kind == "application")):
            state = row.from_state
            name = {"submit": "submitted", "grant": "granted", "withdraw": "withdrawn"}.get(row.action)
            if row.action == "refuse":
                name = "not_accepted" if state == "checking" else "refused"
            if row.action == "accept":
                name = "accepted"
            counted[name or ""] += 1
    return counted


def breaches(world: Any, ids: list[str]) -> set[tuple[str, str, datetime]]:
    """Every breach by now, found by asking each case at each second after one of its limits."""
    found: set[tuple[str, str, datetime]] = set()
    now = world.now
    with world.read(bob) as work:
        for id in ids:
            held = case(work.tx, id)
            assert held is not None
            for clock in clocks(work, held):
                if clock.breached and clock.due is not None:
                    found.add((id, clock.name, clock.due))
    world.now = now
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_of_a_year_equal_a_recount_of_the_events(world: Any, seed: int) -> None:
    work_for_weeks(world, seed)
    counted, found = recount(world), figures(world)
    assert {name: found[name] for name in FLOWS} == {name: counted[name] for name in FLOWS}
    ended = sum(found[name] for name in ("not_accepted", "granted", "refused", "withdrawn"))
    assert found["pending"] == found["submitted"] - ended
    assert found["in_time"] + found["late"] == found["granted"] + found["refused"]


@pytest.mark.parametrize("seed", range(2))
def test_the_same_holds_in_ganzhou_where_nobody_checks_the_form(ganzhou: Any, seed: int) -> None:
    work_for_weeks(ganzhou, seed, kinds=(0, 2), term_days=30)
    counted, found = recount(ganzhou), figures(ganzhou)
    flows = [name for name in FLOWS if name != "accepted"]
    assert {name: found[name] for name in flows} == {name: counted[name] for name in flows}
    assert found["granted"] > 0
    assert found["accepted"] is None


@pytest.mark.parametrize("seed", range(4))
def test_each_breach_counts_once_although_no_sweep_has_run(world: Any, seed: int) -> None:
    ids = work_for_weeks(world, seed)
    world.now += timedelta(days=20)
    real = breaches(world, ids)
    assert real
    assert figures(world)["overdue"] == len(real)


def test_a_late_sweep_makes_no_difference(world: Any) -> None:
    work_for_weeks(world, 1)
    world.now += timedelta(days=30)
    before = figures(world)
    with world.work(bob) as work:
        while sweep(work):
            pass
    with world.database.read() as tx:
        recorded = tx.execute(
            select(case_breaches)
            .join(cases, cases.c.id == case_breaches.c.case_id)
            .where(cases.c.kind == "application")
        ).all()
    assert figures(world) == before
    assert before["overdue_still"] <= len(recorded) <= before["overdue"]


@pytest.mark.parametrize("kept", [1, 5, 1000])
def test_lines_that_are_kept_say_what_is_worked_out_on_the_spot(world: Any, kept: int) -> None:
    work_for_weeks(world, 2)
    on_the_spot = figures(world)
    keep_lines(world.database, world.rulebooks, kept)
    assert figures(world) == on_the_spot


def test_a_line_that_is_out_of_date_is_not_believed(world: Any) -> None:
    ids = work_for_weeks(world, 3)
    keep_lines(world.database, world.rulebooks, 1000)
    before = figures(world)
    work_for_weeks(world, 4)
    assert figures(world)["submitted"] == before["submitted"] + len(ids)
    while keep_lines(world.database, world.rulebooks):
        pass
    assert figures(world)["submitted"] == before["submitted"] + len(ids)


def test_months_add_up_to_their_year(world: Any) -> None:
    work_for_weeks(world, 5, applications=20)
    year = figures(world)
    months: Counter[str] = Counter()
    last = world.now
    for month in range(1, last.astimezone(SHANGHAI).month + 1):
        world.now = min(last, datetime(2026, month, 28, 23, tzinfo=SHANGHAI) + timedelta(days=4))
        with world.read(bob) as work:
            period = period_of("month", date(2026, month, 1))
            found = read_statistics(work, Wanted(period))
        total = found.families[0].total
        months.update({name: int(total[name] or 0) for name in (*FLOWS, "overdue", "in_time", "late")})
    assert {name: year[name] for name in months} == dict(months)


def test_departments_add_up_to_the_platform(world: Any) -> None:
    work_for_weeks(world, 6)
    world.now += timedelta(days=20)
    with world.read(bob) as work:
        found = read_statistics(work, Wanted(period_of("year", world.now.date())))
    handling = found.families[0]
    for name in (*FLOWS, "pending", "in_time", "late", "overdue", "overdue_still"):
        assert sum(int(g.values[name] or 0) for g in handling.departments) == handling.total[name], name
        if name not in ("overdue", "overdue_still"):
            assert sum(int(g.values[name] or 0) for g in handling.datasets) == handling.total[name], name


def test_a_limit_is_overdue_from_the_first_second_after_it(world: Any) -> None:
    filed = submitted_application(world)  # checked by 13 February 2026, 23:59:59
    due = filed.case.next_due_at
    assert due is not None
    world.now = due
    assert figures(world, "month")["overdue"] == 0
    world.now = due + timedelta(seconds=1)
    assert figures(world, "month")["overdue"] == figures(world, "month")["overdue_still"] == 1
    assert figures(world, "month", "bigdata")["overdue"] == 1
    assert figures(world, "month", "civil_affairs")["overdue"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_limits_worked_out_at_once_are_those_worked_out_step_by_step(world: Any, seed: int) -> None:
    ids = work_for_weeks(world, seed)
    with world.read(bob) as work:
        held = list(cases_by_id(work.tx, ids).values())
    book = world.rulebooks.current("sharing")
    handling = Handling(book, "application", world.rulebooks.calendar)
    at_once = {limit for c in held for limit in handling.limits_at_once(c)}
    assert at_once == {limit for c in held for limit in handling.limits_step_by_step(c)}
    assert at_once


def test_a_limit_that_was_extended_after_it_had_passed_stays_passed(world: Any) -> None:
    filed = submitted_application(world)
    book = world.rulebooks.current("sharing")
    document = copy.deepcopy(dict(book.document))
    check = next(c for c in document["clocks"] if c["name"] == "check")
    check["extend"] = {"event": "urged", "each": "5wd", "cite": "check", "roles": ["platform_manager"]}
    due = filed.case.next_due_at
    assert due is not None
    late = replace(filed.case.events[-1], seq=3, names=("urged",), at=due + timedelta(days=2), fields={})
    held = replace(filed.case, events=(*filed.case.events, late))
    handling = Handling(Rulebook(book.id, document), "application", world.rulebooks.calendar)
    limits = {limit.due: limit for limit in handling.line(held).limits}
    assert limits[due].is_breached(late.at)
    assert max(limits) > due
    assert not limits[max(limits)].is_breached(late.at)
