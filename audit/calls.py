"""The records of one call: what was announced, what began, how it ended."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from audit.columns.engine import Engine
from audit.keeping.finding import find_anywhere
from audit.query import Filters, Found, search_all
from core.errors import Gone, NotFound

LONGEST = timedelta(minutes=30)
"""How much later than its beginning the end of a transfer is looked for."""
_MOST = 200


def records_of_call(tx: Connection, engine: Engine, found: Found) -> list[Found]:
    """Return the other records of the call that a record belongs to, in the order of time."""
    named = [found.body[name] for name in ("intent", "start") if isinstance(found.body.get(name), str)]
    related = {one.id: one for one in _by_id(tx, engine, named)}
    if found.kind == "access.intent":
        after = Filters(found.at, None, None, {"intent": found.id})
        related |= {one.id: one for one in search_all(tx, engine, after, limit=_MOST).items}
    if found.kind == "access.start" and found.body.get("grant"):
        same = {"kind": "access.end", "grant": found.body["grant"]}
        after = Filters(found.at, found.at + LONGEST, None, same)
        ends = search_all(tx, engine, after, limit=_MOST).items
        related |= {one.id: one for one in ends if one.body.get("start") == found.id}
    return [related[record_id] for record_id in sorted(related)]


def _by_id(tx: Connection, engine: Engine, ids: list[str]) -> list[Found]:
    found = []
    for record_id in ids:
        try:
            found.append(find_anywhere(tx, engine.folder, record_id)[1])
        except (NotFound, Gone):  # not durable when its worker died, or deleted by rule
            continue
    return found
