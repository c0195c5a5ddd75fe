"""A supervision: a procedure of the hotline's rulebook, mostly about a ticket, and its packet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from cases.model import SUPERVISION, Case
from core.text import Text
from hotline.model import Ticket
from rules.citation import Citation
from rules.values import FieldRule

KIND = SUPERVISION
"""The kind of its case; which procedure it follows is the case's workflow."""
INVITED = "invited"
"""The fact that names who comes into the case with the first step that tells them or gives them the turn."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """A procedure about a ticket, a unit or a period; its state and its limits are the case's."""

    id: str
    number: str
    """Prefix of the procedure, year, sequence: ``U-2026-000001``."""
    workflow: str
    ticket_id: str | None
    """None where it is about a unit or a period."""
    origin: str | None
    """Id of the case that called for it: the ticket, or an earlier supervision; None where a person did."""
    created_at: datetime


class Supervised(NamedTuple):
    """A supervision with the ticket that it is about and the case that moves it."""

    supervision: Supervision
    ticket: Ticket | None
    case: Case


@dataclass(frozen=True, slots=True)
class Packet:
    """What was known of a ticket when a supervision of it was opened; nothing in it says who called."""

    document: Mapping[str, Any]
    """Fits the schema response/packet."""
    digest: str
    """SHA-256 of the document as it is kept; on record since the opening."""


class Wanted(NamedTuple):
    """What a list of supervisions is narrowed down to; None does not narrow."""

    workflow: str | None = None
    state: str | None = None
    ticket: str | None = None
    """Number of the ticket."""
    is_open: bool | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A procedure that somebody may open."""

    workflow: str
    title: Text
    about_ticket: bool
    drafted: bool
    """Whether it then waits for those who opened it; else it is at once before others, who act on it."""
    fields: Sequence[tuple[FieldRule, bool]]
    """What it asks for, and whether it must be said."""
    cite: Citation
