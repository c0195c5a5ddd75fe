"""A PostgreSQL server for a run of the tests, and a database of its own for each story.

`SHUXIANG_TEST_DATABASE=postgresql` starts a server in a folder of its own (as the user postgres where we are
root, since it refuses to run as root); `TEST_DATABASE_URL` names one that runs already, by a role that may
create databases. Without either, every story is on SQLite.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

from tests.ports import free_port
from tests.processes import wait_until
from tests.tools import need

ADDRESS, WANTED = "TEST_DATABASE_URL", "SHUXIANG_TEST_DATABASE"
_SPEED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=256MB")
"""What a server does without whose data nobody needs after a crash."""
_SIZE = ("shared_buffers=64MB", "max_connections=200", "autovacuum=off", "listen_addresses=127.0.0.1")
_made: dict[Path, str] = {}
_numbers = itertools.count()


class Server:
    """A server that was started by us."""

    def __init__(self, folder: Path, options: tuple[str, ...] = (), rules: str = "") -> None:
        """`options` come after ours and win; `rules` are lines for pg_hba.conf."""
        binaries = Path(need("postgres")).resolve().parent
        self.folder, self.port = folder, free_port()
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user, self._user)
        self._run([binaries / "initdb", "-D", folder / "data", "-A", "trust", "-U", "tests", "--no-sync"])
        command = [
            str(binaries / "postgres"),
            "-D",
            str(folder / "data"),
            "-k",
            str(folder),
            "-p",
            str(self.port),
        ]
        self.command = command + [word for option in (*_SPEED, *_SIZE, *options) for word in ("-c", option)]
        if rules:
            (folder / "data" / "pg_hba.conf").write_text(rules)
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, user=self._user, cwd=self.folder, stdout=log, stderr=log
            )
        wait_until(self._answers, "PostgreSQL does not answer")

    @property
    def url(self) -> URL:
        """Of the database that is always there."""
        return URL.create(
            "postgresql+psycopg", "tests", host="127.0.0.1", port=self.port, database="postgres"
        )

    def stop(self) -> None:
        """End the server and its clients' connections; what was committed is written down."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: list[Any]) -> None:
        subprocess.run(command, check=True, user=self._user, cwd=self.folder, stdout=subprocess.DEVNULL)


@contextmanager
def server(options: tuple[str, ...] = (), rules: str = "") -> Iterator[Server]:
    """A server in a folder of its own, which is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    started = Server(folder, options, rules)
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder)


def connect(url: URL) -> psycopg.Connection[Any]:
    """Connect as the driver does, each statement for itself."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def is_wanted() -> bool:
    """Tell whether this run keeps its state in PostgreSQL."""
    return ADDRESS in os.environ


@cache
def _administration() -> psycopg.Connection[Any]:
    return connect(make_url(os.environ[ADDRESS]))


def create(name: str, template: str = "template0") -> str:
    """Create a database that sorts as ours must, and return its address."""
    made = f'CREATE DATABASE "{name}" TEMPLATE "{template}"'
    _administration().execute(made + (" ENCODING 'UTF8' LOCALE 'C'" if template == "template0" else ""))
    return make_url(os.environ[ADDRESS]).set(database=name).render_as_string(hide_password=False)


def database_of(folder: Path, template: str = "template0") -> str:
    """Return the address of a new database, which lasts as long as the folder of its story."""
    name = f"story_{os.getpid()}_{next(_numbers)}"
    _made[folder] = name
    return create(name, template)


def template_name() -> str:
    """Return what the migrated, empty database of this process is called."""
    return f"template_{os.getpid()}"


def forget_ended() -> None:
    """Drop the databases of stories whose folders are gone."""
    for folder in [f for f in _made if not f.exists()]:
        _administration().execute(f'DROP DATABASE "{_made.pop(folder)}" WITH (FORCE)')


def contents(url: URL) -> bytes:
    """Return every row of a database as it is written down."""
    with connect(url) as held, held.cursor() as cursor:
        named = cursor.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        return b"".join(_rows(cursor, f"COPY {name} TO STDOUT") for (name,) in named)


def _rows(cursor: psycopg.Cursor[Any], query: str) -> bytes:
    with cursor.copy(query) as rows:
        return b"".join(bytes(row) for row in rows)
