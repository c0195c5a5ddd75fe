"""The one explicit first argument of every use case: transaction, rulebooks, actor, now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    confirmed_at: datetime | None = field(default=None, compare=False)
    """When the person last proved who they are, as far as the door of a route must know it."""

    def has(self, role: str) -> bool:
        """Tell whether the actor holds `role`."""
        return role in self.roles


SYSTEM = Actor("system", "平台", "", frozenset({"system"}), "system")
"""The platform itself: transitions that fall due, sweeps, start-up."""


def nobody_listens(tx: Connection) -> None:
    """Take note of a changed policy where no data plane runs: tests and one-off commands without grants."""


def users_unknown(tx: Connection, dataset: str) -> tuple[str, ...]:
    """Answer who uses a dataset where nobody knows: the strict answer, so that no data go unannounced."""
    return ("unknown",)


def never_called(tx: Connection, grant: str) -> datetime | None:
    """Answer when a grant was last used where nobody keeps count: an idle one counts from the grant."""
    return None


def nothing_follows(
    work: Work, workflow: str, origin: Any, fields: Mapping[str, Any], *, once: bool = False
) -> None:
    """Refuse to open a case that another one calls for, where nobody knows how."""
    raise LookupError(f"nobody opens a case of {workflow!r} here")


def no_tickets(tx: Connection, number: str, department: str) -> bool:
    """Answer whether a ticket is open with a department where there is no hotline: none is."""
    return False


def nothing_derived(work: Work, case: Any) -> None:
    """Take note of a moved case where nobody keeps anything that derives from it."""


def nothing_filed(work: Work, datasets: Sequence[str]) -> Mapping[str, Any]:
    """Answer how bases for not sharing are filed where nobody files any."""
    return {}


def no_grants(tx: Connection, now: datetime) -> Sequence[Any]:
    """Answer which grants are in force where nobody grants any."""
    return ()


def nobody_told(work: Work, **parts: Any) -> bool:
    """Post a notice where nobody keeps any."""
    return False


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
    users_of: Callable[[Connection, str], tuple[str, ...]] = users_unknown
    """The departments with an open grant on the dataset with this code."""
    last_call: Callable[[Connection, str], datetime | None] = never_called
    """When the grant with this number last answered a call."""
    follow_up: Callable[..., object] = nothing_follows
    """Open a case of a workflow as the consequence of another case, with what was said there; with `once` not
    while an earlier one is open."""

    filings_of: Callable[[Work, Sequence[str]], Mapping[str, Any]] = nothing_filed
    """The latest filing (`catalog.model.Filing`) of each of these datasets (ids), by dataset."""
    moved: Callable[[Work, Any], None] = nothing_derived
    """To be called with every case that took a step, for what is kept beside it and derives from it."""

    ticket_open: Callable[[Connection, str, str], bool] = no_tickets
    """Whether the ticket with this number is open and a department takes part in it."""

    grants_in_force: Callable[[Connection, datetime], Sequence[Any]] = no_grants
    """The grants (`audit.questions.grants.InForce`) under which data may flow at an instant."""

    tell: Callable[..., bool] = nobody_told
    """Post a notice with the parts of a `notices.model.Draft`, where the poster stands left of notices."""

    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """What was worked out in this unit of work and is asked for again; who puts something in keeps it few."""

    def acting_as(self, actor: Actor) -> Work:
        """Return the same unit of work on behalf of somebody else."""
        return replace(self, actor=actor)
