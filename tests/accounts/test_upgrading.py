"""An upgrade keeps who is an administrator and who an auditor, and refuses people who are two at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import alembic.command
import pytest
from alembic.config import Config
from sqlalchemy import text

from accounts.store import all_accounts
from core.db import Database
from core.migrate import FOLDER

NOW = "2026-02-10T02:00:00.000000Z"
PEOPLE = {"adam": ["administrator"], "dave": ["auditor"], "alice": ["provider", "consumer"]}


def moved(database: Database, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with database.engine.connect() as tx:
        config.attributes["connection"] = tx
        (alembic.command.downgrade if down else alembic.command.upgrade)(config, revision)
        tx.commit()


def deployed(tmp_path: Path, people: dict[str, Sequence[str]]) -> Database:
    """A deployment of the version before, with somebody signed in."""
    database = Database(f"sqlite:///{tmp_path / 'state.sqlite'}")
    moved(database, "0004")
    account = text(
        "INSERT INTO accounts (login, name, department, roles, pseudonym, state, must_change, failed_count,"
        " created_at, changed_at) VALUES (:login, 'N', 'bigdata', :roles, :login, 'active', 0, 0, :at, :at)"
    )
    session = text(
        "INSERT INTO sessions (id, digest, login, created_at, last_seen_at) VALUES ('1', 'x', :who, :at, :at)"
    )
    with database.begin() as tx:
        for login, roles in people.items():
            tx.execute(account, {"login": login, "roles": json.dumps(roles), "at": NOW})
        tx.execute(session, {"who": next(iter(people)), "at": NOW})
    return database


@pytest.mark.long
def test_an_upgrade_keeps_everybodys_roles(tmp_path: Path) -> None:
    database = deployed(tmp_path, dict(PEOPLE))
    moved(database, "head")
    with database.read() as tx:
        assert {a.login: a.roles for a in all_accounts(tx)} == {k: frozenset(v) for k, v in PEOPLE.items()}
    moved(database, "0004", down=True)
    with database.read() as tx:
        kept = {row.login: json.loads(row.roles) for row in tx.execute(text("SELECT * FROM accounts"))}
    assert kept == PEOPLE
    database.close()


@pytest.mark.long
def test_an_upgrade_names_who_holds_roles_that_do_not_go_together(tmp_path: Path) -> None:
    database = deployed(tmp_path, {"zheng": ["administrator", "provider"], "wu": ["auditor"]})
    with pytest.raises(RuntimeError, match="zheng"):
        moved(database, "head")
    database.close()
