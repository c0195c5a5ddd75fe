"""What other packages ask of the grants that stand, without loading what moves them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from audit.questions.grants import InForce
from gateway import store


def users_of(tx: Connection, dataset: str) -> tuple[str, ...]:
    """Return the departments with an open grant on the dataset with this code."""
    return store.users_of(tx, dataset)


def grants_in_force(tx: Connection, now: datetime) -> Sequence[InForce]:
    """Return every grant under which data may flow at `now`, by number."""
    return store.grants_in_force(tx, now)
