"""The one explicit first argument of every use case: transaction, rulebooks, actor, now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person signed in, or a part of the platform.

    `pseudonym` is what the audit log keeps in place of the login (a keyed digest; no personal data there).
    """

    login: str
    name: str
    department: str
    roles: frozenset[str]
    pseudonym: str

    def has(self, role: str) -> bool:
        """Tell whether the actor holds `role`."""
        return role in self.roles


SYSTEM = Actor("system", "平台", "", frozenset({"system"}), "system")
"""The platform itself: transitions that fall due, sweeps, start-up."""


def nobody_listens(tx: Connection) -> None:
    """Take note of a changed policy where no data plane runs: tests and one-off commands without grants."""


def perhaps_used(tx: Connection, dataset: str) -> bool:
    """Answer whether a dataset is in use where nobody knows: the strict answer, so that users are told."""
    return True


@dataclass(frozen=True, slots=True)
class Work:
    """One unit of work: everything that a use case may touch, in sight."""

    tx: Connection
    rulebooks: Any
    """A `rules.rulebook.Rulebooks`; `core` stands before `rules` and does not know its shape."""
    actor: Actor
    now: datetime
    settings: Settings
    policy_changed: Callable[[Connection], object] = nobody_listens
    """To be called by whatever may turn a permit into a refusal, inside the transaction that does it."""
    in_use: Callable[[Connection, str], bool] = perhaps_used
    """Whether some grant on the dataset with this code is still open."""

    def acting_as(self, actor: Actor) -> Work:
        """Return the same unit of work on behalf of somebody else."""
        return replace(self, actor=actor)
