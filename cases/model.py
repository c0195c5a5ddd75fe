"""A case and its events, and the pure questions one can ask of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.administrators import ADMINISTRATORS
from core.text import Text
from core.work import Actor

MEMBER = "member"
"""The role that everybody of a department has where the department as such takes part."""
HANDLER, CO_HANDLER = "handler", "co_handler"
"""Whoever handles tickets for a department handles those, too, that it only works along with."""
MATTER = "matter"
"""The kind of all that follows a procedure of the rulebook beside datasets, applications and grants."""
TICKET = "ticket"
"""The kind of what a citizen asks of the hotline: the citizen's request, whoever wrote it down."""
SUPERVISION = "supervision"
"""The kind of all that follows a procedure of the hotline's rulebook about one ticket."""
PROCEDURES = frozenset({MATTER, SUPERVISION})
"""Kinds whose cases are called by their procedure, and are before their parties from the start."""
KINDS = {
    "dataset": Text("数据集", "Dataset"),
    "application": Text("申请", "Application"),
    "grant": Text("授权", "Grant"),
    MATTER: Text("事项", "Matter"),
    TICKET: Text("工单", "Ticket"),
    "article": Text("知识", "Article"),
    SUPERVISION: Text("督办件", "Supervision"),
}
"""What the kinds of cases are called."""


Parties = Mapping[str, str | Sequence[str]]
"""Role in a case to the department that plays it, or to the several that do."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a case at one instant; clocks are computed from the `names` of its events."""

    seq: int
    action: str
    names: tuple[str, ...]
    at: datetime
    from_state: str | None
    to_state: str
    actor: str
    actor_department: str
    role: str
    fields: Mapping[str, Any]
    record_id: str


@dataclass(frozen=True, slots=True)
class Case:
    """Something with a state and deadlines, under the rulebook version that it was opened with."""

    id: str
    kind: str
    workflow: str
    rulebook: str
    rulebook_version: str
    state: str
    serves: bool
    """Whether the rulebook lets data flow in this state: a public dataset, a usable grant."""
    facts: Mapping[str, Any]
    parties: Parties
    version: int
    opened_at: datetime
    opened_by: str
    changed_at: datetime
    lapses_at: datetime | None
    next_due_at: datetime | None
    closed_at: datetime | None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """One paper of a case; its content lies in the data folder under `digest`."""

    id: str
    case_id: str
    type: str
    """What the paper is, in the rulebook's word, such as ``api_application_form``."""
    sealed: bool
    """Whether it bears the department's seal, as the one who handed it in states."""
    name: str
    media_type: str
    size: int
    digest: str
    added_at: datetime
    added_by: str
    envelope: str | None = None
    """What opens the content where it is sealed at rest; `digest` is then that of what is kept."""
    sealed_name: str | None = None
    """The name that it was handed in under, where that is sealed; `name` then says nothing."""


def roles_in(case: Case, actor: Actor) -> frozenset[str]:
    """Return the roles that `actor` plays in `case`: held by the person, and theirs by department.

    A role that the case assigns to a department counts only there; one that it does not assign counts
    for nobody but the platform itself. The three administrators act for no department.
    """
    if actor.has("system"):
        return frozenset({"system"})
    acts = bool(actor.department) and ADMINISTRATORS.isdisjoint(actor.roles)
    held = actor.roles | {MEMBER} if acts else actor.roles
    held = held | {CO_HANDLER} if HANDLER in held else held
    return frozenset(r for r in held if actor.department in in_role(case.parties, r))


def in_role(parties: Parties, role: str) -> tuple[str, ...]:
    """Return the departments that play `role`."""
    named = parties.get(role, ())
    return (named,) if isinstance(named, str) else tuple(named)


def may_see(case: Case, actor: Actor) -> bool:
    """Tell whether the case exists for `actor`: a party of it, or an auditor."""
    return bool(roles_in(case, actor)) or actor.has("auditor") or actor.has("system")
