"""A ticket of the hotline as the purpose of an application or of a single call.

Whether it is one is for the hotline to say: `Work.ticket_open` and the data plane are handed its answer.
"""

from __future__ import annotations

from core.errors import invalid
from core.work import Work

HEADER = b"purpose-ticket"
"""The field of a request that names the ticket for which a call is made."""
LONGEST = 40
"""Bytes of a ticket's number."""


def check_ticket(work: Work, number: str | None, department: str) -> None:
    """Refuse a ticket as a purpose unless it is open and the department works on it. Raises Invalid."""
    if number is not None and not work.ticket_open(work.tx, number, department):
        raise invalid(
            "/ticket",
            "没有这个工单，或已办结，或不由该部门办理",
            "is no open ticket that the department works on",
            code="unknown",
        )


def named_ticket(fields: list[bytes]) -> str | None:
    """Return the number that a call's `HEADER` fields name, None without any. Raises ValueError."""
    if not fields:
        return None
    text = fields[0].decode("ascii").strip() if len(fields) == 1 else ""
    if not 0 < len(text) <= LONGEST or not text.isprintable():
        raise ValueError("one number is expected")
    return text
