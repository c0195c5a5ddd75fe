"""What app.py hands to the HTTP kit: the parts that a request needs, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection

from core.db import Database, on_commit
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
    ties: Mapping[str, Any]
    """What packages further left ask of those further right (`Work.users_of`, `last_call`, `follow_up`)."""

    def work(self, tx: Connection, actor: Actor) -> Work:
        """Return the unit of work of one request."""
        return Work(tx, self.rulebooks, actor, self.clock(), self.settings, self.policy_changed, **self.ties)


def before_answering(work: Work, act: Callable[[Work], object]) -> None:
    """Let `act` write in a short transaction of its own, between a request that only reads and its answer.

    It runs once the reading transaction is over, on behalf of the same actor and as of the same instant. When
    it fails there is no answer; when the request is refused it does not run.
    """
    database = kit().database

    def write() -> None:
        with database.begin() as tx:
            act(replace(work, tx=tx))

    on_commit(work.tx, write)


def kit() -> Kit:
    """Return the kit of the application that serves the current request."""
    from flask import current_app  # commands come by here too, where nothing is served

    return cast(Kit, current_app.extensions["shuxiang"])
