"""What a department used and gave in a period, from the log itself; that it looked is on record.

The rows are those of the department's own calls and nobody else's: as consumer what it used, as provider
what was used of its data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa

from audit.columns.coverage import Coverage, coverage
from audit.columns.engine import Engine, engine_of, sql_of
from audit.columns.tail import Logs
from audit.identifiers import wrong_in
from audit.log import record
from audit.questions.model import shown
from audit.reading import QUERY
from audit.usage.parties import PARTIES
from core.cells import Cell
from core.codes import code_in
from core.errors import NotPermitted, invalid, no_cursor
from core.periods import Period, read_period
from core.text import Text
from core.whole import whole
from core.work import Work
from web.kit import before_answering

CONSUMER, PROVIDER = "consumer", "provider"
SIDES = {
    CONSUMER: Text("我们用了什么", "What we used"),
    PROVIDER: Text("谁用了我们的数据", "Who used our data"),
}
BY = {
    "dataset": Text("数据集", "Dataset"),
    "grant": Text("授权", "Grant"),
    "client": Text("业务系统", "System"),
    CONSUMER: Text("使用部门", "Consumer"),
    PROVIDER: Text("提供部门", "Provider"),
}
OUTCOMES = ("permitted", "refused", "failed", "aborted")
_NARROWED = ("dataset", "grant", "client", "decision")
_LINES_MOST = 100_000
_CODE_MOST = 100
Line = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose usage of which period: `side` is consumer or provider."""

    side: str
    department: str
    period: Period
    by: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The calls of one side in a period: all of them, day by day, and by what was asked for."""

    wanted: Wanted
    as_of: datetime
    whole: Line
    before: Line
    """The same of the period before."""
    days: tuple[Line, ...]
    lines: tuple[Line, ...]
    next_cursor: str | None
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class CallsPage:
    """One page of single calls, the newest first."""

    wanted: Wanted
    narrowed: Mapping[str, str]
    items: tuple[Line, ...]
    next_cursor: str | None


def sides_of(work: Work) -> tuple[str, ...]:
    """Return the sides that the actor may look at: what their department used, what it gave."""
    return tuple(side for side in SIDES if work.actor.has(side) and work.actor.department)


def wanted(work: Work, query: Mapping[str, str]) -> Wanted:
    """Read `side`, `by`, `period` and `at`. Raises Invalid; NotPermitted for a side that is not theirs."""
    sides = sides_of(work)
    side = query.get("side") or (sides[0] if sides else CONSUMER)
    by = query.get("by") or "dataset"
    _one_of("/side", side, SIDES)
    _one_of("/by", by, BY)
    if side not in sides:
        raise NotPermitted("您的角色看不到这一方的使用情况", "your role does not see that side")
    return Wanted(
        side, work.actor.department, read_period(query.get("period"), query.get("at"), work.now, "/at"), by
    )


def _one_of(pointer: str, value: str, known: Mapping[str, Text]) -> None:
    if value not in known:
        words = Text("、".join(known), ", ".join(known))
        raise invalid(pointer, f"应为 {words.zh} 之一", f"must be one of {words.en}", code="enum")


def read_usage(work: Work, asked: Wanted, *, limit: int, cursor: str | None = None) -> Usage:
    """Sum up a department's calls within a request that only reads; it is on record before the answer leaves.

    Raises Invalid for a cursor that is none, and Unavailable as the engine does.
    """
    engine, offset = engine_of(work.settings), _offset(cursor)
    found = engine.attempt(work.tx, lambda logs: _usage(work, asked, engine, logs, (offset, limit)))
    _put_on_record(work, asked, {"by": asked.by}, len(found.lines))
    return found


def _usage(work: Work, asked: Wanted, engine: Engine, logs: Logs, page: tuple[int, int]) -> Usage:
    """Sum up the calls that some logs hold; `page` is where it begins and how long it is at most."""
    from audit.questions import sums
    from audit.questions.parts import Span

    def rows(expression: Any) -> list[Line]:
        return _shown(engine.select(sql_of(expression), logs), expression)

    offset, limit = page
    now, then = asked.period, asked.period.previous
    own = {asked.side: asked.department}
    calls, before = Span(now.start_at, now.end_at, **own), Span(then.start_at, then.end_at, **own)
    found = rows(sums.top_consumers(calls, asked.by).limit(limit + 1, offset=offset))
    return Usage(
        asked,
        work.now,
        rows(sums.totals(calls))[0],
        rows(sums.totals(before))[0],
        tuple(rows(sums.calls_per_day(calls))),
        tuple(found[:limit]),
        str(offset + limit) if len(found) > limit else None,
        coverage(engine, logs, now.start_at, now.end_at),
    )


def read_calls(
    work: Work, asked: Wanted, query: Mapping[str, str], *, limit: int, cursor: str | None = None
) -> CallsPage:
    """Return the single calls of a department, narrowed by dataset, grant, system and decision.

    It is on record before the answer leaves. Raises Invalid and Unavailable.
    """
    from audit.questions.parts import Span
    from audit.usage.expressions import own_calls

    narrowed = _narrowed(query)
    period = asked.period
    span = Span(period.start_at, period.end_at, **{asked.side: asked.department})
    found = _rows(work, own_calls(span, narrowed, _before(cursor)).limit(limit + 1))
    _put_on_record(work, asked, narrowed, len(found[:limit]))
    more = str(found[limit - 1]["id"]) if len(found) > limit else None
    return CallsPage(asked, narrowed, tuple(found[:limit]), more)


def _narrowed(query: Mapping[str, str]) -> dict[str, str]:
    said = {name: query[name].strip() for name in _NARROWED if query.get(name, "").strip()}
    for name, value in said.items():
        if len(value) > _CODE_MOST:
            raise invalid(
                f"/{name}",
                f"最多 {_CODE_MOST} 个字符",
                f"may have {_CODE_MOST} characters at most",
                code="range",
            )
        if (wrong := wrong_in(name, value)) is not None:  # it goes on record as it was typed
            raise invalid(f"/{name}", *wrong)
    return {name: code_in(value) if name == "dataset" else value for name, value in said.items()}


def _offset(cursor: str | None) -> int:
    offset = whole(cursor, 0, _LINES_MOST) if cursor else 0
    if offset is None:
        raise no_cursor()
    return offset


def _before(cursor: str | None) -> str | None:
    try:
        return str(UUID(cursor)) if cursor else None
    except ValueError:
        raise no_cursor() from None


def _rows(work: Work, expression: Any) -> list[Line]:
    return _shown(engine_of(work.settings).run(expression, work.tx), expression)


def _shown(rows: pa.Table, expression: Any) -> list[Line]:
    whole = rows.cast(expression.schema().to_pyarrow())
    return [{k: shown(v) for k, v in row.items()} for row in whole.to_pylist()]


def _put_on_record(work: Work, asked: Wanted, more: Mapping[str, str], rows: int) -> None:
    query = {"usage": asked.side, asked.side: asked.department, "period": asked.period.name, **more}
    before_answering(work, lambda later: record(later, QUERY, {"query": query, "rows": rows}))


def chosen_by(side: str) -> dict[str, Text]:
    """Return by what the calls of a side can be summed: among it the department on the other side."""
    other: Sequence[str] = [name for name in PARTIES if name != side]
    return {name: title for name, title in BY.items() if name in ("dataset", "grant", "client", *other)}
