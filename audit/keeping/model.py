"""An erasure: which bodies, on what basis, who asked, who decided, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.text import Text

ASKED, REFUSED, GRANTED = "asked", "refused", "granted"
STATED, OVERWRITTEN, DONE = "stated", "overwritten", "done"
STATES: Mapping[str, Text] = {
    ASKED: Text("待决定", "waits for a decision"),
    REFUSED: Text("不予删除", "refused"),
    GRANTED: Text("已决定删除", "granted"),
    STATED: Text("正在删除", "on record, being carried out"),
    OVERWRITTEN: Text("正在清除查询文件", "overwritten, being taken out of what is searched"),
    DONE: Text("已删除", "carried out"),
}
"""What an erasure may stand at. `stated`: the log is about to say of each body that it goes, or says it.
`overwritten`: no body holds it any more, a block of columns may."""


@dataclass(frozen=True, slots=True)
class Target:
    """One record whose body is to go, and the name of the log that holds it.

    `statement` is the id of the `body.erased` record about it.
    """

    record_id: str
    log: str
    log_index: int | None = None
    """None until the record is sealed."""
    statement: str | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request to erase bodies and all that became of it; people are logins."""

    id: str
    state: str
    basis: str
    """The provision that asks for it."""
    document: str
    """Number of the paper that stands behind it."""
    asked_by: str
    asked_department: str
    asked_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    remark: str | None = None
    done_at: datetime | None = None
    outcome: Mapping[str, Any] | None = None
    """Once it is done: `bodies` (how many were overwritten), `units` (archive units to be made anew)."""
    targets: tuple[Target, ...] = field(default=())
