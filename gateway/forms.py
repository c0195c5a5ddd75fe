"""Reads the console's forms into the documents that the API takes, and writes values into forms. Pure.

Networks stand one on a line; row filters and parameters as ``name = value, value``, one name on a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.asking import CALLS
from gateway.model import Grant

Typed = Mapping[str, list[str]]
"""Field names to what was typed or ticked there."""

_TEXTS = ("dataset", "client", "kind", "purpose", "reasons", "duty_basis", "ticket", "previous_grant")


def read_application(typed: Typed) -> dict[str, Any]:
    """Return what was typed as a request for an application (schema request/application)."""
    asked: dict[str, Any] = {name: _first(typed, name) for name in _TEXTS if _first(typed, name)}
    asked |= _lists(typed)
    asked |= _numbers(typed, ("term_days", *CALLS))
    asked |= {name: True for name in ("urgent", "on_behalf", "needs_ticket") if _first(typed, name) == "true"}
    return {**asked, "submit": _first(typed, "submit") != "false"}


def read_decision(typed: Typed) -> dict[str, Any]:
    """Return what was typed as a decision to grant (schema request/decision), with the step's own fields."""
    decided: dict[str, Any] = {"fields": typed.get("fields", []), **_lists(typed)}
    decided |= _numbers(typed, ("term_days", "row_limit", *CALLS))
    decided |= {name: _first(typed, name) == "true" for name in ("sensitive", "needs_ticket")}
    said = {name: _first(typed, name) for name in ("withheld_reason", "note")}
    return {**decided, **{name: text for name, text in said.items() if text}}


def write_application(grant: Grant, statement: Mapping[str, Any], days: int | None) -> list[tuple[str, str]]:
    """Write the form of an application that goes on with a grant, on the terms that it has."""
    terms = grant.terms
    pairs = {
        "dataset": grant.dataset_code,
        "client": grant.client_id,
        "kind": terms.kind,
        "purpose": terms.purpose,
        "reasons": statement.get("reasons", ""),
        "duty_basis": statement.get("duty_basis", ""),
        "networks": "\n".join(terms.networks),
        "row_filter": write_values(terms.row_filter),
        "parameters": write_values(terms.parameters),
        "term_days": str(days or ""),
        **{name: str(getattr(terms, name) or "") for name in CALLS},
        "previous_grant": grant.number,
    }
    lists = [("fields", name) for name in terms.fields] + [("operations", name) for name in terms.operations]
    return [*pairs.items(), *lists]


def lines(text: str) -> list[str]:
    """Return the lines of a text that hold something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_values(text: str) -> dict[str, list[str]]:
    """Read lines of ``name = value, value``; one without values gives an empty list, which none takes."""
    found = {}
    for line in lines(text):
        name, _, values = line.replace("\uff1d", "=").partition("=")
        found[name.strip()] = [v.strip() for v in re.split("[,\uff0c\u3001]", values) if v.strip()]
    return found


def write_values(values: Mapping[str, Sequence[str]]) -> str:
    """Write values the way that `read_values` reads them."""
    return "\n".join(f"{name} = {', '.join(some)}" for name, some in values.items())


def parent_pointers(pointers: Iterable[str]) -> dict[str, str]:
    """Return each pointer with that of its form field: ``/networks/1`` is about ``/networks``."""
    return {pointer: "/" + pointer.split("/")[1] if "/" in pointer else pointer for pointer in pointers}


def _first(typed: Typed, name: str) -> str:
    return (typed.get(name) or [""])[0].strip()


def _lists(typed: Typed) -> dict[str, Any]:
    found: dict[str, Any] = {name: typed[name] for name in ("fields", "operations") if typed.get(name)}
    if lines(_first(typed, "networks")):
        found["networks"] = lines(_first(typed, "networks"))
    for name in ("row_filter", "parameters"):
        if lines(_first(typed, name)):
            found[name] = read_values(_first(typed, name))
    return found


def _numbers(typed: Typed, names: Iterable[str]) -> dict[str, Any]:
    """Return whole numbers, or the text as it is, for the schema to say what is wrong with it.

    Past 30 digits it is a text: no bound needs more of it, and its refusal repeats it.
    """
    found = {name: _first(typed, name) for name in names}
    return {n: int(v) if re.fullmatch("-?[0-9]{1,30}", v) else v for n, v in found.items() if v}
