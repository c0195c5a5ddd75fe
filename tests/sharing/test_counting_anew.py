"""The days of both cities' limits, counted anew: at any instant of the years whose holidays are published."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.due import what_is_due
from tests.rules.books import calendar, shipped
from tests.sharing.telling import at, end_of_workday
from tests.sharing.test_table import GANZHOU, QIANJIANG

pytestmark = pytest.mark.long

CONDITIONAL = {"share_class": "conditional"}
UNCONDITIONAL = {"share_class": "unconditional", "controlled_params": False}
YEARS = at("2024-01-01T00:00"), at("2026-11-30T00:00")
INSTANTS = st.integers(0, int((YEARS[1] - YEARS[0]).total_seconds())).map(
    lambda s: YEARS[0] + timedelta(seconds=s)
)
CHAINS = [
    (
        QIANJIANG,
        CONDITIONAL,
        {"submitted": ("check", 3), "forwarded": ("decide", 10), "answered": ("inform", 1)},
    ),
    (QIANJIANG, UNCONDITIONAL, {"submitted": ("check", 3), "accepted": ("decide", 3)}),
    (GANZHOU, UNCONDITIONAL, {"submitted": ("decide", 3)}),
    (GANZHOU, CONDITIONAL, {"submitted": ("decide", 10)}),
]


@pytest.mark.parametrize(
    ("book", "facts", "chain"), CHAINS, ids=["three desks", "direct", "manager", "provider"]
)
@given(start=INSTANTS, gaps=st.lists(st.integers(0, 20 * 24 * 3600), min_size=2, max_size=2))
@settings(max_examples=150, deadline=None)
def test_each_limit_ends_with_its_last_working_day(
    book: str, facts: dict[str, object], chain: dict[str, tuple[str, int]], start: datetime, gaps: list[int]
) -> None:
    instants = [start, start + timedelta(seconds=gaps[0]), start + timedelta(seconds=sum(gaps))]
    events = dict(zip(chain, instants, strict=False))
    answer = what_is_due(shipped().get(book), calendar(), facts, events)
    for event, (clock, days) in chain.items():
        counted = end_of_workday(f"{events[event]:%Y-%m-%dT%H:%M:%S}", days)
        if counted < "2027":
            assert answer[clock]["due"] == counted
            assert not answer[clock]["provisional"]
