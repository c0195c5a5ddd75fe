"""A packet says what happened to a ticket and never who called; once put together it stays as it was."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from accounts.keys import add_personal_key
from accounts.people import ensure_account
from audit.store import audit_outbox
from core.errors import NotFound, Unavailable
from core.work import SYSTEM
from hotline.callers import unmask
from hotline.supervising.acting import find_supervision, packet_of
from hotline.supervising.packet import rewrap_packets
from hotline.supervising.store import packets
from hotline.tickets import find_ticket
from tests.conftest import World
from tests.hotline.supervision.people import (
    CALLER,
    SUMMARY,
    acted,
    desmond,
    dispatched,
    hans,
    listed,
    moved,
    olive,
    opened,
    susan,
    swept,
)


def packet(world: World, supervision_id: str) -> dict[str, Any]:
    with world.read(susan) as work:
        found = packet_of(work, find_supervision(work, supervision_id))
    assert found is not None
    return {**found.document, "digest": found.digest}


def test_a_packet_holds_the_history_and_not_the_caller(city: World) -> None:
    held = dispatched(city)
    acted(city, hans, held, "sign_in")
    city.now += timedelta(days=8)
    swept(city)
    why = "王小明（13900001234）提供的地址不详，另联系13911112222未果"
    acted(city, hans, held, "feed_back", reply="已修复", overdue_reason=why)
    with city.work(susan) as work:
        ensure_account(work, susan.login, susan.name, susan.department, susan.roles)
        unmask(work, find_ticket(work, held.ticket.id), "核实诉求人地址")
    draft = opened(city, susan, held, "leader_report", report_ground="unsolved", statement="请批示")
    document = packet(city, draft.supervision.id)
    text = json.dumps(document, ensure_ascii=False)
    for personal in (*CALLER.values(), "13911112222"):
        assert personal not in text
    assert document["ticket"]["summary"] == SUMMARY
    assert document["ticket"]["lead"]["zh"] == city.settings.departments["housing"].name.zh
    assert document["unmaskings"]["times"] == 1
    assert [e["text"] for e in document["explanations"]] == ["***（***）提供的地址不详，另联系***未果"]
    late = {b["title"]["zh"] for b in document["breaches"]}
    assert late
    assert all(b["stopped_at"] or b["record"] for b in document["breaches"])
    assert [s["title"]["en"] for s in document["steps"]][-1].startswith("Feed")
    assert {f["flag"] for f in document["findings"]} == {"late"}


def test_a_packet_stays_as_it_was_when_the_draft_was_made(city: World) -> None:
    held = dispatched(city)
    draft = opened(city, susan, held, "supervision")
    before = packet(city, draft.supervision.id)
    acted(city, desmond, held, "redispatch", unit="education", reason="职责在教育局")
    city.now += timedelta(days=30)
    assert packet(city, draft.supervision.id) == before


def test_the_digest_of_a_packet_is_on_record(city: World) -> None:
    draft = opened(city, susan, dispatched(city), "supervision")
    with city.database.read() as tx:
        assembled = audit_outbox.c.kind == "supervision.assembled"
        bodies = tx.execute(select(audit_outbox.c.body).where(assembled)).scalars().all()
    digests = [json.loads(body)["digest"] for body in bodies]
    assert digests == [packet(city, draft.supervision.id)["digest"]]


def test_a_packet_that_was_changed_or_put_elsewhere_is_not_shown(city: World) -> None:
    first = opened(city, susan, dispatched(city), "supervision")
    second = opened(city, susan, dispatched(city), "supervision")
    with city.database.begin() as tx:
        rows = {r.supervision_id: r for r in tx.execute(select(packets))}
        other = rows[second.supervision.id]
        mine = update(packets).where(packets.c.supervision_id == first.supervision.id)
        tx.execute(mine.values(sealed=other.sealed, digest=other.digest))
    with pytest.raises(Unavailable):
        packet(city, first.supervision.id)


def test_a_new_key_of_the_platform_leaves_packets_readable(city: World) -> None:
    draft = opened(city, susan, dispatched(city), "supervision")
    before = packet(city, draft.supervision.id)
    with city.work(SYSTEM) as work:
        add_personal_key(work)
    with city.work(SYSTEM) as work:
        assert rewrap_packets(work, "") == (1, draft.supervision.id)
        assert rewrap_packets(work, draft.supervision.id) == (0, None)
    assert packet(city, draft.supervision.id) == before


def test_nothing_personal_lies_readable_in_the_database(city: World) -> None:
    held = dispatched(city)
    acted(city, hans, held, "sign_in")
    why = f"联系{CALLER['name']}{CALLER['phone']}未果"
    city.now += timedelta(days=8)
    acted(city, hans, held, "feed_back", reply="已修复", overdue_reason=why)
    report = {"report_ground": "unsolved", "statement": f"{CALLER['name']}多次来电"}
    opened(city, susan, held, "leader_report", **report)
    [draft] = listed(city, susan, workflow="supervision")
    moved(city, susan, draft, "issue", trigger="overdue", notice=f"请回复{CALLER['name']}")
    files = (city.settings.data / "state.sqlite", city.settings.data / "state.sqlite-wal")
    kept = b"".join(path.read_bytes() for path in files if path.exists())
    for personal in CALLER.values():
        assert personal.encode() not in kept
        assert json.dumps(personal)[1:-1].encode() not in kept


def test_an_operator_sees_no_supervision_that_is_not_theirs(city: World) -> None:
    draft = opened(city, susan, dispatched(city), "supervision")
    with city.read(olive) as work, pytest.raises(NotFound):
        find_supervision(work, draft.supervision.id)
