"""Whose record it is: of a call, the department that used data and the one that provided them."""

from __future__ import annotations

from audit.log import record
from audit.query import Found, record_by_id
from audit.reading import QUERY, open_record
from audit.sealer import log_folder
from core.errors import Gone, NotFound
from core.work import Actor, Work
from web.kit import before_answering

PARTIES = frozenset({"consumer", "provider"})
"""The roles of the departments that are party to a call, and the fields of its record that name them."""


def is_party(actor: Actor, found: Found) -> bool:
    """Tell whether a record is of a call that the actor's department made or answered.

    A consumer's role opens what the department used, a provider's what it provided.
    """
    body = found.body
    return bool(actor.department) and any(
        actor.has(role) and body.get(role) == actor.department for role in PARTIES
    )


def open_as_party(work: Work, record_id: str) -> Found:
    """Return a record for an auditor or a party to it, and put that on record.

    Raises NotFound for everybody else, as for a record that there is none of.
    """
    if work.actor.has("auditor"):
        return open_record(work, record_id)
    none = NotFound("没有这条记录", "no such record")
    try:
        found = record_by_id(work.tx, log_folder(work.settings), record_id)
    except Gone:  # whose it was is gone as well
        raise none from None
    if not is_party(work.actor, found):
        raise none
    before_answering(work, lambda later: record(later, QUERY, {"query": {"id": found.id}, "rows": 1}))
    return found
