"""The single calls of a department as an Ibis expression over the log."""

from __future__ import annotations

from collections.abc import Mapping

import ibis

from audit.questions.parts import Span, all_calls
from audit.questions.tables import Expression

CALL = (
    *("id", "at", "consumer", "provider", "client", "grant", "dataset", "operation", "purpose"),
    *("decision", "reason", "status", "rows", "bytes", "ms", "log_index"),
)
"""What a party is shown of a call: nothing of who asked beyond the system, nothing of whom it was about."""


def own_calls(span: Span, equal: Mapping[str, str], before: str | None) -> Expression:
    """Return the single calls of a span, the newest first; `before` is the id of one."""
    c = ibis._
    found = span.of(all_calls(), **equal)
    earlier = found if before is None else found.filter(c.id < before)
    return earlier.select(*CALL).order_by(c.id.desc())
