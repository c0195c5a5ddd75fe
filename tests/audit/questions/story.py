"""What the stories of questions have in common: records that happened, and the rows that a question finds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from audit.columns.engine import Engine
from audit.columns.hot import Waiting
from audit.columns.schema import unsealed_table
from audit.columns.tail import Logs, Snapshot
from audit.questions.expressions import expression_of
from audit.questions.grants import InForce
from audit.record import Record, make_record
from core.times import SHANGHAI
from tests.audit.logs import Log

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=SHANGHAI)  # a Tuesday
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
CALL = {
    "consumer": "police",
    "provider": "housing",
    "client": "sys-1",
    "grant": "G-1",
    "dataset": "307001/000001",
    "operation": "rows",
    "purpose": "核对",
    "decision": "permitted",
    "status": 200,
    "rows": 10,
    "bytes": 1000,
    "address": "10.0.0.1",
}


def call(at: datetime, kind: str = "access", **body: Any) -> Record:
    """One call as the data plane records it."""
    return make_record(kind, at, "gw", {**CALL, **body})


def event(at: datetime, kind: str, **body: Any) -> Record:
    """Another record."""
    return make_record(kind, at, "control", body)


def grant(number: str, granted_at: datetime = NOON - 300 * DAY) -> InForce:
    return InForce(number, "police", "housing", "sys-1", "307001/000001", granted_at, None)


class Story:
    """A log in which things happened."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.engine = Engine(log.folder, 256)

    def close(self) -> None:
        self.engine.close()

    def happened(self, *records: Record) -> None:
        self.log.put(records)

    def asked(
        self, name: str, given: dict[str, pa.Table] | None = None, **parameters: Any
    ) -> list[dict[str, Any]]:
        """The rows of a question, instants in Shanghai time."""
        expression = expression_of(name, **parameters)
        with self.log.database.read() as tx:
            rows = self.engine.run(expression, tx, given=given or {})
        return [
            {k: _local(v) for k, v in row.items()}
            for row in rows.cast(expression.schema().to_pyarrow()).to_pylist()
        ]

    def of(self, records: Sequence[Record], name: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a question asked of these records alone."""
        expression = expression_of(name, **parameters)
        rows = unsealed_table([(record.envelope, record.body) for record in records])
        return self.engine.select(ibis.to_sql(expression, dialect="duckdb"), _only(rows)).to_pylist()


def _only(rows: pa.Table) -> Logs:
    return (Snapshot(Path(), 0, (), rows, Waiting(0, (), ())),)


def _local(value: Any) -> Any:
    return value.replace(tzinfo=UTC).astimezone(SHANGHAI) if isinstance(value, datetime) else value


def period(days: int = 30, until: datetime = NOON) -> dict[str, datetime]:
    return {"since": until - days * DAY, "until": until}
