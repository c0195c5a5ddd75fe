"""The query of a table call, read and judged against the grant. Pure.

    select=a,b     order=a.desc.nullslast,b     limit=100     offset=200     conditions: gateway/filters.py

Every name is looked up among the granted fields, in select, filter and order alike, so that nothing can be
learnt about a field by sorting or filtering on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway import objections as no
from gateway.calls import Query
from gateway.filters import CONDITIONS_MOST, Condition, Filter, granted, leaves, read_condition, typed
from gateway.model import Permit
from gateway.objections import Refused

PAGE_DEFAULT = 100
PAGE_MOST = 10_000
OFFSET_MOST = 10_000_000
RESERVED = frozenset({"select", "order", "limit", "offset"})


@dataclass(frozen=True, slots=True)
class Order:
    """One field to sort by, as the caller wants it."""

    field: str
    descending: bool = False
    nulls: str | None = None
    """first, last, or None for where the database puts them."""


@dataclass(frozen=True, slots=True)
class RowQuery:
    """What to read: every name is granted, every value typed."""

    fields: tuple[str, ...]
    filters: tuple[Condition, ...]
    order: tuple[Order, ...]
    limit: int | None
    offset: int


def read_row_query(permit: Permit, query: Query) -> RowQuery:
    """Read a table call's query. Raises Refused: 400 when malformed, 403 for a field outside the grant."""
    given: dict[str, str] = {}
    filters: list[Condition] = []
    for name, value in query:
        if name not in RESERVED:
            filters.append(read_condition(permit, name, value))
        elif name in given:
            raise Refused(no.REPEATED_PARAMETER.at(f"/query/{name}"))
        else:
            given[name] = value
    if sum(1 for _ in leaves(tuple(filters))) > CONDITIONS_MOST:
        raise Refused(no.TOO_MANY_CONDITIONS.at("/query"))
    return RowQuery(
        _fields(permit, given.get("select")),
        tuple(filters),
        _order(permit, given.get("order")),
        _number(given, "limit", 1, PAGE_MOST),
        _number(given, "offset", 0, OFFSET_MOST) or 0,
    )


def row_filter(permit: Permit) -> tuple[Filter, ...]:
    """Return the conditions that the grant sets on every row. Raises Refused when one cannot be kept."""
    types = {a["name"]: a["type"] for a in permit.attributes}
    conditions = []
    for name, values in permit.terms.row_filter.items():
        if name not in types:
            raise Refused(no.NOT_MOUNTED)
        conditions.append(Filter(name, "in", tuple(typed(types[name], v, no.NOT_MOUNTED) for v in values)))
    return tuple(conditions)


def next_query(query: Query, limit: int, offset: int) -> str:
    """Return the query of the page that begins at `offset`."""
    kept = [(n, v) for n, v in query if n not in ("limit", "offset")]
    return urlencode([*kept, ("limit", str(limit)), ("offset", str(offset))])


def types_of(permit: Permit, fields: Sequence[str]) -> tuple[str, ...]:
    """Return the attribute types of `fields`."""
    types = {a["name"]: a["type"] for a in permit.attributes}
    return tuple(types[name] for name in fields)


_MORE_THAN_A_NAME = re.compile(r"\w+:(?!:)(\w+).*|(\w+)(?:::|->|\(|\.\w+\().*")
"""An alias, a cast, a JSON path, an embedded table or a function, and the name that it is about."""


def _column(permit: Permit, text: str, pointer: str) -> str:
    """Return a granted name; what PostgREST takes besides names is told apart once the name is granted."""
    more = _MORE_THAN_A_NAME.fullmatch(text)
    if more is not None and (more[1] or more[2]) in permit.terms.fields:
        raise Refused(no.NAMES_ONLY.at(pointer))
    return granted(permit, text, pointer)


def _fields(permit: Permit, text: str | None) -> tuple[str, ...]:
    if text is None:
        return permit.terms.fields
    names = text.split(",")
    if len(set(names)) < len(names):
        raise Refused(no.REPEATED_PARAMETER.at("/query/select"))
    return tuple(_column(permit, name, "/query/select") for name in names)


_DIRECTIONS = {"": False, "asc": False, "desc": True}
_NULLS = {"nullsfirst": "first", "nullslast": "last"}


def _order(permit: Permit, text: str | None) -> tuple[Order, ...]:
    order = tuple(_sort(permit, part) for part in (text.split(",") if text is not None else ()))
    if len({sort.field for sort in order}) < len(order):
        raise Refused(no.REPEATED_PARAMETER.at("/query/order"))
    return order


def _sort(permit: Permit, text: str) -> Order:
    name, *words = text.split(".")
    nulls = _NULLS.get(words[-1]) if words else None
    direction = ".".join(words[:-1] if nulls else words)
    if direction not in _DIRECTIONS or text.endswith("."):
        raise Refused(no.BAD_RANGE.at("/query/order"))
    return Order(_column(permit, name, "/query/order"), _DIRECTIONS[direction], nulls)


def _number(given: dict[str, str], name: str, least: int, most: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise Refused(no.BAD_RANGE.at(f"/query/{name}"))
    return int(text)
