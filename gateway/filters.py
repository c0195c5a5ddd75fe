"""The conditions of a table call, read and judged against the grant. Pure.

    name=eq.x  neq gt gte lt lte like ilike   name=in.(a,"b,c")   name=is.null  is.true  is.false  is.not_null
    name=not.gt.5      or=(a.eq.1,b.gt.2)     and=(a.eq.1,not.or(b.is.null,c.in.(1,2)))     not.and=  not.or=

Every name is looked up among the granted fields, wherever it stands. In `like` and `ilike`, `*` stands for
any run. A value in a group may be quoted, and has to be where it holds a comma or a bracket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway import objections as no
from gateway.model import Permit
from gateway.objections import Objection, Refused

IN_MOST = 200
CONDITIONS_MOST = 50
"""Conditions of one call, those in groups counted one by one."""
DEPTH_MOST = 4
"""Groups within groups."""
GROUPS = {"and": ("and", False), "or": ("or", False), "not.and": ("and", True), "not.or": ("or", True)}
COMPARISONS = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike"})
_IS = {"null": ("null", False), "not_null": ("null", True), "unknown": ("null", False)}
_IS_BOOLEAN = {"true": True, "false": False}

Value = str | int | float | bool | date | datetime | Decimal


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: `op` is a comparison, `in`, `null` or `is`; values are of the field's type."""

    field: str
    op: str
    values: tuple[Value, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all (`and`) or any (`or`) must hold."""

    op: str
    conditions: tuple[Condition, ...]
    negated: bool = False


Condition = Filter | Group


def leaves(conditions: tuple[Condition, ...]) -> Iterator[Filter]:
    """Yield the single conditions, those in groups as well."""
    for condition in conditions:
        if isinstance(condition, Group):
            yield from leaves(condition.conditions)
        else:
            yield condition


def granted(permit: Permit, name: str, pointer: str) -> str:
    """Return a name of a granted field. Raises Refused (403)."""
    if name not in permit.terms.fields:
        raise Refused(no.FIELD_NOT_GRANTED.at(pointer))
    return name


def read_condition(permit: Permit, name: str, text: str) -> Condition:
    """Read one parameter that sets a condition. Raises Refused."""
    if name in GROUPS:
        group = GROUPS[name]
        return _group(permit, *group, text, f"/query/{name}", DEPTH_MOST)
    pointer = "/query/" + (name if name in permit.terms.fields else "")
    return _filter(permit, granted(permit, name, pointer), text, pointer)


def _filter(permit: Permit, name: str, text: str, pointer: str) -> Filter:
    wrong = no.BAD_RANGE.at(pointer)
    rest = text.removeprefix("not.")
    op, dot, value = rest.partition(".")
    negated = rest != text
    kind = next(a["type"] for a in permit.attributes if a["name"] == name)
    if not dot:
        raise Refused(wrong)
    if op == "is":
        return _is(name, kind, value, negated, wrong)
    if op == "in":
        return Filter(name, op, tuple(typed(kind, v, wrong) for v in _in_brackets(value, wrong)), negated)
    if op not in COMPARISONS:
        raise Refused(no.UNKNOWN_OPERATOR.at(pointer))
    if op in ("like", "ilike"):
        return Filter(name, op, (_pattern(value),), negated)
    return Filter(name, op, (typed(kind, value, wrong),), negated)


def _is(name: str, kind: str, value: str, negated: bool, wrong: Objection) -> Filter:
    if value in _IS:
        op, turned = _IS[value]
        return Filter(name, op, (), negated != turned)
    if value not in _IS_BOOLEAN or kind != "boolean":
        raise Refused(wrong)
    return Filter(name, "is", (_IS_BOOLEAN[value],), negated)


# --- groups ---------------------------------------------------------------------------------------

_NESTED = re.compile(r"(not\.)?(and|or)(\(.*\))", re.DOTALL)


def _group(permit: Permit, op: str, negated: bool, text: str, pointer: str, depth: int) -> Group:
    wrong = no.BAD_RANGE.at(pointer)
    if depth == 0 or text[:1] != "(" or text[-1:] != ")":
        raise Refused(wrong)
    members = tuple(_member(permit, part, pointer, depth - 1) for part in _parts(text[1:-1], wrong))
    return Group(op, members, negated)


def _member(permit: Permit, text: str, pointer: str, depth: int) -> Condition:
    nested = _NESTED.fullmatch(text)
    if nested is not None:
        return _group(permit, nested[2], nested[1] is not None, nested[3], pointer, depth)
    name, _, condition = text.partition(".")
    granted(permit, name, pointer)
    return _filter(permit, name, _unquoted(condition, no.BAD_RANGE.at(pointer)), pointer)


def _unquoted(condition: str, wrong: Objection) -> str:
    """Take the quotes from the value of `eq."a,b"`; a list in brackets keeps its own."""
    at = condition.find('."')
    if at < 0 or "(" in condition[:at]:
        return condition
    value, rest = _quoted(condition[at + 2 :], wrong)
    if rest:
        raise Refused(wrong)
    return condition[: at + 1] + value


def _parts(text: str, wrong: Objection) -> list[str]:
    """Split at the commas that stand in no brackets and no quotes."""
    parts, depth, begin, quoted, escaped = [], 0, 0, False, False
    for i, c in enumerate(text):
        if quoted:
            quoted, escaped = c != '"' or escaped, c == "\\" and not escaped
        elif c == '"':
            quoted = True
        elif c in "()":
            depth += 1 if c == "(" else -1
        elif c == "," and depth == 0:
            parts.append(text[begin:i])
            begin = i + 1
        if depth < 0:
            raise Refused(wrong)
    if depth or quoted:
        raise Refused(wrong)
    return [*parts, text[begin:]]


# --- what a call names ------------------------------------------------------------------------------


def flat(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield a parameter as the conditions in it, each a field and what is asked of it.

    A negation of a group is carried into its conditions, and one that has a plain form is given in that:
    `not.or=(a.neq.1)` asks for `eq.1`. Raises Refused for a group that is none.
    """
    if name in GROUPS:
        yield from _flat(text, GROUPS[name][1], DEPTH_MOST)
    else:
        yield name, _meant(text, negated=False)


def _flat(text: str, negated: bool, depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0 or text[:1] != "(" or text[-1:] != ")":
        raise Refused(no.BAD_RANGE)
    for part in _parts(text[1:-1], no.BAD_RANGE):
        nested = _NESTED.fullmatch(part)
        if nested is None:
            name, _, condition = part.partition(".")
            yield name, _meant(_unquoted(condition, no.BAD_RANGE), negated)
        else:
            yield from _flat(nested[3], negated != (nested[1] is not None), depth - 1)


_OPPOSITES = {"neq": "eq", "lt": "gte", "gt": "lte"}
"""What is asked for where one of these is negated."""


def _meant(text: str, negated: bool) -> str:
    """Return a condition, its own negation and that of the groups around it made one."""
    rest = text.removeprefix("not.")
    if negated != (rest == text):
        return rest
    op, dot, value = rest.partition(".")
    return f"{_OPPOSITES[op]}{dot}{value}" if op in _OPPOSITES else f"not.{rest}"


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


# --- values ---------------------------------------------------------------------------------------


def _in_brackets(text: str, wrong: Objection) -> list[str]:
    if text[:1] != "(" or text[-1:] != ")":
        raise Refused(wrong)
    return _listed(text[1:-1], wrong)


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


_READ: Mapping[str, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _decimal,
    "currency": _decimal,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}
