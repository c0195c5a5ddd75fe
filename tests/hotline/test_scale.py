"""The rows that measurements are made on are what the use cases write."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from bench.hotline_seed import COPIED, LIVES, OPERATOR, Copier, fill, original, sweep_all, tell
from cases.sealed import open_fields
from core.work import SYSTEM, Actor
from hotline.callers import open_caller, open_texts
from hotline.tickets import act_on_ticket, find_ticket
from tests.cast import hans, otto
from tests.conftest import START, World

pytestmark = pytest.mark.long

OTHER = {"name": "欧阳明月", "phone": "19900001111", "address": "紫月路1号1栋101室"}
OWN = {"id", "number", "record_id", "key", "sealed", "words", "code_digest", "summary", "phone_index"}
"""Columns in which two tickets differ because they are two."""


HOW_MANY = "SELECT closed_at IS NULL, count(*) FROM tickets GROUP BY 1"


def rows_of(world: World, ticket_id: str) -> dict[str, list[dict[str, Any]]]:
    """What is kept of a ticket, as far as it is not its own: ids, numbers, ciphertexts."""
    with world.read(SYSTEM) as work:
        held = find_ticket(work, ticket_id)
    found = {}
    with closing(sqlite3.connect(world.settings.data / "state.sqlite")) as db:
        db.row_factory = sqlite3.Row
        for table, column in COPIED.items():
            rows = db.execute(f"SELECT * FROM {table} WHERE {column} = ?", (ticket_id,))
            found[table] = sorted((plain(dict(r), held) for r in rows), key=str)
    return found


def plain(row: dict[str, Any], held: Any) -> dict[str, Any]:
    kept = {}
    for name, value in row.items():
        if name in OWN:
            continue
        if isinstance(value, str):
            value = value.replace(held.ticket.id, "ID").replace(held.ticket.number, "NUMBER")
        if name == "fields" and value:
            value = sorted(json.loads(value))
        elif name in ("names", "facts", "parties", "subject", "body"):
            value = json.loads(value)
        kept[name] = value
    return kept


@pytest.mark.parametrize("life", LIVES)
def test_a_copied_ticket_is_what_the_use_cases_write(desk: World, life: str) -> None:
    """A ticket told a second time, alike but for its caller, has the rows of a copy of the first."""
    first, again = (tell(desk, Random(5), life, START) for _ in range(2))
    sweep_all(desk, START + timedelta(days=3))
    copier = Copier(desk, Random(1))
    copied = copier.copy(original(desk, first.ticket.id), OTHER, "紫月路1号门口路灯不亮")
    copier.close()
    made, wanted = rows_of(desk, copied), rows_of(desk, again.ticket.id)
    if life in ("closed", "archived"):
        assert made.pop("notices") == []
        assert wanted.pop("notices")
    assert made == wanted


def test_a_copied_ticket_opens_and_goes_on(desk: World) -> None:
    first = tell(desk, Random(5), "fed_back", START)
    copier = Copier(desk, Random(1))
    copied = copier.copy(original(desk, first.ticket.id), OTHER, "紫月路1号门口路灯不亮")
    copier.close()
    with desk.work(OPERATOR) as work:
        held = find_ticket(work, copied)
        assert open_caller(work, held) == OTHER
        assert "紫月路1号" in open_texts(work, held)["description"]
        assert [open_fields(work, held.case, e.fields) for e in held.case.events]
        assert act_on_ticket(work, copied, "revisit", {"satisfaction": "satisfied"}).ticket.closed_at


def test_a_small_year_is_filled(desk: World) -> None:
    fill(desk, 3, tickets=60, still_open=20, told=6, end=START)
    with desk.database.read() as tx:
        states = dict(tuple(row) for row in tx.exec_driver_sql(HOW_MANY))
    assert states == {0: 40, 1: 20}


def test_what_waits_is_counted_from_the_index_alone(desk: World) -> None:
    """However many cases wait for a department, and however many it takes part in, no row of them is read."""
    with desk.database.read() as tx:
        for table in ("case_turns", "case_parties"):
            where = "department = 'housing' AND role IN ('handler', 'co_handler')"
            query = f"EXPLAIN QUERY PLAN SELECT count(DISTINCT case_id) FROM {table} WHERE {where}"
            plan = [row[3] for row in tx.exec_driver_sql(query)]
            index = f"COVERING INDEX ix_{table}_department_role (department=? AND role=?)"
            assert f"SEARCH {table} USING {index}" in plan


def plans(desk: World, path: str, actor: Actor) -> list[str]:
    """How SQLite goes about every statement of a page."""
    asked: list[tuple[str, Any]] = []

    def note(_tx: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, given))

    client = desk.client(actor)
    event.listen(desk.database.engine, "before_cursor_execute", note)
    try:
        assert client.get(path).status_code == 200
    finally:
        event.remove(desk.database.engine, "before_cursor_execute", note)
    with desk.database.read() as tx:
        explained = [tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", given) for one, given in asked]
        return [row[3] for rows in explained for row in rows]


@pytest.mark.parametrize(
    "path",
    [
        "/api/tickets?limit=50",
        "/api/tickets?flag=intake&order=due",
        "/api/tickets?late=true&open=true&order=due",
        "/api/tickets?place=429005001000&category=roads",
        "/api/tickets?q=%E8%B7%AF%E7%81%AF",
    ],
)
@pytest.mark.parametrize("actor", [otto, hans], ids=["operator", "handler"])
def test_no_list_of_tickets_reads_a_whole_table(desk: World, path: str, actor: Actor) -> None:
    tell(desk, Random(5), "handling", START)
    walked = [step for step in plans(desk, path, actor) if step.startswith("SCAN")]
    # A walk along an index ends with the page; a walk along the table would be one through all of it.
    whole = [step for step in walked if "INDEX" not in step]
    assert [step for step in whole if any(t in step for t in ("tickets", "cases", "case_"))] == []
