"""What is said to who asks for a body that was deleted: on what basis, and where that is on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from audit.keeping.kinds import PRUNED
from audit.query import Filters, Found, find_records, record_by_id
from core.errors import Gone, NotFound
from core.times import instant_of, parse_instant


def refuse_erased(tx: Connection | None, folder: Path, found: Found) -> None:
    """Raise Gone when the body of a record was erased by decision; its envelope and proof are still there."""
    if not found.erased:
        return
    said = _statement(tx, folder, found)
    basis, erasure = said.get("basis", "?"), said.get("erasure", "?")
    raise Gone(
        f"正文已按决定删除，依据：{basis}；删除决定 {erasure}；信封和证明仍在",
        f"the body was erased by decision {erasure}, basis: {basis}; envelope and proof are still there",
    )


def _statement(tx: Connection | None, folder: Path, found: Found) -> dict[str, Any]:
    try:
        return dict(record_by_id(tx, folder, str(found.body["erased"])).body)
    except NotFound:  # its own body went by retention meanwhile
        return {}


def refuse_pruned(tx: Connection | None, folder: Path, record_id: str) -> None:
    """Raise Gone for an id that is not there and of a time of which bodies were deleted by rule.

    Nobody can tell any more whether there was such a record: only bodies hold ids.
    """
    newest = find_records(tx, folder, Filters(equal={"kind": PRUNED}), limit=1).items
    if not newest:
        return
    said = newest[0].body
    if instant_of(UUID(record_id).int >> 80) >= parse_instant(said["until"]):
        return
    until, basis = said["until"], said["basis"]
    raise Gone(
        f"{until} 以前的记录正文已按保存期限删除，依据：{basis['zh']}",
        f"bodies of before {until} were deleted when their time was over, basis: {basis['en']}",
    )
