"""A ticket of the hotline as the purpose of single calls."""

from __future__ import annotations

import pytest

from tests.gateway.plane_kit import Kit, url

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]

ROWS = url("table", "rows")
NUMBER = "T-2026-000001"


def test_a_grant_that_asks_for_a_ticket_answers_no_call_without_one(kit: Kit) -> None:
    answer = kit.call(ROWS, kit.grant("table", needs_ticket=True))
    assert (answer.status, answer.code) == (403, "ticket_missing")
    assert kit.record(answer.record)["reason"] == "ticket_missing"


def test_an_open_ticket_of_the_consumer_lets_the_call_through_until_it_is_closed(kit: Kit) -> None:
    access, header = kit.grant("table", needs_ticket=True), {"Purpose-Ticket": NUMBER}
    answer = kit.call(ROWS, access, headers=header)
    assert (answer.status, answer.code) == (403, "ticket_not_open")
    case = kit.ticket(NUMBER, "civil_affairs")
    answer = kit.call(ROWS, access, headers=header)
    assert answer.status == 200
    assert kit.record(answer.record)["ticket"] == NUMBER
    kit.set_state(case, "archived")
    answer = kit.call(ROWS, access, headers=header)
    assert (answer.status, answer.code) == (403, "ticket_not_open")


def test_the_ticket_of_another_department_is_no_purpose(kit: Kit) -> None:
    kit.ticket("T-2026-000002", "housing")
    answer = kit.call(ROWS, kit.grant("table"), headers={"Purpose-Ticket": "T-2026-000002"})
    assert (answer.status, answer.code) == (403, "ticket_not_open")
    assert "ticket" not in kit.record(answer.record)


def test_a_call_may_name_a_ticket_where_none_is_asked_for_and_is_held_to_it(kit: Kit) -> None:
    kit.ticket("T-2026-000003", "civil_affairs")
    answer = kit.call(ROWS, kit.grant("table"), headers={"Purpose-Ticket": "T-2026-000003"})
    assert kit.record(answer.record)["ticket"] == "T-2026-000003"
    for wrong in ("", "T" * 41, "工单".encode().decode("latin-1")):
        answer = kit.call(ROWS, kit.grant("table"), headers={"Purpose-Ticket": wrong})
        assert answer.code == "ticket_not_open"
