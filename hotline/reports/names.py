"""What reports call things: units by the deployment, topics and channels by the rulebook, places by code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from core.errors import NotFound
from core.text import Text, text_of
from core.work import Work
from hotline.model import DOMAIN
from rules.rulebook import Rulebook

NONE = {
    "unit": Text("热线办公室（未派单）", "The office itself (not dispatched)"),
    "category": Text("未分类", "Not classified"),
    "place": Text("区划不明", "Place unknown"),
    "channel": Text("渠道不明", "Channel unknown"),
}
"""What a group without a key is called."""
LEVELS = (2, 4, 6, 9, 12)
"""Digits of the code of a province, city, county, township, village (GB/T 2260, GB/T 10114)."""


def book_in_force(work: Work) -> Rulebook:
    """Return the hotline's rulebook. Raises NotFound where the deployment has no hotline."""
    if DOMAIN not in work.rulebooks.selected:
        raise NotFound("本平台没有开通热线", "this deployment has no hotline")
    book: Rulebook = work.rulebooks.current(DOMAIN)
    return book


def short_code(code: str) -> str:
    """Return the code of a division without the zeros that fill it up: 429005000000 is 429005."""
    return next((code[:n] for n in LEVELS if not code[n:].strip("0")), code)


def level_below(codes: Iterable[str], within: str | None) -> int:
    """Return how many digits groups of divisions have: one level below `within`, else where they differ."""
    if within is not None:
        return next((n for n in LEVELS if n > len(within)), LEVELS[-1])
    known = {short_code(code) for code in codes} - {""}
    return next((n for n in LEVELS if len({code[:n] for code in known}) > 1), LEVELS[-1])


class Names:
    """The titles of everything that figures are broken down by."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._book = book_in_force(work)

    def of(self, dimension: str, key: str) -> Text:
        """Return the title of a group; an unknown key stands for itself."""
        if not key:
            return NONE[dimension]
        return self._known[dimension].get(key, Text(key, key))

    def knows(self, dimension: str, key: str) -> bool:
        """Tell whether there is a unit, category or channel with this key; any digits may be a division."""
        if dimension == "place":
            return key.isascii() and key.isdigit() and len(key) <= LEVELS[-1]
        return key in self._known[dimension]

    def choices(self, dimension: str) -> Mapping[str, Text]:
        """Return the keys of a dimension with their titles."""
        return self._known[dimension]

    def below(self, category: str) -> tuple[str, ...]:
        """Return the categories below one, at any depth."""
        found: list[str] = []
        waiting = [category]
        while waiting:
            parent = waiting.pop()
            children = [c["code"] for c in self._policy("categories") if c["parent"] == parent]
            found += children
            waiting += children
        return tuple(found)

    @cached_property
    def _known(self) -> Mapping[str, Mapping[str, Text]]:
        return {
            "unit": self._units,
            "category": {c["code"]: text_of(c["title"]) for c in self._policy("categories")},
            "channel": {c["code"]: text_of(c["title"]) for c in self._policy("channels")},
            "place": {},
        }

    @cached_property
    def _units(self) -> Mapping[str, Text]:
        return {d.id: d.name for d in self._work.settings.departments.values()}

    def _policy(self, path: str) -> list[Any]:
        leaf = self._book.policies.get(path)
        return list(leaf.value or ()) if leaf is not None else []
