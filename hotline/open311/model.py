"""What the Open311 face knows: keys of other systems, what they hand in, what they may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

SOURCE = "open311"
"""What the tickets of this face have as their source."""


@dataclass(frozen=True, slots=True)
class Key:
    """The right of another system to hand in requests; only a digest of the secret is kept."""

    id: str
    name: str
    """What the system is called; tells its requests from those of others."""
    channel: str
    """The channel of the rulebook through which its requests come in."""
    batch: bool
    """Whether it is answered with a token, and gets the number once the office has taken the request in."""
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None


class Submission(NamedTuple):
    """A request as another system handed it in, read and checked as far as its form goes."""

    draft: Mapping[str, Any]
    """Fits request/ticket but for what the key adds."""
    external_id: str | None
    """What the other system calls it."""


class Filters(NamedTuple):
    """What a list of requests is narrowed down to (GET Service Requests)."""

    numbers: tuple[str, ...] | None
    """Overrides everything else."""
    services: tuple[str, ...]
    start: datetime
    end: datetime
    statuses: frozenset[str]
    page: int
    page_size: int


@dataclass(frozen=True, slots=True)
class Published:
    """A ticket as anybody may read it."""

    id: str
    number: str
    state: str
    closed: bool
    category: str
    summary: str
    lead: str | None
    place: str
    requested_at: datetime
    updated_at: datetime
    expected_at: datetime | None


class Accepted(NamedTuple):
    """What another system gets for its request: the number, or the token that will bring it."""

    number: str | None
    token: str | None
    code: str | None
    """The citizen's query code, told this once."""
    left_out: int = 0
    """Files sent along that were not kept."""


class Numbered(NamedTuple):
    """What a token stands for."""

    number: str
    taken_in: bool
    """Whether the office has dealt with the request so far that its number is given out."""
