"""What a department used or gave, as Ibis expressions over the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import ibis

from audit.questions.expressions import CALLS, Expression, instant, records, top_consumers

CALL = (
    *("id", "at", "consumer", "provider", "client", "grant", "dataset", "operation", "purpose"),
    *("decision", "reason", "status", "rows", "bytes", "ms", "log_index"),
)
"""What a party is shown of a call: nothing of who asked beyond the system, nothing of whom it was about."""


def usage_lines(side: str, department: str, since: datetime, until: datetime, by: str) -> Expression:
    """Return the calls of a department's own `side` (consumer or provider), summed `by` a column."""
    own: Mapping[str, Any] = {side: department}
    return top_consumers(since, until, by, **own)


def own_calls(
    side: str,
    department: str,
    since: datetime,
    until: datetime,
    equal: Mapping[str, str],
    before: str | None,
) -> Expression:
    """Return the single calls of a department's own side, the newest first; `before` is the id of one."""
    c = ibis._
    wanted = [
        c.kind.isin(CALLS),
        c[side] == department,
        c["at"] >= instant(since),
        c["at"] < instant(until),
        *(c[name] == value for name, value in equal.items()),
        *([] if before is None else [c.id < before]),
    ]
    return records.filter(*wanted).select(*CALL).order_by(c.id.desc())
