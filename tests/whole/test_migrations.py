"""The migrations lead to the very tables that the code describes."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from core.db import Database, metadata
from core.migrate import at_head, migrate
from tests.conftest import import_every_table

INDEX_TABLES = ("dataset_search", "ticket_search", "article_search")
"""The tables that the full-text indexes make for themselves."""


def migrated(tmp_path: Path) -> Database:
    import_every_table()
    database = Database(f"sqlite:///{tmp_path / 'state.sqlite'}")
    migrate(database)
    return database


def test_the_newest_migration_makes_the_tables_that_the_stores_describe(tmp_path: Path) -> None:
    database = migrated(tmp_path)
    with database.read() as tx:
        context = MigrationContext.configure(
            tx,
            opts={"include_name": lambda name, kind, _: kind != "table" or not name.startswith(INDEX_TABLES)},
        )
        assert compare_metadata(context, metadata) == []
    database.close()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    database = migrated(tmp_path)
    migrate(database)
    assert at_head(database)
    database.close()


def test_an_empty_database_is_not_at_head(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.sqlite'}")
    assert not at_head(database)
    database.close()
