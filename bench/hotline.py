"""`python -m bench.hotline`: a hotline with a year of tickets, its pages, its sweep, and intake under load.

The deployment is made by `shuxiang init` from the demo's configuration and filled by `bench.hotline_seed`; a
filled one is kept for the day and used again. Pages and intake are measured over HTTP on the processes of
`shuxiang serve`, the sweep and single use cases in this process. Everything runs on a copy.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import event

import schemas
from accounts.people import ensure_account
from accounts.sessions import start_session
from accounts.tokens import issue_token
from bench.hotline_seed import DISPATCHER, OPERATOR, fill, original, sweep_all, tell
from bench.machine import TICKS, Processes, Unfit, free_port, until
from bench.townspeople import somebody
from cases.sweep import sweep
from core.db import Database
from core.settings import Settings, load_settings
from core.times import SHANGHAI, utc_now
from core.work import SYSTEM, Actor
from demo.prepare import prepare
from hotline.intake import take_in
from setup_deployment import initialise
from tests.conftest import World
from web.auth import cookie_name

ROOT = Path(__file__).parents[1]
TURNS = 30
SUPERVISOR = Actor(
    "bench.supervisor", "bench", "hotline_office", frozenset({"supervisor"}), "bench-supervisor"
)
HANDLER = Actor("bench.housing", "bench", "housing", frozenset({"handler"}), "bench-housing")
PEOPLE = {"operator": OPERATOR, "dispatcher": DISPATCHER, "supervisor": SUPERVISOR, "handler": HANDLER}
out = Console(highlight=False, width=140)
err = Console(stderr=True, highlight=False)


@dataclass
class Row:
    """One line of the table: what was measured, how often, and milliseconds."""

    what: str
    ms: list[float]
    note: str = ""

    def at(self, share: float) -> float:
        """Return a quantile in milliseconds."""
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass
class Found:
    """All that was measured."""

    rows: list[Row] = field(default_factory=list)
    intake: list[tuple[str, int, dict[str, Any], float]] = field(default_factory=list)
    """Server, connections, what the callers say, CPU seconds of the server."""


# --- the deployment -----------------------------------------------------------------------------------


def settings_in(folder: Path) -> Settings:
    """Return the settings of a deployment in a folder: the demo's, on ports of its own."""
    config = folder / "config"
    shutil.rmtree(config, ignore_errors=True)
    shutil.copytree(ROOT / "config" / "demo", config)
    platform = config / "platform.yaml"
    text = platform.read_text(encoding="utf-8").replace("gateway_workers: 2", "gateway_workers: 1")
    for old in ("8001", "8000", "8002", "8009"):
        text = text.replace(f":{old}", f":{free_port()}")
    platform.write_text(text, encoding="utf-8")
    connections = config / "connections.yaml"
    text = connections.read_text(encoding="utf-8").replace(":8010", f":{free_port()}")
    connections.write_text(text, encoding="utf-8")
    return load_settings(config, folder / "data", schemas.errors)


def filled(folder: Path, tickets: int, still_open: int, say: Callable[[str], None]) -> Path:
    """Return the folder of a filled deployment, made anew unless there is one of today."""
    place = folder / f"hotline-{tickets}-{still_open}-{utc_now().astimezone(SHANGHAI).date()}"
    if (place / "ready").exists():
        return place
    for old in folder.glob(f"hotline-{tickets}-{still_open}-*"):
        shutil.rmtree(old)
    place.mkdir(parents=True)
    settings, began, now = settings_in(place), time.monotonic(), utc_now()
    initialise(settings, now)
    prepare(settings)
    world = World(settings, Database(settings.database_url))
    with closing(world.database):
        _let_the_disk_be(world.database)
        fill(world, 1, tickets=tickets, still_open=still_open, told=min(360, still_open // 4), end=now)
    size = (settings.data / "state.sqlite").stat().st_size / 2**20
    took = f"{time.monotonic() - began:.0f} s, {time.process_time():.0f} s of CPU, {size:.0f} MiB"
    (place / "ready").write_text(took)
    say(f"filled with {tickets} tickets in {took}")
    return place


def _let_the_disk_be(database: Database) -> None:
    """Wait for no disk while a deployment is filled: nobody pulls a plug, and it can be made anew."""
    database.engine.dispose()
    event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF").close())


def opened(place: Path, scratch: Path) -> World:
    """Return a world over a copy of a filled deployment."""
    shutil.copytree(place / "data", scratch / "data")
    settings = settings_in(scratch)
    world = World(settings, Database(settings.database_url))
    world.now = utc_now()
    return world


# --- measured in this process ---------------------------------------------------------------------------


def timed(act: Callable[[], object], turns: int = TURNS) -> list[float]:
    """Return how many milliseconds each of some calls took."""
    taken = []
    for _ in range(turns):
        began = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - began))
    return taken


def measure_here(world: World, found: Found) -> None:
    """Measure single use cases, and sweeps with nothing, one batch and 500 cases due."""
    chance = Random(7)

    def taken() -> None:
        with world.work(OPERATOR) as work:
            take_in(work, _draft(world, chance))

    found.rows.append(Row("take_in, the use case, with its commit", timed(taken, 200)))
    found.rows.append(Row("sweep with nothing due", timed(lambda: _sweep(world))))
    for state in ("dispatched", "handling"):
        _let_fall_due(world, state, found, chance)


def _draft(world: World, chance: Random) -> dict[str, Any]:
    book = world.rulebooks.current("hotline")
    return {
        "channel": "phone",
        "summary": "紫月路12号门口路灯不亮",
        "description": "来电人反映路灯不亮。",
        "category": book.policy("categories").value[0]["code"],
        "caller": somebody(chance),
    }


def _sweep(world: World) -> int:
    with world.work(SYSTEM) as work:
        return sweep(work)


def _let_fall_due(world: World, life: str, found: Found, chance: Random) -> None:
    """Let 500 more tickets in one state pass a limit at once, and sweep them, batch by batch."""
    from bench.hotline_seed import Copier

    held = tell(world, chance, life, utc_now())
    copier = Copier(world, chance)
    copier.many([original(world, held.ticket.id)], 499)
    copier.close()
    with world.database.read() as tx:
        watch = tx.exec_driver_sql("SELECT watch_at FROM cases WHERE id = ?", (held.ticket.id,)).scalar_one()
    sweep_all(world, datetime.fromisoformat(watch) - timedelta(seconds=2))
    world.now = datetime.fromisoformat(watch) + timedelta(seconds=2)
    batches: list[float] = []
    looked, began = 0, time.process_time()
    while True:
        start = time.perf_counter()
        seen = _sweep(world)
        if seen == 0:
            break
        batches.append(1000 * (time.perf_counter() - start))
        looked += seen
    note = f"{looked} cases, {sum(batches) / 1000:.1f} s in all, {time.process_time() - began:.1f} s of CPU"
    found.rows.append(Row(f"sweep, one call of 20, {life} and due at once", batches, note))
    world.now = utc_now()


# --- measured over HTTP -----------------------------------------------------------------------------------


class Browser:
    """One client of the control plane."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = dict(headers)

    def __call__(self, path: str, body: Any = None) -> bytes:
        """Ask for an address and return its body. Raises Unfit for anything but a good answer."""
        method = "GET" if body is None else "POST"
        raw = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, raw, {**self._headers, "Content-Type": "application/json"})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 201):
            raise Unfit(f"{method} {path} answered {answer.status}: {said[:300]!r}")
        return said


def let_in(world: World) -> dict[str, tuple[str, str]]:
    """Return a token and a session for each of the people."""
    made = {}
    for name, actor in PEOPLE.items():
        with world.work(actor) as work:
            ensure_account(work, actor.login, actor.name, actor.department, actor.roles)
            made[name] = issue_token(work, actor.login, hours=24), start_session(work, actor.login)
    return made


def pages_of(ticket: str, month: str) -> list[tuple[str, str, str, Any]]:
    """Return what is asked for: who asks, what it is called, the address, and the body of a POST."""
    word, place = quote("路灯"), "429005001000"
    hint = {
        "summary": "章华中路路灯不亮",
        "place": place,
        "category": "street_lights",
        "phone": "19912345678",
    }
    return [
        ("operator", "list, newest", "/api/tickets?limit=50", None),
        ("dispatcher", "list, to be dispatched", "/api/tickets?flag=intake&order=due&limit=50", None),
        ("handler", "list, mine to handle", "/api/tickets?flag=handling&order=due&limit=50", None),
        ("supervisor", "list, late", "/api/tickets?late=true&open=true&order=due&limit=50", None),
        (
            "supervisor",
            "list, a place and topic",
            f"/api/tickets?place={place}&category=roads&limit=50",
            None,
        ),
        ("operator", "search by a word", f"/api/tickets?q={word}&limit=50", None),
        ("handler", "search by a word", f"/api/tickets?q={word}&limit=50", None),
        ("operator", "look-up by phone", "/api/tickets/lookup", {"phone": "19912345678"}),
        ("operator", "hints while typing", "/api/tickets/hints", hint),
        ("operator", "one ticket", f"/api/tickets/{ticket}", None),
        ("supervisor", "report of a month", f"/api/hotline/reports?period=month&at={month}", None),
    ]


HTML = (
    ("operator", "page: desk", "/"),
    ("operator", "page: tickets", "/tickets"),
    ("dispatcher", "page: tickets", "/tickets"),
    ("handler", "page: tickets", "/tickets"),
    ("supervisor", "page: tickets", "/tickets"),
    ("operator", "page: search", f"/tickets?q={quote('路灯')}"),
    ("operator", "page: ticket", "/tickets/{ticket}"),
    ("supervisor", "page: report", "/hotline/reports"),
)


def measure_pages(world: World, port: int, people: Mapping[str, tuple[str, str]], found: Found) -> None:
    """Ask for each page by one client, again and again."""
    with world.database.read() as tx:
        ticket = tx.exec_driver_sql("SELECT id FROM tickets WHERE state = 'handling' LIMIT 1").scalar_one()
    month = world.now.astimezone(SHANGHAI).strftime("%Y-%m")
    for who, what, path, body in pages_of(str(ticket), month):
        ask = Browser(port, {"Authorization": f"Bearer {people[who][0]}"})
        _page(found, f"{what}, {who}", ask, path, body)
    for who, what, path in HTML:
        ask = Browser(port, {"Cookie": f"{cookie_name_of(world)}={people[who][1]}"})
        _page(found, f"{what}, {who}", ask, path.format(ticket=ticket), None)


def _page(found: Found, what: str, ask: Browser, path: str, body: Any) -> None:
    try:
        ask(path, body)
        found.rows.append(Row(what, timed(lambda: ask(path, body))))
    except Unfit as why:
        found.rows.append(Row(what, [float("nan")], str(why)[:80]))


def cookie_name_of(world: World) -> str:
    """Return the name of the session's cookie."""
    return cookie_name(world)  # type: ignore[arg-type]


def measure_intake(
    port: int, pid: int, name: str, token: str, world: World, plan: Plan, found: Found
) -> None:
    """Let callers press on a server for a while."""
    book = world.rulebooks.current("hotline")
    for connections in plan.connections:
        spec = {
            "host": "127.0.0.1",
            "port": port,
            "path": "/api/tickets",
            "token": token,
            "connections": connections,
            "seconds": plan.seconds,
            "categories": [entry["code"] for entry in book.policy("categories").value],
        }
        before = cpu_of_all(pid)
        done = subprocess.run(
            [sys.executable, "-m", "bench.callers"],
            input=json.dumps(spec),
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        found.intake.append((name, connections, json.loads(done.stdout), cpu_of_all(pid) - before))


def cpu_of_all(pid: int) -> float:
    """Return the CPU time of a process and all that descend from it, of those that live."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            stat = entry.read_text().rpartition(")")[2].split()
            parents[int(entry.parent.name)] = int(stat[1])
            used[int(entry.parent.name)] = (int(stat[11]) + int(stat[12])) / TICKS
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(used.get(member, 0.0) for member in family)


@dataclass(frozen=True)
class Plan:
    """How long and how hard callers press."""

    seconds: int
    connections: tuple[int, ...]


def measure_served(world: World, scratch: Path, plan: Plan, found: Found) -> None:
    """Start `shuxiang serve` and the peer, one after the other, and measure them."""
    settings, processes = world.settings, Processes(scratch)
    everywhere = sorted(os.sched_getaffinity(0))
    people = let_in(world)
    command = [sys.executable, "-m", "cli", "--config", str(settings.folder), "--data", str(settings.data)]
    try:
        port = settings.platform.control_listen[1]
        pid = processes.serve("serve", [*command, "serve"], everywhere, port)
        until(lambda: _ready(port), "the control plane being ready")
        measure_pages(world, port, people, found)
        measure_intake(port, pid, "shuxiang serve", people["operator"][0], world, plan, found)
    finally:
        processes.stop()
    plain = free_port()
    own = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(plain),
    ]
    own += ["--workers", "1", "--blocking-threads", "32", "--no-ws", "--log-level", "warning"]
    own += ["bench.plain_intake:app"]
    try:
        pid = processes.serve("plain", own, everywhere, plain, {"BENCH_PLAIN": str(scratch / "plain.sqlite")})
        measure_intake(plain, pid, "Flask, one INSERT", "none", world, plan, found)
    finally:
        processes.stop()


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


# --- told -------------------------------------------------------------------------------------------------


def show(found: Found) -> None:
    """Print what was measured."""
    table = Table("what", "calls", "median ms", "99 % ms", "most ms", "")
    for row in found.rows:
        figures = (f"{row.at(0.5):.1f}", f"{row.at(0.99):.1f}", f"{max(row.ms):.1f}")
        table.add_row(row.what, str(len(row.ms)), *figures, row.note)
    out.print(table)
    table = Table(
        "intake over HTTP", "connections", "tickets/s", "p50 ms", "p99 ms", "CPU ms each", "refused"
    )
    for name, connections, told, cpu in found.intake:
        rate, each = told["taken"] / told["seconds"], 1000 * cpu / max(1, told["taken"])
        table.add_row(
            name,
            str(connections),
            f"{rate:.1f}",
            f"{told['p50_ms'] or 0:.0f}",
            f"{told['p99_ms'] or 0:.0f}",
            f"{each:.1f}",
            json.dumps(told["refused"]),
        )
    out.print(table)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--tickets", type=click.IntRange(100), default=100_000, show_default=True)
@click.option("--open", "still_open", type=click.IntRange(20), default=20_000, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True, help="Of each load.")
@click.option("--connections", default="8,16,32", show_default=True, help="Callers at once, each in turn.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "var",
    show_default="var",
    help="Where the filled deployment is kept and its copy is made.",
)
def main(tickets: int, still_open: int, seconds: int, connections: str, folder: Path) -> None:
    """Measure a hotline with a year of tickets."""
    folder.mkdir(parents=True, exist_ok=True)
    place = filled(folder.resolve(), tickets, still_open, lambda text: err.print(text, style="dim"))
    plan = Plan(seconds, tuple(int(x) for x in connections.split(",")))
    found, load = Found(), os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder.resolve()) as name:
        world = opened(place, Path(name))
        with closing(world.database):
            sweep_all(world, utc_now())
            measure_here(world, found)
            measure_served(world, Path(name), plan, found)
    show(found)
    out.print(f"{tickets} tickets, {still_open} open; filled in {(place / 'ready').read_text()}")
    after = os.getloadavg()
    out.print(f"{datetime.now(SHANGHAI).date()}; load average {load[0]:.1f} before, {after[0]:.1f} after")


if __name__ == "__main__":
    main()
