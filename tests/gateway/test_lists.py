"""Lists cost the same number of queries however long they are, and show no more than a list needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from tests.cast import alice, bob, carol, dave
from tests.conftest import World
from tests.stories import active_client, active_grant, offered


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """Every statement that the database is sent meanwhile."""
    sent: list[str] = []

    def note(tx: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(world.database.engine, "before_cursor_execute", note)


def test_a_list_of_ten_takes_as_many_queries_as_one_of_five(world: World) -> None:
    code = offered(world, "divisions")
    readers = [world.client(actor) for actor in (carol, alice, bob, dave)]
    pages = [world.browser(actor) for actor in (carol, dave)]
    counted: list[list[int]] = []
    for _ in range(2):
        for _ in range(5):
            active_grant(world, code, active_client(world))
        counts = []
        for reader in readers:
            for path in ("/api/applications", "/api/grants", "/api/clients"):
                with statements(world) as sent:
                    assert len(reader.get(path).json["items"]) in (0, 5 * (len(counted) + 1))
                counts.append(len(sent))
        for page in pages:
            for path in ("/applications", "/grants", "/systems"):
                with statements(world) as sent:
                    assert page.get(path).status_code == 200
                counts.append(len(sent))
        counted.append(counts)
    assert counted[0] == counted[1]


OF_THE_PAGE = {
    "attachments",
    "attachments_demanded",
    "calls_today",
    "decision",
    "renewal",
    "renews",
    "renewed_by",
}
"""What takes a look of its own, which a list does not take for each row."""


@pytest.mark.parametrize("kind", ["applications", "grants"])
def test_a_row_says_where_a_case_stands_and_leaves_its_history_to_its_page(world: World, kind: str) -> None:
    active_grant(world)
    consumer = world.client(carol)
    row = consumer.get(f"/api/{kind}").json["items"][0]
    whole = consumer.get(f"/api/{kind}/{row['id']}").json
    assert row == {name: value for name, value in whole.items() if name in row}
    left = whole.keys() - row.keys()
    assert {"history", "forms"} <= left <= {"history", "forms", *OF_THE_PAGE}
    assert {"state", "actions", "clocks"} <= row.keys()


def test_a_list_shows_each_system_with_its_own_credentials(world: World) -> None:
    made = [active_client(world).client.id for _ in range(2)]
    consumer = world.client(carol)
    for row in consumer.get("/api/clients").json["items"]:
        assert row == consumer.get(f"/api/clients/{row['id']}").json
        assert len(row["credentials"]) == 1
        made.remove(row["id"])
    assert made == []
