"""Calls of 1 KiB: how many, how late, with masks, from a late provider, with many grants."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.deployment import Shape
from bench.load import Target
from bench.machine import Unfit, module, pss_mib
from bench.report import durable_write_ms
from bench.results import Goal, Row, against
from bench.stand import Missing, Stand

CONNECTIONS = 64
MANY_CONNECTIONS = 1000
PAUSE_SECONDS = 0.0003
"""About what a call on one connection takes besides its record (0.23 to 0.38 ms)."""
FEW = 10

_ES256, _HS256 = "HAProxy, ES256 and log", "HAProxy, HS256 and log"
_LUA, _NGINX = "nginx with Lua, ES256 remembered, and log", "nginx, no token, no record"
GOALS: Mapping[str, Goal | None] = {
    _ES256: Goal(3.0, 4.5),
    _HS256: Goal(0.7, 1.0),
    _NGINX: Goal(0.3, 0.45),
    _LUA: None,
}
P99 = Goal(5.0, 2.5, less_is_better=True)
ADDED = Goal(2.0, 1.3, less_is_better=True)
LATE = Goal(0.5, 0.75)
MASKED = Goal(0.6, 0.8)
MANY = Goal(0.9, 1.0)


def calls(stand: Stand) -> list[Row]:
    """Compare calls with token, grant and a record that is durable before the answer with all peers."""
    ours = stand.ours.target("api", "call/passed")
    peers, skipped = _peers(stand)
    sealed = stand.ours.target("api", "call/passed", sealed=True)
    asked = stand.ours.target("api", "call/asked?number=")
    more = {"ours, sealer at work": sealed, "ours, with a query": asked}
    runs = stand.rounds({"ours": ours, **peers, **more}, CONNECTIONS)
    mine, measure = runs["ours"], f"call, {CONNECTIONS} connections"
    rows = [against(measure, peer, mine, runs[peer], GOALS[peer]) for peer in peers]
    rows += [Row(measure, peer, goal=GOALS[peer], skipped=why) for peer, why in skipped.items()]
    rows.append(Row(f"p99 of a call, {CONNECTIONS} connections", "", mine.p99_ms, "ms", P99, mine))
    if _ES256 in peers:
        besides = f"the sealer takes {stand.sealer_us():.1f} µs of CPU a call, on the CPU of the load"
        beside = against(f"{measure}, sealer at work", _ES256, runs["ours, sealer at work"], runs[_ES256])
        rows.append(replace(beside, note=besides))
        many = f"{measure}, 4,096 different queries go round"
        rows.append(against(many, _ES256, runs["ours, with a query"], runs[_ES256]))
    return rows


def _peers(stand: Stand) -> tuple[dict[str, Target], dict[str, str]]:
    """Return the peers that can be had, and why the others cannot."""
    starts = {
        _ES256: lambda: stand.haproxy("ES256"),
        _HS256: lambda: stand.haproxy("HS256"),
        _NGINX: lambda: stand.nginx,
        _LUA: stand.lua,
    }
    peers, skipped = {}, {}
    for name, start in starts.items():
        try:
            peers[name] = start()
        except (Missing, Unfit) as why:
            skipped[name] = str(why)
    return peers, skipped


def latency(stand: Stand) -> list[Row]:
    """Compare one connection with records on the disk and with records in memory, by what a sync takes.

    The sync is a write of 4 KiB over what a file holds already, with O_DSYNC, into the folder of the records,
    on the same CPU and as often as calls come. One such write after the other is told beside it.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as memory:
        other = stand.start(Path(memory) / "ours", Shape(stand.upstream, stand.files))
        targets = {
            "records on disk": stand.ours.target("api", "call/passed"),
            "records in memory": other.target("api", "call/passed"),
        }
        syncs: list[float] = []
        paced: list[float] = []

        def measure_disk() -> None:
            os.sched_setaffinity(0, {stand.cpu})
            try:
                syncs.append(durable_write_ms(stand.folder))
                paced.append(durable_write_ms(stand.folder, pause=PAUSE_SECONDS))
            finally:
                os.sched_setaffinity(0, {stand.other})

        runs = stand.rounds(targets, 1, between=measure_disk)
        sync, back_to_back = statistics.median(paced), statistics.median(syncs)
        stand.stop(other)
    disk, without = runs["records on disk"], runs["records in memory"]
    added = (disk.p50_ms or 0.0) - (without.p50_ms or 0.0)
    measure = "added by the record, 1 connection"
    if added < 0:
        why = "the machine was too busy: what the record adds drowned in the noise"
        return [Row(measure, "a sync", goal=ADDED, skipped=why)]
    note = (
        f"{added:.3f} ms added; a synchronous write takes {sync:.3f} ms at the pace of calls, "
        f"{back_to_back:.3f} ms one after the other"
    )
    return [Row(measure, "a sync", added / sync, "x", ADDED, disk, without, note=note)]


def slow(stand: Stand) -> list[Row]:
    """Compare calls to a provider that answers after 20 ms."""
    if module("ngx_http_lua_module") is None:
        raise Missing("libnginx-mod-http-lua not installed: no provider that answers late")
    ours = stand.ours.target("api", "call/late")
    runs = stand.rounds({"ours": ours, "nginx": stand.nginx_at("/late")}, MANY_CONNECTIONS)
    measure = f"provider of 20 ms, {MANY_CONNECTIONS:,} connections"
    return [against(measure, _NGINX, runs["ours"], runs["nginx"], LATE)]


def mask(stand: Stand) -> list[Row]:
    """Compare answers that are cut down to the granted fields with answers that are passed on."""
    targets = {
        "masked": stand.ours.target("api", "call/cut"),
        "passed on": stand.ours.target("api", "call/passed"),
    }
    runs = stand.rounds(targets, CONNECTIONS)
    measure = f"call with field mask, {CONNECTIONS} connections"
    return [against(measure, "ours without", runs["masked"], runs["passed on"], MASKED)]


def grants(stand: Stand) -> list[Row]:
    """Compare a deployment of very many systems and grants with one of ten; 256 tokens go round in both."""
    many, made = stand.plan.parties, {}
    for parties in (FEW, many):
        stand.say(f"making {parties:,} systems with a grant each")
        shape = Shape(stand.upstream, stand.files, parties=parties)
        made[parties] = stand.start(stand.folder / f"parties-{parties}", shape)
    targets = {f"{n:,} grants": made[n].target("api", "call/passed") for n in made}
    runs = list(stand.rounds(targets, CONNECTIONS).values())
    held = " and ".join(f"{pss_mib(ours.workers[0]):.0f} MiB" for ours in made.values())
    for ours in made.values():
        stand.stop(ours)
    row = against(f"{many:,} grants and systems", f"ours with {FEW}", runs[1], runs[0], MANY)
    return [replace(row, note=f"workers of {held}, the fewer first")]
