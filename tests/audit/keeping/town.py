"""A deployment whose log is kept: its settings, its database, its sealer, and whoever keeps it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from audit.bodies import append_bodies
from audit.columns.engine import Engine, engine_at
from audit.files import write_files
from audit.keeping.covered import Keeping
from audit.query import Found, record_by_id
from audit.record import Record
from audit.sealer import seal_once
from audit.sealing import Sealed
from audit.state import State, save_state
from audit.store import insert_outbox
from audit.tree import Edge, grow
from core.db import Database
from core.settings import Settings
from core.settings_audit import Audit, Retention
from core.text import Text
from core.work import Actor, Work
from tests.audit.logs import START, access, settings_of
from tests.warm import opened

RULE = Retention(1095, Text("《档案管理规定》第三条", "Archive rules, article 3"))
FILES = 2
"""Whole files of bodies of `old_log`."""
REST = 20


@dataclass
class Town:
    """One deployment in a folder of its own; `now` is whatever the story says."""

    settings: Settings
    database: Database
    now: datetime = START

    @property
    def folder(self) -> Path:
        return self.settings.data / "audit"

    @property
    def engine(self) -> Engine:
        return engine_at(self.folder, 256)

    @property
    def keeping(self) -> Keeping:
        return Keeping(self.settings, self.database)

    def with_audit(self, **said: Any) -> Town:
        """The same deployment with other words in audit.yaml."""
        settings = replace(self.settings, audit=replace(self.settings.audit, **said))
        return replace(self, settings=settings)

    def work(self, actor: Actor, tx: Any) -> Work:
        return Work(tx, None, actor, self.now, self.settings)

    def close(self) -> None:
        self.database.close()

    def put(self, records: Sequence[Record]) -> None:
        with self.database.begin() as tx:
            for made in records:
                insert_outbox(tx, made)

    def seal(self) -> Sealed:
        self.now += timedelta(seconds=1)
        return seal_once(self.settings, self.database, self.now)

    def read(self, record_id: str) -> Found:
        with self.database.read() as tx:
            return record_by_id(tx, self.folder, record_id)


def make_town(data: Path, template: Path) -> Town:
    """A deployment over a copy of a migrated database."""
    data.mkdir(exist_ok=True)
    shutil.copy(template, data / "state.sqlite")
    settings = settings_of(data / "audit")
    settings = replace(settings, audit=Audit())
    return Town(settings, opened(settings.database_url))


def write_old_log(folder: Path, start: datetime) -> None:
    """Write a log of FILES whole files and REST records more, as a sealer leaves it, one record a second."""
    count = FILES * 16_384 + REST
    records = [access(start + timedelta(seconds=i), purpose=f"p{i}") for i in range(count)]
    end = append_bodies(folder / "bodies", 0, 0, [made.body for made in records])
    edge, files = grow(Edge(), [made.envelope for made in records])
    write_files(folder / "log", files)
    (folder / "log" / ".state").mkdir()
    save_state(folder, State(edge.size, edge.root, end))
