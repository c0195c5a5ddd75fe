"""Worked examples as tickets: when limits end around festivals, make-up weekends and the turn of a year."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cast import dora, hans, otto, sue
from tests.hotline.conftest import make_city
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import at, due, timed

END = "23:59:59"
EXAMPLES: dict[str, tuple[str, str, Mapping[str, Any], str, str, Mapping[str, Any], Mapping[str, str]]] = {
    "QJ-1": (
        "qianjiang",
        "phone",
        {"level": "ordinary", "type": "complaint"},
        "2026-02-10T10:30",
        "2026-02-10T10:30",
        {},
        {
            "contact": f"2026-02-11 {END}",
            "handle": f"2026-02-13 {END}",
            "target": f"2026-02-12 {END}",
        },
    ),
    "QJ-3": (
        "qianjiang",
        "phone",
        {"level": "urgent"},
        "2026-02-16T20:00",
        "2026-02-16T20:00",
        {},
        {"contact": f"2026-02-24 {END}", "handle": f"2026-02-24 {END}"},
    ),
    "QJ-5": (
        "qianjiang",
        "phone",
        {"level": "special"},
        "2025-09-30T11:00",
        "2025-09-30T11:00",
        {},
        {"contact": f"2025-10-09 {END}", "handle": f"2025-10-14 {END}"},
    ),
    "TH-1": (
        "tonghua",
        "phone",
        {"urgency": "general"},
        "2026-02-13T09:20",
        "2026-02-13T10:05",
        {},
        {
            "return": f"2026-02-24 {END}",
            "handle": f"2026-02-27 {END}",
            "extend_apply_by": f"2026-02-26 {END}",
        },
    ),
    "TH-3": (
        "tonghua",
        "phone",
        {"urgency": "complex"},
        "2025-09-23T14:10",
        "2025-09-23T14:40",
        {},
        {
            "return": f"2025-09-25 {END}",
            "handle": f"2025-09-29 {END}",
            "extend_apply_by": f"2025-09-28 {END}",
        },
    ),
    "TH-5": (
        "tonghua",
        "phone",
        {"urgency": "general"},
        "2026-05-02T23:30",
        "2026-05-02T23:55",
        {},
        {
            "return": f"2026-05-07 {END}",
            "handle": f"2026-05-11 {END}",
            "extend_apply_by": f"2026-05-10 {END}",
        },
    ),
    "OD-1": (
        "ordos",
        "phone",
        {"type": "complaint", "assignment": "system"},
        "2026-02-13T11:00",
        "2026-02-13T11:00",
        {},
        {"return": f"2026-02-14 {END}", "handle": f"2026-02-25 {END}"},
    ),
    "OD-1 at its cap": (
        "ordos",
        "phone",
        {"type": "complaint", "assignment": "system"},
        "2026-02-13T11:00",
        "2026-02-13T11:00",
        {"limit_days": 7},
        {"handle": f"2026-03-02 {END}"},
    ),
    "OD-3": (
        "ordos",
        "phone",
        {"type": "complaint", "assignment": "written"},
        "2026-04-28T10:00",
        "2026-04-28T10:00",
        {},
        {"return": f"2026-04-29 {END}", "handle": f"2026-05-11 {END}"},
    ),
    "OD-5": (
        "ordos",
        "phone",
        {"type": "complaint", "assignment": "system"},
        "2026-01-26T09:00",
        "2026-01-26T09:00",
        {"limit_days": 7},
        {"return": f"2026-01-27 {END}", "handle": f"2026-02-04 {END}"},
    ),
    "YM-1": (
        "yuanmou",
        "state",
        {"type": "consult"},
        "2026-02-13T15:00",
        "2026-02-14T10:00",
        {},
        {
            "sign_in": f"2026-02-24 {END}",
            "contact": f"2026-02-25 {END}",
            "return": f"2026-02-24 {END}",
            "return_site_check": f"2026-02-26 {END}",
            "handle": f"2026-02-28 {END}",
        },
    ),
    "YM-3": (
        "yuanmou",
        "state",
        {"type": "complaint"},
        "2026-09-18T17:45",
        "2026-09-20T09:00",
        {},
        {
            "sign_in": f"2026-09-21 {END}",
            "contact": f"2026-09-22 {END}",
            "return": f"2026-09-21 {END}",
            "return_site_check": f"2026-09-23 {END}",
            "handle": f"2026-10-16 {END}",
        },
    ),
    "YM-5": (
        "yuanmou",
        "state",
        {"type": "suggestion"},
        "2025-01-29T10:00",
        "2025-02-05T09:10",
        {},
        {
            "sign_in": f"2025-02-06 {END}",
            "contact": f"2025-02-07 {END}",
            "return": f"2025-02-06 {END}",
            "return_site_check": f"2025-02-08 {END}",
            "handle": f"2025-02-25 {END}",
        },
    ),
    "GZ-1": (
        "ganzhou",
        "phone",
        {"type": "complaint"},
        "2026-02-13T16:40",
        "2026-02-13T16:40",
        {},
        {
            "sign_in": "2026-02-14 09:40:00",
            "sign_in_supervision": "2026-02-14 09:30:00",
            "return": "2026-02-14 11:40:00",
            "handle": f"2026-02-27 {END}",
            "feedback_supervision": "2026-02-27 14:00:00",
        },
    ),
    "GZ-3": (
        "ganzhou",
        "phone",
        {"type": "urgent_help"},
        "2026-02-16T22:10",
        "2026-02-16T22:10",
        {},
        {
            "sign_in": "2026-02-17 01:10:00",
            "return": "2026-02-17 01:10:00",
            "handle": "2026-02-17 01:10:00",
        },
    ),
    "GZ-5": (
        "ganzhou",
        "phone",
        {"type": "complaint"},
        "2026-09-22T09:50",
        "2026-09-22T09:50",
        {},
        {
            "sign_in": "2026-09-22 10:50:00",
            "sign_in_supervision": "2026-09-22 10:40:00",
            "return": "2026-09-22 12:50:00",
            "handle": f"2026-09-30 {END}",
            "feedback_supervision": "2026-09-30 14:00:00",
        },
    ),
    "GZ-7": (
        "ganzhou",
        "phone",
        {"type": "complaint"},
        "2025-10-09T10:00",
        "2025-10-09T10:00",
        {},
        {
            "sign_in": "2025-10-09 11:00:00",
            "sign_in_supervision": "2025-10-09 10:50:00",
            "return": "2025-10-09 13:00:00",
            "handle": f"2025-10-15 {END}",
            "feedback_supervision": "2025-10-15 14:00:00",
        },
    ),
}
"""Place, channel, class, when it was taken in and dispatched, what the dispatch says, and when limits end."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_ticket_falls_due_as_worked_out_by_hand(name: str, tmp_path: Path, template_database: Path) -> None:
    place, channel, facts, accepted, dispatched, said, dues = EXAMPLES[name]
    world = make_city(tmp_path, template_database, place)
    at(world, accepted)
    held = taken(world, channel=channel, facts=dict(facts)).held
    at(world, dispatched)
    held = acted(world, dora, held, "dispatch", unit="housing", **said)
    assert {clock: due(world, held, clock) for clock in dues} == dues
    world.database.close()


def city(tmp_path: Path, template: Path, place: str, now: str) -> Any:
    made = make_city(tmp_path, template, place)
    at(made, now)
    return made


def test_a_question_that_can_be_answered_at_once_starts_no_limit(
    tmp_path: Path, template_database: Path
) -> None:
    world = city(tmp_path, template_database, "qianjiang", "2026-01-01T09:00")
    held = taken(world, facts={"level": "ordinary", "type": "consult"}).held
    held = acted(world, otto, held, "answer", reply="可在园区窗口办理")
    assert held.ticket.closed_at == world.now
    assert "handle" not in timed(world, held)
    world.database.close()


def test_extensions_over_spring_festival_end_as_worked_out_by_hand(
    tmp_path: Path, template_database: Path
) -> None:
    world = city(tmp_path, template_database, "yuanmou", "2025-01-29T10:00")
    held = taken(world, channel="state", facts={"type": "suggestion"}).held
    assert due(world, held, "transfer") == "2025-02-05 23:59:59"
    at(world, "2025-02-05T09:10")
    held = acted(world, hans, acted(world, dora, held, "dispatch", unit="housing"), "sign_in")
    held = acted(world, hans, held, "request_extension", reason="疑难", by=5)
    held = acted(world, dora, held, "forward_extension", note="情况属实")
    held = acted(world, sue, held, "extend", by=5)
    assert due(world, held, "handle") == "2025-03-04 23:59:59"
    world.database.close()


def test_a_written_assignment_is_revisited_the_working_day_after(
    tmp_path: Path, template_database: Path
) -> None:
    world = city(tmp_path, template_database, "ordos", "2026-04-28T10:00")
    held = taken(world, facts={"type": "complaint", "assignment": "written"}).held
    held = acted(world, hans, acted(world, dora, held, "dispatch", unit="housing"), "sign_in")
    at(world, "2026-05-11T10:00")
    held = acted(world, hans, held, "feed_back", reply="已处理")
    assert due(world, held, "revisit") == "2026-05-12 23:59:59"
    world.database.close()


def test_two_working_days_after_the_urge_of_an_overdue_complaint(
    tmp_path: Path, template_database: Path
) -> None:
    world = city(tmp_path, template_database, "ganzhou", "2025-10-09T10:00")
    held = taken(world, facts={"type": "complaint"}).held
    held = acted(world, hans, acted(world, dora, held, "dispatch", unit="housing"), "sign_in")
    at(world, "2025-10-17T09:00")
    held = acted(world, otto, held, "urge", notice="已逾期", channel_used="phone")
    assert due(world, held, "urge_grace") == "2025-10-21 23:59:59"
    world.database.close()


@pytest.mark.parametrize(
    ("place", "facts", "due_is"),
    [
        ("qianjiang", {"level": "complex"}, "2027-01-06 23:59:59"),
        ("ganzhou", {"type": "complaint"}, "2027-01-06 23:59:59"),
    ],
)
def test_a_limit_that_ends_in_a_year_without_a_calendar_is_provisional(
    place: str, facts: dict[str, str], due_is: str, tmp_path: Path, template_database: Path
) -> None:
    world = city(tmp_path, template_database, place, "2026-12-30T10:00")
    held = acted(world, dora, taken(world, facts=facts).held, "dispatch", unit="housing")
    assert timed(world, held)["handle"].provisional
    assert due(world, held, "handle") == due_is
    world.database.close()
