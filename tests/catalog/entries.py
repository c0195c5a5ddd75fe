"""Catalog entries and providers' sides to tell stories with."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.datasets import act_on_dataset, find_dataset, register_dataset, with_defaults
from catalog.distributions import attach_distribution, plan_mount
from catalog.guards import check_entry
from catalog.model import Dataset
from core.errors import Invalid
from core.settings import Connection
from core.text import Text
from core.work import Actor
from rules.rulebook import Rulebook
from tests.cast import alice, bob

TABLE = {"kind": "table", "connection": "divisions_db", "table": "divisions", "order": ["code"]}
BASIS = {"level": "law", "title": "中华人民共和国数据安全法", "article": "第二十一条"}
WITHHELD = {"share_class": "none", "class_reason": "涉及未公开的执法线索", "basis": BASIS}
OPERATION = {
    "name": "day",
    "title": "查询一天",
    "method": "GET",
    "path": "/v1/days/{date}",
    "parameters": [{"name": "date", "in": "path", "pattern": "^[0-9-]{10}$"}],
}


def entry(**changes: Any) -> dict[str, Any]:
    """An entry that both cities allow; None takes a member away."""
    whole = {
        "title": "行政区划代码",
        "summary": "市辖街道和社区的区划代码与名称，每年更新。",
        "category_code": "307001",
        "category": "department",
        "format": {"kind": "database"},
        "attributes": [
            {"name": "code", "title": "区划代码", "type": "string", "primary_key": True},
            {"name": "name", "title": "名称", "type": "string", "length": 60},
        ],
        "update_limit": "yearly",
        "share_class": "unconditional",
        "share_method": ["platform"],
        "use_terms": "仅限履行职责使用。",
        "required_materials": ["申请表"],
    }
    return {k: v for k, v in {**whole, **changes}.items() if v is not None}


def allowed(book: Rulebook, **changes: Any) -> dict[str, Any]:
    """Return an entry that the rulebook lets pass, with its defaults."""
    document = with_defaults(book, entry(**changes))
    check_entry(book, document)
    return document


def objections(book: Rulebook, **changes: Any) -> Invalid:
    """Return what the rulebook says of an entry that it does not allow."""
    with pytest.raises(Invalid) as refused:
        allowed(book, **changes)
    return refused.value


def pointers(refused: Invalid) -> list[str]:
    return [e.pointer for e in refused.errors]


def registered(world: Any, actor: Actor = alice, **changes: Any) -> Dataset:
    with world.work(actor) as work:
        return register_dataset(work, entry(**changes))


def divisions(world: Any, *columns: str) -> Path:
    """Give the civil affairs bureau its database, with one row."""
    path = world.settings.data / "demo" / "divisions.sqlite"
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as database:
        names = ", ".join(columns or ("code", "name"))
        database.execute(f"CREATE TABLE divisions ({names})")
        database.execute("INSERT INTO divisions (code) VALUES ('429005001')")
    database.close()
    return path


def attached(world: Any, dataset: Dataset, detail: dict[str, Any] = TABLE, actor: Actor = alice) -> Dataset:
    """Attach with a real look at the provider's side."""
    with world.read(actor) as work:
        mount = plan_mount(work, dataset.code, detail["kind"], detail)
    report = mount.self_check()
    with world.work(actor) as work:
        return attach_distribution(work, mount, report)


def acted(world: Any, dataset: Dataset, action: str, actor: Actor = alice, **fields: Any) -> Dataset:
    with world.work(actor) as work:
        return act_on_dataset(work, dataset.code, action, fields)


def seen_by(world: Any, actor: Actor, dataset: Dataset) -> Dataset:
    with world.read(actor) as work:
        return find_dataset(work, dataset.code)


def published(world: Any, **changes: Any) -> Dataset:
    """A dataset with a table behind it, published the way that the city wants it."""
    if not (world.settings.data / "demo" / "divisions.sqlite").exists():
        divisions(world)
    dataset = attached(world, registered(world, **changes))
    if "publish" in _actions(world, dataset):
        return acted(world, dataset, "publish")
    acted(world, dataset, "submit")
    return acted(world, dataset, "approve", bob)


def _actions(world: Any, dataset: Dataset) -> set[str]:
    flow = world.rulebooks.current("sharing").workflow("dataset")
    return {t.action for t in flow.actions(dataset.case.state, {"provider"}, dataset.case.facts)}


def connect(world: Any, **what: Any) -> str:
    """Give the deployment one more connection of the civil affairs bureau; return its name."""
    given = {"id": f"extra_{len(world.settings.connections)}", "department": "civil_affairs", **what}
    made = Connection(title=Text("连接", "Connection"), **given)
    world.settings = replace(world.settings, connections={**world.settings.connections, made.id: made})
    return made.id
