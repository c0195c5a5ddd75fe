"""At night the inbox fills and no telephone rings, unless it would be too late by the morning."""

from __future__ import annotations

from datetime import datetime

import pytest

from notices.quiet import quiet_until

NIGHT = {"from": "21:00", "to": "08:00"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-02-10T20:59:59", None),
        ("2026-02-10T21:00:00", "2026-02-11T08:00:00"),
        ("2026-02-11T00:30:00", "2026-02-11T08:00:00"),
        ("2026-02-11T07:59:59", "2026-02-11T08:00:00"),
        ("2026-02-11T08:00:00", None),
    ],
)
def test_what_is_told_at_night_goes_out_in_the_morning(now: str, until: str | None) -> None:
    assert quiet_until(NIGHT, at(now), None) == (at(until) if until else None)


def test_quiet_hours_within_a_day_end_on_that_day() -> None:
    noon = {"from": "12:00", "to": "14:30"}
    assert quiet_until(noon, at("2026-02-10T13:00:00"), None) == at("2026-02-10T14:30:00")
    assert quiet_until(noon, at("2026-02-10T15:00:00"), None) is None


def test_what_falls_due_at_night_does_not_wait_for_the_morning() -> None:
    now = at("2026-02-10T22:00:00")
    assert quiet_until(NIGHT, now, at("2026-02-11T01:00:00")) is None
    assert quiet_until(NIGHT, now, at("2026-02-11T08:00:00")) is None
    assert quiet_until(NIGHT, now, at("2026-02-11T08:00:01")) == at("2026-02-11T08:00:00")


def test_a_book_without_quiet_hours_has_none() -> None:
    assert quiet_until(None, at("2026-02-10T23:00:00"), None) is None
