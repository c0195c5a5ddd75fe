"""The shapes of everything that comes in or goes out, as JSON Schema 2020-12, and one function to check them.

`config/` and `rulebook/` describe the static files, `request/` and `response/` the HTTP bodies. A schema is
named by its path without the ending: ``request/dataset``. Schemas refer to each other by the same names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from core.errors import FieldError, Invalid
from core.ids import is_uscc
from core.patterns import fault
from core.text import Text
from core.times import parse_instant
from schemas.messages import message_of

FOLDER = Path(__file__).parent
BASE = "https://shuxiang.invalid/schemas/"
"""Base of the schemas' `$id`; nothing is ever fetched from there (RFC 2606 section 2)."""

_formats = FormatChecker(formats=["date", "ipv4", "ipv6", "email", "idn-email"])


@_formats.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or parse_instant(value) is not None


@_formats.checks("regex")
def _is_pattern(value: object) -> bool:
    return not isinstance(value, str) or fault(value) is None


@_formats.checks("uscc")
def _is_uscc(value: object) -> bool:
    return not isinstance(value, str) or is_uscc(value)


@_formats.checks("network", raises=ValueError)
def _is_network(value: object) -> bool:
    from ipaddress import ip_network

    return not isinstance(value, str) or ip_network(value) is not None


def names() -> list[str]:
    """Return the names of all schemas, sorted."""
    return sorted(p.relative_to(FOLDER).with_suffix("").as_posix() for p in FOLDER.rglob("*.json"))


@cache
def schema(name: str) -> Mapping[str, Any]:
    """Return the schema called `name`, such as ``request/dataset``. Raises KeyError when there is none."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise KeyError(name)
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {**document, "$id": f"{BASE}{name}"}


def titles(name: str) -> dict[str, Text]:
    """Return what the members of a document, and of what it holds, are called in both languages."""
    members = schema(name)["properties"]
    within = {n: p for holder in members.values() for n, p in holder.get("properties", {}).items()}
    parted = {n: str(p.get("title", n)).partition(" / ") for n, p in {**within, **members}.items()}
    return {member: Text(zh, en or zh) for member, (zh, _, en) in parted.items()}


def _min_length(_validator: Any, least: int, text: object, _schema: Any) -> Iterator[ValidationError]:
    """Count without the blanks around a text: a title made of blanks is no title."""
    if isinstance(text, str) and len(text.strip()) < least:
        yield ValidationError(f"{text!r} is too short")


_Validator: Any = validators.extend(Draft202012Validator, {"minLength": _min_length})  # type: ignore[no-untyped-call]


def _descend(
    parent: Any,
    instance: object,
    schema: Any,
    path: Any = None,
    schema_path: Any = None,
    resolver: Any = None,
) -> Iterator[ValidationError]:
    """Check a part against its place in the schema, as the library does, but with one validator a place.

    The library makes one at each descent, which takes most of its time.
    """
    for error in _validator_of(parent, schema).iter_errors(instance):
        if path is not None:
            error.path.appendleft(path)
        if schema_path is not None:
            error.schema_path.appendleft(schema_path)
        yield error


_Validator.descend = _descend
_validators: dict[int, Any] = {}
"""By the identity of the place in a schema, which the validator keeps alive."""


def _validator_of(parent: Any, place: Any) -> Any:
    found = _validators.get(id(place))
    if found is None:
        found = _validators[id(place)] = parent.evolve(schema=place)
    return found


@cache
def _validator(name: str) -> Any:
    return _Validator(_place(name, "", {}), format_checker=_formats)


# --- references ---------------------------------------------------------------------------------------

_Places = dict[tuple[str, str], dict[str, Any]]
"""What was put together for one schema already, by file and JSON pointer."""


def _place(name: str, pointer: str, known: _Places) -> dict[str, Any]:
    """Return a place of a schema file with the places themselves where references to them stand."""
    raw: Any = schema(name)
    for part in pointer.split("/")[1:]:
        raw = raw[part]
    if raw.keys() == {"$ref"}:
        return _place(*_target(name, raw["$ref"]), known)
    place = known.get((name, pointer))
    if place is None:
        place = known[name, pointer] = {}  # known before it is filled: it may refer to itself
        place.update(_resolved(raw, name, known))
    return place


def _resolved(raw: Any, name: str, known: _Places) -> Any:
    """Return a part of the schema `name` with its references resolved."""
    if isinstance(raw, list):
        return [_resolved(part, name, known) for part in raw]
    if not isinstance(raw, Mapping):
        return raw
    kept = {k: v for k, v in raw.items() if k not in ("$id", "$schema", "$defs", "$ref")}
    parts = {k: _resolved(v, name, known) for k, v in kept.items()}
    if "$ref" not in raw:
        return parts
    target = _place(*_target(name, raw["$ref"]), known)
    return {**parts, "allOf": [target, *parts.get("allOf", ())]} if parts else target


def _target(name: str, reference: str) -> tuple[str, str]:
    """Return the file and the pointer that a reference in the schema `name` means (RFC 3986 section 5)."""
    file, _, pointer = urljoin(f"{BASE}{name}", reference).partition("#")
    return file.removeprefix(BASE), pointer


# --- checking -----------------------------------------------------------------------------------------


def errors(name: str, document: object) -> list[FieldError]:
    """Return one FieldError per fault of `document` against the schema `name`, in document order."""
    found = _leaves(_validator(name).iter_errors(document))
    unique = {(pointer(e), message_of(e)): e for e in found}
    ordered = sorted(unique.values(), key=lambda e: [str(p) for p in e.absolute_path])
    return [error for e in ordered for error in _field_errors(e)]


def _field_errors(error: ValidationError) -> list[FieldError]:
    """Return what to tell of one violation: unexpected properties one by one."""
    if error.validator != "additionalProperties" or not isinstance(error.instance, Mapping):
        return [FieldError(pointer(error), message_of(error), str(error.validator))]
    known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
    place = [str(p) for p in error.absolute_path]
    return [
        FieldError(_pointer([*place, str(name)]), Text("没有这个字段", "is not a known field"), "unknown")
        for name in error.instance
        if name not in known
    ]


def validate(name: str, document: object) -> None:
    """Refuse `document` unless it fits the schema `name`. Raises Invalid with one entry per field."""
    found = errors(name, document)
    if found:
        raise Invalid(found)


def _leaves(found: Iterator[ValidationError]) -> Iterator[ValidationError]:
    """Prefer what went wrong inside the branch that nearly fits to "is not valid under any schema"."""
    for error in found:
        if error.validator in ("anyOf", "oneOf") and error.context:
            deepest = max(len(e.absolute_path) for e in error.context)
            if deepest > len(error.absolute_path):
                yield from (e for e in error.context if len(e.absolute_path) == deepest)
                continue
        yield error


def pointer(error: ValidationError) -> str:
    """Return the JSON pointer (RFC 6901) of the field that an error is about.

    A missing property is reported at the property itself, where a form shows it.
    """
    parts = [str(p) for p in error.absolute_path]
    if error.validator == "required" and isinstance(error.instance, Mapping):
        wanted: Any = error.validator_value
        missing = [p for p in wanted if p not in error.instance and f"'{p}'" in error.message]
        parts += missing[:1]
    return _pointer(parts)


def _pointer(parts: list[str]) -> str:
    return "".join("/" + p.replace("~", "~0").replace("/", "~1") for p in parts)
