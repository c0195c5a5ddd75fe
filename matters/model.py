"""A matter: a procedure around datasets and grants, such as a demand, a correction, a dispute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from cases.model import Case
from core.text import Text

KIND = "matter"
"""The kind of its case; which procedure it follows is the case's workflow."""


PROCEDURES = {
    "demand": Text("供需对接", "demand for data"),
    "correction": Text("数据疑义", "correction"),
    "verification": Text("联合核实", "joint verification"),
    "dispute": Text("意见分歧", "dispute"),
    "rectification": Text("整改", "rectification"),
    "breach_report": Text("逾期与中断报告", "breach report"),
    "filing": Text("备案", "filing"),
    "cascade": Text("跨层级需求", "cross-level need"),
    "offline_exchange": Text("离线文件交换", "exchange off line"),
    "maintenance": Text("停机维护", "maintenance"),
    "handover": Text("用数人员调整", "change of staff"),
}
"""What the procedures are called of which a rulebook says whether its text knows them."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What a case of one of the rulebook's procedures is about; its state and clocks are the case's."""

    id: str
    number: str
    """Prefix of the procedure, year, sequence: ``C-2026-000001``."""
    workflow: str
    datasets: tuple[str, ...]
    """Codes of the datasets that it is about."""
    grant: str | None
    """Number of the grant."""
    application: str | None
    """Number of the application."""
    client: str | None
    """Id of the system."""
    origin: str | None
    """Id of the case that called for this one."""
    opened_by: str
    """The department that opened it; empty when the platform did."""
    created_at: datetime


class Held(NamedTuple):
    """A matter with the case that moves it."""

    matter: Matter
    case: Case


@dataclass(frozen=True, slots=True)
class Subject:
    """What a matter is about, found and allowed to be known by who opens it."""

    cases: tuple[Case, ...]
    """The cases of the datasets, grant or application: their parties are those of the matter."""
    datasets: tuple[str, ...] = ()
    grant: str | None = None
    application: str | None = None
    client: str | None = None

    def facts(self) -> Mapping[str, Any]:
        """Return what it is about as facts of a case, as far as it is one thing."""
        one = self.datasets[0] if len(self.datasets) == 1 else None
        named = {"dataset": one, "grant": self.grant, "application": self.application, "client": self.client}
        several = {"datasets": list(self.datasets)} if len(self.datasets) > 1 else {}
        return {**{k: v for k, v in named.items() if v is not None}, **several}


class Wanted(NamedTuple):
    """What a list of matters is narrowed down to; None does not narrow."""

    workflow: str | None = None
    state: str | None = None
    dataset: str | None = None
    grant: str | None = None
    is_open: bool | None = None
    application: str | None = None
    origin: str | None = None
    """Id of the case that called for them."""
