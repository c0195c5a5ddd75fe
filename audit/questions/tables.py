"""The tables that questions are about, unbound: what DuckDB reads from files, Spark reads from the same.

Instants are UTC without a zone, as the columns hold them.
"""

from __future__ import annotations

from typing import Any

import ibis

Expression = Any
"""An Ibis table expression; Ibis comes without types."""

INSTANT = "timestamp(6)"
_STRINGS = (
    "id kind source consumer provider department actor client grant dataset operation method purpose"
    " decision reason case ticket trace address subject several intent log"
)
records = ibis.table(
    {
        "log_index": "int64",
        "at": INSTANT,
        "status": "int32",
        "rows": "int64",
        "bytes": "int64",
        "ms": "float64",
        **dict.fromkeys(_STRINGS.split(), "string"),
    },
    name="records",
)
"""The log: a row for each record (audit/columns/schema.py has what the columns hold)."""
grants = ibis.table(
    {
        **dict.fromkeys(("grant", "consumer", "provider", "client", "dataset"), "string"),
        "granted_at": INSTANT,
        "valid_until": INSTANT,
    },
    name="grants",
)
"""The grants in force, handed in by who asks."""
worktime = ibis.table({"day": "date", "opens": INSTANT, "closes": INSTANT}, name="worktime")
"""The working hours of each working day of a period, handed in by who asks."""

CALLS = ("access", "access.end")
STREAM_BEGUN = "access.start"
INTENT = "access.intent"
PERMITTED, REFUSED, FAILED, ABORTED = DECISIONS = ("permitted", "refused", "failed", "aborted")
QUERY = "audit.query"
HEARTBEAT = "heartbeat"
DISTINCT = {"systems": "client", "grants": "grant", "datasets": "dataset", "consumers": "consumer"}
"""What is counted in `totals` beside calls, and by which column."""
