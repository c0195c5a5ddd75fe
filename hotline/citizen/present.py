"""How far a ticket is as JSON, as its citizen may see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cases.present import label
from core.times import local_iso
from hotline.progress import Progress


def progress_view(found: Progress) -> dict[str, Any]:
    """Return how far a ticket is as JSON (schema response/progress)."""
    return {
        "number": found.number,
        "channel": label(found.channel),
        "category": label(found.category) if found.category else None,
        "state": label(found.state),
        "taken_in_at": local_iso(found.taken_in_at),
        "dispatched_at": _local(found.dispatched_at),
        "due": _local(found.due),
        "answered_at": _local(found.answered_at),
        "closed_at": _local(found.closed_at),
        "reply": found.reply,
        "merged": found.merged,
        "may_rate": found.may_rate,
        "scale": [{"code": s.code, "title": label(s.title)} for s in found.scale],
    }


def _local(instant: datetime | None) -> str | None:
    return local_iso(instant) if instant is not None else None
