"""Who sees which part of a document: keys are removed or masked by the viewer's relation to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.citation import Citation

KEPT = 1
"""Characters that a mask leaves at each end of a text, when enough others remain."""


@dataclass(frozen=True, slots=True)
class View:
    """What one relation sees: all but `hide`, with `mask` masked; keys may be paths such as ``a.b``."""

    hide: tuple[str, ...]
    mask: tuple[str, ...]
    cite: Citation


Table = Mapping[str, View]
"""Relation (provider, consumer, platform_manager, auditor, other) to what it sees."""


def visible(table: Table, relation: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the relation may see of `document`: nothing, when the table does not name it."""
    view = table.get(relation)
    if view is None:
        return {}
    shown: dict[str, Any] = dict(document)
    for path in view.hide:
        shown = _changed(shown, path.split("."), _Hide)
    for path in view.mask:
        shown = _changed(shown, path.split("."), _Mask)
    return shown


def masked(value: Any) -> str | None:
    """Return a text of which only the ends are left, as ``王**``; anything else is masked whole."""
    if value is None:
        return None
    text = value if isinstance(value, str) else ""
    tail = text[-KEPT:] if len(text) > 2 * KEPT + 1 else ""
    return text[:KEPT] + "*" * max(2, len(text) - KEPT - len(tail)) + tail


class _Hide:
    """Take the key away."""

    @staticmethod
    def apply(holder: dict[str, Any], key: str) -> None:
        holder.pop(key, None)


class _Mask:
    """Leave the key and mask its value."""

    @staticmethod
    def apply(holder: dict[str, Any], key: str) -> None:
        if key in holder:
            holder[key] = masked(holder[key])


def _changed(holder: Any, path: Sequence[str], change: type[_Hide] | type[_Mask]) -> Any:
    """Return a copy of `holder` with `change` applied at `path`, in every member of the lists on the way."""
    if isinstance(holder, list):
        return [_changed(member, path, change) for member in holder]
    if not isinstance(holder, Mapping):
        return holder
    copy = dict(holder)
    if len(path) == 1:
        change.apply(copy, path[0])
    elif path[0] in copy:
        copy[path[0]] = _changed(copy[path[0]], path[1:], change)
    return copy
