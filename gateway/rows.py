"""The query of a table call, read and judged against the grant. Pure.

    select=a,b        order=a.desc,b        limit=100        offset=200
    name=eq.x  neq gt gte lt lte like ilike   name=in.(a,"b,c")   name=is.null   name=not.is.null

Every name is looked up among the granted fields, in select, filter and order alike, so that nothing can be
learnt about a field by sorting or filtering on it. In `like` and `ilike`, `*` stands for any run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from gateway import objections as no
from gateway.calls import Query
from gateway.model import Permit
from gateway.objections import Objection, Refused

PAGE_DEFAULT = 100
PAGE_MOST = 10_000
OFFSET_MOST = 10_000_000
IN_MOST = 200
RESERVED = frozenset({"select", "order", "limit", "offset"})
COMPARISONS = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike"})

Value = str | int | float | bool | date | datetime | Decimal


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: `op` is a comparison, `in`, `null` or `not_null`; values are of the field's type."""

    field: str
    op: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class RowQuery:
    """What to read: every name is granted, every value typed."""

    fields: tuple[str, ...]
    filters: tuple[Filter, ...]
    order: tuple[tuple[str, bool], ...]
    """Field and whether it descends, as the caller wants it."""
    limit: int | None
    offset: int


def read_row_query(permit: Permit, query: Query) -> RowQuery:
    """Read a table call's query. Raises Refused: 400 when malformed, 403 for a field outside the grant."""
    given: dict[str, str] = {}
    filters: list[Filter] = []
    for name, value in query:
        if name not in RESERVED:
            filters.append(_filter(permit, name, value))
        elif name in given:
            raise Refused(no.REPEATED_PARAMETER.at(f"/query/{name}"))
        else:
            given[name] = value
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


def _granted(permit: Permit, name: str, pointer: str) -> str:
    if name not in permit.terms.fields:
        raise Refused(no.FIELD_NOT_GRANTED.at(pointer))
    return name


def _fields(permit: Permit, text: str | None) -> tuple[str, ...]:
    if text is None:
        return permit.terms.fields
    names = text.split(",")
    if len(set(names)) < len(names):
        raise Refused(no.REPEATED_PARAMETER.at("/query/select"))
    return tuple(_granted(permit, name, "/query/select") for name in names)


def _order(permit: Permit, text: str | None) -> tuple[tuple[str, bool], ...]:
    order = []
    for part in text.split(",") if text is not None else ():
        name, _, direction = part.partition(".")
        if direction not in ("", "asc", "desc"):
            raise Refused(no.BAD_RANGE.at("/query/order"))
        order.append((_granted(permit, name, "/query/order"), direction == "desc"))
    if len({name for name, _ in order}) < len(order):
        raise Refused(no.REPEATED_PARAMETER.at("/query/order"))
    return tuple(order)


def _number(given: dict[str, str], name: str, least: int, most: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise Refused(no.BAD_RANGE.at(f"/query/{name}"))
    return int(text)


# --- filters --------------------------------------------------------------------------------------


def _filter(permit: Permit, name: str, text: str) -> Filter:
    pointer = "/query/" + (name if name in permit.terms.fields else "")
    _granted(permit, name, pointer)
    if text == "is.null":
        return Filter(name, "null")
    if text == "not.is.null":
        return Filter(name, "not_null")
    op, dot, value = text.partition(".")
    wrong = no.BAD_RANGE.at(pointer)
    kind = next(a["type"] for a in permit.attributes if a["name"] == name)
    if op == "in" and value[:1] == "(" and value[-1:] == ")":
        return Filter(name, op, tuple(typed(kind, v, wrong) for v in _listed(value[1:-1], wrong)))
    if op not in COMPARISONS or not dot:
        raise Refused(wrong)
    if op in ("like", "ilike"):
        return Filter(name, op, (_pattern(value),))
    return Filter(name, op, (typed(kind, value, wrong),))


def named_values(text: str) -> tuple[str, ...]:
    """Return the values that a filter asks for one by one: eq and in, and a pattern without a gap in it.

    A pattern counts by what is left between its outer stars. Raises Refused for a list that is none.
    """
    op, _, value = text.partition(".")
    if op == "eq":
        return (value,)
    if op == "in" and value[:1] == "(" and value[-1:] == ")":
        return tuple(_listed(value[1:-1], no.BAD_RANGE))
    core = value.strip("*")
    return (core,) if op in ("like", "ilike") and core and "*" not in core else ()


def _listed(text: str, wrong: Objection) -> list[str]:
    """Split `a,"b,c"`: a quoted item may hold commas, and quotes and backslashes behind a backslash."""
    items: list[str] = []
    rest = text
    while True:
        item, rest = _quoted(rest[1:], wrong) if rest.startswith('"') else _bare(rest)
        items.append(item)
        if not rest:
            break
        if not rest.startswith(",") or len(items) >= IN_MOST:
            raise Refused(wrong)
        rest = rest[1:]
    return items


def _bare(text: str) -> tuple[str, str]:
    item, comma, rest = text.partition(",")
    return item, comma + rest


def _quoted(text: str, wrong: Objection) -> tuple[str, str]:
    item, escaped = "", False
    for i, c in enumerate(text):
        if escaped or c not in '"\\':
            item, escaped = item + c, False
        elif c == "\\":
            escaped = True
        else:
            return item, text[i + 1 :]
    raise Refused(wrong)


def _pattern(text: str) -> str:
    """Return a LIKE pattern with `!` as its escape: only `*` is a wildcard to the caller."""
    for special in "!%_":
        text = text.replace(special, "!" + special)
    return text.replace("*", "%")


def typed(kind: str, text: str, wrong: Objection) -> Value:
    """Return `text` as a value of an attribute's type. Raises Refused with `wrong` when it is none."""
    try:
        value: Value = _READ.get(kind, str)(text)
    except (ValueError, InvalidOperation) as error:
        raise Refused(wrong) from error
    return value


def _integer(text: str) -> int:
    value = int(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() else None
    if value is None or not -(2**63) <= value < 2**63:
        raise ValueError("not a 64-bit integer")
    return value


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or len(text) > 40 or abs(value.adjusted()) > 300:
        raise ValueError("not a number")
    return value


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("not a boolean")
    return text == "true"


_READ: dict[str, Any] = {
    "integer": _integer,
    "number": _decimal,
    "currency": _decimal,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


def types_of(permit: Permit, fields: Sequence[str]) -> tuple[str, ...]:
    """Return the attribute types of `fields`."""
    types = {a["name"]: a["type"] for a in permit.attributes}
    return tuple(types[name] for name in fields)
