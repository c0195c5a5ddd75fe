"""A connection to a provider's PostgreSQL goes to the next call only when nothing of the last one is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, cast

from gateway.formats import CSV, NDJSON
from gateway.from_postgresql import CopyReading, CursorReading, PostgresqlDatabase
from gateway.rows import read_row_query
from gateway.statements import Wanted
from tests.gateway.tables_kit import permit

PATIENCE = 5.0


@dataclass
class Driver:
    """As much of a driver's connection as a count and a cancellation need; the latter takes its time."""

    done: list[str] = field(default_factory=list)
    begun: Event = field(default_factory=Event)
    arrives: Event = field(default_factory=Event)

    @property
    def driver_connection(self) -> Driver:
        return self

    def taken(self) -> Driver:
        return self

    def execute(self, *_: object) -> Driver:
        return self

    def fetchone(self) -> tuple[int]:
        return (3,)

    def cancel_safe(self, timeout: float) -> None:
        self.begun.set()
        assert self.arrives.wait(PATIENCE)
        self.done.append("cancelled")

    def close(self) -> None:
        self.done.append("given back")


def reading(kind: type[Any], media: str, driver: Driver) -> Any:
    granted = permit({"n": "integer"})
    return kind(cast(PostgresqlDatabase, driver), Wanted(granted, read_row_query(granted, ()), None), media)


def test_a_connection_is_not_given_back_while_its_cancellation_is_under_way() -> None:
    for kind, media in ((CursorReading, NDJSON), (CopyReading, CSV)):
        driver = Driver()
        asked = reading(kind, media, driver)
        assert asked.count(0.0) == 3
        cancelling, closing = Thread(target=asked.interrupt), Thread(target=asked.close)
        cancelling.start()
        assert driver.begun.wait(PATIENCE)
        closing.start()
        closing.join(0.2)
        driver.arrives.set()
        cancelling.join(PATIENCE)
        closing.join(PATIENCE)
        assert driver.done == ["cancelled", "given back"]


def test_a_reading_that_has_let_go_cancels_nothing() -> None:
    driver = Driver()
    asked = reading(CursorReading, NDJSON, driver)
    asked.count(0.0)
    asked.close()
    asked.interrupt()
    assert driver.done == ["given back"]
