"""Looks whether published data can be had: bounded, counted by day, and fair during announced maintenance."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from catalog.datasets import act_on_dataset
from catalog.selfcheck import self_check
from core.periods import period_of
from supervision import probes, store
from supervision.model import LookSum, Seen
from supervision.probes import KEPT, probe
from supervision.statistics import Wanted, read_statistics
from tests.cast import alice, bob
from tests.stories import offered


@pytest.fixture
def provider(world: Any, tmp_path: Path) -> Path:
    """The provider's table, where the divisions come from; whoever removes it makes it unavailable."""
    path = tmp_path / "divisions.sqlite"
    _fill(path)
    connections = dict(world.settings.connections)
    connections["divisions_db"] = replace(connections["divisions_db"], database_url=f"sqlite:///{path}")
    world.settings = replace(world.settings, connections=connections)
    return path


def _fill(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE divisions (code, name, street_code, street_name, area_code)")
        database.execute("INSERT INTO divisions VALUES (1, 2, 3, 4, 5)")
    database.close()


def look(world: Any, **more: Any) -> list[Seen]:
    return list(probe(world.database, world.settings, world.now, **more))


def sums(world: Any) -> list[LookSum]:
    with world.database.read() as tx:
        return store.look_sums(tx, "2026-01-01", "2027-01-01")


def availability(world: Any) -> Any:
    with world.read(bob) as work:
        found = read_statistics(work, Wanted(period_of("month", world.now.date())))
    return next(f for f in found.families if f.key == "availability").total


def test_what_can_be_had_is_available(world: Any, provider: Path) -> None:
    offered(world, "divisions")
    assert [(s.ok, s.reason, s.kind) for s in look(world)] == [(True, None, "table")]
    assert availability(world)["availability"] == 100


def test_what_cannot_be_had_is_not_and_the_look_says_why(world: Any, provider: Path) -> None:
    offered(world, "divisions")
    provider.unlink()
    assert [(s.ok, s.reason) for s in look(world)] == [(False, "reachable")]
    _fill(provider)
    world.now += timedelta(seconds=world.settings.platform.probe_seconds)
    look(world)
    told = availability(world)
    assert (told["looks"], told["failed_looks"], told["availability"]) == (2, 1, 50)


def test_it_is_looked_again_when_it_is_time_and_not_before(world: Any, provider: Path) -> None:
    offered(world, "divisions")
    assert len(look(world)) == 1
    world.now += timedelta(seconds=world.settings.platform.probe_seconds - 1)
    assert look(world) == []
    world.now += timedelta(seconds=1)
    assert len(look(world)) == 1


def test_nobody_looks_at_what_is_not_published(world: Any, provider: Path) -> None:
    code = offered(world, "divisions")
    with world.work(alice) as work:
        act_on_dataset(work, code, "take_offline", {"reason": "核对数据"})
    assert look(world) == []


def test_announced_maintenance_counts_for_nobody(world: Any, provider: Path) -> None:
    code = offered(world, "divisions")
    provider.unlink()
    assert look(world, excused=lambda tx, at: {code}.__contains__)[0].excused
    assert sums(world) == [LookSum(code, 0, 0, 0, 1)]
    told = availability(world)
    assert (told["looks"], told["availability"], told["excused_looks"]) == (0, None, 1)


def test_the_sums_of_the_days_equal_a_recount_of_the_looks(world: Any, provider: Path) -> None:
    code = offered(world, "divisions")
    for broken in (False, True, False, True, True):
        world.now += timedelta(hours=9)
        if broken:
            provider.unlink()
        look(world)
        if broken:
            _fill(provider)
    with world.database.read() as tx:
        single = select(func.count(), func.sum(store.probes.c.milliseconds)).where(store.probes.c.ok)
        good, milliseconds = tx.execute(single).one()
    assert sums(world) == [LookSum(code, 5, 5 - good, milliseconds, 0)]
    assert good == 2


def test_a_look_that_is_told_twice_counts_once(world: Any) -> None:
    once = Seen("307001/000001", "table", world.now, True, 5, None, False)
    with world.database.begin() as tx:
        store.add_looks(tx, [once], "2026-02-10")
        store.add_looks(tx, [once], "2026-02-10")
    assert sums(world) == [LookSum("307001/000001", 1, 0, 5, 0)]


def test_single_looks_are_forgotten_and_their_sums_kept(world: Any, provider: Path) -> None:
    offered(world, "divisions")
    look(world)
    world.now += KEPT + timedelta(seconds=1)
    look(world)
    with world.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(store.probes)).scalar_one() == 1
    assert sums(world)[0].looks == 2


def test_a_provider_that_never_answers_holds_up_nobody(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    offered(world, "workdays")
    monkeypatch.setattr(probes, "LOOK_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        port = silent.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the queue of connections is full, so that another one is never accepted
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        connections = dict(world.settings.connections)
        own = replace(connections["workday_api"], base_url=f"http://127.0.0.1:{port}")
        world.settings = replace(world.settings, connections={**connections, "workday_api": own})
        (seen,) = look(world)
        for filler in fillers:
            filler.close()
    assert not seen.ok
    assert seen.reason in ("reachable", "timeout")
    assert seen.milliseconds < 10_000


def test_nothing_is_locked_while_a_provider_is_asked(
    world: Any, provider: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered(world, "divisions")

    def check(*args: Any) -> Any:
        world.write_elsewhere()
        return self_check(*args)

    monkeypatch.setattr(probes, "self_check", check)
    assert look(world)[0].reason is None


def test_a_connection_that_is_gone_makes_data_unavailable(world: Any) -> None:
    offered(world, "divisions")
    world.settings = replace(world.settings, connections={})
    assert [(s.ok, s.reason) for s in look(world)] == [(False, "no_connection")]
