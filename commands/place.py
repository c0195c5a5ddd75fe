"""Where a command works: the deployment and the folder that holds its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click
from sqlalchemy import Connection

import schemas
from core.settings import Settings, load_settings
from core.terminal import Told
from core.times import utc_now
from core.work import SYSTEM, Work


class Place:
    """Where a command works: the deployment's folder and the folder that holds its state."""

    def __init__(self, config: Path, data: Path, given: Settings | None = None) -> None:
        """`given`: what the files said when they were read last, for a process that must go by that."""
        self.config = config
        self.data = data
        self._given = given

    def settings(self) -> Settings:
        """Read and check the deployment."""
        return self._given or load_settings(self.config, self.data, schemas.errors)

    @contextmanager
    def open(self, *, rules: bool = True) -> Iterator[Callable[[], AbstractContextManager[Work]]]:
        """Yield what begins a unit of work of the platform itself, in a writing transaction each time.

        Without `rules` it has no rulebooks, which take half a second to read.
        """
        from cases.books import open_rulebooks
        from core.db import Database
        from core.migrate import at_head
        from gateway.policy import PolicyCounter, change_policy
        from ties import TIES

        settings = self.settings()
        database = Database(settings.database_url)
        if not settings.data.is_dir() or not at_head(database):
            raise Told("数据库尚未建立，请先运行 shuxiang init / no database yet: run shuxiang init")
        counter = PolicyCounter(settings.data / "run" / "policy")
        books = open_rulebooks(settings, database, utc_now()) if rules else None

        def changed(tx: Connection) -> int:
            return change_policy(tx, counter)

        @contextmanager
        def begin() -> Iterator[Work]:
            with database.begin() as tx:
                yield Work(tx, books, SYSTEM, utc_now(), settings, changed, **TIES)

        try:
            yield begin
        finally:
            database.close()

    @contextmanager
    def work(self) -> Iterator[Work]:
        """Yield one unit of work of the platform itself."""
        with self.open() as begin, begin() as work:
            yield work


place_of = click.make_pass_decorator(Place)
