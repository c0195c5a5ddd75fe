"""How the platform speaks to PostgreSQL: what it refuses, how writers take turns, what a loss costs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from core.db import Database, metadata
from core.errors import ConfigError
from core.migrate import at_head
from core.postgresql import Turn
from gateway.quotas.store import calls_on, take_call
from gateway.store import policy_version, raise_policy_version
from tests import postgresql

pytestmark = pytest.mark.long


def test_the_newest_migration_makes_the_tables_that_the_stores_describe(state: Database) -> None:
    with state.read() as tx:
        opts = {"include_name": lambda name, kind, _: kind != "index" or not name.endswith("_vector")}
        assert compare_metadata(MigrationContext.configure(tx, opts=opts), metadata) == []


def test_two_hosts_that_migrate_at_once_do_it_once(make_database: Callable[..., str]) -> None:
    url = make_database()
    code = f"from core.db import Database; from core.migrate import migrate; migrate(Database({url!r}))"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    database = Database(url)
    assert at_head(database)
    database.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("ENCODING 'SQL_ASCII' LOCALE 'C'", "kept in SQL_ASCII, not in UTF8"),
        ("ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'zh'", "does not sort by C"),
    ],
)
def test_a_database_that_keeps_or_sorts_text_in_another_way_is_refused(
    make_database: Callable[..., str], options: str, reason: str
) -> None:
    database = Database(make_database(options))
    with pytest.raises(ConfigError, match=reason), database.read():
        pass
    database.close()


def test_a_reading_transaction_sees_one_state_and_changes_nothing(state: Database) -> None:
    with state.read() as reading:
        before = policy_version(reading)
        with state.begin() as tx:
            raise_policy_version(tx)
        assert policy_version(reading) == before
    with pytest.raises(DBAPIError, match="read-only"), state.read() as reading:
        raise_policy_version(reading)


def test_who_writes_alone_waits_for_whoever_does(state: Database) -> None:
    order = []

    def second() -> None:
        with state.begin() as tx:
            order.append(("second", policy_version(tx)))

    with state.begin() as tx:
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.2)
        raise_policy_version(tx)
        order.append(("first", policy_version(tx)))
    other.join()
    assert order == [("first", 1), ("second", 1)]


def test_who_takes_no_turn_waits_for_nobody(state: Database) -> None:
    def write() -> bool:
        with state.begin(Turn.ANY):
            return True

    with state.begin(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(write).result(5)


def test_callers_at_the_same_time_never_share_the_last_call_of_a_day(state: Database) -> None:
    from datetime import date

    day, most = date(2026, 2, 10), 25

    def call(_: int) -> bool:
        with state.begin(Turn.ANY) as tx:
            return take_call(tx, "g", day, most)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(60))) == most
    with state.read() as tx:
        assert calls_on(tx, "g", day) == most


def test_a_server_that_was_gone_is_used_again_when_it_is_back(
    state: Database, server: postgresql.Server
) -> None:
    with state.read() as tx:
        policy_version(tx)
    server.stop()
    try:
        with pytest.raises(OperationalError), state.read() as tx:
            policy_version(tx)
    finally:
        server.start()
    with state.read() as tx:
        assert policy_version(tx) == 0


def test_a_statement_that_takes_too_long_is_ended(state: Database) -> None:
    slow = text("SELECT set_config('statement_timeout', '50', true), pg_sleep(0)")
    with state.read() as tx:
        tx.execute(slow)
        with pytest.raises(OperationalError, match="statement timeout"):
            tx.execute(text("SELECT pg_sleep(5)"))


def test_every_connection_has_its_bounds(state: Database) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone")
    with state.read() as tx:
        shown = [tx.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    assert shown == ["1min", "15s", "1min", "UTC"]
