"""The clock engine beside worked examples of hotline regulations: every way of counting they use."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Invalid
from rules.rulebook import Rulebook
from tests.rules.books import book, choice, clock, close_of_business, dues

DISPATCHED = {"starts": ["dispatched"], "stops": ["fed_back"]}


def tonghua() -> Rulebook:
    extend = {"event": "extended", "each": "5wd", "count": 2, "cite": "it"}
    return book(
        clock("dispatch", starts=["accepted"], stops=["dispatched"], lasts="same_day"),
        clock("return", **DISPATCHED, lasts="2wd"),
        clock("handle", **DISPATCHED, when={"urgency": "normal"}, lasts="5wd", extend=extend),
        clock("handle", **DISPATCHED, when={"urgency": "urgent"}, lasts="12h"),
        clock("extend_apply_by", before_due="handle", lasts="1cd"),
        facts={"urgency": choice("normal", "urgent")},
    )


@pytest.mark.parametrize(
    ("accepted", "dispatched", "dispatch", "returned", "handle", "apply_by"),
    [
        ("2026-02-13T09:20", "2026-02-13T10:05", "2026-02-13", "2026-02-24", "2026-02-27", "2026-02-26"),
        ("2025-09-23T14:10", "2025-09-23T14:40", "2025-09-23", "2025-09-25", "2025-09-29", "2025-09-28"),
        ("2026-05-02T23:30", "2026-05-02T23:55", "2026-05-02", "2026-05-07", "2026-05-11", "2026-05-10"),
    ],
)
def test_working_days_same_day_and_the_calendar_day_before(
    accepted: str, dispatched: str, dispatch: str, returned: str, handle: str, apply_by: str
) -> None:
    found = dues(tonghua(), {"accepted": accepted, "dispatched": dispatched}, {"urgency": "normal"})
    expected = {"dispatch": dispatch, "return": returned, "handle": handle, "extend_apply_by": apply_by}
    assert found == {name: f"{day} 23:59:59" for name, day in expected.items()}


def test_an_extension_counts_from_the_due_day_and_moves_the_day_to_apply() -> None:
    events = {"dispatched": "2025-09-23T14:40", "extended": "2025-09-28T10:00"}
    found = dues(tonghua(), events, {"urgency": "normal"})
    assert (found["handle"], found["extend_apply_by"]) == ("2025-10-13 23:59:59", "2025-10-12 23:59:59")


def test_wall_clock_hours_run_through_the_holiday() -> None:
    assert (
        dues(tonghua(), {"dispatched": "2026-02-16T22:10"}, {"urgency": "urgent"})["handle"]
        == "2026-02-17 10:10:00"
    )


@pytest.mark.parametrize(
    ("rule", "dispatched", "due"),
    [
        ("1wd", "2026-02-16T20:00", "2026-02-24"),  # New Year's Eve, urgent or not
        ("3wd", "2026-02-10T10:30", "2026-02-13"),
        ("5wd", "2025-09-30T11:00", "2025-10-14"),
        ("1wd", "2026-09-18T17:45", "2026-09-20"),  # a Sunday worked in exchange
        ("1wd", "2025-01-29T10:00", "2025-02-05"),
        ("5wd", "2026-02-14T10:00", "2026-02-28"),  # a Saturday worked in exchange
        ("15wd", "2026-09-20T09:00", "2026-10-16"),
        ("15wd", "2025-02-05T09:10", "2025-02-25"),
        ("2wd", "2025-02-05T09:10", "2025-02-07"),
        ("7wd", "2026-04-28T10:00", "2026-05-11"),
        ("3wd", "2026-02-13T11:00", "2026-02-25"),
    ],
)
def test_working_days_across_the_long_holidays(rule: str, dispatched: str, due: str) -> None:
    handle = book(clock("handle", **DISPATCHED, lasts=rule))
    assert dues(handle, {"dispatched": dispatched}) == {"handle": f"{due} 23:59:59"}


def test_the_whole_extension_counts_from_the_due_day() -> None:
    for total, dispatched, extended, due in (
        ("10wd", "2026-09-20T09:00", "2026-10-10T09:00", "2026-10-30"),
        ("5wd", "2025-02-05T09:10", "2025-02-10T09:00", "2025-03-04"),
    ):
        extend = {"event": "extended", "total": total, "cite": "it"}
        handle = book(clock("handle", **DISPATCHED, lasts="15wd", extend=extend))
        assert dues(handle, {"dispatched": dispatched, "extended": extended}) == {"handle": f"{due} 23:59:59"}


def ordos() -> Rulebook:
    setting = {"field": "days", "unit": "wd", "min": "3wd", "max": "7wd", "by": ["operator"]}
    extend = {"event": "extended", "total": "15wd", "cite": "it"}
    return book(
        clock("handle", **DISPATCHED, when={"assignment": "system"}, lasts="3wd", set=setting, extend=extend),
        clock("handle", **DISPATCHED, when={"assignment": "written"}, lasts="7wd"),
        clock("revisit", starts=["fed_back"], stops=["revisited"], lasts="1wd"),
        facts={
            "assignment": choice("system", "written"),
            "days": {"title": {"zh": "天数", "en": "days"}, "type": "integer", "optional": True},
        },
    )


def test_the_dispatcher_sets_the_limit_within_bounds() -> None:
    events = {"dispatched": "2026-02-13T11:00", "fed_back": "2026-02-25T17:30"}
    system = {"assignment": "system"}
    assert dues(ordos(), events, system) == {
        "handle": "2026-02-25 23:59:59",
        "revisit": "2026-02-26 23:59:59",
    }
    assert dues(ordos(), events, system | {"days": 7})["handle"] == "2026-03-02 23:59:59"
    for days in (2, 8):
        with pytest.raises(Invalid) as caught:
            dues(ordos(), events, system | {"days": days})
        assert [e.pointer for e in caught.value.errors] == ["/facts/days"]


def test_a_set_limit_and_its_extension_add_up() -> None:
    events = {"dispatched": "2026-01-26T09:00", "extended": "2026-02-03T10:00"}
    assert dues(ordos(), events, {"assignment": "system", "days": 7})["handle"] == "2026-03-03 23:59:59"


def ganzhou() -> Rulebook:
    extend = {"event": "extended", "each": "5wd", "count": 2, "cite": "it"}
    on_dispatch: dict[str, Any] = {"starts": ["dispatched"]}
    return book(
        clock(
            "sign_in",
            **on_dispatch,
            stops=["signed_in"],
            lasts="1wh",
            not_after=["handle"],
            warn={"before": "10wm", "cite": "it"},
        ),
        clock("return", **on_dispatch, stops=["signed_in"], lasts="3wh", not_after=["handle"]),
        clock("handle", **DISPATCHED, when={"type": "urgent_help"}, lasts="3h"),
        clock("handle", **DISPATCHED, when={"type": "complaint"}, lasts="5wd", extend=extend),
        clock("handle", **DISPATCHED, when={"type": "known"}, lasts="immediate"),
        clock("supervise_sign_in", before_due="sign_in", lasts="10wm"),
        clock("supervise", before_due="handle", lasts="3wh"),
        clock("feed_back_by", before_due="handle", lasts="4wh"),
        clock("reply", starts=["fed_back"], stops=["replied"], lasts="12h"),
        clock("discipline", starts=["urged"], stops=["fed_back"], lasts="2wd"),
        facts={"type": choice("urgent_help", "complaint", "known")},
    )


COMPLAINT = {"type": "complaint"}


@pytest.mark.parametrize(
    ("dispatched", "sign_in", "ten_before", "returned", "handle", "three_before", "half_day_before"),
    [
        (
            "2026-02-13T16:40",
            "2026-02-14 09:40:00",
            "2026-02-14 09:30:00",
            "2026-02-14 11:40:00",
            "2026-02-27 23:59:59",
            "2026-02-27 14:00:00",
            "2026-02-27 13:00:00",
        ),
        (
            "2026-09-22T09:50",
            "2026-09-22 10:50:00",
            "2026-09-22 10:40:00",
            "2026-09-22 12:50:00",
            "2026-09-30 23:59:59",
            "2026-09-30 14:00:00",
            "2026-09-30 13:00:00",
        ),
        (
            "2025-10-09T10:00",
            "2025-10-09 11:00:00",
            "2025-10-09 10:50:00",
            "2025-10-09 13:00:00",
            "2025-10-15 23:59:59",
            "2025-10-15 14:00:00",
            "2025-10-15 13:00:00",
        ),
    ],
)
def test_working_hours_run_over_the_day_border_and_warnings_run_backwards(
    dispatched: str,
    sign_in: str,
    ten_before: str,
    returned: str,
    handle: str,
    three_before: str,
    half_day_before: str,
) -> None:
    assert dues(ganzhou(), {"dispatched": dispatched}, COMPLAINT) == {
        "sign_in": sign_in,
        "return": returned,
        "handle": handle,
        "supervise_sign_in": ten_before,
        "supervise": three_before,
        "feed_back_by": half_day_before,
    }


def test_signing_in_may_not_be_later_than_handling() -> None:
    found = dues(ganzhou(), {"dispatched": "2026-02-16T22:10"}, {"type": "urgent_help"})
    assert {found["sign_in"], found["return"], found["handle"]} == {"2026-02-17 01:10:00"}


def test_twelve_hours_to_reply_run_into_the_night() -> None:
    found = dues(ganzhou(), {"fed_back": "2026-02-27T10:00"}, COMPLAINT)
    assert found == {"reply": "2026-02-27 22:00:00"}


def test_two_working_days_after_the_urge_notice() -> None:
    assert dues(ganzhou(), {"urged": "2025-10-17T09:00"}) == {"discipline": "2025-10-21 23:59:59"}


def test_at_once_has_no_instant_to_miss() -> None:
    found = dues(ganzhou(), {"dispatched": "2026-01-01T09:00"}, {"type": "known"})
    assert found["handle"] is None
    assert "supervise" not in found


def test_calendar_days_end_on_a_working_day() -> None:
    five = book(clock("handle", **DISPATCHED, lasts="5cd"))
    assert dues(five, {"dispatched": "2026-09-30T10:00"}) == {"handle": "2026-10-08 23:59:59"}
    assert dues(five, {"dispatched": "2026-10-08T10:00"}) == {"handle": "2026-10-13 23:59:59"}


def test_a_day_may_end_with_the_close_of_business() -> None:
    events = {"accepted": "2026-02-13T09:20", "dispatched": "2026-02-13T10:05"}
    found = dues(tonghua(), events, {"urgency": "normal"}, close_of_business())
    assert found["handle"] == "2026-02-27 17:00:00"
    assert found["dispatch"] == "2026-02-13 23:59:59"  # the hotline works around the clock
