"""What is said to who asks for a body that was deleted: on what basis, and where that is on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from audit.columns.engine import Engine
from audit.keeping.finding import find_anywhere, newest_pruning
from audit.keeping.ids import kept_index
from audit.keeping.past import PastLog, past_logs
from audit.query import Found
from core.errors import Gone, NotFound


def refuse_erased(tx: Connection | None, folder: Path, found: Found) -> None:
    """Raise Gone when the body of a record was erased by decision; its envelope and proof are still there.

    `folder` is the audit folder of the log that runs, whichever log holds the record.
    """
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
        return dict(find_anywhere(tx, folder, str(found.body["erased"]))[1].body)
    except NotFound:  # its own body went by retention meanwhile
        return {}


def refuse_pruned(tx: Connection | None, engine: Engine, record_id: str, log: PastLog | None = None) -> None:
    """Raise Gone for a record whose body was deleted by rule; of the log that runs, or of a closed one."""
    index = kept_index(engine.folder if log is None else log.folder, record_id)
    if index is None:
        return
    said = newest_pruning(tx, engine, log)
    until, basis = said.get("until", "?"), said.get("basis", {})
    raise Gone(
        f"正文已按保存期限删除（{until} 以前的记录），依据：{basis.get('zh', '?')}；"
        f"日志第 {index} 条，信封和证明仍在",
        f"bodies of before {until} were deleted when their time was over, basis: {basis.get('en', '?')}; "
        f"it is entry {index} of the log, envelope and proof are still there",
    )


def refuse_pruned_anywhere(tx: Connection | None, engine: Engine, record_id: str) -> None:
    """Raise Gone for a record of any log whose body was deleted by rule."""
    for log in (None, *past_logs(engine.folder)):
        refuse_pruned(tx, engine, record_id, log)
