"""What stands out in a period: each a saved question with an answer, and the log's own warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.columns.engine import engine_of
from audit.query import Filters, search_all
from audit.questions.asking import Asked, answer, prepare
from audit.questions.model import Answer, Question
from core.text import Text
from core.times import local_iso
from core.work import Work

FEW = 3
"""How many examples stand on the page."""
ASKED = ("volume_spikes", "off_hours", "new_addresses", "orphan_intents", "silent_periods")
WARNINGS = {
    "journal.gap": Text("日记段缺失", "Gap in a journal"),
    "outbox.refused": Text("剔除的非记录数据", "A row that was no record"),
    "witness.refused": Text("见证人拒绝共签", "A witness refused"),
}
"""Kinds of record by which the log itself says that something is wrong."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that stands out: `found` of a question, or `warnings` of one kind of record."""

    title: Text
    parameters: Mapping[str, Any]
    """What the question is to be asked with to see all of it."""
    question: Question | None = None
    found: Answer | None = None
    kind: str | None = None
    count: int = 0
    more: bool = False
    """Whether there is more than was counted."""


def find_anomalies(work: Work, since: datetime, until: datetime) -> list[Anomaly]:
    """Return what stands out between two instants, up to now. Raises Unavailable as the engine does."""
    end = min(until, work.now)
    if since >= end:
        return []
    period = {"since": local_iso(since), "until": local_iso(end)}
    asked = [_asked(work, prepare(work, code, period), period) for code in ASKED]
    return [*asked, *(_warned(work, kind, since, end) for kind in WARNINGS)]


def _asked(work: Work, asked: Asked, period: Mapping[str, str]) -> Anomaly:
    found = answer(asked, engine_of(work.settings), work.tx, FEW)
    more = found.next_cursor is not None or found.is_cut
    return Anomaly(asked.question.title, period, asked.question, found, None, found.rows.num_rows, more)


def _warned(work: Work, kind: str, since: datetime, until: datetime) -> Anomaly:
    filters = Filters(since, until, None, {"kind": kind})
    found = search_all(work.tx, engine_of(work.settings), filters, limit=FEW)
    period = {"since": local_iso(since), "until": local_iso(until), "kind": kind}
    return Anomaly(WARNINGS[kind], period, None, None, kind, len(found.items), found.next_cursor is not None)
