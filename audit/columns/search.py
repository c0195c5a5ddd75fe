"""Finding rows, the newest first, without reading more of the log than they lie in.

Records are ordered by their id, a UUID of version 7. Row groups hold them nearly in that order, and footers
tell each group's least and greatest id. So a search looks first through the newest groups, where a frequent
value is found at once, then through as many as a page should need by what it found there. A value that was
not there at all is looked for in all the rest in one go: Bloom filters pass over most of it. Should it be
frequent in older times only, its rows are counted by group, and read from as many groups as a page needs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audit.columns.blocks import Block
from audit.columns.engine import Engine, Lost
from audit.columns.footers import Group, footer_of
from audit.columns.make import GROUP
from audit.columns.schema import SCHEMA
from audit.columns.tail import Snapshot

NEAR = 4 * GROUP
"""Rows that are looked through first."""
AT_ONCE = 2_000
"""Rows that are fetched without having been counted."""
_LAST = "~"
"""Greater than any id."""
_TERM = '"{}" = ?'
_TERMS = {"several": "contains({0}, ?) AND contains(',' || {0} || ',', ',' || ? || ',')"}
"""What must hold of a column, where that is not to be equal: a person is one of several."""


class Place(NamedTuple):
    """A row that was found, and where its body lies unless the record waits to be sealed."""

    id: str
    log_index: int | None
    offset: int | None
    length: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rows must be: `equal` in these columns, of `value` in one of the columns `any_of`.

    Their ids lie from `first` up to, not including, `before`. Raises ValueError for an unknown column.
    """

    equal: Mapping[str, str] = field(default_factory=dict)
    any_of: tuple[str, ...] = ()
    value: str = ""
    first: str = ""
    before: str = _LAST
    hidden: Mapping[str, str | None] = field(default_factory=dict)
    """Kinds of records that are passed over: all of the kind, or those of one actor only."""

    def __post_init__(self) -> None:
        if unknown := {*self.equal, *self.any_of} - set(SCHEMA.names):
            raise ValueError(f"the log has no columns {sorted(unknown)}")

    def alternatives(self) -> list[Mapping[str, str]]:
        """Return what must be equal, once for each column of `any_of`: filters help with these only."""
        possible = [name for name in self.any_of if self.equal.get(name, self.value) == self.value]
        found = [{**self.equal, name: self.value} for name in possible] if self.any_of else [self.equal]
        return [people for equal in found for people in _alone_or_not(equal)]


class Search:
    """One search through one log."""

    def __init__(self, engine: Engine, snapshot: Snapshot, wanted: Wanted) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._wanted = wanted

    def newest(self, most: int) -> list[Place]:
        """Return the `most` newest rows that are wanted, by id descending. Raises Lost as `Engine.select`."""
        groups = sorted(self._groups(), key=_greatest, reverse=True)
        if not self._wanted.alternatives() or (not groups and not self._may_be_hot()):
            return []
        found: list[Place] = []
        high, seen = _LAST, 0
        while high and len(found) < most:
            goal = _rows_to_read(seen, len(found), most)
            low = _bound(groups, goal) if goal < sum(g.rows for g in groups) // 2 else ""
            found += self._step(groups, low, high, most - len(found), guarded=seen > 0)
            high, seen = low, goal
        return found[:most]

    def _step(self, groups: Sequence[Group], low: str, high: str, most: int, *, guarded: bool) -> list[Place]:
        """Read the rows between two ids; those of the whole rest are counted first when they are many."""
        if low or not guarded:
            return self._rows(low, high, most)
        found = self._rows(low, high, AT_ONCE, f" LIMIT {AT_ONCE}")
        return found if len(found) < AT_ONCE else self._counted(groups, high, most)

    def _groups(self) -> list[Group]:
        """Return the row groups that may hold what is wanted."""
        found: list[Group] = []
        for block in self._snapshot.blocks:
            footer = footer_of(block.path(self._snapshot.folder))
            if footer is None:
                raise Lost(block.name)
            found += footer.groups
        return [
            g
            for g in found
            if (g.least or _LAST) < self._wanted.before and _greatest(g) >= self._wanted.first
        ]

    def _may_be_hot(self) -> bool:
        """Tell whether a row that lies in no block has an id in the range."""
        greatest = pc.max(self._snapshot.hot.column("id")).as_py()
        return greatest is not None and greatest >= self._wanted.first

    def _counted(self, groups: Sequence[Group], high: str, most: int) -> list[Place]:
        """Read those row groups only that hold the newest rows up to the id `high`."""
        counts = self._counts(high)
        keyed = sorted((_key(g.first), _greatest(g)) for g in groups)
        greatest = {key: max(g for _, g in some) for key, some in groupby(keyed, itemgetter(0))}
        order = sorted(((greatest.get(key, _LAST), n) for key, n in counts.items()), reverse=True)
        found: list[Place] = []
        while len(found) < most and high:
            expected = 0
            while order and (expected < most - len(found) or order[0][0] >= high):
                expected += order.pop(0)[1]
            low = order[0][0] if order else ""
            found += self._rows(low, high, most - len(found))
            high = low
        return found

    def _counts(self, high: str) -> dict[int, int]:
        counted = self._select(f"log_index // {GROUP} AS g, count(*) AS n", " GROUP BY 1", "", high)
        counts: dict[int, int] = {}
        for row in counted.to_pylist():
            key = -1 if row["g"] is None else int(row["g"])
            counts[key] = counts.get(key, 0) + int(row["n"])
        return counts

    def _rows(self, low: str, high: str, most: int, end: str = "") -> list[Place]:
        """Return the newest wanted rows whose ids are greater than `low` and not greater than `high`."""
        table = self._select('id, log_index, "offset", length', end, low, high)
        twice = len(self._wanted.alternatives())
        newest = pc.select_k_unstable(table, k=most * twice, sort_keys=[("id", "descending")])
        places = {row["id"]: Place(**row) for row in table.take(newest).to_pylist()}
        return list(places.values())[:most]

    def _select(self, what: str, end: str, low: str, high: str) -> pa.Table:
        first, before = self._wanted.first, self._wanted.before
        within, bounds = _within(low, high, first, before)
        passed, ends = self._passed_over()
        parts, values = [], []
        for equal in self._wanted.alternatives():
            own = [(_TERMS.get(name, _TERM), name, value) for name, value in equal.items()]
            terms = "".join(f" AND {term.format(name)}" for term, name, _ in own)
            parts.append(f"(SELECT {what} FROM records WHERE {within}{terms}{passed}{end})")
            values += bounds
            values += [value for term, _, value in own for _ in range(term.count("?"))]
            values += ends
        blocks = tuple(
            b for b in self._snapshot.blocks if self._overlaps(b, max(low, first), min(high, before))
        )
        narrowed = replace(self._snapshot, blocks=blocks)
        return self._engine.select(" UNION ALL ".join(parts), (narrowed,), values)

    def _passed_over(self) -> tuple[str, list[str]]:
        """Return the terms that leave out what is hidden, and their values."""
        terms, values = "", []
        for kind, actor in self._wanted.hidden.items():
            terms += (
                " AND NOT (kind = ?)" if actor is None else " AND NOT (kind = ? AND coalesce(actor, '') = ?)"
            )
            values += [kind] if actor is None else [kind, actor]
        return terms, values

    def _overlaps(self, block: Block, low: str, high: str) -> bool:
        footer = footer_of(block.path(self._snapshot.folder))
        return footer is None or (footer.least <= high and footer.greatest >= low)


def _within(low: str, high: str, first: str, before: str) -> tuple[str, list[str]]:
    """Return the terms that hold ids in bounds, and their values, without those that say nothing.

    To compare ids all the same, they would have to be read of every row.
    """
    bounds = (
        ("id > ?", low, ""),
        ("id <= ?", high, _LAST),
        ("id >= ?", first, ""),
        ("id < ?", before, _LAST),
    )
    said = [(term, value) for term, value, open_end in bounds if value != open_end]
    return " AND ".join(["id IS NOT NULL", *(term for term, _ in said)]), [value for _, value in said]


def _alone_or_not(equal: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return what must be equal, once more where it names a person who may be one of several."""
    if "subject" not in equal:
        return [equal]
    others = {name: value for name, value in equal.items() if name != "subject"}
    return [equal, {**others, "several": equal["subject"]}]


def _greatest(group: Group) -> str:
    return group.greatest or ""


def _key(log_index: int) -> int:
    return log_index // GROUP


def _rows_to_read(seen: int, found: int, most: int) -> int:
    """Return how many of the newest rows to have read after the next step, by what those before held."""
    if seen == 0:
        return NEAR
    return int(seen * (1 + 1.5 * (most - found) / found)) if found else sys.maxsize


def _bound(groups: Sequence[Group], rows: int) -> str:
    """Return the greatest id that may lie behind the first groups with `rows` rows; none: all lie in them."""
    taken = 0
    for group in groups:
        if taken >= rows:
            return _greatest(group)
        taken += group.rows
    return ""
