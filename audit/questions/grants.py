"""The grants in force, as who keeps them hands them to a question."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class InForce(NamedTuple):
    """A grant under which data may flow; `grant` is its number."""

    grant: str
    consumer: str
    provider: str
    client: str
    dataset: str
    granted_at: datetime
    valid_until: datetime | None
