"""Bind what a caller sent to an operation that the catalog lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from core.patterns import matches_whole
from gateway import objections as no
from gateway.calls import Query
from gateway.model import Permit
from gateway.objections import Refused

_PLACE = re.compile(r"\{([^{}]*)\}")
_SEPARATORS = frozenset("/\\")


def bind_operation(permit: Permit, operation: Mapping[str, Any], query: Query) -> str:
    """Return the path and query to ask of the provider, below the connection's base URL.

    Only declared parameters pass, each by its pattern; a controlled one only with a value that the grant
    names. Raises Refused.
    """
    declared = {p["name"]: p for p in operation.get("parameters", ())}
    given = _given(declared, query)
    values = {n: _value(permit, p, given.get(n)) for n, p in declared.items()}
    path = _PLACE.sub(lambda place: _fill(declared, values, place[1]), operation["path"])
    pairs = [
        f"{quote(n, safe='')}={quote(v, safe='')}"
        for n, v in values.items()
        if v is not None and declared[n]["in"] == "query"
    ]
    return path + ("?" + "&".join(pairs) if pairs else "")


def _given(declared: Mapping[str, Any], query: Query) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in query:
        if name not in declared:
            raise Refused(no.UNKNOWN_PARAMETER.at("/query"))
        if name in given:
            raise Refused(no.REPEATED_PARAMETER.at(f"/query/{name}"))
        given[name] = value
    return given


def _value(permit: Permit, parameter: Mapping[str, Any], value: str | None) -> str | None:
    name = parameter["name"]
    allowed = permit.terms.parameters.get(name)
    if parameter.get("controlled") and allowed is None:
        allowed = ()
    if allowed is not None:
        if value is None and len(allowed) == 1:
            value = allowed[0]
        if value not in allowed:
            raise Refused(no.PARAMETER_NOT_GRANTED.at(f"/query/{name}"))
    if value is None:
        if parameter.get("required") or parameter["in"] == "path":
            raise Refused(no.MISSING_PARAMETER.at(f"/query/{name}"))
        return None
    if not _fits(parameter, value):
        raise Refused(no.BAD_PARAMETER.at(f"/query/{name}"))
    return value


def _fits(parameter: Mapping[str, Any], value: str) -> bool:
    if parameter["in"] == "path" and (value in ("", ".", "..") or not _SEPARATORS.isdisjoint(value)):
        return False
    pattern = parameter.get("pattern")
    return pattern is None or matches_whole(pattern, value)


def _fill(declared: Mapping[str, Any], values: Mapping[str, str | None], name: str) -> str:
    value = values.get(name)
    if value is None or declared[name]["in"] != "path":
        raise Refused(no.NOT_MOUNTED)  # the catalog's template names what it does not declare
    return quote(value, safe="")
