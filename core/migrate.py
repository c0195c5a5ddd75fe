"""Brings the database to the schema that this code expects. Alembic is loaded only when it is asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.db import Database, schema_revision

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Bring the database to the newest schema; safe to run again, and by two at once: one waits."""
    import alembic.command

    with database.engine.connect() as tx:
        if database.is_shared:  # a large table may take longer than any other statement is given
            tx.exec_driver_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        config = _config()
        config.attributes["connection"] = tx
        alembic.command.upgrade(config, "head")
        tx.commit()


def at_head(database: Database) -> bool:
    """Tell whether the database has the schema that this code expects."""
    with database.read() as tx:
        return schema_revision(tx) == head()


@cache
def head() -> str | None:
    """Return the newest migration of this code; files begin with what Alembic calls their revision."""
    newest = max((FOLDER / "versions").glob("[0-9]*.py"), default=None)
    return None if newest is None else newest.name.partition("_")[0]


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config
