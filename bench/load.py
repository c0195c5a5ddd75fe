"""Load, and what it showed: by `wrk` for calls and files, by one reader for bodies and rows."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from urllib.parse import SplitResult, urlsplit

from bench.machine import Unfit, cpu_seconds, pss_mib

_SCRIPT = Path(__file__).with_name("load.lua")
_CHUNK = 1024 * 1024
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """One run against one server."""

    units: float
    """Calls that were answered well, rows, or bytes."""
    seconds: float
    cpu_seconds: float
    """CPU time of the measured process and its descendants."""
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
    sealer: int | None = None
    """The process that seals the records of these calls."""
    seals_meanwhile: bool = False


def get(target: Target, accept: str = "*/*", authorised: bool = True) -> tuple[int, bytes]:
    """Make one call and return status and body."""
    url = urlsplit(target.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {target.tokens[0]}"} if authorised else {})
    try:
        connection.request("GET", _resource(url), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _resource(url: SplitResult) -> str:
    query = f"{url.query}0" if url.query.endswith("=") else url.query  # load.lua puts other numbers there
    return f"{url.path}?{query}" if query else url.path


def press(wrk: str, cpu: int, target: Target, connections: int, seconds: int, folder: Path) -> Run:
    """Let `wrk` press on a target from one thread on one CPU. Raises Unfit when it says nothing."""
    tokens = folder / "tokens"
    tokens.write_text("\n".join(target.tokens))
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT)]
    before = cpu_seconds(target.pid)
    said = subprocess.run(
        [*command, target.url, "--", str(tokens)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        timeout=seconds + 60,
        check=False,
    )
    used = cpu_seconds(target.pid) - before
    line = next((x for x in said.stdout.splitlines() if x.startswith("RESULT ")), None)
    if line is None:
        raise Unfit(f"wrk told nothing: {said.stderr.strip() or said.stdout.strip()}")
    told = json.loads(line.removeprefix("RESULT "))
    good, bad = told["requests"] - told["refused"], told["refused"] + told["failed"]
    return Run(good, told["seconds"], used, told["p50_ms"], told["p99_ms"], bad)


def read_body(target: Target, accept: str, keep: bool) -> tuple[Run, bytes]:
    """Read one answer to the end of the connection. Return the run, counted in bytes, and the body if kept.

    Raises Unfit for anything but a whole answer of status 200.
    """
    url = urlsplit(target.url)
    request = f"GET {_resource(url)} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: {accept}\r\n"
    request += f"Authorization: Bearer {target.tokens[0]}\r\nConnection: close\r\n\r\n"
    before, began = cpu_seconds(target.pid), time.monotonic()
    with socket.create_connection((url.hostname or "", url.port or 80), timeout=120) as line:
        line.sendall(request.encode())
        read, count = _read(line, keep)
    seconds, used = time.monotonic() - began, cpu_seconds(target.pid) - before
    head, _, body = read.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise Unfit(f"{target.url} answered {head.splitlines()[:1]}")
    if keep and b"chunked" in head.lower():
        body = _unchunked(body)
    return Run(count - len(head) - 4, seconds, used), body if keep else b""


def _read(line: socket.socket, keep: bool) -> tuple[bytes, int]:
    """Return what came, or without `keep` its beginning with the whole head, and how many bytes came."""
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    parts: list[bytes] = []
    count, whole_head = 0, False
    while got := line.recv_into(buffer):
        count += got
        if keep or not whole_head:
            parts.append(bytes(view[:got]))
            whole_head = whole_head or b"\r\n\r\n" in b"".join(parts)
    return b"".join(parts), count


def _unchunked(body: bytes) -> bytes:
    """Return the content of a chunked body (RFC 9112 section 7.1). Raises Unfit when its end is missing."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        if end < 0:
            raise Unfit("an answer ended before its last chunk")
        size = int(body[at:end].partition(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def print_rows(command: Sequence[str], cpu: int, rows: int) -> tuple[Run, bytes]:
    """Let a program on one CPU print all rows into a pipe; there is no network, no token and no record."""
    began, before = time.monotonic(), os.times()
    done = subprocess.run(
        command, capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), check=True
    )
    seconds, after = time.monotonic() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(rows, seconds, used), done.stdout


def most_memory_during(pid: int, act: Callable[[], object]) -> float:
    """Return the most MiB (PSS) that a process and its descendants held while something was done."""
    over, seen = Event(), [pss_mib(pid)]

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            seen.append(pss_mib(pid))

    watcher = Thread(target=look)
    watcher.start()
    try:
        act()
    finally:
        over.set()
        watcher.join()
    return max(*seen, pss_mib(pid))
