"""What a call asks for, and what speaks against it. Pure: no I/O, the clock is an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from core.codes import code_in
from core.networks import Address, address_of
from gateway import objections as no
from gateway.model import Network, Permit
from gateway.objections import Objection, Refused

Query = tuple[tuple[str, str], ...]

QUERY_FIELDS = 100
VALUE_LENGTH = 1000

ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Call:
    """One call below /share/, taken apart; nothing else of its address is ever used."""

    method: str
    code: str
    """The dataset's code, with its slash."""
    kind: str
    """table, file or api."""
    operation: str
    """What records name: `rows`, `files`, `files/{name}` or `call/{operation}`."""
    name: str | None
    """The file's name, or the api operation's."""
    query: Query


# --- reading the target ---------------------------------------------------------------------------

_HOSTILE = re.compile(rb"%2f|%5c|%00|%2e|[;#\\]|\.\.|//|/\./", re.IGNORECASE)
_CODE = re.compile(r"[0-9A-Za-z]{1,16}-[0-9A-Za-z]{1,8}")
_METHODS = {"rows": "GET", "files": "GET", "files/{name}": "GET, HEAD"}


def read_target(method: str, target: bytes) -> Call:
    """Take a request's target apart. Raises Refused (400 for what no address here has, 404 for the rest)."""
    path, _, query = target.partition(b"?")
    if not path.startswith(b"/") or b"#" in query or _HOSTILE.search(path):
        raise Refused(no.BAD_TARGET)
    segments = path[1:].split(b"/")
    if len(segments) < 3 or segments[0] != b"share":
        raise Refused(no.NO_SUCH_PATH)
    code = segments[1].decode("latin-1")
    if not _CODE.fullmatch(code):
        raise Refused(no.NO_SUCH_PATH)
    kind, operation, name = _operation([_unquote(s) for s in segments[2:]])
    return Call(method, code_in(code), kind, operation, name, read_query(query))


def _operation(rest: list[str]) -> tuple[str, str, str | None]:
    match rest:
        case ["rows"]:
            return "table", "rows", None
        case ["files"]:
            return "file", "files", None
        case ["files", name] if name:
            return "file", "files/{name}", name
        case ["call", name] if name:
            return "api", "call/{operation}", name
    raise Refused(no.NO_SUCH_PATH)


def _unquote(segment: bytes) -> str:
    text = _decode(segment)
    if _CONTROL.search(text):
        raise Refused(no.BAD_TARGET)
    return text


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _decode(raw: bytes) -> str:
    if b"%" not in raw:
        return raw.decode("latin-1")
    if _PERCENT.search(raw):
        raise Refused(no.BAD_TARGET)
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise Refused(no.BAD_TARGET) from wrong


def read_query(raw: bytes) -> Query:
    """Take a query apart: `name=value` pairs in UTF-8, without control characters. Raises Refused."""
    if not raw:
        return ()
    if _PERCENT.search(raw):
        raise Refused(no.BAD_QUERY)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), True, True, encoding="utf-8", errors="strict", max_num_fields=QUERY_FIELDS
        )
    except ValueError as wrong:
        raise Refused(no.BAD_QUERY) from wrong
    for name, value in pairs:
        if not name or len(value) > VALUE_LENGTH or _CONTROL.search(name + value):
            raise Refused(no.BAD_QUERY)
    return tuple(pairs)


# --- the judgement --------------------------------------------------------------------------------


def objection(permit: Permit, call: Call, source: Address | None, now: float) -> Objection | None:
    """Return what speaks against this call, or None; `now` in seconds since the epoch."""
    return standing(permit, now) or out_of_bounds(permit, call, source)


def out_of_bounds(permit: Permit, call: Call, source: Address | None) -> Objection | None:
    """Return what speaks against this call at any time: where it comes from and what it asks for."""
    return _address(permit, source) or _scope(permit, call) or _method(permit, call)


def standing(permit: Permit, now: float) -> Objection | None:
    """Return what speaks against any call with this permit: token, system, grant or dataset."""
    if permit.token_revoked:
        return no.TOKEN_REVOKED
    if now >= permit.token_expires:
        return no.TOKEN_EXPIRED
    return lasting(permit, now)


def lasting(permit: Permit, now: float) -> Objection | None:
    """Return what speaks against going on with a call that began in time for its token."""
    if permit.token_revoked:
        return no.TOKEN_REVOKED
    if permit.client_state != ACTIVE:
        return no.CLIENT_DISABLED
    if not permit.grant_usable:
        return no.GRANT_ENDED if permit.grant_ended else no.GRANT_SUSPENDED
    if permit.valid_until is not None and now >= permit.valid_until:
        return no.GRANT_EXPIRED
    if not permit.dataset_public:
        return no.DATASET_UNAVAILABLE
    return None


def _address(permit: Permit, source: Address | None) -> Objection | None:
    if source is not None:
        for network in permit.networks:
            if source in network:
                return None
    return no.NETWORK_NOT_ALLOWED


def _scope(permit: Permit, call: Call) -> Objection | None:
    if call.code != permit.dataset_code:
        return no.DATASET_NOT_GRANTED
    if call.kind != permit.terms.kind:
        return no.KIND_NOT_GRANTED
    if permit.connection is None:
        return no.NOT_MOUNTED
    if call.kind == "api":
        operation = find_operation(permit, call.name)
        if operation is None:
            return no.OPERATION_NOT_GRANTED
        if operation.get("records") is None and not _all_fields(permit):
            return no.FIELDS_NOT_SEPARABLE
    return None


def _method(permit: Permit, call: Call) -> Objection | None:
    operation = find_operation(permit, call.name) if call.kind == "api" else None
    allowed = operation["method"] if operation else _METHODS[call.operation]
    if call.method in allowed.split(", "):
        return None
    return no.METHOD_NOT_ALLOWED.having("Allow", allowed)


def _all_fields(permit: Permit) -> bool:
    return set(permit.terms.fields) >= {attribute["name"] for attribute in permit.attributes}


def find_operation(permit: Permit, name: str | None) -> Mapping[str, Any] | None:
    """Return the api operation of this name, if the dataset has it and the grant names it."""
    if name not in permit.terms.operations:
        return None
    for operation in permit.detail.get("operations", ()):
        if operation["name"] == name:
            found: Mapping[str, Any] = operation
            return found
    return None


# --- the source of a call -------------------------------------------------------------------------


def source_of(peer: str, forwarded: list[bytes], trusted: tuple[Network, ...]) -> Address | None:
    """Return where a call comes from: the last hop that no trusted proxy vouches for.

    `forwarded` are the X-Forwarded-For fields; they count only as far as trusted proxies wrote them. None
    when a trusted proxy names something that is not an address.
    """
    address = address_of(peer)
    hops = [hop.strip() for hop in b",".join(forwarded).decode("latin-1").split(",")] if forwarded else []
    while address is not None and hops and any(address in network for network in trusted):
        address = address_of(hops.pop())
    return address
