"""A month of traffic leaves nothing out: every breach once, every figure as the raw records say."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import event, select

from audit.store import audit_outbox
from cases import store
from cases.timing import clocks
from core.periods import read_period
from core.times import SHANGHAI
from core.work import SYSTEM
from notices.store import notices
from supervision.statistics import Wanted, read_statistics
from tests.month import MANAGER, Month, play

pytestmark = pytest.mark.long

SMALL = {"departments": 6, "datasets": 12, "applications": 70}
WHOLE = {"departments": 60, "datasets": 500, "applications": 1500}
"""So many that each department and dataset has several; `python -m bench.month` plays and recounts 5,000."""


def unhurried(world: Any) -> None:
    """Let the disk be: the story is about numbers, and nobody pulls a plug in it."""
    world.database.engine.dispose()
    event.listen(
        world.database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF").close()
    )


@pytest.fixture(params=["sharing/qianjiang", "sharing/ganzhou"])
def city(request: Any) -> Any:
    """Either city."""
    name = request.param.partition("/")[2]
    return request.getfixturevalue({"qianjiang": "world"}.get(name, name))


def bodies(world: Any) -> list[dict[str, Any]]:
    """The raw records, none of them sealed yet."""
    with world.database.read() as tx:
        return [orjson.loads(raw) for raw in tx.execute(select(audit_outbox.c.body)).scalars()]


def breaches_by_hand(world: Any) -> set[tuple[str, str, datetime]]:
    """Work out from the events of every case which duties are or were late: (case, clock, due)."""
    found: set[tuple[str, str, datetime]] = set()
    with world.read(SYSTEM) as work:
        ids = list(work.tx.execute(select(store.cases.c.id)).scalars())
        for start in range(0, len(ids), 200):
            for case in store.cases_by_id(work.tx, ids[start : start + 200]).values():
                for clock in clocks(work, case):
                    if clock.breached and clock.due is not None:
                        found.add((case.id, clock.name, clock.due))
    return found


def check_breaches(world: Any) -> None:
    """Each breach is on record once, however often somebody looked."""
    told = [b for b in bodies(world) if b["k"] == "clock.breached"]
    recorded = Counter((b["case"], b["clock"], datetime.fromisoformat(b["due"])) for b in told)
    assert set(recorded.values()) <= {1}
    by_hand = breaches_by_hand(world)
    assert by_hand <= set(recorded)
    once = {clock for _, clock, _ in by_hand} - {"supply"}  # which begins anew with every supply
    assert {found for found in recorded if found[1] in once} == {f for f in by_hand if f[1] in once}
    assert once


def check_statistics(world: Any) -> None:
    """The figures of the period equal a count of the raw records of decisions."""
    steps = Counter((b["action"], b["to_state"]) for b in bodies(world) if b["k"] == "decision.application")
    period = read_period("year", world.now.astimezone(SHANGHAI).strftime("%Y"), world.now)
    with world.read(MANAGER) as work:
        found = read_statistics(work, Wanted(period), limit=50)
    total = {key: value for family in found.families for key, value in family.total.items()}
    counted = {
        a: sum(n for (action, _), n in steps.items() if action == a) for a in ("submit", "grant", "refuse")
    }
    assert total["submitted"] == counted["submit"]
    assert total["granted"] == counted["grant"]
    assert total["refused"] + (total["not_accepted"] or 0) == counted["refuse"]


def check_notices(world: Any) -> None:
    """Nobody was told the same thing twice."""
    with world.database.read() as tx:
        keys = list(tx.execute(select(notices.c.key)).scalars())
    assert len(keys) == len(set(keys)) > 0


def check(world: Any, month: Month, applications: int) -> None:
    assert len(month.applications) == applications
    check_breaches(world)
    check_statistics(world)
    check_notices(world)


def test_a_small_month_adds_up(city: Any) -> None:
    unhurried(city)
    check(city, play(city, 7, **SMALL), SMALL["applications"])


@pytest.mark.night
def test_a_month_of_a_whole_city_adds_up(world: Any) -> None:
    unhurried(world)
    check(world, play(world, 11, **WHOLE), WHOLE["applications"])
