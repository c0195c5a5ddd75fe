"""Reads request bodies: bounded, strict, and refused in the sender's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from flask import request

from core.errors import Conflict, Invalid, TooLarge, invalid
from schemas import validate

DEEPEST = 32
"""Levels of nesting that a JSON body may have."""


def json_body(schema: str | None, limit: int) -> dict[str, Any]:
    """Return the request's JSON object, checked against `schema`. An absent body reads as ``{}``.

    Raises TooLarge over `limit` bytes, Invalid for anything that is not one plain JSON object: duplicate
    keys, NaN, lone surrogates, NUL characters, numbers beyond 64 bits, nesting beyond `DEEPEST`.
    """
    raw = bytes_body(limit)
    if raw and request.mimetype not in ("application/json", ""):
        raise Conflict(
            "请求体应为 application/json", "the body must be application/json", code="unsupported_media_type"
        )
    document = parse_object(raw) if raw.strip() else {}
    if schema:
        validate(schema, document)
    return document


def bytes_body(limit: int) -> bytes:
    """Return the request's body as it came, such as an uploaded file. Raises TooLarge over `limit` bytes."""
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    raw = request.get_data(cache=True)
    if len(raw) > limit:
        raise too_large(limit)
    return raw


def too_large(limit: int) -> TooLarge:
    """Return the refusal of a body over `limit` bytes."""
    return TooLarge(f"请求体不得超过 {limit} 字节", f"the body must not exceed {limit} bytes")


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse one strict JSON object. Raises Invalid."""
    try:
        text = raw.decode(
            "utf-8"
        )  # a byte order mark stays in the text, and is no JSON (RFC 8259 section 8.1)
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        orjson.dumps(document)
    except Invalid:
        raise
    except (ValueError, TypeError, RecursionError) as wrong:
        raise invalid(
            "", f"不是有效的 JSON:{_short(wrong)}", f"not valid JSON: {_short(wrong)}", code="json"
        ) from wrong
    if not isinstance(document, dict):
        raise invalid("", "请求体应为 JSON 对象", "the body must be a JSON object", code="json")
    _check_depth(document)
    return document


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise invalid("", "JSON 中有重复的键", "the JSON has a repeated key", code="json")
    return document


def _no_constant(name: str) -> Any:
    raise invalid("", f"JSON 中不允许 {name}", f"{name} is not JSON", code="json")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(DEEPEST):
        level = [
            v
            for d in level
            for v in (d.values() if isinstance(d, Mapping) else d)
            if isinstance(v, dict | list)
        ]
        if not level:
            break
    else:
        raise invalid(
            "", f"JSON 嵌套超过 {DEEPEST} 层", f"the JSON is nested beyond {DEEPEST} levels", code="json"
        )
    if b"\\u0000" in orjson.dumps(document):
        raise invalid("", "文字中不允许空字符", "texts must not hold NUL characters", code="json")
