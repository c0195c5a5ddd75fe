"""From the cells of a row to the draft of a ticket, and from what the intake refuses back to the cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import FieldError, Invalid, Refusal, invalid
from core.text import Text
from core.times import local_iso, parse_instant
from hotline.imports.columns import Column
from hotline.imports.model import Fault, Row
from rules.values import FALSE_WORDS, TRUE_WORDS

_CHINESE_DAY = re.compile(
    r"(\d{4})[年/.-](\d{1,2})[月/.-](\d{1,2})日?(?:[ T]*(\d{1,2})[:时点](\d{1,2})分?(?::\d\d)?)?"
)
_DIGITS = re.compile(r"\d(?:[ -]?\d){6,}")
LONGEST_SHOWN = 60


def draft_of(row: Row, columns: Sequence[Column], source: str) -> dict[str, Any]:
    """Return the draft of a ticket (request/ticket) that a row stands for.

    Raises Invalid with one entry per cell that cannot be read, its pointer that of the draft.
    """
    draft: dict[str, Any] = {"source": source}
    errors: list[FieldError] = []
    for column in columns:
        cell = row.cells.get(column.key)
        if cell is None:
            errors += [_needed(column)] if column.required else []
            continue
        try:
            _put(draft, column.pointer, _value(column, cell))
        except Invalid as wrong:
            errors += wrong.errors
    if errors:
        raise Invalid(errors)
    return draft


def _needed(column: Column) -> FieldError:
    return FieldError(column.pointer, Text("必填", "is required"), "required")


def _put(draft: dict[str, Any], pointer: str, value: Any) -> None:
    *above, last = pointer.removeprefix("/").split("/")
    for name in above:
        draft = draft.setdefault(name, {})
    draft[last] = value


def _value(column: Column, cell: str) -> Any:
    if column.kind == "boolean":
        return _yes_or_no(column.pointer, cell)
    if column.kind == "instant":
        return _instant(column.pointer, cell)
    return _code(column, cell) if column.codes is not None else cell


def _yes_or_no(pointer: str, cell: str) -> bool:
    if cell.lower() not in TRUE_WORDS | FALSE_WORDS:
        raise invalid(pointer, "应填“是”或“否”", "must be yes or no")
    return cell.lower() in TRUE_WORDS


def _code(column: Column, cell: str) -> str:
    """Return the code of a value, given by code or by its title. Raises Invalid for any other."""
    codes = column.codes or {}
    if cell in codes:
        return cell
    named = [code for code, title in codes.items() if cell in title]
    if len(named) == 1:
        return named[0]
    raise invalid(
        column.pointer, "不在可填的值之内", "is none of the values that may stand here", code="enum"
    )


def _instant(pointer: str, cell: str) -> str:
    """Return an instant as RFC 3339; one without an offset is Shanghai time. Raises Invalid."""
    found = _CHINESE_DAY.fullmatch(cell)
    try:
        if found is None:
            return local_iso(parse_instant(cell))
        year, month, day, hour, minute = (int(part or 0) for part in found.groups())
        return local_iso(parse_instant(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}"))
    except ValueError:
        raise invalid(
            pointer,
            "应为日期和时间，如 2026-02-10 08:30",
            "must be a date and time, such as 2026-02-10 08:30",
        ) from None


# --- back to the cells ------------------------------------------------------------------------------


def faults_of(row: Row, columns: Sequence[Column], refusal: Refusal) -> list[Fault]:
    """Return why a row was refused, cell by cell; whatever might be personal is masked."""
    if not isinstance(refusal, Invalid):
        return [Fault(row.number, "", refusal.code, refusal.message)]
    return [_fault(row, columns, error) for error in refusal.errors]


def _fault(row: Row, columns: Sequence[Column], error: FieldError) -> Fault:
    column = _column_at(columns, error.pointer)
    if column is None:
        return Fault(row.number, "", error.code, error.message)
    cell = row.cells.get(column.key, "")
    return Fault(row.number, column.key, error.code, error.message, shown(column, cell))


def _column_at(columns: Sequence[Column], pointer: str) -> Column | None:
    """Return the column that a pointer leads to, or into."""
    return next((c for c in columns if pointer == c.pointer or pointer.startswith(f"{c.pointer}/")), None)


def shown(column: Column, cell: str) -> str:
    """Return what a report shows of a cell: stars for people's data, and for long numbers anywhere."""
    if not cell or column.personal:
        return "***" if cell else ""
    return _DIGITS.sub("***", cell)[:LONGEST_SHOWN]


def titles(columns: Sequence[Column]) -> Mapping[str, Text]:
    """Return what each column is called, by key."""
    return {column.key: column.title for column in columns}
