"""Which grant a token request means: by resource (RFC 8707), authorization details (RFC 9396) or scope."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.codes import code_in
from gateway.model import Grant

DETAILS_TYPE = "data_grant"
"""The type of our authorization details (RFC 9396 section 2)."""
MOST_DETAILS = 4096
"""Characters that authorization details may have."""
_RESOURCE = re.compile(r"([0-9]{1,16}-[0-9]{1,8})(?:/(rows|files|call))?/?")
_KINDS = {"rows": "table", "files": "file", "call": "api"}
_SCOPE = re.compile(r"dataset:([0-9]{1,16})[/-]([0-9]{1,8})")
_NUMBER = re.compile(r"[A-Z]{1,4}-[0-9]{4}-[0-9]{6,10}")


class Unclear(Exception):
    """A word of the request that names nothing; `error` is its OAuth error code."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(reason)
        self.error = error
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a request names the grant that it wants a token for; every word given must hold."""

    dataset: str | None = None
    """Code, from ``resource`` (RFC 8707) or ``scope``."""
    kind: str | None = None
    number: str | None = None
    """Number of the grant, from ``authorization_details`` (RFC 9396)."""

    def means(self, grant: Grant) -> bool:
        """Tell whether a grant is what is wanted."""
        return (
            self.dataset in (None, grant.dataset_code)
            and self.kind in (None, grant.terms.kind)
            and self.number in (None, grant.number)
        )


def read_wanted(gateway_url: str, form: Mapping[str, str]) -> tuple[Wanted, ...]:
    """Return what a token request names, one entry per word; none when it names nothing. Raises Unclear."""
    wanted = []
    if "resource" in form:
        wanted.append(_by_resource(gateway_url, form["resource"]))
    if "authorization_details" in form:
        wanted.append(_by_details(gateway_url, form["authorization_details"]))
    if "scope" in form:
        wanted.append(_by_scope(form["scope"]))
    return tuple(wanted)


def error_of(form: Mapping[str, str]) -> str:
    """Return the error for words that are clear but do not name one live grant, by the most exact of them."""
    if "authorization_details" in form:
        return "invalid_authorization_details"
    return "invalid_scope" if "scope" in form and "resource" not in form else "invalid_target"


def _by_resource(gateway_url: str, text: str) -> Wanted:
    """Read a resource indicator: a dataset's address on the data plane, or of what is called there."""
    root = f"{gateway_url}/share/"
    match = _RESOURCE.fullmatch(text.removeprefix(root)) if text.startswith(root) else None
    if match is None:
        raise Unclear("invalid_target", "unknown_resource")
    return Wanted(dataset=code_in(match[1]), kind=_KINDS.get(match[2] or ""))


def _by_scope(text: str) -> Wanted:
    match = _SCOPE.fullmatch(text)
    if match is None:
        raise Unclear("invalid_scope", "unknown_scope")
    return Wanted(dataset=f"{match[1]}/{match[2]}")


def _by_details(gateway_url: str, text: str) -> Wanted:
    """Read authorization details: one object that names a grant by its number."""
    wrong = Unclear("invalid_authorization_details", "malformed_details")
    try:
        (detail,) = json.loads(text[: MOST_DETAILS + 1], object_pairs_hook=_unique)
        number, locations = detail["identifier"], detail.get("locations")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise wrong from None
    if detail.get("type") != DETAILS_TYPE or not set(detail) <= {"type", "identifier", "locations"}:
        raise wrong
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        raise wrong
    return Wanted(number=number, dataset=_located(gateway_url, locations, wrong))


def _located(gateway_url: str, locations: object, wrong: Unclear) -> str | None:
    """Return the dataset that the details' ``locations`` name, None when they name none."""
    if locations is None:
        return None
    if not isinstance(locations, list) or len(locations) != 1 or not isinstance(locations[0], str):
        raise wrong
    try:
        return _by_resource(gateway_url, locations[0]).dataset
    except Unclear:
        raise wrong from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("repeated member")
    return members
