"""What app.py hands to the HTTP kit: the parts that a request needs, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from flask import current_app
from sqlalchemy import Connection

from core.db import Database
from core.settings import Settings
from core.work import Actor, Work


@dataclass(frozen=True, slots=True)
class Kit:
    """The parts of a running control plane."""

    settings: Settings
    database: Database
    rulebooks: Any
    clock: Callable[[], datetime]
    actor_of_token: Callable[[Connection, str, datetime], Actor | None]
    """Who a person's API token stands for."""
    actor_of_session: Callable[[Connection, str, datetime], Actor | None]
    """Who is signed in with a session cookie."""
    policy_changed: Callable[[Connection], object]

    def work(self, tx: Connection, actor: Actor) -> Work:
        """Return the unit of work of one request."""
        return Work(tx, self.rulebooks, actor, self.clock(), self.settings, self.policy_changed)


def kit() -> Kit:
    """Return the kit of the application that serves the current request."""
    return cast(Kit, current_app.extensions["shuxiang"])
