"""What a search looks for, and whether rows are it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from audit.columns.index import AT_ONCE, Group, Place
from audit.columns.schema import SCHEMA

LAST = "~"
"""Greater than any id."""
_FIELDS = {"kind": "k"}
"""Columns that have another name in a body."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rows must be: `equal` in these columns, of `value` in one of the columns `any_of`.

    Their ids lie from `first` up to, not including, `before`. Raises ValueError for an unknown column.
    """

    equal: Mapping[str, str] = field(default_factory=dict)
    any_of: tuple[str, ...] = ()
    value: str = ""
    first: str = ""
    before: str = LAST
    hidden: Mapping[str, str | None] = field(default_factory=dict)
    """Kinds of records that are passed over: all of the kind, or those of one actor only."""

    def __post_init__(self) -> None:
        if unknown := {*self.equal, *self.any_of} - set(SCHEMA.names):
            raise ValueError(f"the log has no columns {sorted(unknown)}")

    @property
    def columns(self) -> list[str]:
        """The columns that it takes to tell."""
        hidden = ("kind", "actor") if self.hidden else ()
        return list(dict.fromkeys([*self.equal, *self.any_of, *hidden]))

    def is_in(self, body: Any) -> bool:
        """Tell whether a record is wanted by its body, whatever its id."""
        if not isinstance(body, Mapping):
            return False
        equal = all(_is(body, name, value) for name, value in self.equal.items())
        any_of = not self.any_of or any(_is(body, name, self.value) for name in self.any_of)
        return equal and any_of and not any(_is_hidden(body, *one) for one in self.hidden.items())

    def may_lie_in(self, group: Group) -> bool:
        """Tell whether a group has ids in the range."""
        return group.least is not None and group.least < self.before and (group.greatest or "") >= self.first


def _is(body: Mapping[str, Any], name: str, value: str) -> bool:
    own = body.get(_FIELDS.get(name, name))
    several = name == "subject" and isinstance(own, str) and value in own.split(",")
    return bool(own == value) or several


def _is_hidden(body: Mapping[str, Any], kind: str, actor: str | None) -> bool:
    return _is(body, "kind", kind) and (actor is None or (body.get("actor") or "") == actor)


def rows_wanted(rows: pa.Table, wanted: Wanted) -> Iterator[Place]:
    """Yield the rows of a table that are wanted, the newest first."""
    own = rows.column("id")
    inside = (pc.greater_equal(own, wanted.first), pc.less(own, wanted.before))
    some = rows.select(Place._fields).filter(_all(rows, [fits(rows, wanted), *inside]))
    newest = some.sort_by([("id", "descending")])
    for at in range(0, newest.num_rows, AT_ONCE):
        yield from (Place(**row) for row in newest.slice(at, AT_ONCE).to_pylist())


def fits(rows: pa.Table, wanted: Wanted) -> Any:
    """Tell row by row whether it is what is wanted, by anything but its id."""
    terms = [_has(rows, name, value) for name, value in wanted.equal.items()]
    if wanted.any_of:
        terms.append(reduce(pc.or_, [_has(rows, name, wanted.value) for name in wanted.any_of]))
    for kind, actor in wanted.hidden.items():
        own = [] if actor is None else [pc.equal(pc.fill_null(rows.column("actor"), ""), actor)]
        terms.append(pc.invert(_all(rows, [_has(rows, "kind", kind), *own])))
    return _all(rows, terms)


def _all(rows: pa.Table, terms: Sequence[Any]) -> Any:
    return reduce(pc.and_, terms, pa.chunked_array([pa.repeat(True, rows.num_rows)]))


def _has(rows: pa.Table, name: str, value: str) -> Any:
    found = pc.fill_null(pc.equal(rows.column(name), value), False)
    if name != "subject":
        return found
    joined = pc.binary_join_element_wise(",", rows.column("several"), ",", "")
    return pc.or_(found, pc.fill_null(pc.match_substring(joined, f",{value},"), False))
