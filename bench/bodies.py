"""Large answers: through the proxy, from files, and what memory they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from time import sleep

from bench.deployment import FILE, LARGE, MIB, Shape
from bench.load import Run, Target, most_memory_during, read_body
from bench.machine import Unfit, pss_mib
from bench.results import Goal, Row, against, middle
from bench.stand import Stand

CONNECTIONS = 16
KNOWN_SECONDS = 3
"""After which a file that is asked for again and again is known by its digest (`gateway/digests.py`)."""
THROUGH = Goal(0.8, 1.0)
FROM_FILES = Goal(0.55, 0.8)
GROWTH = Goal(16.0, 4.0, less_is_better=True)
HELD = Goal(80.0, 40.0, less_is_better=True)


def bodies(stand: Stand) -> list[Row]:
    """Compare bodies of 1 MiB and large ones that come from a provider."""
    targets = {"ours": stand.ours.target("api", "call/mib"), "nginx": stand.nginx_at(f"/files/{FILE}")}
    small = stand.rounds(targets, CONNECTIONS, stand.small)
    stand.make_large()
    targets = {"ours": stand.ours.target("api", "call/gib"), "nginx": stand.nginx_at(f"/files/{LARGE}")}
    large = _one_by_one(stand, targets)
    return [
        _row(f"body of 1 MiB, {CONNECTIONS} connections", "nginx, no token, no record", small, THROUGH),
        _row(f"body of {stand.plan.large}, 1 connection", "nginx, no token, no record", large, THROUGH),
    ]


def files(stand: Stand) -> list[Row]:
    """Compare files of 1 MiB and large ones with nginx, which hands them to the kernel."""
    targets = {"ours": stand.ours.target("file", f"files/{FILE}"), "nginx": stand.nginx_at(f"/static/{FILE}")}
    small = stand.rounds(targets, CONNECTIONS, stand.small, warm_seconds=KNOWN_SECONDS)
    stand.make_large()
    targets = {
        "ours": stand.ours.target("file", f"files/{LARGE}"),
        "nginx": stand.nginx_at(f"/static/{LARGE}"),
    }
    fresh = _one_by_one(stand, targets, rounds=1)
    sleep(KNOWN_SECONDS)
    _one_by_one(stand, {"ours": targets["ours"]}, rounds=1)
    known = _one_by_one(stand, targets)
    return [
        _row(f"file of 1 MiB, {CONNECTIONS} connections", "nginx, sendfile, no record", small, FROM_FILES),
        _row(f"file of {stand.plan.large}, 1 connection", "nginx, sendfile, no record", known, FROM_FILES),
        _row("the same, asked for the first time", "nginx, sendfile, no record", fresh, None),
    ]


def memory(stand: Stand) -> list[Row]:
    """Tell what a worker holds after calls with every token, and by how much a large body makes it grow.

    The calls go to a worker that has done nothing else; what that of the other tables holds is told beside.
    """
    ours = stand.ours
    worker = ours.workers[0]
    other = stand.start(stand.folder / "memory", Shape(stand.upstream, stand.files))
    stand.rounds({"ours": other.target("api", "call/passed")}, 64)
    held = pss_mib(other.workers[0])
    stand.stop(other)
    stand.make_large()
    note = f"the worker of the other tables holds {pss_mib(worker):.0f} MiB"
    rows = [Row("a worker after calls with 256 tokens (PSS)", "", held, "MiB", HELD, note=note)]
    for name, kind, rest in (("body", "api", "call/gib"), ("file", "file", f"files/{LARGE}")):
        target = ours.target(kind, rest)
        stand.say(f"{name} of {stand.plan.large}, memory")
        grown = 0.0
        for _ in range(stand.plan.rounds):
            before = pss_mib(worker)
            most = most_memory_during(worker, partial(read_body, target, "*/*", keep=False))
            grown = max(grown, most - before)
        rows.append(
            Row(f"growth over a {name} of {stand.plan.large}, most of all rounds", "", grown, "MiB", GROWTH)
        )
    return rows


def _one_by_one(stand: Stand, targets: Mapping[str, Target], rounds: int | None = None) -> dict[str, Run]:
    """Read each target once in each round by one reader; return the middle runs, in MiB. Raises Unfit."""
    runs: dict[str, list[Run]] = {name: [] for name in targets}
    rounds = rounds or stand.plan.rounds
    for number in range(rounds):
        for name, target in targets.items():
            stand.say(f"{name}, {stand.plan.large}, round {number + 1} of {rounds}")
            with stand.alone(target):
                run, _ = read_body(target, "*/*", keep=False)
            if run.units < stand.plan.large_mib * MIB:
                raise Unfit(f"{name} gave {run.units:.0f} bytes of {stand.plan.large}")
            runs[name].append(replace(run, units=run.units / MIB))
    return {name: middle(found) for name, found in runs.items()}


def _row(measure: str, peer: str, runs: Mapping[str, Run], goal: Goal | None) -> Row:
    return against(measure, peer, runs["ours"], runs["nginx"], goal, "MiB/s")
