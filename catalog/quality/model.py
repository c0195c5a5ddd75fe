"""What a check of data asks, what it finds, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.text import Text

RULES = {
    "readable": Text("能够读取", "can be read"),
    "shape": Text("各行格式完整", "every line is whole"),
    "column": Text("有对应的列", "has its column"),
    "required": Text("必有值", "never empty"),
    "type": Text("类型相符", "of its type"),
    "length": Text("长度相符", "within its length"),
    "range": Text("在取值范围内", "within its range"),
    "code_list": Text("在码表内", "in its code list"),
    "pattern": Text("格式相符", "fits its pattern"),
    "unusable": Text("规则可以使用", "its rule can be used"),
    "resident_id": Text("公民身份号码有效", "valid resident ID"),
    "uscc": Text("统一社会信用代码有效", "valid unified social credit code"),
    "key_complete": Text("主键完整", "key is complete"),
    "key_unique": Text("主键不重复", "key is unique"),
    "duplicate": Text("没有重复的行", "no row twice"),
    "freshness": Text("按更新时限更新", "updated within the limit"),
}
"""Everything that is asked of data; docs/quality.md says what each of them counts."""

CHECKED_KINDS = ("table", "file")
"""The kinds of distribution whose data are read as a whole; an API is not."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One row that breaks a rule: where it is, its key and the value, both masked."""

    source: str
    row: int
    """Counted from 1, in the order of reading; the header of a file does not count."""
    key: tuple[str | None, ...]
    value: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """How many values a rule looked at, and how many of them break it."""

    rule: str
    attribute: str | None
    expected: Text | None
    checked: int
    failed: int
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the data are: the newest instant known of them, and until when they are in time."""

    limit: str
    newest: datetime | None
    due: datetime | None
    """None when the limit gives no date, or nothing is known of the data's age."""
    late: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """One table or file that was read."""

    name: str
    bytes: int | None
    modified: datetime | None
    encoding: str | None
    rows: int | None
    """None for a file whose content is not read."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one check of one distribution."""

    kind: str
    at: datetime
    rows: int
    duration_ms: int
    findings: tuple[Finding, ...]
    freshness: Freshness | None
    origins: tuple[Origin, ...]
    unfinished: Text | None = None
    """Why the check did not come to its end; it then says nothing about the data."""

    @property
    def failed_rules(self) -> int:
        """How many rules some value breaks."""
        return sum(f.failed > 0 for f in self.findings)


@dataclass(frozen=True, slots=True)
class Run:
    """One check as it is kept."""

    id: str
    dataset_id: str
    kind: str
    at: datetime
    by: str
    rows: int
    failed_rules: int
    duration_ms: int
    document: Mapping[str, Any]
    """The report; fits the schema response/quality_report."""
