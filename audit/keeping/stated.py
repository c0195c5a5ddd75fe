"""What the log itself says of a deletion: nothing goes but what a sealed record of the right kind names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from audit.files import Inconsistent
from audit.proofs import entry_at
from audit.query import record_by_id
from audit.record import body_digest


def stated(tx: Connection, folder: Path, record_id: str, kind: str, said: int) -> Mapping[str, Any] | None:
    """Return the body of a record by which the log that runs says that something goes.

    None while it is not among the first `said` entries. Where it lies is known from columns and its id from a
    file or a row that anybody may have changed, so body, id and kind are held against the envelope. Raises
    Inconsistent when they differ, NotFound when the record is nowhere.
    """
    found = record_by_id(tx, folder, record_id)
    if found.log_index is None or found.log_index >= said:
        return None
    envelope, body = orjson.loads(entry_at(folder, found.log_index)), found.body
    if (envelope["k"], envelope["b"]) != (kind, body_digest(found.raw)) or body.get("id") != record_id:
        raise Inconsistent(f"the record {record_id} does not say what is to be deleted: it is no {kind}")
    return body
