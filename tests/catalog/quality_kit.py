"""Rows and dictionaries to check, and numbers with a right check character."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from catalog.quality.check import Subject, check_rows
from catalog.quality.conditions import conditions
from catalog.quality.duck import Bounds, rows_of
from catalog.quality.freshness import Supply, supply_of
from catalog.quality.model import Report
from catalog.quality.sources import rows_in_hand
from core.times import SHANGHAI

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def resident_id(first_17: str) -> str:
    """Add the check character of GB 11643."""
    total = sum(int(c) * w for c, w in zip(first_17, WEIGHTS, strict=True))
    return first_17 + "10X98765432"[total % 11]


def attribute(name: str, type: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "title": name, "type": type, **more}


def supply(world: Any, entry: Mapping[str, Any]) -> Supply:
    """What the city's rulebook says of a supply that was never put on record."""
    return supply_of(world.rulebooks.current("sharing"), entry, ())


def checked(
    world: Any, attributes: list[dict[str, Any]], rows: Iterable[Mapping[str, Any]], **entry: Any
) -> Report:
    """Check rows that are at hand, at the world's present."""
    document = {"attributes": attributes, **entry}
    return check_rows(
        world.settings,
        Subject(document, "table", world.now, world.rulebooks.calendar, supply(world, entry)),
        rows,
    )


def counts(report: Report) -> dict[str, tuple[int, int]]:
    """What each rule looked at and what broke it, by rule or rule and attribute; sources left out."""
    return {
        f"{f.rule} {f.attribute}" if f.attribute else f.rule: (f.checked, f.failed)
        for f in report.findings
        if f.rule != "readable"
    }


def broken(world: Any, described: dict[str, Any], values: list[Any]) -> list[Any]:
    """The values that break a rule of one attribute."""
    name = described["name"]
    rules = conditions({0: described}, world.now.astimezone(SHANGHAI).date())
    wrong: set[int] = set()
    bounds = Bounds(64, 2**26, time.monotonic() + 60)
    with rows_of([0], world.settings.data / "run", bounds) as rows:
        for piece in rows_in_hand([name], [{name: value} for value in values]).pieces:
            rows.load(0, piece.first, piece.columns, piece.size)
        rows.loaded()
        for rule in rules:
            found = rows._database.execute(f"SELECT row_ FROM data WHERE {rule.broken}").fetchall()
            (counted,) = rows.counts([rule])
            assert counted is not None
            assert counted[1] == len(found)
            wrong |= {row for (row,) in found}
    return [value for i, value in enumerate(values, 1) if i in wrong]
