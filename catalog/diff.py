"""What changed between two wordings of a catalog entry, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; None stands for a field that is not there."""

    field: str
    """Path with dots; attributes are named, not numbered: ``attributes.code.length``."""
    before: Any
    after: Any

    def __str__(self) -> str:
        """Return one line, such as ``summary: 旧 -> 新``."""
        return f"{self.field}: {_short(self.before)} -> {_short(self.after)}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return every field that differs, in the entry's order; lists but the attributes differ as a whole."""
    return list(_differences("", before, after))


def _differences(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        where = f"{path}{name}"
        if old == new:
            continue
        if where == "attributes":
            old, new = _named(old), _named(new)
            if list(old) != list(new) and sorted(old) == sorted(new):
                yield Difference("attributes", list(old), list(new))
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(f"{where}.", old, new)
        else:
            yield Difference(where, old, new)


def _named(attributes: Any) -> dict[str, Mapping[str, Any]]:
    return {a["name"]: a for a in attributes or ()}


def _short(value: Any) -> str:
    text = "(无)" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
