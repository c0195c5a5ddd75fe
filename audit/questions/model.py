"""What a question is, and what its answer holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from audit.columns.coverage import Coverage
from audit.questions.parameters import Parameter
from core.cells import Cell
from core.text import Text
from core.times import local_iso

GRANTS, WORKTIME = "grants", "worktime"
"""Tables that are handed in beside the log."""


@dataclass(frozen=True, slots=True)
class Question:
    """A saved question; the function of the same name that `expressions` knows is what it asks."""

    code: str
    title: Text
    finds: Text
    misses: Text
    """What it cannot find."""
    parameters: tuple[Parameter, ...]
    needs: frozenset[str] = frozenset()
    """The tables that it joins the log with."""
    as_of_now: bool = False
    """Whether its answer changes as time goes by, even if nothing else happens."""
    looks_back: bool = False
    """Whether what happened before its period counts too."""
    of_records: bool = False
    """Whether each row of its answer is one record, with its id."""


class Column(NamedTuple):
    """A column of an answer: its name, and what it is called, with its unit."""

    name: str
    title: Text


TITLES: Mapping[str, Text] = {
    "id": Text("记录编号", "Record"),
    "at": Text("时间", "Time"),
    "kind": Text("记录类别", "Kind"),
    "consumer": Text("使用部门", "Consumer"),
    "provider": Text("提供部门", "Provider"),
    "department": Text("操作部门", "Department"),
    "actor": Text("操作者假名", "Actor's pseudonym"),
    "client": Text("业务系统", "System"),
    "grant": Text("授权", "Grant"),
    "dataset": Text("政务信息资源代码", "Dataset"),
    "operation": Text("操作", "Operation"),
    "purpose": Text("用途", "Purpose"),
    "decision": Text("决定", "Decision"),
    "reason": Text("理由", "Reason"),
    "status": Text("HTTP 状态码", "HTTP status"),
    "rows": Text("数据行数", "Rows of data"),
    "bytes": Text("字节数", "Bytes"),
    "ticket": Text("工单", "Ticket"),
    "address": Text("来源地址", "Address"),
    "log_index": Text("日志序号", "Log index"),
    "log": Text("已关闭的日志", "Closed log"),
    "granted_at": Text("授权时间", "Granted at"),
    "valid_until": Text("有效期至", "Valid until"),
    "last_call": Text("最近一次成功调用", "Last call with success"),
    "day": Text("日期", "Day"),
    "name": Text("名称", "Name"),
    "calls": Text("调用次数", "Calls"),
    "systems": Text("业务系统数", "Systems"),
    "permitted": Text("放行", "Permitted"),
    "refused": Text("拒绝", "Refused"),
    "failed": Text("失败", "Failed"),
    "aborted": Text("中断", "Aborted"),
    "first": Text("首次", "First"),
    "last": Text("末次", "Last"),
    "value": Text("当日数值", "On that day"),
    "mean": Text("此前平均（每天）", "Mean before (per day)"),
    "deviation": Text("此前标准差（每天）", "Standard deviation before (per day)"),
    "history": Text("比较天数", "Days compared with"),
    "begins": Text("开始", "Begins"),
    "ends": Text("结束", "Ends"),
    "minutes": Text("时长（分钟）", "Length (minutes)"),
}
"""What the columns of answers are called."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question found, and how much of the log it could see."""

    question: Question
    asked: Mapping[str, Any]
    """Every parameter with its value, as records and files show it."""
    asked_at: datetime
    """The instant for which it holds: an answer's pages all have that of the first."""
    columns: tuple[Column, ...]
    rows: pa.Table
    next_cursor: str | None
    is_cut: bool
    """Whether there is more than an answer may hold, so that this is the last page of an unfinished one."""
    coverage: Coverage
    notes: tuple[Text, ...]
    """What the reader must know before relying on it."""

    def shown(self) -> list[dict[str, Cell]]:
        """Return the rows as people and scripts read them: instants with the offset of Shanghai."""
        return [{k: shown(v) for k, v in row.items()} for row in self.rows.to_pylist()]


def columns_of(rows: pa.Table) -> tuple[Column, ...]:
    """Return the columns of a table with their titles."""
    return tuple(Column(name, TITLES[name]) for name in rows.column_names)


def shown(value: Any) -> Any:
    """Return one value as it is shown; the columns hold UTC without a zone."""
    if isinstance(value, datetime):
        return local_iso(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
    return value.isoformat() if isinstance(value, date) else value
