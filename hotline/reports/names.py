"""What reports call things: units by the deployment, topics and channels by the rulebook, places by code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from core.settings_hotline import LEVELS, significant
from core.text import Text, text_of
from core.work import Work
from hotline.book import hotline_book
from hotline.model import WORKFLOW
from rules.rulebook import Rulebook

NONE = {
    "unit": Text("热线办公室（未派单）", "The office itself (not dispatched)"),
    "category": Text("未分类", "Not classified"),
    "place": Text("区划不明", "Place unknown"),
    "channel": Text("渠道不明", "Channel unknown"),
}
"""What a group without a key is called."""


def level_below(codes: Iterable[str], within: str | None) -> int:
    """Return how many digits groups of divisions have: one level below `within`, else where they differ."""
    if within is not None:
        return next((n for n in LEVELS if n > len(within)), LEVELS[-1])
    known = {significant(code) for code in codes} - {""}
    return next((n for n in LEVELS if len({code[:n] for code in known}) > 1), LEVELS[-1])


def limit_titles(book: Rulebook) -> Mapping[str, Text]:
    """Return what the clocks of tickets are called; of several that share a name the first."""
    rules = [rule for rule in book.clocks if rule.workflow == WORKFLOW]
    return {rule.name: rule.title for rule in reversed(rules)}


class Names:
    """The titles of everything that figures are broken down by."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.book = hotline_book(work)

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
            "place": {significant(c): n for c, n in self._work.settings.hotline.places.items()},
        }

    @cached_property
    def _units(self) -> Mapping[str, Text]:
        return {d.id: d.name for d in self._work.settings.departments.values()}

    def _policy(self, path: str) -> list[Any]:
        leaf = self.book.policies.get(path)
        return list(leaf.value or ()) if leaf is not None else []
