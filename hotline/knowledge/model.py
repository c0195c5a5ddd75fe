"""An article of the knowledge base, its wordings, and the questions that no article answers yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases.model import Case

KIND = "article"
"""The kind of an article's case."""
WORKFLOW = "article"
"""The workflow of the hotline's rulebook that articles follow."""
END = "valid_until"
"""The fact with the instant from which an article is no answer any more; the rulebook's timer goes by it."""
STAFF = frozenset(
    {
        "operator",
        "dispatcher",
        "handler",
        "supervisor",
        "leader",
        "superior",
        "business_environment",
        "auditor",
    }
)
"""Who reads what is published for use inside."""

Document = Mapping[str, Any]
"""A wording; fits the schema request/article."""


@dataclass(frozen=True, slots=True)
class Article:
    """A question with its answer, kept by the unit that wrote it (GZ art. 16)."""

    id: str
    code: str
    """Prefix, year, sequence: ``K-2026-000001``."""
    unit: str
    """The department that provides, maintains and updates it."""
    revision: int
    """The number of the wording that is being written."""
    version: int
    """Raised by every change of the wording or of its standing; the ETag."""
    document: Document
    """The wording that is being written; once it is approved, the published one."""
    published: Document | None
    """The wording that readers see; it stays while a later one is written and reviewed."""
    published_revision: int | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    """When the published wording was approved."""
    confirmed_at: datetime | None
    """When its unit last said that it is still right; publishing says so too."""
    valid_from: datetime | None
    ends_at: datetime | None
    """From when on it is no answer: the end that it names itself, or the one that the rulebook sets."""
    uses: int
    """How often it answered a caller."""
    last_used_at: datetime | None
    case: Case

    def is_live(self, now: datetime) -> bool:
        """Tell whether it may be read as an answer at `now`, whoever has noticed."""
        begun = self.valid_from is None or self.valid_from <= now
        over = self.ends_at is not None and self.ends_at <= now
        return self.case.serves and self.published is not None and begun and not over

    @property
    def is_open(self) -> bool:
        """Whether the published wording is meant for the public, too."""
        return bool((self.published or {}).get("public", False))


@dataclass(frozen=True, slots=True)
class Revision:
    """One wording of an article, and who wrote it."""

    number: int
    document: Document
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A question that was looked up and that no article answered; nothing in it says who asked."""

    id: str
    words: str
    """What was asked, without numbers and names of people."""
    count: int
    first_at: datetime
    last_at: datetime
    unit: str | None
    """The department that was asked to write the answer."""
    assigned_at: datetime | None
    article: str | None
    """The code of the article that answers it, once somebody writes or names one."""
    outcome: str | None
    """`ANSWERED` or `DISMISSED`; None while it is open."""
    closed_at: datetime | None
    version: int


ANSWERED, DISMISSED = "answered", "dismissed"
