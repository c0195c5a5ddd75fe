"""Urgent need in Ganzhou (GZ art. 11, I-S-12): straight to the manager, on record, in three days as ever."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Invalid, NotPermitted
from core.work import Actor
from gateway.applications import Filed, apply_for_fields
from tests.cast import alice, bill, bob, carol, mallory
from tests.sharing.beginnings import CLOSED, applied, may, pointers, wrong
from tests.sharing.telling import all_clocks, at, decided, due, end_of_workday, inbox
from tests.stories import STATEMENT, active_client, offered


def registered(world: Any, actor: Actor, **wish: Any) -> Filed:
    """An urgent application for the health department's system, put on record by `actor`."""
    asked = {
        "dataset": offered(world, "divisions", **wish.pop("entry", {})),
        "client": active_client(world).client.id,
        "fields": ["code"],
        "term_days": 30,
        "urgent": True,
        "on_behalf": True,
        **STATEMENT,
    }
    with world.work(actor) as work:
        return apply_for_fields(work, {**asked, **wish})


def test_a_department_marks_its_own_application_as_urgent(ganzhou: Any) -> None:
    filed = applied(ganzhou, "2026-02-13T10:00", urgent=True)
    assert filed.case.facts["urgent"] is True
    assert (filed.case.state, due(ganzhou, filed, "decide")) == ("with_manager", "2026-02-25T23:59:59+08:00")


def test_the_manager_registers_what_it_was_asked_for_directly(ganzhou: Any) -> None:
    """The record comes with it, the department that asked is its applicant, the three days stand."""
    ganzhou.now = at("2026-04-30T17:30")
    filed = registered(ganzhou, bob)
    assert filed.case.parties["consumer"] == "health"
    assert [c.name for c in all_clocks(ganzhou, filed)] == ["decide"]
    assert due(ganzhou, filed, "decide") == end_of_workday("2026-04-30T17:30", 3)
    assert inbox(ganzhou, carol, filed) == ["Application A-2026-000001: Take up as urgent"]


def test_whoever_registered_it_does_not_decide_on_it(ganzhou: Any) -> None:
    filed = registered(ganzhou, bob)
    assert not {"grant", "refuse"} & set(may(ganzhou, bob, filed))
    with pytest.raises(NotPermitted):
        decided(ganzhou, bob, filed, "grant")
    assert decided(ganzhou, bill, filed, "grant").grant is not None


def test_conditional_data_have_no_urgent_way(ganzhou: Any) -> None:
    refused = wrong(registered, ganzhou, bob, entry=CLOSED)
    assert (pointers(refused), "第11条" in str(refused.cite)) == (["/urgent"], True)


@pytest.mark.parametrize("actor", [alice, mallory], ids=lambda a: a.login)
def test_nobody_else_registers_for_another_department(ganzhou: Any, actor: Actor) -> None:
    with pytest.raises((NotPermitted, Invalid)):
        registered(ganzhou, actor)


def test_what_is_not_urgent_is_applied_for_by_whoever_needs_it(ganzhou: Any) -> None:
    assert pointers(wrong(registered, ganzhou, bob, urgent=False)) == ["/on_behalf"]
