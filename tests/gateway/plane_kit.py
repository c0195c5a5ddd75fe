"""A data plane of its own for each test module: database, provider, worker process, journal.

What the control plane would do is written straight into the tables, so that these tests stand on the data
plane alone.
"""

from __future__ import annotations

import http.client
import json
import os
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from accounts.keys import make_keys
from audit.beat import beat, beat_path
from audit.journal import read_journal
from audit.segments import segments_in
from cases.store import case_parties, cases
from catalog.store import datasets, distributions
from core.db import metadata
from core.ids import new_id
from core.settings import Connection, Settings
from core.settings_security import Security
from core.text import Text
from gateway.policy import PolicyCounter, change_policy, policy_file
from gateway.store import access_tokens, clients, grants
from gateway.tokens import make_token, token_digest
from hotline.model import Ticket
from hotline.store import insert_ticket
from tests import postgresql
from tests.gateway.providers import Provider
from tests.ports import free_port
from tests.warm import demo_settings, opened

ROOT = Path(__file__).parents[2]
WORKER = """
import pathlib, pickle, sys
from gateway.plane import run_worker
from hotline.numbers import is_open_number
run_worker(pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()), int(sys.argv[2]), is_open_number)
"""
TABLE, API, FILE = "307001/000001", "307001/000002", "307001/000003"
CODES = {"table": TABLE, "api": API, "file": FILE}

ATTRIBUTES: list[dict[str, Any]] = [
    {"name": "code", "title": "代码", "type": "string", "primary_key": True},
    {"name": "name", "title": "名称", "type": "string", "sensitivity": "personal"},
    {"name": "level", "title": "级别", "type": "integer"},
    {"name": "active", "title": "有效", "type": "boolean"},
    {"name": "secret", "title": "内部", "type": "string"},
]

FREEZING = "^(([0-9]+)+-?)+$"
"""A pattern that would hold a backtracking engine for years."""

OPERATIONS: list[dict[str, Any]] = [
    {
        "name": "one",
        "method": "GET",
        "path": "/v1/items/{item}",
        "parameters": [{"name": "item", "in": "path", "required": True, "pattern": "[a-z0-9.%/ ]+"}],
        "records": "",
    },
    {
        "name": "many",
        "method": "GET",
        "path": "/v1/items",
        "parameters": [
            {"name": "area", "in": "query", "controlled": True},
            {"name": "page", "in": "query", "pattern": "[0-9]+"},
            {"name": "serial", "in": "query", "pattern": FREEZING},
        ],
        "records": "/data/items",
    },
    {"name": "raw", "method": "GET", "path": "/v1/raw", "records": None},
    {
        "name": "change",
        "method": "POST",
        "path": "/v1/changes",
        "records": "",
        "accepts_body": True,
        "changes": True,
    },
]


@dataclass(frozen=True)
class Response:
    """What a caller got."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> Any:
        return self.json["code"]

    @property
    def record(self) -> str:
        return self.headers["audit-record"]


@dataclass(frozen=True)
class Access:
    """A grant with a token for it."""

    grant_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Kit:
    """One deployment with its worker."""

    def __init__(self, folder: Path, *, security: Security | None = None, **platform: Any) -> None:
        self.provider = Provider()
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self.rows = folder / "rows.sqlite"
        self._make_rows()
        self.settings = self._settings(folder / "data", platform)
        if security is not None:
            self.settings = replace(self.settings, security=security)
        self.port = self.settings.platform.gateway_listen[1]
        (self.settings.data / "run").mkdir(parents=True)
        make_keys(self.settings)
        if postgresql.is_wanted() and "database_url" not in platform:
            url = postgresql.database_of(self.settings.data)
            self.settings = replace(self.settings, platform=replace(self.settings.platform, database_url=url))
        self.database = opened(self.settings.database_url)
        if "database_url" not in platform:  # else it was migrated, and is not ours to change
            metadata.create_all(self.database.engine)
        self.counter = PolicyCounter(policy_file(self.settings.data))
        self._plant()
        self.beat()
        self.workers: list[subprocess.Popen[bytes]] = []

    def _plant(self) -> None:
        """Write the datasets and the system into the tables."""
        self._datasets = {kind: self._dataset(kind) for kind in CODES}
        with self.database.begin() as tx:
            now = datetime.now(UTC)
            tx.execute(
                clients.insert().values(
                    id="sys-1",
                    name="系统",
                    department="police",
                    description="",
                    networks=["127.0.0.0/8"],
                    auth_method="client_secret",
                    token_binding="none",
                    state="active",
                    created_at=now,
                    created_by="carol",
                )
            )

    # --- the deployment ---------------------------------------------------------------------------

    def _settings(self, data: Path, platform: Mapping[str, Any]) -> Settings:
        settings = demo_settings(data)
        values: dict[str, Any] = {
            "gateway_listen": ("127.0.0.1", free_port()),
            "private_listen": ("127.0.0.1", free_port(4)),
            "journal_segment_bytes": 4 * 1024 * 1024,
            "disk_reserve_bytes": 1024 * 1024,
            "max_body_bytes": 64 * 1024,
            **platform,
        }
        values["gateway_url"] = f"http://127.0.0.1:{values['gateway_listen'][1]}"
        connections = {
            "rows": Connection(
                "rows", "table", Text("库", "db"), "police", database_url=f"sqlite:///{self.rows}"
            ),
            "files": Connection("files", "file", Text("文件", "files"), "police", folder=self.files),
            "api": Connection(
                "api",
                "api",
                Text("接口", "api"),
                "police",
                base_url=f"http://127.0.0.1:{self.provider.port}/base",
                networks=(ip_network("127.0.0.1/32"),),
                headers={"X-Key": "env:SHUXIANG_TEST_KEY"},
                connect_seconds=1.0,
                total_seconds=2.0,
                max_bytes=4 * 1024 * 1024,
            ),
        }
        return replace(
            settings, platform=replace(settings.platform, **values), connections=connections, manifests=()
        )

    def _make_rows(self) -> None:
        with sqlite3.connect(self.rows) as db:
            db.execute(
                "CREATE TABLE items (code TEXT PRIMARY KEY, name TEXT, level INT, active INT, secret TEXT)"
            )
            rows = [(f"{i:05d}", f"名称{i}", i % 10, i % 2, f"s{i}") for i in range(5000)]
            db.executemany("INSERT INTO items VALUES (?,?,?,?,?)", rows)
            db.execute("UPDATE items SET name = NULL WHERE code = '00007'")
        db.close()

    def _dataset(self, kind: str) -> str:
        now = datetime.now(UTC)
        detail: dict[str, Any] = {
            "kind": kind,
            "connection": {"table": "rows", "file": "files"}.get(kind, "api"),
        }
        terms: dict[str, dict[str, Any]] = {
            "table": {"table": "items", "order": ["code"]},
            "api": {"operations": OPERATIONS},
            "file": {"files": ["*.csv", "*.bin", "数据*.txt"]},
        }
        detail |= terms[kind]
        with self.database.begin() as tx:
            case = self._case(tx, "dataset", "published")
            tx.execute(
                datasets.insert().values(
                    id=case,
                    code=CODES[kind],
                    title=kind,
                    provider="police",
                    share_class="conditional",
                    controlled_params=False,
                    revision=1,
                    version=1,
                    document={"attributes": ATTRIBUTES},
                    created_at=now,
                    updated_at=now,
                )
            )
            tx.execute(
                distributions.insert().values(
                    dataset_id=case,
                    kind=kind,
                    connection=detail["connection"],
                    detail=detail,
                    check_passed=True,
                    check_report={},
                    checked_at=now,
                    attached_at=now,
                    attached_by="alice",
                )
            )
        return case

    def _case(self, tx: Any, kind: str, state: str) -> str:
        now = datetime.now(UTC)
        case = new_id()
        tx.execute(
            cases.insert().values(
                id=case,
                kind=kind,
                workflow=kind,
                rulebook="x",
                rulebook_version="x",
                state=state,
                serves=True,
                facts={},
                parties={},
                version=1,
                opened_at=now,
                opened_by="alice",
                changed_at=now,
            )
        )
        return case

    def beat(self, settings: Settings | None = None) -> None:
        """Let the sealer have been here, or on another host; no sealer runs in these tests."""
        folder = (settings or self.settings).data / "audit"
        beat_path(folder).parent.mkdir(parents=True, exist_ok=True)
        beat(folder, datetime.now(UTC) + timedelta(hours=1))

    # --- grants -----------------------------------------------------------------------------------

    def grant(
        self,
        kind: str,
        *,
        seconds: float | None = None,
        token_seconds: float = 300,
        cnf: str | None = None,
        **terms: Any,
    ) -> Access:
        """A grant of everything in the dataset of this kind, but for `terms`; `cnf` binds its token."""
        now = datetime.now(UTC)
        document: dict[str, Any] = {
            "kind": kind,
            "fields": [a["name"] for a in ATTRIBUTES],
            "row_filter": {},
            "parameters": {"area": ["42", "43"]},
            "operations": [o["name"] for o in OPERATIONS] if kind == "api" else [],
            "row_limit": None,
            "networks": ["127.0.0.0/8"],
            "purpose": "核对地址",
            "sensitive": False,
            **terms,
        }
        with self.database.begin() as tx:
            case = self._case(tx, "grant", "active")
            tx.execute(
                grants.insert().values(
                    id=case,
                    number=f"G-{case}",
                    dataset_id=self._datasets[kind],
                    client_id="sys-1",
                    consumer="civil_affairs",
                    provider="police",
                    terms=document,
                    granted_at=now,
                    valid_until=now + timedelta(seconds=seconds) if seconds else None,
                )
            )
        return Access(case, self.token(case, token_seconds, cnf))

    def ticket(self, number: str, department: str) -> str:
        """An open ticket on which a department works; returns the id of its case."""
        now = datetime.now(UTC)
        with self.database.begin() as tx:
            case = self._case(tx, "ticket", "signed_in")
            tx.execute(case_parties.insert().values(case_id=case, role="handler", department=department))
            insert_ticket(
                tx,
                Ticket(
                    id=case,
                    number=number,
                    channel="phone",
                    source="operator",
                    external_id=None,
                    summary="路灯不亮",
                    place="",
                    category="",
                    accused=None,
                    matter_id=case,
                    dataset=None,
                    grant=None,
                    created_by="otto",
                    created_at=now,
                    state="signed_in",
                ),
            )
        return case

    def token(self, grant_id: str, seconds: float = 300, cnf: str | None = None) -> str:
        """Another token for a grant."""
        now = datetime.now(UTC)
        token = make_token(self.settings.key("token.key"))
        with self.database.begin() as tx:
            tx.execute(
                access_tokens.insert().values(
                    digest=token_digest(token),
                    grant_id=grant_id,
                    client_id="sys-1",
                    issued_at=now,
                    expires_at=now + timedelta(seconds=seconds),
                    revoked=False,
                    cnf=cnf,
                )
            )
        return token

    def set_state(self, case_id: str, state: str) -> None:
        """Move a case, and raise the policy version as the control plane does."""
        with self.database.begin() as tx:
            serves, ended = state == "active", state not in ("active", "suspended")
            closed_at = datetime.now(UTC) if ended else None
            moved = {"state": state, "serves": serves, "closed_at": closed_at}
            tx.execute(cases.update().where(cases.c.id == case_id).values(**moved))
            change_policy(tx, self.counter)

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        with self.database.begin() as tx:
            tx.execute(
                access_tokens.update()
                .where(access_tokens.c.digest == token_digest(token))
                .values(revoked=True)
            )
            change_policy(tx, self.counter)

    # --- the worker -------------------------------------------------------------------------------

    def start(self, workers: int = 1) -> Kit:
        """Start the worker processes and wait until each of them is up."""
        settings = self.settings.data / "settings.pickle"
        settings.write_bytes(pickle.dumps(self.settings))
        environment = {**os.environ, "SHUXIANG_TEST_KEY": "provider-secret", "PYTHONPATH": str(ROOT)}
        for index in range(workers):
            command = [sys.executable, "-c", WORKER, str(settings), str(index)]
            self.workers.append(subprocess.Popen(command, cwd=ROOT, env=environment))
            private = self.settings.platform.private_listen[1] + index
            until(lambda private=private: answers(private))
        return self

    def stop(self) -> list[int]:
        """End the workers and return how they ended."""
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait(60) for worker in self.workers]
        self.workers.clear()
        return codes

    def kill(self) -> None:
        """End the workers at once."""
        for worker in self.workers:
            worker.kill()
            worker.wait(60)
        self.workers.clear()

    def close(self) -> None:
        """Let go of everything."""
        self.kill()
        self.provider.close()
        self.database.close()
        self.counter.close()

    # --- calls ------------------------------------------------------------------------------------

    def call(
        self,
        target: str,
        access: Access | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        port: int | None = None,
    ) -> Response:
        """Make one call on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            sent = {**(access.headers if access else {}), **(headers or {})}
            connection.request(method, target, body, sent)
            got = connection.getresponse()
            return Response(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            connection.close()

    def raw(self, data: bytes, wait: float = 3.0) -> bytes:
        """Send bytes and return everything that comes back until the connection ends, or `wait` seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as client:
            client.sendall(data)
            got = b""
            try:
                while more := client.recv(65536):
                    got += more
            except TimeoutError:
                got += b"<open>"
            except ConnectionResetError:
                got += b"<reset>"
            return got

    # --- the journal ------------------------------------------------------------------------------

    def records(self) -> list[dict[str, Any]]:
        """Every record in the journals, in order."""
        folder = self.settings.data / "audit" / "journal"
        return [json.loads(f.body) for path in segments_in(folder) for f in read_journal(path)]

    def record(self, record_id: str) -> dict[str, Any]:
        """The record with this id."""
        return next(r for r in self.records() if r["id"] == record_id)


def url(kind: str, rest: str) -> str:
    """The target of a call to the dataset of this kind."""
    return f"/share/{CODES[kind].replace('/', '-')}/{rest}"


def answers(port: int) -> bool:
    """Whether somebody listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def until(condition: Any, seconds: float = 60) -> Any:
    """Wait until a condition holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)
    return found
