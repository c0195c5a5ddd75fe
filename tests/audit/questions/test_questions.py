"""Each question finds what it says and nothing else."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.questions.given import grants_table, worktime_table
from core.times import SHANGHAI
from rules.rulebook import SHIPPED
from rules.workdays import load_calendar
from tests.audit.questions.story import DAY, HOUR, MINUTE, NOON, Story, call, event, grant, period

pytestmark = pytest.mark.long

CALENDAR = load_calendar(SHIPPED / "calendars")


def at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


# --- grants and systems -------------------------------------------------------------------------------


def test_a_grant_is_unused_until_a_call_succeeds(story: Story) -> None:
    story.happened(
        call(NOON - 5 * DAY, grant="G-used"),
        call(NOON - 5 * DAY, grant="G-refused", decision="refused"),
        call(NOON - 40 * DAY, grant="G-long-ago"),
    )
    held = [grant(f"G-{n}") for n in ("never", "used", "refused", "long-ago")] + [
        grant("G-new", NOON - 5 * DAY)
    ]
    found = story.asked("unused_grants", {"grants": grants_table(held)}, now=NOON, days=30)
    assert [row["grant"] for row in found] == ["G-never", "G-refused", "G-long-ago"]
    assert [row["last_call"] for row in found] == [None, None, NOON - 40 * DAY]


def test_working_hours_are_those_of_the_published_calendar(story: Story) -> None:
    outside = {
        "night": at(2, 10, 20),
        "before nine": at(2, 10, 8, 59),
        "at five": at(2, 10, 17),
        "saturday": at(2, 7, 10),
        "spring festival": at(2, 16, 10),
    }
    within = {"tuesday": at(2, 10, 9), "last minute": at(2, 10, 16, 59), "make-up saturday": at(2, 14, 10)}
    story.happened(*(call(when, client=name) for name, when in {**outside, **within}.items()))
    asked = {"since": at(2, 1, 0), "until": at(3, 1, 0)}
    found = story.asked("off_hours", {"worktime": worktime_table(CALENDAR, **asked)}, **asked)
    assert {row["client"] for row in found} == set(outside)
    assert {row["day"] for row in found} == {when.date() for when in outside.values()}


def test_calls_outside_hours_are_summed_up_by_system_and_day(story: Story) -> None:
    story.happened(*(call(at(2, 10, 20 + i)) for i in range(3)), call(at(2, 11, 0, 30)))
    asked = {"since": at(2, 1, 0), "until": at(3, 1, 0)}
    found = story.asked("off_hours", {"worktime": worktime_table(CALENDAR, **asked)}, **asked)
    assert [(r["day"], r["calls"], r["rows"], r["first"], r["last"]) for r in found] == [
        (date(2026, 2, 10), 3, 30, at(2, 10, 20), at(2, 10, 22)),
        (date(2026, 2, 11), 1, 10, at(2, 11, 0, 30), at(2, 11, 0, 30)),
    ]
    assert (
        story.asked("off_hours", {"worktime": worktime_table(CALENDAR, **asked)}, consumer="x", **asked) == []
    )


def spikes(story: Story, **asked: Any) -> list[tuple[str, int, float, float, int]]:
    asked = {"measure": "calls", "deviations": 3.0, "least": 3, **period(10), **asked}
    found = story.asked("volume_spikes", **asked)
    return [(r["grant"], r["value"], r["mean"], r["deviation"], r["history"]) for r in found]


def test_a_day_far_over_the_mean_of_the_28_before_is_a_spike(story: Story) -> None:
    steady = [call(NOON - n * DAY) for n in range(1, 29)]
    story.happened(*steady, *(call(NOON - i * MINUTE) for i in range(1, 6)))
    assert spikes(story) == [("G-1", 5, 1.0, 0.0, 28)]
    assert spikes(story, least=6) == []
    assert spikes(story, measure="rows", least=1) == [("G-1", 50, 10.0, 0.0, 28)]


def test_the_first_day_of_a_period_is_judged_by_the_28_before_it(story: Story) -> None:
    first = NOON - 10 * DAY
    steady = [call(first - n * DAY) for n in range(1, 29)]
    earlier = [call(first - 29 * DAY + i * MINUTE) for i in range(50)]
    story.happened(*earlier, *steady, *(call(first + i * MINUTE) for i in range(1, 6)))
    assert spikes(story) == [("G-1", 5, 1.0, 0.0, 28)]


def test_days_without_calls_count_as_zero(story: Story) -> None:
    story.happened(
        call(NOON - 30 * DAY), call(NOON - 14 * DAY), *(call(NOON - i * MINUTE) for i in range(1, 8))
    )
    mean, deviation = 1 / 28, ((1 / 28) * (27 / 28)) ** 0.5
    assert spikes(story) == [("G-1", 7, round(mean, 2), round(deviation, 2), 28)]


def test_a_grant_that_slept_for_a_year_and_awakes_is_a_spike(story: Story) -> None:
    story.happened(call(NOON - 365 * DAY), *(call(NOON - i * MINUTE) for i in range(1, 5)))
    assert spikes(story) == [("G-1", 4, 0.0, 0.0, 28)]


def test_a_grant_is_not_judged_in_its_first_week(story: Story) -> None:
    story.happened(call(NOON - 6 * DAY), *(call(NOON - i * MINUTE) for i in range(1, 9)))
    assert spikes(story) == []
    story.happened(call(NOON - 7 * DAY))
    assert [s[-1] for s in spikes(story)] == [7]


def test_an_address_is_new_that_a_system_never_used_before(story: Story) -> None:
    story.happened(
        call(NOON - 90 * DAY, address="old"),
        call(NOON - 3 * DAY, address="old"),
        call(NOON - 2 * DAY, address="new"),
        call(NOON - 1 * DAY, address="new"),
        call(NOON - 1 * DAY, address="first of all", client="sys-2"),
        call(NOON - 50 * DAY, address="before the period"),
    )
    found = story.asked("new_addresses", **period())
    assert [(r["client"], r["address"], r["calls"], r["first"]) for r in found] == [
        ("sys-1", "new", 2, NOON - 2 * DAY)
    ]


# --- who uses what ------------------------------------------------------------------------------------


def test_a_stream_counts_once_and_a_day_ends_at_midnight_in_shanghai(story: Story) -> None:
    story.happened(
        call(at(3, 9, 23, 59), "access.start"),
        call(at(3, 9, 23, 59), "access.end", decision="aborted"),
        call(at(3, 10, 0), rows=None, bytes=None, decision="refused"),
        call(at(3, 10, 0), "access.intent"),
        call(at(3, 10, 0), "access.start"),
        event(at(3, 10, 0), "audit.query"),
    )
    found = story.asked("calls_per_day", **period(5))
    assert found == [
        {"day": date(2026, 3, 9), "calls": 1, "rows": 10, "bytes": 1000}
        | {"permitted": 0, "refused": 0, "failed": 0, "aborted": 1},
        {"day": date(2026, 3, 10), "calls": 1, "rows": 0, "bytes": 0}
        | {"permitted": 0, "refused": 1, "failed": 0, "aborted": 0},
    ]


@pytest.mark.parametrize("name", ["consumer", "provider", "dataset"])
def test_sums_can_be_narrowed_to_a_department_or_a_dataset(story: Story, name: str) -> None:
    story.happened(call(NOON - DAY, **{name: "x"}), call(NOON - DAY), call(NOON - DAY, decision="refused"))
    for question, extra in (("calls_per_day", {}), ("top_consumers", {"by": "client"}), ("totals", {})):
        (row,) = story.asked(question, **period(), **extra, **{name: "x"})
        assert row["calls"] == 1
    assert story.asked("refusals_by_reason", **period(), **{name: "x"}) == []


def test_who_called_most_stands_first(story: Story) -> None:
    calls = [call(NOON - HOUR, consumer=c) for c in ("b", "a", "c", "c")]
    story.happened(*calls, call(NOON - HOUR, consumer=None), call(NOON, consumer="too late"))
    found = story.asked("top_consumers", **period(), by="consumer")
    assert [(r["name"], r["calls"]) for r in found] == [("c", 2), ("a", 1), ("b", 1), (None, 1)]


def test_the_totals_of_nothing_are_zero(story: Story) -> None:
    (row,) = story.asked("totals", **period())
    assert set(row.values()) == {0}
    story.happened(call(NOON - HOUR), call(NOON - HOUR, grant="G-2", decision="failed"))
    (row,) = story.asked("totals", **period())
    assert (row["calls"], row["permitted"], row["failed"], row["grants"], row["systems"]) == (2, 1, 1, 2, 1)


def test_refusals_are_summed_up_by_reason(story: Story) -> None:
    refused = {"decision": "refused", "reason": "grant_expired"}
    story.happened(
        call(NOON - 2 * HOUR, **refused),
        call(NOON - HOUR, client="sys-2", **refused),
        call(NOON - HOUR, decision="failed", reason="timeout"),
        call(NOON - HOUR),
    )
    found = story.asked("refusals_by_reason", **period())
    assert [(r["decision"], r["reason"], r["calls"], r["systems"]) for r in found] == [
        ("refused", "grant_expired", 2, 2),
        ("failed", "timeout", 1, 1),
    ]
    assert (found[0]["first"], found[0]["last"]) == (NOON - 2 * HOUR, NOON - HOUR)


def test_readers_of_a_dataset_are_those_that_were_given_something(story: Story) -> None:
    story.happened(
        call(NOON - HOUR),
        call(NOON - HOUR, "access.end", decision="aborted", client="sys-2", grant="G-2"),
        call(NOON - HOUR, decision="refused", client="sys-3"),
        call(NOON - HOUR, dataset="307001/000002", client="sys-4"),
    )
    found = story.asked("readers_of_dataset", dataset="307001/000001", **period())
    assert [(r["client"], r["grant"], r["purpose"]) for r in found] == [
        ("sys-1", "G-1", "核对"),
        ("sys-2", "G-2", "核对"),
    ]


# --- single records -----------------------------------------------------------------------------------


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in found]


def test_records_are_found_by_any_of_their_fields_the_newest_first(story: Story) -> None:
    one, two = call(NOON - 2 * HOUR, ticket="T-1"), call(NOON - HOUR, reason="x", decision="refused")
    acted = event(NOON - HOUR - MINUTE, "decision.grant", actor="someone", department="housing", case="c1")
    story.happened(one, two, acted)
    assert ids(story.asked("find_records", **period())) == [two.id, acted.id, one.id]
    assert ids(story.asked("find_records", **period(), department="housing")) == [two.id, acted.id, one.id]
    assert ids(story.asked("find_records", **period(), department="police")) == [two.id, one.id]
    assert ids(story.asked("find_records", **period(), ticket="T-1", consumer="police")) == [one.id]
    assert ids(story.asked("find_records", **period(), decision="refused", reason="x")) == [two.id]
    assert ids(
        story.asked("find_records", **period(), kind="decision.grant", actor="someone", case="c1")
    ) == [acted.id]
    assert story.asked("find_records", **period(), ticket="T-1", consumer="other") == []


def test_a_persons_accesses_are_found_by_digest_wherever_it_stands_among_several(story: Story) -> None:
    one, two, three = (c * 32 for c in "abc")
    made = [
        call(NOON - 5 * HOUR, subject=one),
        call(NOON - 4 * HOUR, subject=f"{two},{one}", decision="refused"),
        call(NOON - 3 * HOUR, "access.intent", subject=f"{one},{two}"),
        call(NOON - 2 * HOUR, subject=two),
        call(NOON - 1 * HOUR),
    ]
    story.happened(*made, event(NOON - HOUR, "audit.query", query={"subject": one}))
    assert ids(story.asked("accesses_of_citizen", subject=one, **period())) == [r.id for r in made[2::-1]]
    assert story.asked("accesses_of_citizen", subject=three, **period()) == []
    assert ids(story.asked("find_records", subject=two, **period())) == [r.id for r in made[3:0:-1]]
    with pytest.raises(ValueError):
        story.asked("accesses_of_citizen", subject="a", **period())


def test_an_intent_is_an_orphan_until_its_call_is_on_record(story: Story) -> None:
    intents = [call(NOON - HOUR - i * MINUTE, "access.intent") for i in range(4)]
    fresh = call(NOON - 3 * MINUTE, "access.intent")
    ends = zip(intents, ("access", "access.start", "access.end"), strict=False)
    story.happened(*intents, fresh, *(call(NOON - HOUR, kind, intent=i.id) for i, kind in ends))
    found = story.asked("orphan_intents", **period(), minutes=10, now=NOON)
    assert ids(found) == [intents[3].id]
    assert ids(story.asked("orphan_intents", **period(), minutes=2, now=NOON)) == [fresh.id, intents[3].id]


def test_an_intent_whose_call_ended_after_the_period_is_no_orphan(story: Story) -> None:
    intent = call(NOON - MINUTE, "access.intent")
    story.happened(intent, call(NOON + HOUR, intent=intent.id))
    assert story.asked("orphan_intents", **period(), minutes=1, now=NOON + DAY) == []


def test_auditors_searches_are_listed_with_who_and_how_much(story: Story) -> None:
    asked = [event(NOON - i * HOUR, "audit.query", actor=a, rows=i) for i, a in ((1, "x"), (2, "y"))]
    story.happened(*asked, call(NOON - HOUR))
    found = story.asked("searches_by_auditors", **period())
    assert [(r["id"], r["actor"], r["rows"]) for r in found] == [(asked[0].id, "x", 1), (asked[1].id, "y", 2)]
    assert ids(story.asked("searches_by_auditors", **period(), actor="y")) == [asked[1].id]


def test_the_log_is_silent_between_two_heartbeats_that_lie_far_apart(story: Story) -> None:
    beats = [NOON - 60 * MINUTE, NOON - 59 * MINUTE, NOON - 30 * MINUTE, NOON - 26 * MINUTE]
    story.happened(*(event(b, "heartbeat", size=1) for b in beats))
    found = story.asked("silent_periods", **period(), minutes=5, now=NOON)
    assert [(r["begins"], r["ends"], r["minutes"]) for r in found] == [
        (NOON - 59 * MINUTE, NOON - 30 * MINUTE, 29),
        (NOON - 26 * MINUTE, NOON, 26),
    ]
    later = {"since": NOON - 20 * MINUTE, "until": NOON + DAY}
    assert [r["begins"] for r in story.asked("silent_periods", **later, minutes=5, now=NOON)] == [
        NOON - 26 * MINUTE
    ]
    assert story.asked("silent_periods", **period(), minutes=30, now=NOON) == []


# --- against plain Python -----------------------------------------------------------------------------

minutes = st.integers(0, 60 * 24 * 40)
happenings = st.lists(
    st.tuples(minutes, st.sampled_from("abc"), st.sampled_from(["permitted", "refused", "failed"])),
    max_size=30,
)


@given(data=happenings, days=st.integers(1, 40))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_agree_with_counting_by_hand(story: Story, data: list[Any], days: int) -> None:
    happened = [call(NOON - m * MINUTE, consumer=c, decision=d) for m, c, d in data]
    asked = period(days)
    seen = [(NOON - m * MINUTE, c, d) for m, c, d in data if asked["since"] <= NOON - m * MINUTE < NOON]
    by_day = {r["day"]: (r["calls"], r["refused"]) for r in story.of(happened, "calls_per_day", **asked)}
    assert by_day == {
        day: (
            sum(when.date() == day for when, _, _ in seen),
            sum(when.date() == day and d == "refused" for when, _, d in seen),
        )
        for day in {when.date() for when, _, _ in seen}
    }
    top = story.of(happened, "top_consumers", **asked, by="consumer")
    assert {r["name"]: r["calls"] for r in top} == {c: sum(x == c for _, x, _ in seen) for _, c, _ in seen}


def test_working_time_is_laid_out_day_by_day() -> None:
    table = worktime_table(CALENDAR, at(2, 13, 0), at(2, 24, 12)).to_pylist()
    assert [r["day"].day for r in table] == [13, 14, 24]
    assert [r["opens"].hour for r in table] == [1, 1, 1]
    assert {r["closes"] - r["opens"] for r in table} == {timedelta(hours=8)}
