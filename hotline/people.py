"""Who comes near tickets at all: the roles that the faces let in; what each may is a matter of the ticket."""

from __future__ import annotations

from core.work import Actor
from hotline.book import OFFICE

TAKERS = frozenset({"operator", "dispatcher", "superior"})
"""Who takes tickets in."""
DESK = frozenset({"operator", "dispatcher", "supervisor"})
"""Who looks for what a caller said before, and looks data up for a ticket."""
ACTING = frozenset({*OFFICE, "handler", "superior", "business_environment", "discipline", "emergency_office"})
"""Who may take steps of a ticket."""
READERS = ACTING | {"auditor"}
"""Who may see one."""


def source_of(taker: Actor) -> str:
    """Return through whom a ticket comes in that somebody takes: the office, or a higher agency."""
    return "operator" if taker.has("operator") or taker.has("dispatcher") else "superior"
