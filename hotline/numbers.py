"""What other packages ask of a ticket by its number, without loading the hotline."""

from __future__ import annotations

from sqlalchemy import Connection

from hotline import store


def is_open_number(tx: Connection, number: str, department: str) -> bool:
    """Tell whether the ticket with this number is open and the department takes part in it."""
    return store.is_open_number(tx, number, department)
