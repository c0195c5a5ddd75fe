"""A month of traffic, from a seed: departments, datasets, applications, and everybody sometimes late.

Everything goes through the use cases that people would use, at instants of its own; a sweep each hour.
The story only drives; what is true afterwards is for the tests to recount.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from time import perf_counter
from typing import Any

from cases.sweep import sweep
from cases.timing import book_of
from catalog.datasets import act_on_dataset, register_dataset
from catalog.distributions import attach_distribution, plan_mount
from catalog.model import CheckReport
from core.text import Text
from core.work import SYSTEM, Actor
from gateway.applications import Filed, act_on_application, apply_for_fields
from gateway.clients import approve_client, register_client
from tests.stories import LOCAL, STATEMENT, _entry

HOUR = timedelta(hours=1)
STEP_SHARE = {"grant": 0.7, "refuse": 0.2, "never": 0.1}
REFUSAL = {"reason_code": "out_of_scope", "reason": "超出履职需要", "basis": "内部管理规定第五条"}


@dataclass
class Month:
    """What happened, as the driver saw it, and how long the sweeps took."""

    departments: list[str]
    codes: list[str] = field(default_factory=list)
    applications: list[str] = field(default_factory=list)
    sweeps: list[float] = field(default_factory=list)
    """Seconds that each call of the sweep took."""
    looked_at: int = 0


def populated(world: Any, departments: int) -> list[str]:
    """Give the deployment so many departments, each provider and consumer, each with a table connection."""
    known, mounts = dict(world.settings.departments), dict(world.settings.connections)
    template = known["civil_affairs"]
    table = next(c for c in mounts.values() if c.kind == "table")
    made = []
    for i in range(departments):
        id = f"bureau_{i:02d}"
        known[id] = replace(template, id=id, name=Text(f"第{i}局", f"Bureau {i}"))
        mounts[f"db_{i:02d}"] = replace(table, id=f"db_{i:02d}", department=id)
        made.append(id)
    world.settings = replace(world.settings, departments=known, connections=mounts)
    return made


def person(department: str, role: str) -> Actor:
    """Somebody of a department, in one role."""
    return Actor(f"{department}.{role}", department, department, frozenset({role}), f"{department}-{role}")


_Due = tuple[datetime, int, Filed | None]
"""When the next step of an application is taken, which one of the month's it is, and where it stood last."""
MANAGER = person("bigdata", "platform_manager")
SECOND = replace(MANAGER, login="bigdata.second")


def play(
    world: Any, seed: int, *, departments: int, datasets: int, applications: int, days: int = 31
) -> Month:
    """Play a month from `world.now` on and return it; the world's clock stands at its end."""
    random, start = Random(seed), world.now
    month = Month(populated(world, departments))
    month.codes = [_publish(world, random, random.choice(month.departments), i) for i in range(datasets)]
    systems = {d: _system(world, d) for d in month.departments}
    queue: list[_Due] = []
    for i in range(applications):
        at = start + timedelta(seconds=random.uniform(0, days * 86_400))
        heapq.heappush(queue, (at, i, None))
    for hour in _hours(start, days):
        _until(world, random, month, systems, queue, hour)
        world.now = hour
        _sweep(world, month)
    return month


def _hours(start: datetime, days: int) -> Iterator[datetime]:
    return (start + i * HOUR for i in range(1, days * 24 + 1))


def _until(world: Any, random: Random, month: Month, systems: Any, queue: list[_Due], end: datetime) -> None:
    """Do what is to be done before `end`, in one transaction for each instant's actor."""
    while queue and queue[0][0] < end:
        at, i, filed = heapq.heappop(queue)
        world.now = at
        if filed is None:
            filed = _apply(world, random, month, systems)
            waits = random.random() > STEP_SHARE["never"]
        else:
            filed = _step(world, random, filed)
            waits = filed.case.closed_at is None
        if waits:
            delay = timedelta(days=random.expovariate(1 / 3.0) + 0.05)
            heapq.heappush(queue, (at + delay, i, filed))


def _apply(world: Any, random: Random, month: Month, systems: Any) -> Filed:
    consumer = random.choice(month.departments)
    wish = {
        "dataset": random.choice(month.codes),
        "client": systems[consumer],
        "fields": ["code", "name"],
        "term_days": random.randint(30, 700),
        **STATEMENT,
    }
    with world.work(person(consumer, "consumer")) as work:
        filed = apply_for_fields(work, wish)
    month.applications.append(filed.application.id)
    return filed


def _step(world: Any, random: Random, filed: Filed) -> Filed:
    """Take the next step of an application, at whichever desk it lies, and return where it stands then."""
    id, state = filed.application.id, filed.case.state
    decider = person(filed.application.provider, "provider") if state == "with_provider" else MANAGER
    action = {"checking": "accept", "granted": "inform", "refused": "inform"}.get(state)
    if action is None:
        action = "grant" if random.random() < 0.8 else "refuse"
    elif action == "accept" and random.random() < 0.1:
        action = "refuse"
    with world.work(decider) as work:
        _, flow = book_of(work, filed.case)
        step = flow.find(state, action, filed.case.facts)
        assert step is not None, f"{action} is not to be taken in {state}"
        fields = {k: v for k, v in REFUSAL.items() if k in (*step.requires, *step.accepts)}
        return act_on_application(work, id, action, fields if action == "refuse" else {})


def _publish(world: Any, random: Random, department: str, i: int) -> str:
    conditional = random.random() < 0.3
    entry = {
        **_entry(
            f"数据集{i}", "conditional" if conditional else "unconditional", "database", "code name area"
        ),
        **({"class_reason": "服务容量有限", "share_condition": "说明所办事项"} if conditional else {}),
        "update_limit": random.choice(["daily", "monthly", "yearly"]),
    }
    number = department.removeprefix("bureau_")
    mounted = {"kind": "table", "connection": f"db_{number}", "table": "divisions", "order": ["code"]}
    with world.work(person(department, "provider")) as work:
        dataset = register_dataset(work, entry)
        mount = plan_mount(work, dataset.code, "table", mounted)
        dataset = attach_distribution(work, mount, CheckReport(()))
        reviewed = work.rulebooks.current("sharing").policy("catalog.review").value
        act_on_dataset(work, dataset.code, "submit" if reviewed else "publish", {})
    if reviewed:
        with world.work(MANAGER) as work:
            act_on_dataset(work, dataset.code, "approve", {})
    return dataset.code


def _system(world: Any, department: str) -> str:
    with world.work(person(department, "consumer")) as work:
        client = register_client(work, {"name": f"{department} 系统", "networks": LOCAL})
    with world.work(MANAGER) as work:
        return approve_client(work, client.id).id


def _sweep(world: Any, month: Month) -> None:
    """Sweep until nothing is left, as the sweeper's process does."""
    while True:
        with world.work(SYSTEM) as work:
            began = perf_counter()
            seen = sweep(work)
            month.sweeps.append(perf_counter() - began)
        month.looked_at += seen
        if seen == 0:
            return
