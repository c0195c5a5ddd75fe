"""What somebody who decides on an erasure is shown of the records: what they are about, nobody's traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.keeping.finding import find_anywhere
from audit.keeping.model import ASKED, Erasure, Target
from audit.log import record
from audit.place import log_folder
from audit.query import Found
from audit.reading import QUERY
from core.errors import NotFound
from core.work import Work
from web.kit import before_answering

MOST = 20
"""Records whose bodies are shown at once."""
MASKED = frozenset({"actor", "address", "subject", "trace", "nonce"})
"""The fields of a body that lead to a person; auditors read them on the record's own page."""
MASK = "＊＊＊"


@dataclass(frozen=True, slots=True)
class Shown:
    """One record of an erasure; `body` is masked, and None for one that is not shown or gone."""

    target: Target
    found: Found | None = None
    body: Mapping[str, Any] | None = None


def shown_targets(work: Work, erasure: Erasure) -> list[Shown]:
    """Return the records of an erasure, the first `MOST` with their bodies while it waits to be decided.

    That bodies were looked at is put on record.
    """
    if erasure.state != ASKED:
        return [Shown(target) for target in erasure.targets]
    shown = [_shown(work, target) for target in erasure.targets[:MOST]]
    rows = sum(one.body is not None for one in shown)
    query = {"erasure": erasure.id}
    before_answering(work, lambda later: record(later, QUERY, {"query": query, "rows": rows}))
    return [*shown, *(Shown(target) for target in erasure.targets[MOST:])]


def _shown(work: Work, target: Target) -> Shown:
    try:
        _, found = find_anywhere(work.tx, log_folder(work.settings), target.record_id)
    except NotFound:  # deleted by rule meanwhile
        return Shown(target)
    return Shown(target, found, None if found.erased else masked(found.body))


def masked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with a mark in place of what leads to a person."""
    return {k: MASK if k in MASKED and v is not None else v for k, v in body.items() if v is not None}
