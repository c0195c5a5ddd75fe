"""A deployment of our own in a temporary folder: real configuration, keys, database, grants and tokens.

`shuxiang init` makes it, and its processes are the very ones that `shuxiang serve` starts. Only datasets,
systems, grants and tokens are written into the tables directly.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection as Transaction

import schemas
from bench.machine import free_port
from cases.store import cases
from catalog.store import datasets, distributions
from core.db import Database
from core.ids import digest, new_id, new_secret
from core.settings import Settings, load_settings
from gateway.store import access_tokens, client_credentials, clients, grants
from gateway.tokens import make_token, token_digest
from setup_deployment import initialise

ROOT = Path(__file__).parents[1]
TOKENS = 256
MIB, GIB = 1024 * 1024, 1024 * 1024 * 1024
FIELDS = ("code", "name", "street", "district", "level", "active", "opened", "phone", "note", "padding")
_TYPES = {"level": "integer", "active": "boolean", "opened": "date"}
CODES = {
    "api": "307001/000001",
    "table": "307001/000002",
    "file": "307001/000003",
    "postgresql": "307001/000004",
}
FILE = "mib.bin"
"""A file of 1 MiB; `LARGE` is as large as the plan wants it."""
LARGE = "gib.bin"
_NETWORKS = ["127.0.0.0/8"]
_PROVIDER = "police"

_OPERATIONS: list[dict[str, Any]] = [
    {"name": "cut", "method": "GET", "path": "/record", "records": ""},
    {
        "name": "asked",
        "method": "GET",
        "path": "/record",
        "records": None,
        "parameters": [{"name": "number", "in": "query", "pattern": "[0-9]{1,4}"}],
    },
    *(
        {"name": name, "method": "GET", "path": path, "records": None}
        for name, path in {
            "passed": "/record",
            "late": "/late",
            "mib": f"/files/{FILE}",
            "gib": f"/files/{LARGE}",
        }.items()
    ),
]
_TABLE: dict[str, Any] = {"table": "items", "order": ["code"]}
_DETAILS: Mapping[str, Mapping[str, Any]] = {
    "api": {"operations": _OPERATIONS},
    "table": _TABLE,
    "file": {"files": ["*.bin"]},
    "postgresql": _TABLE,
}


@dataclass(frozen=True)
class Shape:
    """What a deployment is to hold."""

    upstream: int
    """The port of the provider."""
    files: Path
    parties: int = 16
    """How many systems there are, each with a grant of every dataset."""
    workers: int = 1
    rows: Path | None = None
    """An SQLite file with the table `items`."""
    postgresql: str | None = None
    """A database with the same table."""

    @property
    def kinds(self) -> list[str]:
        """What can be shared here."""
        wanted = {"table": self.rows, "postgresql": self.postgresql}
        return [kind for kind in CODES if wanted.get(kind, True) is not None]


@dataclass(frozen=True)
class Party:
    """A system that calls."""

    client: str
    consumer: str
    secret: str = field(default_factory=new_secret)


@dataclass(frozen=True)
class Deployment:
    """A deployment ready to be started, with 256 tokens for each kind of dataset."""

    settings: Settings
    config: Path
    tokens: Mapping[str, list[str]]
    first: Party
    """The system that has the first token of each kind, and every token where there is one system only."""


def record_of(number: int, padding: int) -> dict[str, Any]:
    """Return one record of ten fields, the last of them `padding` characters long."""
    return {
        "code": f"{number:08d}",
        "name": f"社区服务站{number}",
        "street": "园林街道章华中路18号",
        "district": "429005",
        "level": number % 5,
        "active": bool(number % 2),
        "opened": f"20{number % 20:02d}-03-01",
        "phone": "0728-6240000",
        "note": "周一至周五办理，法定节假日除外",
        "padding": "x" * padding,
    }


def make_deployment(folder: Path, shape: Shape) -> Deployment:
    """Make a deployment in an empty folder."""
    config, data = folder / "config", folder / "data"
    _make_config(config, shape)
    settings = load_settings(config, data, schemas.errors)
    now = datetime.now(UTC)
    initialise(settings, now)
    database = Database(settings.database_url)
    try:
        with database.begin() as tx:
            return _share(tx, settings, config, shape, now)
    finally:
        database.close()


# --- configuration --------------------------------------------------------------------------------


def _make_config(config: Path, shape: Shape) -> None:
    """Write the deployment's files; the departments are those of the demo."""
    config.mkdir(parents=True)
    shutil.copy(ROOT / "config" / "demo" / "departments.yaml", config)
    control, gateway = free_port(), free_port()
    platform = {
        "id": "bench",
        "title": "bench",
        "place": "bench",
        "control_listen": f"127.0.0.1:{control}",
        "gateway_listen": f"127.0.0.1:{gateway}",
        "private_listen": f"127.0.0.1:{free_port(shape.workers - 1)}",
        "control_private_listen": f"127.0.0.1:{free_port()}",
        "control_url": f"http://127.0.0.1:{control}",
        "gateway_url": f"http://127.0.0.1:{gateway}",
        "rulebooks": {"sharing": "sharing/qianjiang"},
        "manager": "bigdata",
        "auditor": "audit",
        "log_origin": "bench.example/2026",
        "gateway_workers": shape.workers,
    }
    documents: dict[str, Any] = {"platform": platform, "accounts": {"accounts": []}}
    documents["connections"] = {"connections": [_connection(kind, shape) for kind in shape.kinds]}
    for name, document in documents.items():
        (config / f"{name}.yaml").write_text(json.dumps(document))  # JSON is YAML


def _connection(kind: str, shape: Shape) -> dict[str, Any]:
    of_kind: dict[str, dict[str, Any]] = {
        "api": {
            "base_url": f"http://127.0.0.1:{shape.upstream}",
            "networks": ["127.0.0.1/32"],
            "max_bytes": 2 * GIB,
            "total_seconds": 300,
            "calls_at_once": 4096,
        },
        "table": {"database_url": f"sqlite:///{shape.rows}"},
        "postgresql": {"database_url": shape.postgresql},
        "file": {"folder": str(shape.files)},
    }
    common = {"id": kind, "title": "bench", "department": _PROVIDER}
    return {**common, "kind": "table" if kind == "postgresql" else kind, **of_kind[kind]}


def make_rows(path: Path, rows: int) -> Path:
    """Make an SQLite file with the table `items`."""
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE items ({', '.join(FIELDS)}, PRIMARY KEY (code))")
        marks = ",".join("?" * len(FIELDS))
        made = (tuple(record_of(i, 10).values()) for i in range(rows))
        db.executemany(f"INSERT INTO items VALUES ({marks})", made)
    db.close()
    return path


# --- systems, grants, tokens ----------------------------------------------------------------------


def _share(tx: Transaction, settings: Settings, config: Path, shape: Shape, now: datetime) -> Deployment:
    consumers = sorted(set(settings.departments) - {_PROVIDER})
    parties = [Party(new_id(), consumers[i % len(consumers)]) for i in range(shape.parties)]
    _register(tx, parties, now)
    tokens = {kind: _grant(tx, settings, kind, parties, now) for kind in shape.kinds}
    return Deployment(settings, config, tokens, parties[0])


def _register(tx: Transaction, parties: list[Party], now: datetime) -> None:
    known = {"name": "bench", "description": "", "auth_method": "client_secret", "token_binding": "none"}
    seen = {"networks": _NETWORKS, "state": "active", "created_at": now, "created_by": "bench"}
    tx.execute(
        clients.insert(), [{"id": p.client, "department": p.consumer, **known, **seen} for p in parties]
    )
    made = {"kind": "client_secret", "created_at": now, "created_by": "bench"}
    tx.execute(
        client_credentials.insert(),
        [{"id": new_id(), "client_id": p.client, "digest": digest(p.secret), **made} for p in parties],
    )


def _grant(tx: Transaction, settings: Settings, kind: str, parties: list[Party], now: datetime) -> list[str]:
    """Publish a dataset of one kind, grant all of it to every party, and return tokens in rotation."""
    dataset = new_id()
    _open_cases(tx, "dataset", "published", [dataset], now)
    _publish(tx, kind, dataset, now)
    ids = [new_id() for _ in parties]
    _open_cases(tx, "grant", "active", ids, now)
    common = {"dataset_id": dataset, "terms": _terms(kind), "granted_at": now, "provider": _PROVIDER}
    tx.execute(
        grants.insert(),
        [
            {"id": i, "number": f"G-{kind}-{n}", "client_id": p.client, "consumer": p.consumer, **common}
            for n, (i, p) in enumerate(zip(ids, parties, strict=True))
        ],
    )
    return _issue(tx, settings, [(i, p.client) for i, p in zip(ids, parties, strict=True)], now)


def _issue(tx: Transaction, settings: Settings, granted: list[tuple[str, str]], now: datetime) -> list[str]:
    """Return tokens that go round the grants, or, where there are many, round some spread over all."""
    key = settings.key("token.key")
    tokens = [make_token(key) for _ in range(TOKENS)]
    chosen = [granted[i * max(1, len(granted) // TOKENS) % len(granted)] for i in range(TOKENS)]
    common = {"issued_at": now, "expires_at": now + timedelta(hours=3), "revoked": False}
    tx.execute(
        access_tokens.insert(),
        [
            {"digest": token_digest(token), "grant_id": grant, "client_id": client, **common}
            for token, (grant, client) in zip(tokens, chosen, strict=True)
        ],
    )
    return tokens


def _terms(kind: str) -> dict[str, Any]:
    return {
        "kind": "table" if kind == "postgresql" else kind,
        "fields": list(FIELDS),
        "row_filter": {},
        "parameters": {},
        "operations": [operation["name"] for operation in _OPERATIONS] if kind == "api" else [],
        "row_limit": None,
        "networks": _NETWORKS,
        "purpose": "bench",
        "sensitive": False,
    }


def _publish(tx: Transaction, kind: str, dataset: str, now: datetime) -> None:
    attributes = [{"name": n, "title": n, "type": _TYPES.get(n, "string")} for n in FIELDS]
    tx.execute(
        datasets.insert().values(
            id=dataset,
            code=CODES[kind],
            title=kind,
            provider=_PROVIDER,
            share_class="unconditional",
            controlled_params=False,
            revision=1,
            version=1,
            document={"attributes": attributes},
            created_at=now,
            updated_at=now,
        )
    )
    distribution = "table" if kind == "postgresql" else kind
    tx.execute(
        distributions.insert().values(
            dataset_id=dataset,
            kind=distribution,
            connection=kind,
            detail={"kind": distribution, "connection": kind, **_DETAILS[kind]},
            check_passed=True,
            check_report={},
            checked_at=now,
            attached_at=now,
            attached_by="bench",
        )
    )


def _open_cases(tx: Transaction, kind: str, state: str, ids: list[str], now: datetime) -> None:
    book = {"kind": kind, "workflow": kind, "rulebook": "bench", "rulebook_version": "1", "version": 1}
    known = {"state": state, "serves": True, "facts": {}, "parties": {}}
    times = {"opened_at": now, "opened_by": "bench", "changed_at": now}
    tx.execute(cases.insert(), [{"id": case, **book, **known, **times} for case in ids])
