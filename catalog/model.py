"""A dataset as the catalog knows it: its entry, where its data come from, and its standing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases.model import Case
from core.text import Text

KINDS = {
    "table": Text("库表", "table"),
    "api": Text("服务接口", "API"),
    "file": Text("文件", "files"),
}
"""The kinds of distribution; a dataset has at most one of each."""

SHARE_CLASSES = {
    "unconditional": Text("无条件共享", "unconditional sharing"),
    "conditional": Text("有条件共享", "conditional sharing"),
    "none": Text("不予共享", "not shared"),
}
"""From the widest to the most restrictive."""

LEVELS = {
    "law": Text("法律", "law"),
    "admin_regulation": Text("行政法规", "administrative regulation"),
    "ministry_rule": Text("部委规章", "ministry rule"),
    "cpc_central_policy": Text("党中央政策", "policy of the Party centre"),
    "state_council_policy": Text("国务院政策", "policy of the State Council"),
    "provincial_party_policy": Text("省委政策", "policy of the provincial Party committee"),
    "provincial_gov_policy": Text("省政府政策", "policy of the provincial government"),
    "local_regulation": Text("地方性法规", "local regulation"),
    "local_policy": Text("市县政策", "city or county policy"),
}
"""From the highest down: what a basis for not sharing can be; which of them do is for the rulebook to say."""

Attribute = Mapping[str, Any]


def shared_items(attributes: Iterable[Attribute], share_class: str) -> list[Attribute]:
    """Return the items that may be given; one without a class of its own has the dataset's (I-S-02)."""
    return [a for a in attributes if a.get("share_class", share_class) != "none"]


def is_off_line(document: Mapping[str, Any]) -> bool:
    """Tell whether an entry says that its data are handed over by mail or medium and not on the platform."""
    methods = document.get("share_method", ())
    return bool(methods) and "platform" not in methods


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One thing that a self-check looked at, and what it found."""

    name: str
    passed: bool
    found: Text


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the self-check of a distribution found; it passed when every item did."""

    items: tuple[CheckItem, ...]

    @property
    def passed(self) -> bool:
        """Tell whether the data could be served as they are described."""
        return all(item.passed for item in self.items)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where a dataset's data come from: a table, an API or files behind a named connection."""

    kind: str
    connection: str
    detail: Mapping[str, Any]
    """Fits the schema request/distribution."""
    report: CheckReport
    checked_at: datetime
    attached_at: datetime
    attached_by: str


@dataclass(frozen=True, slots=True)
class Filing:
    """The filing of a basis for not sharing: its number, its page, and where it stands in its workflow."""

    number: str
    address: str
    state: str
    filed_at: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """One earlier or current wording of a dataset's entry, and why it was changed."""

    number: int
    document: Mapping[str, Any]
    cause: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A catalog entry with its distributions and its case."""

    id: str
    code: str
    """Category code and sequence number, such as ``307001/000001``; never used twice."""
    manifest: str | None
    """The manifest that keeps this entry, if one does."""
    provider: str
    revision: int
    version: int
    """Raised by every change of the entry, its distributions or its standing; the ETag."""
    document: Mapping[str, Any]
    """The current wording; fits the schema request/dataset."""
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    """The first publication; None for an entry that only its provider and the manager have seen."""
    distributions: tuple[Distribution, ...]
    case: Case

    @property
    def is_public(self) -> bool:
        """Whether everybody finds it and its data are served."""
        return self.case.serves

    @property
    def title(self) -> str:
        """The dataset's name."""
        return str(self.document["title"])

    @property
    def share_class(self) -> str:
        """unconditional, conditional or none."""
        return str(self.document["share_class"])

    @property
    def shared(self) -> list[Attribute]:
        """The items that somebody may be given; a dataset without any is closed to applications."""
        return shared_items(self.document["attributes"], self.share_class)

    @property
    def controlled_params(self) -> bool:
        """Whether calls need parameters that only a grant can name (QJ art. 11)."""
        return bool(self.document.get("controlled_params", False))

    def distribution(self, kind: str) -> Distribution | None:
        """Return the distribution of a kind, or None."""
        return next((d for d in self.distributions if d.kind == kind), None)
