"""What a dictionary says of its attributes, as conditions in SQL. Pure: entry in, rules out.

Values are compared in the form of text in which they are served. Nothing that a provider wrote becomes a name
in SQL: column number 3 is called ``c3`` whatever its attribute is called, and everything else is a quoted
literal. A value that is empty or blank counts as missing: `required` looks at that, other rules pass it by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from catalog.quality import digits
from catalog.quality.days import is_date, is_datetime
from catalog.titles import TYPES
from core.patterns import LONGEST, fault
from core.text import Text

Attribute = Mapping[str, Any]

_SIGNED = "[+-]?"
_INTEGER = rf"{_SIGNED}[0-9]+(\.0*)?"
_NUMBER = rf"{_SIGNED}([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE]{_SIGNED}[0-9]+)?"
_NUMBERS = frozenset({"integer", "number", "currency"})
_LARGEST = 1e308
_WIDEST = 10**38
"""Whole numbers beyond this are compared as floating-point numbers."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One rule on one attribute: where `applies` is true, `holds` must be."""

    rule: str
    attribute: str
    column: str
    expected: Text
    applies: str
    holds: str

    @property
    def broken(self) -> str:
        """The rows that break the rule; a condition that cannot be judged is broken."""
        return f"({self.applies}) AND NOT coalesce({self.holds}, false)"


def column_of(position: int) -> str:
    """Return what the column of an attribute is called while it is checked."""
    return f"c{position}"


def literal(text: str) -> str:
    """Return a text as a literal of SQL, which holds nothing but the text."""
    return "'" + text.replace("'", "''").replace("\0", "") + "'"


def conditions(attributes: Mapping[int, Attribute], today: date) -> list[Condition]:
    """Return the rules on the attributes that have a column, by their place in the entry."""
    return [
        Condition(rule, attribute["name"], column_of(i), expected, applies, holds)
        for i, attribute in attributes.items()
        for rule, expected, applies, holds in _of(attribute, column_of(i), today)
    ]


_Rule = tuple[str, Text, str, str]


def _of(attribute: Attribute, value: str, today: date) -> Iterator[_Rule]:
    there = f"{value} IS NOT NULL"
    if attribute.get("required"):
        yield "required", Text("不能为空", "not empty"), "true", there
    holds = _TYPES.get(attribute["type"])
    if holds is not None:
        yield "type", TYPES[attribute["type"]], there, holds(value)
    for rule in (_length, _range, _code_list, _pattern):
        yield from rule(attribute, value)
    if attribute.get("check") == "resident_id":
        words = Text("18 位，出生日期和校验码正确", "18 characters, real birth date, check character")
        yield "resident_id", words, there, digits.resident_id(value, today)
    if attribute.get("check") == "uscc":
        yield "uscc", Text("18 位，校验码正确", "18 characters, check character"), there, digits.uscc(value)


# --- types ----------------------------------------------------------------------------------------


def is_number(value: str) -> str:
    """Return the condition for a decimal number that a double can hold."""
    return f"(regexp_full_match({value}, '{_NUMBER}') AND isfinite(try_cast({value} AS DOUBLE)))"


def _is_integer(value: str) -> str:
    return f"regexp_full_match({value}, '{_INTEGER}')"


def _is_boolean(value: str) -> str:
    return f"lower({value}) IN ('true', 'false', '1', '0')"


_TYPES: Mapping[str, Callable[[str], str]] = {
    "integer": _is_integer,
    "number": is_number,
    "currency": is_number,
    "boolean": _is_boolean,
    "date": is_date,
    "datetime": is_datetime,
}
"""The types that not every text fits: texts and objects are whatever they are."""


# --- what else an attribute may say ---------------------------------------------------------------


def _length(attribute: Attribute, value: str) -> Iterator[_Rule]:
    """Characters of a text, digits of a number; days and truth values have their own form."""
    most = attribute.get("length")
    if most is None or attribute["type"] in ("boolean", "date", "datetime"):
        return
    if attribute["type"] in _NUMBERS:
        counted = f"length(regexp_replace({value}, '[^0-9]', '', 'g'))"
        words = Text(f"不超过 {most} 位数字", f"at most {most} digits")
    else:
        counted = f"length({value})"
        words = Text(f"不超过 {most} 个字符", f"at most {most} characters")
    yield "length", words, f"{value} IS NOT NULL", f"{counted} <= {most}"


def _range(attribute: Attribute, value: str) -> Iterator[_Rule]:
    """Bounds of a number; what is no number has broken its type already."""
    low, high = attribute.get("minimum"), attribute.get("maximum")
    if attribute["type"] not in _NUMBERS or (low is None and high is None):
        return
    if attribute["type"] == "integer":
        applies, bounds = _is_integer(value), list(_whole_bounds(value, low, high))
    else:
        number = f"try_cast({value} AS DOUBLE)"
        applies = is_number(value)
        bounds = [f"{number} >= {_double(low)}"] if low is not None else []
        bounds += [f"{number} <= {_double(high)}"] if high is not None else []
    words = Text(_between(low, high), _between(low, high))
    yield "range", words, applies, " AND ".join(bounds)


def _between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"≤ {high}"
    return f"≥ {low}" if high is None else f"{low} – {high}"


def _whole_bounds(value: str, low: float | None, high: float | None) -> Iterator[str]:
    """Compare whole numbers exactly as far as 38 digits go, and as doubles beyond."""
    for bound, sign, rounded in ((low, ">=", math.ceil), (high, "<=", math.floor)):
        if bound is None:
            continue
        about = f"try_cast({value} AS DOUBLE) {sign} {_double(bound)}"
        whole = rounded(bound)
        exact = f"try_cast({value} AS HUGEINT) {sign} {whole}::HUGEINT" if abs(whole) < _WIDEST else "NULL"
        yield f"coalesce({exact}, {about})"


def _double(bound: float) -> str:
    return f"{float(max(-_LARGEST, min(_LARGEST, bound)))!r}::DOUBLE"


def _code_list(attribute: Attribute, value: str) -> Iterator[_Rule]:
    codes = attribute.get("code_list")
    if codes:
        known = ", ".join(literal(code) for code in codes)
        words = Text(f"码表的 {len(codes)} 项之一", f"one of the {len(codes)} codes")
        yield "code_list", words, f"{value} IS NOT NULL", f"{value} IN ({known})"


def _pattern(attribute: Attribute, value: str) -> Iterator[_Rule]:
    """The whole value fits; DuckDB's engine is the RE2 of `core.patterns`. Nothing fits an unusable one."""
    pattern = attribute.get("pattern")
    if pattern is not None:
        fits = f"length({value}) <= {LONGEST} AND regexp_full_match({value}, {literal(pattern)})"
        holds = "false" if fault(pattern) else fits
        yield "pattern", Text(pattern, pattern), f"{value} IS NOT NULL", holds
