"""Load, and what it showed: by `wrk` for calls and files, by one reader for the rows of a table."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.machine import Unfit, cpu_seconds

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Run:
    """One run against one server."""

    units: float
    """Requests, or rows."""
    seconds: float
    cpu_seconds: float
    """CPU time of the measured process."""
    bytes: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    errors: int = 0

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.units / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per unit."""
        return self.cpu_seconds * 1e6 / self.units if self.units else float("nan")


@dataclass(frozen=True)
class Target:
    """A server to be measured: who answers, where, and with which tokens."""

    name: str
    url: str
    pid: int
    tokens: Sequence[str] = ("none",)


def get(target: Target, accept: str = "*/*", authorised: bool = True) -> tuple[int, bytes]:
    """Make one call and return status and body."""
    url = urlsplit(target.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {target.tokens[0]}"} if authorised else {})
    try:
        connection.request("GET", url.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def press(wrk: str, cpu: int, target: Target, connections: int, seconds: int, folder: Path) -> Run:
    """Let `wrk` press on a target from one thread on one CPU. Raises Unfit when it says nothing."""
    tokens = folder / "tokens"
    tokens.write_text("\n".join(target.tokens))
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT), target.url]
    command += ["--", str(tokens)]
    before = cpu_seconds(target.pid)
    said = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        timeout=seconds + 30,
        check=False,
    )
    used = cpu_seconds(target.pid) - before
    line = next((x for x in said.stdout.splitlines() if x.startswith("RESULT ")), None)
    if line is None:
        raise Unfit(f"wrk told nothing: {said.stderr.strip() or said.stdout.strip()}")
    told = json.loads(line.removeprefix("RESULT "))
    return Run(
        told["requests"],
        told["seconds"],
        used,
        told["bytes"],
        told["p50_ms"],
        told["p99_ms"],
        told["errors"],
    )


def download(target: Target, accept: str, rows: int, media: str) -> Run:
    """Read all rows of a table once, from the CPU of this process. Raises Unfit when some are missing."""
    before, began = cpu_seconds(target.pid), time.monotonic()
    status, body = get(target, accept)
    seconds, used = time.monotonic() - began, cpu_seconds(target.pid) - before
    _check_lines(status, body, rows, media)
    return Run(rows, seconds, used, len(body))


def print_rows(command: Sequence[str], cpu: int, rows: int) -> Run:
    """Let a program on one CPU print all rows into a pipe; there is no network, no token and no record."""
    began, before = time.monotonic(), os.times()
    done = subprocess.run(
        command, capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), check=True
    )
    seconds, after = time.monotonic() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(rows, seconds, used, len(done.stdout))


def _check_lines(status: int, body: bytes, rows: int, media: str) -> None:
    lines = body.count(b"\n") - (1 if media == "csv" else 0)
    if status != 200 or lines != rows:
        raise Unfit(f"the table answered {status} with {lines} rows of {rows}")
