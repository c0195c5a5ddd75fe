"""Who plays which role in a case."""

from __future__ import annotations

from datetime import UTC, datetime

from cases.model import Case, Parties, roles_in
from tests.cast import carol, hans, hugo

NOW = datetime(2026, 2, 10, 2, tzinfo=UTC)


def ticket(parties: Parties) -> Case:
    return Case(
        id="1",
        kind="ticket",
        workflow="ticket",
        rulebook="hotline/ganzhou",
        rulebook_version="0",
        state="handling",
        serves=False,
        facts={},
        parties=parties,
        version=1,
        opened_at=NOW,
        opened_by="otto",
        changed_at=NOW,
        lapses_at=None,
        next_due_at=None,
        closed_at=None,
    )


def test_who_handles_tickets_for_a_department_handles_those_that_it_only_helps_with() -> None:
    held = ticket({"handler": "housing", "co_handler": ["police", "health"]})
    assert roles_in(held, hans) == {"handler"}
    assert roles_in(held, hugo) == {"co_handler"}
    assert roles_in(held, carol) == frozenset()  # of the health bureau, and no handler
