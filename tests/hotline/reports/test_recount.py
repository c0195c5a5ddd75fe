"""What reports say is what the events of the tickets say, whoever looks and whenever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cases.store import cases_by_id
from core.periods import day_of, period_of, read_period
from hotline.reports import store
from hotline.reports.keeping import keep_again, turns_of
from hotline.reports.model import Wanted
from hotline.reports.report import read_report
from hotline.tickets import find_ticket
from tests.cast import dave
from tests.hotline.reports.city import (
    ANSWER,
    HANDLERS,
    act,
    dispatched,
    dora,
    hans,
    lea,
    olive,
    work_for_weeks,
)
from tests.hotline.reports.recount import counted, rounds

pytestmark = pytest.mark.long

MEASURED = ("dispatched", "signed_in_time", "sign_ahead", "due", "closed_in_time", "due_ahead")


def figures(world: Any, period: Any, by: str = "unit") -> dict[str, dict[str, int]]:
    with world.read(lea) as work:
        report = read_report(work, Wanted(period, by))
    return {
        row.key: {k: v for k, v in sorted(row.counts._asdict().items()) if v and k in MEASURED}
        for row in report.rows[by]
    }


def recounted(world: Any, period: Any) -> dict[str, dict[str, int]]:
    with world.read(lea) as work:
        ids = store.tickets_after(work.tx, "", 1000)
        held = list(cases_by_id(work.tx, ids).values())
        books = {c.id: work.rulebooks.get(c.rulebook, c.rulebook_version) for c in held}
        found = {c.id: rounds(c, books[c.id], work.rulebooks.calendar) for c in held}
        return counted(held, found, period, work.now)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["city", "qianjiang"])
def test_the_figures_are_those_of_the_events(request: Any, kind: str, seed: int) -> None:
    world = request.getfixturevalue(kind)
    began = day_of(world.now)
    work_for_weeks(world, seed)
    spans = [period_of("month", began), period_of("month", began).next, period_of("week", day_of(world.now))]
    for period in spans:
        shown = {unit: counts for unit, counts in figures(world, period).items() if counts}
        told = {unit: counts for unit, counts in recounted(world, period).items() if counts}
        assert shown == told, period.name
    assert any(recounted(world, period) for period in spans)


def test_whatever_they_are_broken_down_by_they_add_up_to_the_same(city: Any) -> None:
    work_for_weeks(city, 5)
    period = read_period("quarter", "2026-Q1", city.now)
    sums = {
        by: {name: sum(row.get(name, 0) for row in figures(city, period, by).values()) for name in MEASURED}
        for by in ("unit", "category", "place", "channel")
    }
    assert sums["unit"] == sums["category"] == sums["place"] == sums["channel"]
    assert sums["unit"]["due"] > 3


def test_turns_made_anew_are_those_that_were_kept_with_each_step(city: Any) -> None:
    work_for_weeks(city, 6)
    with city.work(lea) as work:
        kept = work.tx.execute(store.ticket_turns.select().order_by("ticket_id", "seq")).all()
        assert keep_again(work) is not None
        again = work.tx.execute(store.ticket_turns.select().order_by("ticket_id", "seq")).all()
    assert kept == again
    assert len(kept) > 14


def test_late_stays_late_whatever_happens_afterwards(city: Any) -> None:
    held = dispatched(city)
    act(city, held, hans, "sign_in")
    city.now += timedelta(days=30)
    month = read_period("month", "2026-02", city.now)
    before = figures(city, month)["housing"]
    assert before == {"dispatched": 1, "signed_in_time": 1, "due": 1}
    act(city, held, hans, "feed_back", **ANSWER, overdue_reason="人手不足")
    city.now += timedelta(days=3)
    act(city, held, olive, "revisit", satisfaction="satisfied")
    assert figures(city, month)["housing"] == before


def test_a_limit_that_had_passed_stays_missed_when_more_time_is_given(city: Any) -> None:
    held = dispatched(city)
    act(city, held, hans, "sign_in")
    act(city, held, hans, "request_extension", reason="情况复杂")
    city.now += timedelta(days=20)
    act(city, held, dora, "extend")
    city.now += timedelta(days=30)
    assert figures(city, read_period("month", "2026-02", city.now))["housing"]["due"] == 1
    assert "due" not in figures(city, read_period("month", "2026-03", city.now)).get("housing", {})


def test_what_is_not_due_yet_counts_for_and_against_nobody(city: Any) -> None:
    held = dispatched(city)
    act(city, held, hans, "sign_in")
    month = read_period("month", "2026-02", city.now)
    assert figures(city, month)["housing"] == {"dispatched": 1, "due_ahead": 1, "signed_in_time": 1}


def test_a_limit_is_late_from_the_first_second_after_it(city: Any) -> None:
    held = dispatched(city)
    act(city, held, hans, "sign_in")
    with city.read(dave) as work:
        [turn] = turns_of(work, find_ticket(work, held.ticket.id).case)
    assert turn.late_at is not None
    month = period_of("month", day_of(turn.late_at - timedelta(seconds=1)))
    city.now = turn.late_at - timedelta(microseconds=1)
    assert "due" not in figures(city, month)["housing"]
    city.now = turn.late_at
    assert figures(city, month)["housing"]["due"] == 1


def test_a_unit_that_returns_a_ticket_in_time_is_not_counted_against(city: Any) -> None:
    held = dispatched(city, "education")
    said = {"reason": "不属于本单位", "basis": "三定方案", "contacted_at": city.now.isoformat()}
    act(city, held, HANDLERS["education"], "return", **said)
    city.now += timedelta(minutes=10)
    act(city, held, dora, "accept_return")
    act(city, held, dora, "dispatch", unit="housing")
    city.now += timedelta(days=30)
    shown = figures(city, read_period("month", "2026-02", city.now))
    assert shown["education"] == {"dispatched": 1, "signed_in_time": 1}
    assert shown["housing"] == {"dispatched": 1, "due": 1}
