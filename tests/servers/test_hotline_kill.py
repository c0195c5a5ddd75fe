"""Intake under load while processes are killed without warning: what was answered with 201 is kept whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from audit.bodies import read_bodies
from audit.state import load_state
from cases.books import open_rulebooks
from core.db import Database
from core.times import utc_now
from core.work import SYSTEM, Work
from hotline import store
from hotline.callers import open_caller
from hotline.intake import code_digest
from hotline.tickets import find_ticket
from tests.processes import wait_until_gone
from tests.servers.conftest import Deployment
from tests.servers.test_serve import processes_of
from ties import TIES

pytestmark = pytest.mark.night
ROOT = Path(__file__).parents[2]


def calling(deployment: Deployment, out: Path, seconds: int) -> subprocess.Popen[str]:
    """Twelve operators who take in one ticket after the other and write down each that was acknowledged."""
    host, port = deployment.settings.platform.control_listen
    spec = {
        "host": host,
        "port": port,
        "path": "/api/tickets",
        "token": deployment.run("accounts", "token", "lin.yue").strip(),
        "connections": 12,
        "seconds": seconds,
        "categories": ["street_lights", "roads", "water"],
        "out": str(out),
    }
    command = [sys.executable, "-m", "bench.callers"]
    callers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT, text=True)
    assert callers.stdin is not None
    callers.stdin.write(json.dumps(spec))
    callers.stdin.close()
    return callers


def acknowledged(out: Path) -> list[list[str]]:
    """What the callers were told: number, id, code, name, phone, address of each ticket."""
    text = out.read_text(encoding="utf-8") if out.exists() else ""
    return [line.split("\t") for line in text.splitlines()]


def wait_for_tickets(out: Path, more: int) -> None:
    wanted, deadline = len(acknowledged(out)) + more, time.monotonic() + 90
    while len(acknowledged(out)) < wanted:
        assert time.monotonic() < deadline, "nobody takes tickets in"
        time.sleep(0.05)


def kill(pids: Mapping[int, str], which: str = "") -> None:
    """Kill processes of a deployment, those of one kind or all, and wait until they are gone."""
    chosen = [pid for pid, command in pids.items() if which in command]
    for pid in chosen:
        os.kill(pid, signal.SIGKILL)
    wait_until_gone(chosen)


def test_what_was_acknowledged_outlives_every_kill(deployment: Deployment, tmp_path: Path) -> None:
    out = tmp_path / "acknowledged"
    supervisor = deployment.serve()
    callers = calling(deployment, out, 240)
    try:
        wait_for_tickets(out, 100)
        kill(processes_of(deployment.data), "run control")  # the control plane; it comes back by itself
        wait_for_tickets(out, 100)
        supervisor.kill()
        kill(processes_of(deployment.data))
        supervisor.wait()
        told = len(acknowledged(out))
        deployment.start("serve")
        deployment.wait_for(f"{deployment.settings.platform.control_url}/readyz", 90)
        wait_for_tickets(out, 50)
    finally:
        callers.kill()
        callers.wait()
    deployment.stop()
    assert len(acknowledged(out)) > told >= 200
    check(deployment, acknowledged(out))
    assert "error" not in deployment.run("audit", "verify").lower()


def check(deployment: Deployment, told: list[list[str]]) -> None:
    """Each ticket is there with its caller, its clocks, its code and its record, and no number is missing."""
    recorded = opened_on_record(deployment)
    database = Database(deployment.settings.database_url)
    with closing(database):
        books = open_rulebooks(deployment.settings, database, utc_now())
        with database.read() as tx:
            work = Work(tx, books, SYSTEM, utc_now(), deployment.settings, **TIES)
            for number, id, code, name, phone, address in told:
                held = find_ticket(work, id)
                assert held.ticket.number == number
                assert open_caller(work, held) == {"name": name, "phone": phone, "address": address}
                assert store.clocks_of(tx, id)
                kept = store.caller(tx, id)
                assert kept is not None
                assert kept.code_digest == code_digest(work, number, code)
                assert recorded[id]["number"] == number
            numbers = sorted(int(n[-6:]) for n in tx.execute(select(store.tickets.c.number)).scalars())
    assert len({number for number, *_ in told}) == len(told)
    # A number is given out in the transaction that keeps the ticket, so one that was lost was lost with it.
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(recorded) == len(numbers)


def opened_on_record(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """The sealed records of tickets that were taken in, by the id of the ticket."""
    folder = deployment.data / "audit"
    bodies = (orjson.loads(line.body) for line in read_bodies(folder / "bodies", 0, load_state(folder).size))
    return {b["case"]: b for b in bodies if b["k"] == "decision.ticket" and b["action"] == "open"}
