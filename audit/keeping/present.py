"""An erasure as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audit.keeping.erasure import may_decide, state_words
from audit.keeping.model import Erasure
from core.times import local_iso
from core.work import Work


def erasure_view(work: Work, erasure: Erasure) -> dict[str, Any]:
    """Return what the API shows of an erasure."""
    outcome = erasure.outcome or {}
    words = state_words(erasure)
    return {
        "id": erasure.id,
        "url": f"/api/audit/erasures/{erasure.id}",
        "state": erasure.state,
        "state_words": {"zh": words.zh, "en": words.en},
        "basis": erasure.basis,
        "document": erasure.document,
        "asked_by": erasure.asked_by,
        "asked_department": erasure.asked_department,
        "asked_at": local_iso(erasure.asked_at),
        "decided_by": erasure.decided_by,
        "decided_at": _iso(erasure.decided_at),
        "remark": erasure.remark,
        "done_at": _iso(erasure.done_at),
        "bodies": outcome.get("bodies"),
        "units": outcome.get("units", []),
        "records": [
            {"id": t.record_id, "log": t.log, "log_index": t.log_index, "statement": t.statement}
            for t in erasure.targets
        ],
        "may_decide": may_decide(work, erasure),
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else local_iso(instant)
