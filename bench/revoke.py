"""How long a revoked token is good for: callers without pause on every worker, while it is revoked."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from bench.deployment import Deployment, Shape
from bench.machine import Unfit, cpu_seconds
from bench.results import Goal, Row
from bench.stand import Stand

WORKERS = 2
CALLERS = 16
TRIALS_A_ROUND = 5
AFTER_SECONDS = 0.3
AFTERWARDS = Goal(0, 0, less_is_better=True)


@dataclass
class Trial:
    """What callers with one token saw."""

    succeeded: list[float] = field(default_factory=list)
    """When each call that succeeded was sent."""
    refused: int = 0
    answered: float = 0.0
    """When the answer to the revocation had been read."""
    over: bool = False

    @property
    def afterwards(self) -> int:
        """How many calls that were sent after the answer succeeded."""
        return sum(began > self.answered for began in self.succeeded)


def revoke(stand: Stand) -> list[Row]:
    """Revoke tokens (RFC 7009) at the control plane and count the calls that succeed after the answer."""
    ours = stand.start(
        stand.folder / "revoke", Shape(stand.upstream, stand.files, parties=1, workers=WORKERS)
    )
    settings = ours.deployment.settings
    port = settings.platform.control_listen[1]
    control = stand.run_ours(ours.deployment, "control", stand.other, port=port)
    before = [cpu_seconds(worker) for worker in ours.workers]
    trials = []
    for number in range(stand.plan.rounds * TRIALS_A_ROUND):
        stand.say(f"revocation {number + 1}")
        trials.append(asyncio.run(_trial(ours.deployment, ours.deployment.tokens["api"][number])))
    if any(cpu_seconds(w) <= b for w, b in zip(ours.workers, before, strict=True)):
        raise Unfit("a worker had nothing to do while tokens were revoked")
    stand.processes.end(control)
    stand.stop(ours)
    return [_row(trials)]


def _row(trials: list[Trial]) -> Row:
    if not all(trial.succeeded and trial.refused for trial in trials):
        raise Unfit("a token was not good before its revocation, or good for ever after")
    after = sum(trial.afterwards for trial in trials)
    calls = sum(len(trial.succeeded) + trial.refused for trial in trials)
    last = max(max(trial.succeeded) - trial.answered for trial in trials)
    note = (
        f"{len(trials)} tokens, {CALLERS} callers without pause on {WORKERS} workers, {calls:,} calls; "
        f"the last call that succeeded was sent {-last * 1000:.1f} ms before the answer"
    )
    return Row(
        "calls that succeed after the answer to a revocation", "", after, "calls", AFTERWARDS, note=note
    )


async def _trial(deployment: Deployment, token: str) -> Trial:
    trial = Trial()
    callers = [asyncio.create_task(_call(deployment, token, trial)) for _ in range(CALLERS)]
    await asyncio.sleep(random.uniform(0.2, 0.4))
    await _revoke(deployment, token)
    trial.answered = time.monotonic()
    await asyncio.sleep(AFTER_SECONDS)
    trial.over = True
    await asyncio.gather(*callers)
    return trial


async def _call(deployment: Deployment, token: str, trial: Trial) -> None:
    """Call without pause on one connection, and note when each call that succeeded was sent."""
    address = urlsplit(deployment.settings.platform.gateway_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    request = (
        f"GET /share/307001-000001/call/passed HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    while not trial.over:
        began = time.monotonic()
        writer.write(request)
        if await _status(reader) == 200:
            trial.succeeded.append(began)
        else:
            trial.refused += 1
    writer.close()
    await writer.wait_closed()


async def _revoke(deployment: Deployment, token: str) -> None:
    """Revoke a token as its system does, and return when the answer has been read. Raises Unfit."""
    address = urlsplit(deployment.settings.platform.control_url)
    first = deployment.first
    known = base64.b64encode(f"{first.client}:{first.secret}".encode()).decode()
    body = urlencode({"token": token})
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        (
            f"POST /oauth/revoke HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Basic {known}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
    )
    status = await _status(reader)
    writer.close()
    if status != 200:
        raise Unfit(f"a revocation was answered with {status}")


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one answer, whose length must be told, and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
