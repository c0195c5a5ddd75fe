"""What senders do, and what is known of it afterwards."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from core.db import Database
from core.settings import Settings
from core.work import SYSTEM
from notices import outbox as outboxes
from notices.outbox import Outbox
from notices.sender import send_once
from tests.conftest import World


def send(world: World) -> int:
    return send_once(world.settings, Outbox(world.database, lambda: world.now))


def states(world: World) -> dict[str, Any]:
    with world.read(SYSTEM) as work:
        return {k: v for k, v in outboxes.status(work).items() if v and k != "oldest_waiting"}


def killed_while_sending(world: World, reached: Callable[[], bool]) -> None:
    """Let another process send, and kill it (SIGKILL) as soon as `reached`."""
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_sending, args=(world.settings, world.now))
    process.start()
    deadline = time.monotonic() + 60
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert reached()
    process.kill()
    process.join(60)


def _sending(settings: Settings, now: datetime) -> None:
    send_once(settings, Outbox(Database(settings.database_url), lambda: now))


def reason(world: World) -> str | None:
    """Why the newest delivery that waits has not gone out."""
    with world.read(SYSTEM) as work:
        found = outboxes.list_deliveries(work, "waiting", 1, None)
    return found.rows[0].reason if found.rows else None
