"""The SELECT of a table call, compiled for the provider's database.

It is built from names that the grant and the catalog hold and from bound values; nothing that a caller wrote
becomes SQL.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Float,
    Numeric,
    Select,
    String,
    and_,
    case,
    column,
    func,
    literal,
    not_,
    or_,
    select,
    table,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ColumnElement, quoted_name
from sqlalchemy.types import TypeEngine

from gateway.filters import Condition, Filter, Group, Value, leaves
from gateway.model import Permit
from gateway.moments import around, places_of, spellings_of
from gateway.rows import Order, RowQuery, row_filter, types_of

Project = Callable[[int, ColumnElement[Any]], ColumnElement[Any]]
"""Makes of a column, by its place in the answer, what is selected."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a call reads."""

    permit: Permit
    query: RowQuery
    limit: int | None
    """The most rows, of the caller and of the grant."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the answer, in order."""
        return self.query.fields

    @property
    def types(self) -> tuple[str, ...]:
        """Their types, as the catalog has them."""
        return types_of(self.permit, self.query.fields)


def rows_of(wanted: Wanted, dialect: Dialect, project: Project = lambda _, field: field) -> Select[Any]:
    """Return the SELECT of the rows, with the grant's own conditions."""
    order = _order(wanted.permit, wanted.query)
    source, fields, conditions = _source(wanted, dialect, [sort.field for sort in order])
    found = select(*(project(i, fields[n]) for i, n in enumerate(wanted.fields))).select_from(source)
    found = found.where(*conditions).order_by(*(_sorted(fields[sort.field], sort) for sort in order))
    return found.limit(wanted.limit).offset(wanted.query.offset or None)


def count_of(wanted: Wanted, dialect: Dialect) -> Select[Any]:
    """Return the SELECT that counts the rows of every page, within the grant's own conditions."""
    source, _, conditions = _source(wanted, dialect, [])
    return select(func.count()).select_from(source).where(*conditions)


def _source(
    wanted: Wanted, dialect: Dialect, more: list[str]
) -> tuple[Any, dict[str, ColumnElement[Any]], list[ColumnElement[bool]]]:
    schema, _, name = wanted.permit.detail["table"].rpartition(".")
    given = (*row_filter(wanted.permit), *wanted.query.filters)
    names = dict.fromkeys((*wanted.fields, *(c.field for c in leaves(given)), *more))
    # Quoted and qualified: a name the table lacks is an error, never a string (as SQLite would have it).
    columns: list[Any] = [column(quoted_name(n, True)) for n in names]
    source = table(quoted_name(name, True), *columns, schema=quoted_name(schema, True) if schema else None)
    fields = dict(zip(names, columns, strict=True))
    return source, fields, [_condition(fields, c, dialect.name) for c in given]


def _order(permit: Permit, query: RowQuery) -> list[Order]:
    """What the caller wants, then what makes the order stable from page to page."""
    asked = {sort.field for sort in query.order}
    stable = permit.detail.get("order") or [a["name"] for a in permit.attributes if a.get("primary_key")]
    return [*query.order, *(Order(name) for name in stable or permit.terms.fields if name not in asked)]


def _sorted(field: ColumnElement[Any], order: Order) -> ColumnElement[Any]:
    found = field.desc() if order.descending else field.asc()
    if order.nulls is None:
        return found
    return found.nulls_first() if order.nulls == "first" else found.nulls_last()


# --- conditions -----------------------------------------------------------------------------------


def _condition(
    fields: dict[str, ColumnElement[Any]], condition: Condition, dialect: str
) -> ColumnElement[bool]:
    if isinstance(condition, Group):
        join = and_ if condition.op == "and" else or_
        found = join(*(_condition(fields, c, dialect) for c in condition.conditions))
    else:
        found = _compared(fields[condition.field], condition, dialect)
    return not_(found) if condition.negated else found


def _compared(field: ColumnElement[Any], condition: Filter, dialect: str) -> ColumnElement[bool]:
    if dialect == "sqlite" and any(isinstance(v, datetime) for v in condition.values):
        return or_(*(_moment(field, condition.op, v) for v in condition.values if isinstance(v, datetime)))
    values = [_bound(v, dialect) for v in condition.values]
    match condition.op:
        case "in":
            return field.in_(values)
        case "null":
            return field.is_(None)
        case "is":
            return field.is_(condition.values[0])
        case "like":
            return field.like(values[0], escape="!")
        case "ilike":
            return field.ilike(values[0], escape="!")
    return _COMPARE[condition.op](field, values[0])


_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def _bound(value: Value, dialect: str) -> ColumnElement[Any]:
    if dialect == "sqlite":  # which keeps days as ISO text, and no decimals
        if isinstance(value, date):
            return literal(str(value), String())
        if isinstance(value, Decimal):
            return literal(float(value), Float())
    return literal(value, _type_of(value))


def _type_of(value: Value) -> TypeEngine[Any]:
    match value:
        case bool():
            return Boolean()
        case int():
            return BigInteger()
        case Decimal():
            return Numeric()
        case datetime():
            return DateTime(timezone=value.tzinfo is not None)
        case date():
            return Date()
    return String()


def compiled(statement: Select[Any], dialect: Dialect) -> tuple[str, dict[str, Any]]:
    """Return a statement's text, in the dialect's style of parameters, and its values by name."""
    made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(made), dict(made.params)


# --- instants, which a SQLite file holds as text ----------------------------------------------------

_STAMP = "%Y-%m-%d %H:%M:%f"


def _moment(field: ColumnElement[Any], op: str, at: datetime) -> ColumnElement[bool]:
    """Compare a text column with an instant, however it is written; an index of the column still serves."""
    return _local(field, op, at) if at.tzinfo is None else _instant(field, op, at)


def _local(field: ColumnElement[Any], op: str, at: datetime) -> ColumnElement[bool]:
    here = places_of(at)
    match op:
        case "gt":
            return and_(field > here.last, not_(and_(field >= here.start_t, field <= here.last_t)))
        case "gte":
            return and_(field >= here.first, not_(and_(field >= here.start_t, field < here.first_t)))
        case "lt":
            return and_(field < here.first_t, not_(and_(field >= here.first, field < here.start_t)))
        case "lte":
            return and_(field <= here.last_t, not_(and_(field > here.last, field < here.start_t)))
        case "neq":
            return field.not_in(spellings_of(at))
    return field.in_(spellings_of(at))


def _instant(field: ColumnElement[Any], op: str, at: datetime) -> ColumnElement[bool]:
    """Compare with an instant that has an offset: what is written without one is China's time.

    The days around it are told apart as text, so of few rows the offset is looked at.
    """
    near = around(at)
    has_offset = or_(field.bool_op("GLOB")("*[Zz]"), field.bool_op("GLOB")("*[+-][0-9][0-9]:[0-9][0-9]"))
    local = func.strftime(_STAMP, field, "-8 hours")
    found = _COMPARE["eq" if op == "in" else op](
        case((has_offset, func.strftime(_STAMP, field)), else_=local), func.strftime(_STAMP, near.utc)
    )
    match op:
        case "gt" | "gte":
            return and_(field >= near.since, or_(field >= near.until, found))
        case "lt" | "lte":
            return and_(field >= "", field < near.until, or_(field < near.since, found))
        case "neq":
            return or_(field < near.since, field >= near.until, found)
    return and_(field >= near.since, field < near.until, found)
