"""What the hotline gives to others, what is answered for, what grows: counted from real tickets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hotline.reports.bulletin import read_bulletin
from hotline.reports.commands import rebuild
from hotline.reports.console import bulletin_alone
from hotline.reports.findings.counting import count_flags
from hotline.reports.report import read_report, wanted
from hotline.statistics.publishing import publish_statistics, read_statistics, statistics_file
from hotline.statistics.store import read_rows
from tests.hotline.reports.city import ANSWER, act, dispatched, hans, lea, new_ticket, olive

pytestmark = pytest.mark.long

FEBRUARY = {"period": "month", "at": "2026-02"}


def test_the_statistics_count_tickets_by_the_month_in_which_they_came(city: Any) -> None:
    for _ in range(3):
        held = dispatched(city)
        act(city, held, hans, "sign_in")
        act(city, held, hans, "feed_back", **ANSWER)
        act(city, held, olive, "revisit", satisfaction="satisfied")
    dispatched(city)
    city.now += timedelta(days=40)
    with city.read(lea) as work:
        found = read_statistics(work)
    assert found == [
        {
            "month": "2026-02",
            "unit": "housing",
            "category": "roads",
            "place": "429005001000",
            "channel": "phone",
            "tickets": 4,
            "closed": 3,
            "on_time": 3,
            "overdue": 1,
            "satisfied": 3,
            "rated": 3,
        }
    ]


def test_refreshing_again_replaces_what_was_there(city: Any) -> None:
    for _ in range(3):
        new_ticket(city)
    with city.read(lea) as work:
        rows = read_statistics(work)
    for _ in range(2):
        assert publish_statistics(city.settings, rows) == 1
    assert read_rows(statistics_file(city.settings)) == rows


def test_what_grows_fastest_stands_first(city: Any) -> None:
    for _ in range(3):
        new_ticket(city, category="roads")
    for _ in range(4):
        new_ticket(city, category="housing")
    new_ticket(city, category="education")
    with city.read(lea) as work:
        topics = read_report(work, wanted(work, FEBRUARY)).topics
        later = read_report(work, wanted(work, {"period": "month", "at": "2026-03"})).topics
    assert [(t.category_code, t.now, t.before, t.growth) for t in topics] == [
        ("housing", 4, 0, 4),
        ("roads", 3, 0, 3),
    ]
    assert later == ()


def test_what_is_answered_for_is_counted_where_the_platform_can(city: Any) -> None:
    held = dispatched(city)
    act(city, held, hans, "sign_in")
    city.now += timedelta(days=30)
    with city.read(lea) as work:
        flags = count_flags(work, wanted(work, FEBRUARY))
    counted = {f.code: f.count for f in flags.flags}
    assert counted["late"] == 1
    assert None in counted.values()


def test_a_matter_that_comes_up_for_the_third_time_is_counted_once(city: Any) -> None:
    first = new_ticket(city)
    for _ in range(3):
        new_ticket(city, same_matter=first.ticket.number)
    with city.read(lea) as work:
        flags = count_flags(work, wanted(work, FEBRUARY))
    assert {f.code: f.count for f in flags.flags}["repeat_matter"] == 1


def test_the_bulletin_is_one_file_that_needs_nothing_else(city: Any) -> None:
    held = dispatched(city)
    act(city, held, hans, "sign_in")
    city.now += timedelta(days=30)
    told: list[str] = []
    with city.read(lea) as work:
        found = read_bulletin(work, {"month": "2026-02"}, told.append)
        texts = {lang: bulletin_alone(city.app, work, found, lang) for lang in ("zh", "en")}
    assert told == ["report", "flags", "overdue"]
    assert "热线运行月报" in texts["zh"]
    assert "hotline bulletin" in texts["en"]
    for text in texts.values():
        assert "@media print" in text
        assert "<link" not in text
        assert "<script" not in text
        assert '<svg xmlns="http://www.w3.org/2000/svg"' in text


def test_rebuilding_tells_how_far_it_is(city: Any) -> None:
    for _ in range(3):
        dispatched(city)
    told: list[tuple[int, int]] = []
    done = rebuild(lambda: city.work(lea), lambda n, all_: told.append((n, all_)))
    assert done == {"tickets": 3, "rows": 1}
    assert told[-1] == (3, 3)
