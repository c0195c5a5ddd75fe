"""A log in which two departments used what two others gave, to be read on its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from audit.record import Record, make_record
from audit.sealer import seal_once
from audit.store import insert_outbox
from core.times import SHANGHAI
from tests.conftest import World, make_world

MORNING = datetime(2026, 2, 9, 10, 0, tzinfo=SHANGHAI)  # a Monday
NIGHT = MORNING + timedelta(hours=12)
NOW = MORNING + timedelta(days=1)
POISON = "<script>alert(1)</script>\"'=1+1\u202e"
"""What must be shown as it is: markup, quotes, a formula, and a sign that turns the line around."""
DIVISIONS, WORKDAYS = "307001/000001", "307001/000002"


def call(at: datetime, kind: str = "access", **body: Any) -> Record:
    """One call of the health commission to civil affairs, as the data plane records it."""
    usual = {
        "consumer": "health",
        "provider": "civil_affairs",
        "client": "sys-health",
        "grant": "QJ-1",
        "dataset": DIVISIONS,
        "operation": "rows",
        "purpose": "核对地址",
        "decision": "permitted",
        "status": 200,
        "rows": 25,
        "bytes": 1000,
        "ms": 12.5,
        "address": "10.0.0.1",
    }
    return make_record(kind, at, "gw", {**usual, **body})


class Calls(NamedTuple):
    """The deployment, and the ids of what happened in it."""

    world: World
    given: str
    refused: str
    night: str
    others: str
    poison: str
    intent: str
    start: str
    end: str


def told(folder: Path, template: Path) -> Iterator[Calls]:
    """Let it happen, and seal it."""
    world = make_world(folder, template, "sharing/qianjiang")
    world.now = NOW
    given = call(MORNING)
    refused = call(MORNING, decision="refused", status=403, reason="field_not_granted", rows=None)
    night = call(NIGHT, client="sys-night", grant="QJ-2")
    others = call(MORNING, consumer="market", provider="hr_social", client="sys-market", dataset=WORKDAYS)
    said = dict.fromkeys(("operation", "client", "purpose", "grant", "reason"), POISON)
    poison = call(MORNING, decision="failed", **said)
    intent = call(MORNING - timedelta(hours=1), "access.intent", decision=None, rows=None)
    start = call(MORNING, "access.start", rows=None, intent=intent.id)
    end = call(MORNING + timedelta(seconds=2), "access.end", start=start.id, intent=intent.id, rows=1_000)
    made = (given, refused, night, others, poison, intent, start, end)
    with world.database.begin() as tx:
        for one in made:
            insert_outbox(tx, one)
    seal_once(world.settings, world.database, NOW)
    yield Calls(world, *(one.id for one in made))
    world.database.close()


def text_of(html: str) -> str:
    """The words of a page, without markup and scripts of style."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def send(browser: Any, page: str, to: str, **fields: str) -> Any:
    """Fill in a form that a page shows, and send it."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page).text)
    assert found is not None, page
    return browser.post(to, data={"csrf_token": found[1], **fields})
