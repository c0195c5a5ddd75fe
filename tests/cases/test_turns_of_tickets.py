"""Whose task a ticket is: the office's, the unit's, and never that of whoever merely could do something."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cases.model import Case
from cases.turns import is_task
from tests.rules.books import shipped

NOW = datetime(2026, 2, 10, 2, tzinfo=UTC)


def tasks(state: str, **facts: object) -> set[str]:
    """Return what a ticket of Qianjiang waits for in a state."""
    book = shipped().get("hotline/qianjiang")
    flow = book.workflow("ticket")
    case = Case(
        "1",
        "ticket",
        "ticket",
        book.id,
        book.version,
        state,
        False,
        {},
        {},
        1,
        NOW,
        "o",
        NOW,
        None,
        None,
        None,
    )
    known = {"extension_requested": False, "statutory": False, **facts}
    return {t.action for t in flow.leaving(state, known) if is_task(case, flow, t, frozenset())}


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        ("registered", {"dispatch", "refuse", "hand_off", "merge"}),
        ("dispatched", {"sign_in", "return"}),
        ("handling", {"feed_back", "return"}),
        ("return_review", {"accept_return", "refuse_return"}),
        ("closed", {"archive"}),
    ],
)
def test_a_ticket_waits_for_the_work_and_not_for_what_is_merely_possible(state: str, asked: set[str]) -> None:
    assert tasks(state, level="ordinary") == asked
