"""A database that several hosts share: PostgreSQL, whatever the rest of the run is on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from core.db import Database
from core.migrate import migrate
from tests import postgresql
from tests.conftest import import_every_table

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.Server]:
    """A server of these stories' own, which they may stop."""
    with postgresql.server() as started:
        yield started


@pytest.fixture
def make_database(server: postgresql.Server) -> Callable[..., str]:
    """Make a database with these options of CREATE DATABASE; return its address."""

    def make(options: str = "ENCODING 'UTF8' LOCALE 'C'", template: str = "template0") -> str:
        name = f"shared_{next(_numbers)}"
        with postgresql.connect(server.url) as admin:
            admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {options}')
        return server.url.set(database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture(scope="session")
def migrated(server: postgresql.Server) -> str:
    """The name of a migrated, empty database to copy."""
    import_every_table()
    with postgresql.connect(server.url) as admin:
        admin.execute("CREATE DATABASE migrated TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    database = Database(server.url.set(database="migrated").render_as_string())
    migrate(database)
    database.close()
    return "migrated"


@pytest.fixture
def state(make_database: Callable[..., str], migrated: str) -> Iterator[Database]:
    """A state store of the story's own."""
    database = Database(make_database("", migrated))
    yield database
    database.close()
