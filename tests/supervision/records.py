"""Access records as the data plane writes them, by chance but repeatably, and what they add up to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import orjson

from audit.record import Record, make_record
from core.times import SHANGHAI, instant_of

START = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)
GRANTS = [
    ("SQ-1", "307001/000001", "civil_affairs", "health", "system-1"),
    ("SQ-2", "307001/000001", "civil_affairs", "market", "system-2"),
    ("SQ-3", "308001/000001", "hr_social", "health", "system-1"),
]


def record(kind: str, at: datetime, **body: object) -> Record:
    """Make one record of the data plane."""
    usual = {"operation": "rows", "method": "GET", "status": 200}
    return make_record(kind, at, "w", {**usual, **body})


def parties(grant: int = 0) -> dict[str, str]:
    """Return what a record says about one of our grants."""
    names = ("grant", "dataset", "provider", "consumer", "client")
    return dict(zip(names, GRANTS[grant], strict=True))


def stream(at: datetime, ends: datetime, decision: str, **body: object) -> list[Record]:
    """Make the two records of a stream."""
    start = record("access.start", at, decision="permitted", **body)
    end = record("access.end", ends, start=start.id, decision=decision, rows=7, bytes=700, ms=70.4, **body)
    return [start, end]


def some_records(seed: int, count: int = 200) -> list[Record]:
    """Make the records of `count` calls over some days: whole answers, streams, refusals, strangers."""
    chance = random.Random(seed)
    made: list[Record] = []
    for _ in range(count):
        at = START + timedelta(minutes=chance.randrange(0, 60 * 24 * 40))
        who = parties(chance.randrange(3)) if chance.random() < 0.9 else {}
        decision = chance.choice(["permitted", "permitted", "failed", "refused"]) if who else "refused"
        if decision == "permitted" and chance.random() < 0.3:
            ends = at + timedelta(minutes=chance.randrange(0, 50))
            made += stream(at, ends, chance.choice(["permitted", "aborted"]), **who)
        else:
            rows = chance.randrange(0, 100) if decision == "permitted" else None
            made.append(record("access", at, decision=decision, rows=rows, bytes=10, ms=3.0, **who))
        made.append(make_record("decision.grant", at, "outbox", {"case": "c", "decision": "permitted"}))
    return made


def recount(records: Iterable[Record]) -> Counter[tuple[str, str, str]]:
    """Count calls by day, dataset and decision from raw bodies, in the plainest way there is."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for raw in records:
        body = orjson.loads(raw.body)
        if body["k"] in ("access", "access.end"):
            day = instant_of(body["t"]).astimezone(SHANGHAI).strftime("%Y-%m-%d")
            counted[day, body.get("dataset", ""), body["decision"]] += 1
    return counted
