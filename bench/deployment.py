"""A deployment of our own in a temporary folder: real configuration, keys, database, grants and tokens.

`shuxiang init` makes it, and the worker and the sealer are the very processes that `shuxiang serve` starts.
Only the dataset, the grant and the tokens are written into the tables directly.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection as Transaction

import schemas
from cases.store import cases
from catalog.store import datasets, distributions
from core.db import Database
from core.ids import new_id
from core.settings import Settings, load_settings
from gateway.store import access_tokens, clients, grants
from gateway.tokens import make_token, token_digest
from setup_deployment import initialise

ROOT = Path(__file__).parents[1]
TOKENS = 256
FIELDS = ("code", "name", "street", "district", "level", "active", "opened", "phone", "note", "padding")
_TYPES = {"level": "integer", "active": "boolean", "opened": "date"}
CODES = {"api": "307001/000001", "table": "307001/000002", "file": "307001/000003"}
FILE = "large.bin"

_OPERATIONS = [
    {"name": "cut", "method": "GET", "path": "/record", "records": ""},
    {"name": "passed", "method": "GET", "path": "/record", "records": None},
]
_DETAILS: Mapping[str, Mapping[str, Any]] = {
    "api": {"operations": _OPERATIONS},
    "table": {"table": "items", "order": ["code"]},
    "file": {"files": ["*.bin"]},
}


@dataclass(frozen=True)
class Ports:
    """Where everything listens."""

    gateway: int
    private: int
    control: int
    upstream: int


@dataclass(frozen=True)
class Deployment:
    """A deployment ready to be started, and 256 tokens for each kind of dataset."""

    settings: Settings
    config: Path
    tokens: Mapping[str, list[str]]


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


def make_deployment(folder: Path, ports: Ports, rows: int, file_bytes: int) -> Deployment:
    """Make the deployment with its sources: `rows` rows of a table and a file of `file_bytes` bytes."""
    config, data = folder / "config", folder / "data"
    (folder / "files").mkdir()
    _make_sources(folder, rows, file_bytes)
    _make_config(config, folder, ports)
    settings = load_settings(config, data, schemas.errors)
    now = datetime.now(UTC)
    initialise(settings, now)
    database = Database(settings.database_url)
    try:
        with database.begin() as tx:
            tokens = _share(tx, settings, now)
    finally:
        database.close()
    return Deployment(settings, config, tokens)


# --- configuration and sources --------------------------------------------------------------------


def _make_config(config: Path, folder: Path, ports: Ports) -> None:
    """Write the deployment's files; the departments are those of the demo."""
    config.mkdir()
    shutil.copy(ROOT / "config" / "demo" / "departments.yaml", config)
    platform = {
        "id": "bench",
        "title": "bench",
        "place": "bench",
        "control_listen": f"127.0.0.1:{ports.control}",
        "gateway_listen": f"127.0.0.1:{ports.gateway}",
        "private_listen": f"127.0.0.1:{ports.private}",
        "control_url": f"http://127.0.0.1:{ports.control}",
        "gateway_url": f"http://127.0.0.1:{ports.gateway}",
        "rulebooks": {"sharing": "sharing/qianjiang"},
        "manager": "bigdata",
        "auditor": "audit",
        "log_origin": "bench.example/2026",
        "gateway_workers": 1,
    }
    common = {"title": "bench", "department": "police"}
    networks = {"base_url": f"http://127.0.0.1:{ports.upstream}", "networks": ["127.0.0.1/32"]}
    connections = [
        {"id": "api", "kind": "api", **common, **networks},
        {"id": "table", "kind": "table", **common, "database_url": f"sqlite:///{folder / 'rows.sqlite'}"},
        {"id": "file", "kind": "file", **common, "folder": str(folder / "files")},
    ]
    documents: dict[str, Any] = {"platform": platform, "connections": {"connections": connections}}
    documents["accounts"] = {"accounts": []}
    for name, document in documents.items():
        (config / f"{name}.yaml").write_text(json.dumps(document))  # JSON is YAML


def _make_sources(folder: Path, rows: int, file_bytes: int) -> None:
    (folder / "files" / FILE).write_bytes(b"x" * file_bytes)
    with sqlite3.connect(folder / "rows.sqlite") as db:
        db.execute(f"CREATE TABLE items ({', '.join(FIELDS)}, PRIMARY KEY (code))")
        marks = ",".join("?" * len(FIELDS))
        made = (tuple(record_of(i, 10).values()) for i in range(rows))
        db.executemany(f"INSERT INTO items VALUES ({marks})", made)
    db.close()


# --- grants ---------------------------------------------------------------------------------------


def _share(tx: Transaction, settings: Settings, now: datetime) -> dict[str, list[str]]:
    client = new_id()
    known = {"id": client, "name": "bench", "department": "civil_affairs", "description": ""}
    known |= {"auth_method": "client_secret", "token_binding": "none"}
    seen = {"state": "active", "created_at": now, "created_by": "bench"}
    tx.execute(clients.insert().values(**known, networks=["127.0.0.0/8"], **seen))
    return {kind: _grant(tx, settings, kind, client, now) for kind in CODES}


def _grant(tx: Transaction, settings: Settings, kind: str, client: str, now: datetime) -> list[str]:
    """Publish a dataset of one kind, grant all of it, and return tokens for the grant."""
    dataset, grant = _case(tx, "dataset", "published", now), _case(tx, "grant", "active", now)
    _publish(tx, kind, dataset, now)
    terms: dict[str, Any] = {
        "kind": kind,
        "fields": list(FIELDS),
        "row_filter": {},
        "parameters": {},
        "operations": ["cut", "passed"] if kind == "api" else [],
        "row_limit": None,
        "networks": ["127.0.0.0/8"],
        "purpose": "bench",
        "sensitive": False,
    }
    parties = {"client_id": client, "consumer": "civil_affairs", "provider": "police"}
    number = f"G-{kind}"
    values = {"id": grant, "number": number, "dataset_id": dataset, "terms": terms, "granted_at": now}
    tx.execute(grants.insert().values(**values, **parties))
    tokens = [make_token(settings.key("token.key")) for _ in range(TOKENS)]
    common = {"grant_id": grant, "client_id": client, "issued_at": now, "revoked": False}
    expires = now + timedelta(hours=1)
    tx.execute(
        access_tokens.insert(),
        [{"digest": token_digest(token), "expires_at": expires, **common} for token in tokens],
    )
    return tokens


def _publish(tx: Transaction, kind: str, dataset: str, now: datetime) -> None:
    attributes = [{"name": n, "title": n, "type": _TYPES.get(n, "string")} for n in FIELDS]
    tx.execute(
        datasets.insert().values(
            id=dataset,
            code=CODES[kind],
            title=kind,
            provider="police",
            share_class="unconditional",
            controlled_params=False,
            revision=1,
            version=1,
            document={"attributes": attributes},
            created_at=now,
            updated_at=now,
        )
    )
    tx.execute(
        distributions.insert().values(
            dataset_id=dataset,
            kind=kind,
            connection=kind,
            detail={"kind": kind, "connection": kind, **_DETAILS[kind]},
            check_passed=True,
            check_report={},
            checked_at=now,
            attached_at=now,
            attached_by="bench",
        )
    )


def _case(tx: Transaction, kind: str, state: str, now: datetime) -> str:
    case = new_id()
    book = {"kind": kind, "workflow": kind, "rulebook": "bench", "rulebook_version": "1", "version": 1}
    known = {"state": state, "serves": True, "facts": {}, "parties": {}}
    times = {"opened_at": now, "opened_by": "bench", "changed_at": now}
    tx.execute(cases.insert().values(id=case, **book, **known, **times))
    return case
