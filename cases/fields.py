"""Checks what a person hands in with an action against the fields that the rulebook defines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from core.errors import FieldError, Invalid
from core.text import Text
from core.times import parse_instant
from rules.rulebook import FieldRule, Rulebook
from rules.workflow import Transition

_LONGEST = 4000


def check_fields(book: Rulebook, transition: Transition, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an action, trimmed and typed. Raises Invalid with one entry per wrong field."""
    fields = {k: v.strip() if isinstance(v, str) else v for k, v in given.items()}
    fields = {k: v for k, v in fields.items() if v not in (None, "", [], {})}
    wrong = [*_missing(book, transition, fields), *_unknown(transition, given)]
    typed: dict[str, Any] = {}
    for name, value in fields.items():
        rule = book.fields.get(name)
        if rule is None or name not in (*transition.requires, *transition.accepts):
            continue
        try:
            typed[name] = _typed(rule, value)
        except _Wrong as fault:
            wrong.append(FieldError(f"/{name}", fault.message))
    wrong += _forbidden(transition, typed)
    if wrong:
        raise Invalid(wrong, cite=str(transition.cite))
    return typed


def _missing(book: Rulebook, transition: Transition, fields: Mapping[str, Any]) -> Iterable[FieldError]:
    for name in transition.requires:
        if name not in fields:
            title = book.fields[name].title
            yield FieldError(
                f"/{name}",
                Text(
                    f"“{transition.title.zh}”必须填写“{title.zh}”",
                    f"{transition.title.en} requires {title.en}",
                ),
                "required",
            )


def _unknown(transition: Transition, given: Mapping[str, Any]) -> Iterable[FieldError]:
    for name in given:
        if name not in (*transition.requires, *transition.accepts):
            yield FieldError(
                f"/{name}", Text("此操作没有这个字段", "is not a field of this action"), "unknown"
            )


def _forbidden(transition: Transition, fields: Mapping[str, Any]) -> Iterable[FieldError]:
    for name, values in transition.forbids.items():
        if fields.get(name) in values:
            yield FieldError(
                f"/{name}",
                Text(f"规定不允许以此为由({transition.cite})", "the regulation does not accept this"),
                "forbidden",
            )


class _Wrong(Exception):
    def __init__(self, zh: str, en: str) -> None:
        self.message = Text(zh, en)
        super().__init__(en)


def _typed(rule: FieldRule, value: Any) -> Any:
    return _READERS[rule.type](rule, value)


def _text(rule: FieldRule, value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("应为文字", "must be text")
    longest = rule.max or _LONGEST
    if len(value) > longest:
        raise _Wrong(
            f"最多 {longest} 个字,现为 {len(value)} 个",
            f"must have at most {longest} characters, has {len(value)}",
        )
    return value


def _choice(rule: FieldRule, value: Any) -> str:
    if value not in rule.choices:
        names = "、".join(rule.choices)
        raise _Wrong(f"不在可选值中({names})", f"must be one of {', '.join(rule.choices)}")
    return str(value)


def _instant(rule: FieldRule, value: Any) -> str:
    try:
        return value.isoformat() if isinstance(value, datetime) else parse_instant(value).isoformat()
    except (TypeError, ValueError):
        raise _Wrong(
            "应为时间,如 2026-02-13T10:00:00+08:00", "must be an instant such as 2026-02-13T10:00:00+08:00"
        ) from None


def _integer(rule: FieldRule, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (rule.max and value > rule.max):
        bound = f",不大于 {rule.max}" if rule.max else ""
        raise _Wrong(
            f"应为不小于 0 的整数{bound}",
            "must be a whole number from 0" + (f" to {rule.max}" if rule.max else ""),
        )
    return value


def _boolean(rule: FieldRule, value: Any) -> bool:
    if value in ("true", "on", "yes", "是"):
        return True
    if value in ("false", "off", "no", "否"):
        return False
    if not isinstance(value, bool):
        raise _Wrong("应为是或否", "must be true or false")
    return value


def _list(rule: FieldRule, value: Any) -> list[str]:
    items = value.split() if isinstance(value, str) else value
    if (
        not isinstance(items, list)
        or not all(isinstance(i, str) and 0 < len(i) <= 200 for i in items)
        or len(items) > 500
    ):
        raise _Wrong("应为文字列表", "must be a list of texts")
    return items


def _json(rule: FieldRule, value: Any) -> Any:
    if not isinstance(value, dict | list):
        raise _Wrong("应为对象或列表", "must be an object or a list")
    return value


_READERS = {
    "text": _text,
    "choice": _choice,
    "instant": _instant,
    "integer": _integer,
    "boolean": _boolean,
    "list": _list,
    "json": _json,
}
