"""The last second in time and the first second late: returns, and asking for more time, in each place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import Conflict, Invalid
from hotline.model import Held
from tests.cast import dora, hans
from tests.conftest import World
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import at

CLASSES: Mapping[str, Mapping[str, Any]] = {
    "tonghua": {"urgency": "complex"},
    "ordos": {"type": "complaint", "assignment": "system"},
    "yuanmou": {"type": "complaint"},
    "ganzhou": {"type": "complaint"},
}
WHY = {"reason": "不属本单位职责"}
LAW = {**WHY, "basis": "三定方案"}
RETURNS = [
    ("tonghua", "2026-02-13T10:05", "2026-02-24T23:59:59", LAW),
    ("ordos", "2026-02-13T11:00", "2026-02-14T23:59:59", WHY),
    ("yuanmou", "2026-02-14T10:00", "2026-02-24T23:59:59", {**WHY, "suggested_unit": "police"}),
    ("ganzhou", "2026-02-13T16:40", "2026-02-14T11:40:00", {**LAW, "contacted_at": "2026-02-13T16:45+08:00"}),
]
"""Place, when it was dispatched, the last second for a return, and what a return says."""
EXTENSIONS = [
    ("tonghua", "2026-02-13T10:05", "2026-02-26T23:59:59", {}),
    ("ordos", "2026-02-13T11:00", "2026-02-25T23:59:59", {"by": 1}),
    ("ganzhou", "2026-02-13T16:40", "2026-02-27T23:59:59", {}),
]
"""Place, when it was dispatched, the last second to ask for more time, and what is asked."""


def sent(world: World, place: str, when: str) -> Held:
    at(world, when)
    held = taken(world, facts=dict(CLASSES[place]), channel="state" if place == "yuanmou" else "phone").held
    held = acted(world, dora, held, "dispatch", unit="housing")
    return acted(world, hans, held, "sign_in")


def second_after(text: str) -> str:
    return f"{datetime.fromisoformat(text) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"


@pytest.mark.parametrize(("place", "when", "last", "said"), RETURNS)
def test_a_return_at_the_last_second_is_in_time(
    cities: Any, place: str, when: str, last: str, said: Mapping[str, Any]
) -> None:
    world = cities(place)
    held = sent(world, place, when)
    at(world, last)
    held = acted(world, hans, held, "return", **said)
    assert "returned" in held.case.events[-1].names
    assert "returned_late" not in held.case.events[-1].names


@pytest.mark.parametrize(("place", "when", "last", "said"), RETURNS)
def test_a_return_a_second_later_is_late_and_known_as_such(
    cities: Any, place: str, when: str, last: str, said: Mapping[str, Any]
) -> None:
    world = cities(place)
    held = sent(world, place, when)
    at(world, second_after(last))
    if place == "tonghua":  # a late return counts as an overdue ticket (TH art. 15)
        assert "returned_late" in acted(world, hans, held, "return", **said).case.events[-1].names
        return
    asked = "site_check" if place == "yuanmou" else "overdue_reason"  # a visit to the site takes longer
    with pytest.raises(Invalid) as refused:
        acted(world, hans, held, "return", **said)
    assert [e.pointer for e in refused.value.errors] == [f"/{asked}"]
    held = acted(world, hans, held, "return", **{**said, asked: "值班交接"})
    assert "returned" in held.case.events[-1].names


def test_a_site_check_gives_two_working_days_more_to_the_second(cities: Any) -> None:
    world = cities("yuanmou")
    said = {**WHY, "suggested_unit": "police", "site_check": "现场位于邻县"}
    held = sent(world, "yuanmou", "2026-02-14T10:00")
    other = sent(world, "yuanmou", "2026-02-14T10:00")
    at(world, "2026-02-26T23:59:59")
    assert "returned" in acted(world, hans, held, "return", **said).case.events[-1].names
    at(world, "2026-02-27T00:00:00")
    with pytest.raises(Invalid) as refused:
        acted(world, hans, other, "return", **said)
    assert "/overdue_reason" in {e.pointer for e in refused.value.errors}


@pytest.mark.parametrize(("place", "when", "last", "said"), EXTENSIONS)
def test_more_time_is_asked_for_until_the_last_second_and_no_longer(
    cities: Any, place: str, when: str, last: str, said: Mapping[str, Any]
) -> None:
    world = cities(place)
    held, other = sent(world, place, when), sent(world, place, when)
    at(world, last)
    held = acted(world, hans, held, "request_extension", reason="需跨部门协调", **said)
    assert "extension_requested" in held.case.events[-1].names
    at(world, second_after(last))
    with pytest.raises(Conflict):
        acted(world, hans, other, "request_extension", reason="需跨部门协调", **said)
