"""How a form asks what a matter is about: a code to type, or one of the reader's own systems and grants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.datasets import find_dataset
from core.codes import code_in
from core.errors import NotFound
from core.text import Text
from core.work import Work
from gateway.applications import find_application
from gateway.clients import ACTIVE, list_clients
from gateway.grants import list_grants
from matters import store
from rules.workflow import Opening

MOST = 200
"""So many grants or systems are offered to choose from; with more, the number is typed."""
TITLES = {
    "dataset": Text("数据集代码", "Dataset code"),
    "datasets": Text("数据集代码（每行一个）", "Dataset codes, one on each line"),
    "grant": Text("授权编号", "Grant"),
    "application": Text("申请编号", "Application"),
    "client": Text("业务系统", "System"),
}


@dataclass(frozen=True, slots=True)
class Picker:
    """One field that asks for a subject."""

    name: str
    title: Text
    required: bool
    value: str
    called: tuple[str, ...]
    """What the datasets or the application named are called, as far as the reader may know them."""
    options: Sequence[tuple[str, str]] | None
    """What to choose from; None where it is typed."""


def pickers(work: Work, opening: Opening, draft: Mapping[str, Any]) -> list[Picker]:
    """Return the fields for what a matter must or may be about, filled in with `draft`."""
    return [
        _picker(work, name, name in opening.about, draft.get(name))
        for name in (*opening.about, *opening.about_optional)
    ]


def _picker(work: Work, name: str, required: bool, given: Any) -> Picker:
    values = [str(v) for v in ([given] if isinstance(given, str) else given or []) if v]
    called = tuple(title for title in (_title(work, name, value) for value in values) if title)
    return Picker(name, TITLES[name], required, "\n".join(values), called, _options(work, name))


def _title(work: Work, name: str, value: str) -> str:
    """Return what is named, empty when it is nothing that the reader may know of."""
    try:
        if name in ("dataset", "datasets"):
            return find_dataset(work, code_in(value)).title
        if name == "application":
            found = find_application(work, store.application_id(work.tx, value) or value).application
            return f"{found.number} {found.dataset_title}"
    except NotFound:
        return ""
    return ""


def _options(work: Work, name: str) -> Sequence[tuple[str, str]] | None:
    if name == "client":
        systems = list_clients(work, ACTIVE, MOST, None).rows
        return [(s.id, s.name) for s in systems if s.department == work.actor.department]
    if name != "grant":
        return None
    found = list_grants(work, limit=MOST, cursor=None)
    if found.next_cursor is not None:
        return None
    return [(h.grant.number, f"{h.grant.number} · {h.grant.dataset_title}") for h in found.rows]
