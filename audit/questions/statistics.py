"""Statistics of a period for auditors: the calls, what was refused and why, who used most, beside the period
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from audit.columns.coverage import Coverage, coverage
from audit.columns.engine import Engine, engine_of, sql_of
from audit.columns.tail import Logs
from audit.log import record
from audit.questions.catalogue import CONSUMER, DATASET, PROVIDER
from audit.questions.model import shown
from audit.questions.parameters import read_parameters
from audit.reading import QUERY
from core.cells import Cell
from core.periods import Period, read_period
from core.work import Work
from web.kit import before_answering

TOP = 10
"""How many consumers, datasets and reasons are named."""
NARROWED = (CONSUMER, PROVIDER, DATASET)
Line = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the log says of a period."""

    period: Period
    narrowed: Mapping[str, str]
    """The department or dataset that it is about; empty for all."""
    as_of: datetime
    whole: Line
    """Calls by how they ended, rows, bytes, and how many systems, grants, datasets, consumers took part."""
    before: Line
    """The same of the period before."""
    days: tuple[Line, ...]
    """One for each day with calls."""
    consumers: tuple[Line, ...]
    datasets: tuple[Line, ...]
    reasons: tuple[Line, ...]
    coverage: Coverage

    @property
    def complete(self) -> bool:
        """Whether the period is over."""
        return self.as_of >= self.period.end_at


def read_statistics(work: Work, query: Mapping[str, str]) -> Statistics:
    """Work out the statistics of the period that `query` names, within a request that only reads.

    `period`, `at`, `consumer`, `provider` and `dataset` are understood. It is on record before the answer
    leaves. Raises Invalid and Unavailable.
    """
    period = read_period(query.get("period"), query.get("at"), work.now, "/at")
    said = {p.name: query.get(p.name, "") for p in NARROWED}
    narrowed = {k: v for k, v in read_parameters(NARROWED, said, work.now).items() if v is not None}
    engine = engine_of(work.settings)
    found = engine.attempt(work.tx, lambda logs: _worked_out(work, period, narrowed, engine, logs))
    asked = {"statistics": period.kind, "period": period.name, **narrowed}
    before_answering(work, lambda later: record(later, QUERY, {"query": asked, "rows": len(found.days)}))
    return found


def _worked_out(
    work: Work, period: Period, narrowed: Mapping[str, str], engine: Engine, logs: Logs
) -> Statistics:
    from audit.questions import sums
    from audit.questions.parts import Span

    def lines(expression: Any, most: int) -> tuple[Line, ...]:
        return _lines(engine.select(sql_of(expression.limit(most)), logs), expression)

    now = Span(period.start_at, period.end_at, **narrowed)
    then = Span(period.previous.start_at, period.previous.end_at, **narrowed)
    return Statistics(
        period,
        narrowed,
        work.now,
        lines(sums.totals(now), 1)[0],
        lines(sums.totals(then), 1)[0],
        lines(sums.calls_per_day(now), (period.end - period.first).days),
        lines(sums.top_consumers(now, "consumer"), TOP),
        lines(sums.top_consumers(now, "dataset"), TOP),
        lines(sums.refusals_by_reason(now), TOP),
        coverage(engine, logs, period.start_at, period.end_at),
    )


def _lines(rows: pa.Table, expression: Any) -> tuple[Line, ...]:
    whole = rows.cast(expression.schema().to_pyarrow())
    return tuple({k: shown(v) for k, v in row.items()} for row in whole.to_pylist())
