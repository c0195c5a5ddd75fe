"""The world that every story plays in: the demo city with a database of its own and a clock one can set."""

from __future__ import annotations

import importlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.exceptions import HTTPException

import schemas
from audit.store import audit_outbox
from cases.books import open_rulebooks
from core.db import Database
from core.migrate import migrate
from core.postgresql import WRITERS
from core.settings import Settings
from core.work import Actor, Work
from gateway.policy import PolicyCounter, change_policy
from tests import cast, leaks, postgresql
from tests.warm import COMPILED, demo_settings, opened, warm_up
from tests.warm import CONFIG as CONFIG
from ties import TIES
from web.http import check_response

SERVER = pytest.StashKey[ExitStack]()
START = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)  # Tuesday, 10:00 in Shanghai


def pytest_configure(config: pytest.Config) -> None:
    """Put temporary folders into memory where there is room: deleting files is slow elsewhere."""
    if os.environ.get(postgresql.WANTED) == "postgresql" and not postgresql.is_wanted():
        running = config.stash[SERVER] = ExitStack()
        started = running.enter_context(postgresql.server())
        os.environ[postgresql.ADDRESS] = started.url.render_as_string()  # for xdist's workers as well
    if postgresql.is_wanted():
        # The driver warns of connections that a story leaves to the end of the process; SQLite's does not.
        config.addinivalue_line("filterwarnings", "ignore:.*psycopg.Connection:ResourceWarning")
    warm_up()
    leaks.watch()
    if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server of the run."""
    if SERVER in config.stash:
        os.environ.pop(postgresql.ADDRESS)
        config.stash[SERVER].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest begin first: at the end of a run it would have the other processors wait."""
    items.sort(key=lambda item: -max((mark.args[0] for mark in item.iter_markers("takes")), default=0))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Look for every secret of a story in what the story leaves, before its deployment is removed."""
    found = leaks.search_at_end_of(item, nextitem)
    yield
    postgresql.forget_ended()
    assert not found, "\n".join(found)


class World:
    """One deployment with its own data folder; `now` is whatever the story says."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.now = START
        self.rulebooks = open_rulebooks(settings, database, START)
        self.counter = PolicyCounter(settings.data / "run" / "policy")
        self._app: Any = None
        leaks.keep(settings.data)

    @contextmanager
    def work(self, actor: Actor) -> Iterator[Work]:
        """A unit of work of `actor` in a writing transaction."""
        with self.database.begin() as tx:
            yield self._work(tx, actor)

    @property
    def environment(self) -> dict[str, str]:
        """What the environment of a command must say, so that it works on this very database."""
        return {"SHUXIANG_DATABASE_URL": self.settings.database_url} if postgresql.is_wanted() else {}

    def written(self) -> bytes:
        """All that the database holds, as it is written down."""
        if postgresql.is_wanted():
            return postgresql.contents(self.database.engine.url)
        files = [self.settings.data / f"state.sqlite{part}" for part in ("", "-wal")]
        return b"".join(file.read_bytes() for file in files if file.exists())

    def write_elsewhere(self) -> None:
        """Write as somebody else does at this very moment; raises at once where the lock is held."""
        if postgresql.is_wanted():
            with postgresql.connect(self.database.engine.url) as elsewhere:
                free = elsewhere.execute(f"SELECT pg_try_advisory_lock({WRITERS})").fetchone()
            assert free == (True,), "somebody else holds the lock"
            return
        path = self.settings.data / "state.sqlite"
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE").close()

    @contextmanager
    def read(self, actor: Actor) -> Iterator[Work]:
        """A unit of work that only reads."""
        with self.database.read() as tx:
            yield self._work(tx, actor)

    def _work(self, tx: Any, actor: Actor) -> Work:
        def changed(tx: Any) -> int:
            return change_policy(tx, self.counter)

        return Work(tx, self.rulebooks, actor, self.now, self.settings, changed, **TIES)

    @property
    def app(self) -> Any:
        """The Flask application over the same database and clock."""
        if self._app is None:
            from app import create_app

            self._app = create_app(self.settings, self.database, lambda: self.now)
            self._app.config["WTF_CSRF_ENABLED"] = True
            self._app.jinja_env.bytecode_cache = COMPILED
            self._app.wsgi_app = leaks.watched(self._app.wsgi_app)
        return self._app

    def client(self, actor: Actor) -> Any:
        """A test client that calls the API as `actor`, with a token of theirs."""
        from accounts.people import ensure_account
        from accounts.tokens import issue_token

        with self.work(actor) as work:
            ensure_account(work, actor.login, actor.name, actor.department, actor.roles)
            token = issue_token(work, actor.login, hours=24 * 400)
        client = Watchful(self)
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return client

    def browser(self, actor: Actor) -> Any:
        """A test client signed in with a session, as a browser would be."""
        from accounts.people import ensure_account
        from accounts.sessions import start_session
        from web.auth import cookie_name

        with self.work(actor) as work:
            ensure_account(work, actor.login, actor.name, actor.department, actor.roles)
            cookie = start_session(work, actor.login)
        client = self.app.test_client()
        client.set_cookie(cookie_name(self.app.extensions["shuxiang"]), cookie)
        return client


class Watchful(FlaskClient):
    """A test client that watches what every story must keep to, whatever the story is about.

    No answer is a fault of ours, every answer fits the schema that its route declares, a refusal is a problem
    document, and whatever changed something left a record.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world.app, world.app.response_class, use_cookies=True)
        self.world = world

    def open(self, *args: Any, **kwargs: Any) -> Any:
        before = self._records()
        answer = super().open(*args, **kwargs)
        route = self._route(answer.request)
        assert answer.status_code != 500, answer.get_data(as_text=True)
        if route is None:
            return answer
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json"
            schemas.validate("response/problem", answer.get_json())
        elif answer.mimetype == "application/json":
            check_response(route, answer.get_json())
        changed = route.method != "GET" and answer.status_code < 300
        if changed and "Idempotency-Replayed" not in answer.headers:
            assert self._records() > before, f"{route.method} {route.rule} left no record"
        return answer

    def _route(self, request: Any) -> Any:
        adapter = self.world.app.url_map.bind("localhost")
        try:
            endpoint, _ = adapter.match(request.path, method=request.method)
        except HTTPException:
            return None
        return self.world.app.extensions["shuxiang_routes"].get(endpoint)

    def _records(self) -> int:
        with self.world.database.read() as tx:
            return int(tx.execute(select(func.count()).select_from(audit_outbox)).scalar_one())


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database to copy: migrations run once."""
    path = tmp_path_factory.mktemp("template") / "state.sqlite"
    database = Database(f"sqlite:///{path}")
    import_every_table()
    if postgresql.is_wanted():
        other = Database(postgresql.create(postgresql.template_name()))
        migrate(other)
        other.close()
    migrate(database)
    database.close()
    leaks.LEDGER.template = path.read_bytes().rstrip(b"\0")
    return path


def import_every_table() -> None:
    """Load the packages whose stores define tables."""
    root = CONFIG.parent.parent
    packages = [
        "web",
        "audit",
        "notices",
        "cases",
        "accounts",
        "catalog",
        "gateway",
        "matters",
        "supervision",
        "hotline",
    ]
    for path in (path for package in packages for path in sorted((root / package).rglob("store.py"))):
        importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


def make_world(tmp_path: Path, template: Path, sharing: str) -> World:
    """Return a deployment in a folder of its own, over a copy of a migrated database."""
    from accounts.keys import make_keys

    data = tmp_path / "data"
    (data / "run").mkdir(parents=True)
    settings = demo_settings(data)
    settings = replace(settings, platform=replace(settings.platform, rulebooks={"sharing": sharing}))
    settings = with_state(settings, template)
    make_keys(settings)
    return World(settings, opened(settings.database_url))


def with_state(settings: Settings, template: Path) -> Settings:
    """Return a deployment with a copy of a migrated database, of the kind that this run is about."""
    if not postgresql.is_wanted():
        shutil.copy(template, settings.data / "state.sqlite")
        return settings
    url = postgresql.database_of(settings.data, postgresql.template_name())
    return replace(settings, platform=replace(settings.platform, database_url=url))


@pytest.fixture
def world(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The city of Qianjiang."""
    made = make_world(tmp_path, template_database, "sharing/qianjiang")
    yield made
    made.database.close()


@pytest.fixture
def ganzhou(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The same deployment under the rulebook of Ganzhou."""
    made = make_world(tmp_path, template_database, "sharing/ganzhou")
    yield made
    made.database.close()


@pytest.fixture
def people() -> Any:
    """The cast, as attributes."""
    return cast


os.environ.pop("SHUXIANG_DATABASE_URL", None)
