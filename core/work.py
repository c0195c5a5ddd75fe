"""The one explicit first argument of every use case: transaction, rulebooks, actor, now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection


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
    session: str | None = None

    def has(self, role: str) -> bool:
        """Tell whether the actor holds `role`."""
        return role in self.roles


SYSTEM = Actor("system", "平台", "", frozenset({"system"}), "system")
"""The platform itself: transitions that fall due, sweeps, start-up."""


@dataclass(frozen=True, slots=True)
class Work:
    """One unit of work. `rulebooks` is a `rules.rulebook.Rulebooks`; `core` does not know its shape."""

    tx: Connection
    rulebooks: Any
    actor: Actor
    now: datetime
    context: Mapping[str, Any] = field(default_factory=dict)

    def acting_as(self, actor: Actor) -> Work:
        """Return the same unit of work on behalf of somebody else."""
        return Work(self.tx, self.rulebooks, actor, self.now, self.context)
