"""Turns a JSON Schema violation into a sentence for the person who typed the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError

from core.text import Text

_TYPES = {
    "string": Text("文字", "text"),
    "integer": Text("整数", "a whole number"),
    "number": Text("数字", "a number"),
    "boolean": Text("是或否(true/false)", "true or false"),
    "array": Text("列表", "a list"),
    "object": Text("对象", "an object"),
    "null": Text("空值(null)", "null"),
}

_FORMATS = {
    "date": Text("应为日期，如 2026-02-13", "must be a date such as 2026-02-13"),
    "date-time": Text(
        "应为时间，如 2026-02-13T10:00:00+08:00", "must be an instant such as 2026-02-13T10:00:00+08:00"
    ),
    "uscc": Text(
        "不是有效的统一社会信用代码（18位，含校验码）",
        "is not a valid unified social credit code (18 characters with a check digit)",
    ),
    "regex": Text(
        "不是可用的正则表达式（RE2 语法：没有反向引用和环视，重复次数不能过多）",
        "is not a usable pattern (RE2 syntax: no back-references, no look-around, no very large repetitions)",
    ),
    "network": Text("应为网络地址段，如 10.1.0.0/16", "must be a network such as 10.1.0.0/16"),
}


def _show(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _instance(error: ValidationError) -> Any:
    return error.instance


def _wanted(error: ValidationError) -> Any:
    return error.validator_value


def _required(error: ValidationError) -> Text:
    return Text("缺少必填项", "is required")


def _additional(error: ValidationError) -> Text:
    known: Mapping[str, Any] = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
    patterns = error.schema.get("patternProperties", {}) if isinstance(error.schema, Mapping) else {}
    extra = [str(k) for k in _instance(error) if k not in known] if not patterns else []
    names = "、".join(_show(k) for k in extra[:5])
    return Text(f"有不认识的字段：{names}", f"has unknown fields: {', '.join(_show(k) for k in extra[:5])}")


def _enum(error: ValidationError) -> Text:
    choices = [str(v) for v in _wanted(error)]
    return Text(
        f"“{_show(error.instance)}”不在可选值中({'、'.join(choices)})",
        f"{_show(error.instance)!r} is not one of {', '.join(choices)}",
    )


def _type(error: ValidationError) -> Text:
    wanted = _wanted(error)
    kinds = [_TYPES[t] for t in ([wanted] if isinstance(wanted, str) else wanted)]
    return Text("应为" + "或".join(k.zh for k in kinds), "must be " + " or ".join(k.en for k in kinds))


def _format(error: ValidationError) -> Text:
    wanted = str(error.validator_value)
    known = _FORMATS.get(wanted, Text(f"格式不对，应为 {wanted}", f"must be a valid {wanted}"))
    return Text(f"“{_show(error.instance)}”{known.zh}", f"{_show(error.instance)!r} {known.en}")


def _length(instance: Any) -> int:
    return len(instance.strip()) if isinstance(instance, str) else len(instance)


def _bound(zh: str, en: str, size: bool) -> Callable[[ValidationError], Text]:
    def say(error: ValidationError) -> Text:
        is_now = _length(_instance(error)) if size else _show(error.instance)
        limit = error.validator_value
        return Text(zh.format(limit=limit, now=is_now), en.format(limit=limit, now=is_now))

    return say


_too_short = _bound(
    "至少 {limit} 个字，现为 {now} 个", "must have at least {limit} characters, has {now}", True
)


def _empty(error: ValidationError) -> Text | None:
    return Text("不能为空", "must not be empty") if error.validator_value == 1 else None


_SENTENCES: dict[str, Callable[[ValidationError], Text]] = {
    "required": _required,
    "additionalProperties": _additional,
    "unevaluatedProperties": _additional,
    "enum": _enum,
    "type": _type,
    "format": _format,
    "const": lambda e: Text(f"只能是 {_show(e.validator_value)}", f"must be {_show(e.validator_value)}"),
    "pattern": lambda e: Text(
        f"“{_show(e.instance)}”格式不对", f"{_show(e.instance)!r} is not in the required form"
    ),
    "minLength": lambda e: _empty(e) or _too_short(e),
    "maxLength": _bound(
        "最多 {limit} 个字，现为 {now} 个", "must have at most {limit} characters, has {now}", True
    ),
    "minItems": _bound(
        "至少 {limit} 项，现为 {now} 项", "must have at least {limit} entries, has {now}", True
    ),
    "maxItems": _bound(
        "最多 {limit} 项，现为 {now} 项", "must have at most {limit} entries, has {now}", True
    ),
    "minProperties": _bound(
        "至少 {limit} 项，现为 {now} 项", "must have at least {limit} entries, has {now}", True
    ),
    "maxProperties": _bound(
        "最多 {limit} 项，现为 {now} 项", "must have at most {limit} entries, has {now}", True
    ),
    "minimum": _bound("不能小于 {limit}，现为 {now}", "must be at least {limit}, is {now}", False),
    "maximum": _bound("不能大于 {limit}，现为 {now}", "must be at most {limit}, is {now}", False),
    "uniqueItems": lambda e: Text("列表中有重复项", "has repeated entries"),
    "dependentRequired": lambda e: Text("缺少与之配套的字段", "lacks a field that goes with it"),
    "not": lambda e: Text("此处不能这样填", "is not allowed here"),
    "if": lambda e: Text("与所选类型不符", "does not fit the chosen kind"),
}


def message_of(error: ValidationError) -> Text:
    """Return the sentence for one violation; a schema may carry its own as ``x-error: {zh, en}``."""
    own = error.schema.get("x-error") if isinstance(error.schema, Mapping) else None
    if own and error.validator in ("pattern", "format", "not", "enum", "const", "contains", "anyOf", "oneOf"):
        return Text(own["zh"], own["en"])
    say = _SENTENCES.get(str(error.validator))
    if say is None:
        return Text(f"不符合要求({error.validator})", f"does not meet the rule {error.validator}")
    return say(error)
