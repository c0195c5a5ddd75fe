"""Put on record what a use case does, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit import store
from audit.record import make_record
from core.work import Work

SOURCE = "control"
"""The source in the envelopes of control-plane records."""


def record(work: Work, kind: str, body: Mapping[str, Any]) -> str:
    """Put an act on record and return the record's id; the record exists exactly if the act is committed.

    `body` must hold no personal data. The actor's pseudonym, department and roles are added as ``actor``,
    ``department`` and ``roles``. Raises ValueError when `body` sets one of these or a field of the record's
    own (v, k, t, id, nonce).
    """
    who = {
        "actor": work.actor.pseudonym,
        "department": work.actor.department,
        "roles": sorted(work.actor.roles),
    }
    if not who.keys().isdisjoint(body):
        raise ValueError(f"an audit body must not set {sorted(who.keys() & body.keys())}")
    made = make_record(kind, work.now, SOURCE, {**body, **who})
    store.insert_outbox(work.tx, made)
    return made.id
