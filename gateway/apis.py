"""Api calls: a listed operation, asked of its provider, and the answer cut down to the grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway import objections as no
from gateway.answers import Answer, Headers, Stream
from gateway.binding import bind_operation
from gateway.calls import Call, find_operation
from gateway.http1 import ServerConnection
from gateway.masks import mask_json
from gateway.messages import BodyRefused, Request
from gateway.model import Permit
from gateway.objections import Objection, Refused
from gateway.upstream import Provider
from gateway.wire import Head, Wire

MASKED_BYTES = 16 * 1024 * 1024
"""The largest JSON answer that is read whole to be cut down, if the connection allows as much."""

_SUCCESS = frozenset({200, 201, 202, 203, 204})
_PASSED_BACK = ((b"content-type", "Content-Type"), (b"content-language", "Content-Language"))
_ALL_PASSED_BACK = (*_PASSED_BACK, (b"last-modified", "Last-Modified"), (b"etag", "ETag"))


class Asked(NamedTuple):
    """One call to a provider, ready to be made."""

    operation: Mapping[str, Any]
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def changes(self) -> bool:
        """Whether the call changes something at the provider."""
        return bool(self.operation.get("changes", False))


async def prepare(
    permit: Permit, call: Call, request: Request, line: ServerConnection, trace: str | None, max_body: int
) -> Asked:
    """Bind the parameters and read the body, before anybody is asked. Raises Refused."""
    operation, path = _bound(permit, call)
    body = b""
    if request.has_body:
        _check_body(operation, request)
        try:
            body = await line.body(request, max_body)
        except BodyRefused as refused:
            fault = refused.fault
            raise Refused(Objection(fault.status, fault.code, fault.text)) from refused
    return Asked(operation, path, _headers(operation, request, trace), body)


def _bound(permit: Permit, call: Call) -> tuple[Mapping[str, Any], str]:
    """Return the operation and the provider's path for it; what holds no query is kept with the permit."""
    kept = None if call.query else permit.paths.get(call.name)
    if kept is not None:
        return kept
    operation = find_operation(permit, call.name)
    if operation is None:
        raise Refused(no.OPERATION_NOT_GRANTED)
    bound = operation, bind_operation(permit, operation, call.query)
    if not call.query:
        permit.paths[call.name] = bound
    return bound


def _check_body(operation: Mapping[str, Any], request: Request) -> None:
    if not operation.get("accepts_body"):
        raise Refused(no.BODY_NOT_TAKEN)
    if request.header(b"content-encoding") is not None or len(request.all(b"content-type")) != 1:
        raise Refused(no.UNSUPPORTED_BODY)


def _headers(operation: Mapping[str, Any], request: Request, trace: str | None) -> dict[str, str]:
    """Return the only headers of a caller that reach a provider."""
    wanted = [(b"accept-language", "Accept-Language")]
    if request.has_body:
        wanted.append((b"content-type", "Content-Type"))
    if operation.get("records") is None:
        wanted.append((b"accept", "Accept"))
    passed = {}
    for_us = _named_by_connection(request) if request.header(b"connection") else ()
    for name, title in wanted:
        value = request.header(name)
        if name not in for_us and value is not None and len(value) <= 256 and value.isascii():
            passed[title] = value.decode("ascii")
    if operation.get("records") is not None:
        passed["Accept"] = "application/json"
    if trace is not None and b"traceparent" not in for_us:
        passed["traceparent"] = trace
    return passed


def _named_by_connection(request: Request) -> frozenset[bytes]:
    """Return the fields that are meant for this connection only (RFC 9110 section 7.6.1)."""
    named = b",".join(request.all(b"connection")).lower()
    return frozenset(name.strip() for name in named.split(b",")) - {b"content-type"}


async def ask(provider: Provider, permit: Permit, asked: Asked) -> Answer | Stream:
    """Ask the provider. Raises Refused with what went wrong, in our words."""
    method = asked.operation["method"]
    head, wire = await provider.call(method, asked.path, asked.headers, asked.body, permit.consumer)
    return await _receive(provider, permit, asked.operation, head, wire)


async def ask_on(provider: Provider, permit: Permit, asked: Asked, wire: Wire) -> Answer | Stream:
    """Go on with what `Provider.send` has sent. Raises Refused as `ask` does."""
    try:
        head = await provider.head_on(wire)
    except Refused:
        if wire.untouched:  # it had gone stale: the provider saw nothing of the call
            return await ask(provider, permit, asked)
        raise
    return await _receive(provider, permit, asked.operation, head, wire)


def passed_on(operation: Mapping[str, Any], head: Head) -> Headers | None:
    """Return the headers that are passed on with an answer that came whole; None where it takes `ask_on`."""
    if head.status not in _SUCCESS or head.status == 204:
        return None
    return _headers_beside(operation, head)


def _headers_beside(operation: Mapping[str, Any], head: Head) -> Headers:
    if operation.get("records") is None:
        return _passed_back(head, _ALL_PASSED_BACK)
    return (("Content-Type", "application/json"), *_passed_back(head, _PASSED_BACK[1:]))


def cut_down(permit: Permit, operation: Mapping[str, Any], body: bytes) -> tuple[bytes, int | None]:
    """Return what a grant lets through of a body, and how many records that are. Raises Refused."""
    pointer = operation.get("records")
    if pointer is None:
        return body, None
    return mask_json(body, pointer, permit.terms.fields, permit.terms.row_limit)


async def _receive(
    provider: Provider, permit: Permit, operation: Mapping[str, Any], head: Head, wire: Wire
) -> Answer | Stream:
    kept = False
    try:
        if head.status not in _SUCCESS:
            raise Refused(no.received(head.status))
        if head.status == 204:
            return Answer(204, (), b"")
        headers = _headers_beside(operation, head)
        if operation.get("records") is not None:
            raw = await _read(provider, wire)
            return Answer(head.status, headers, *cut_down(permit, operation, raw))
        body = wire.whole()
        if body is not None:
            return Answer(head.status, headers, body)
        length = head.one(b"content-length")
        kept = True
        return Stream(head.status, headers, int(length) if length else None, WirePieces(provider, wire))
    finally:
        if not kept:
            provider.done(wire)


async def _read(provider: Provider, wire: Wire) -> bytes:
    most = min(MASKED_BYTES, provider.max_bytes)
    raw = bytearray()
    while (piece := await wire.piece()) is not None:
        raw += piece
        if len(raw) > most:
            raise Refused(no.ANSWER_TOO_LARGE)
    return bytes(raw)


def _passed_back(head: Head, names: tuple[tuple[bytes, str], ...]) -> Headers:
    """Return the only headers of a provider that reach a caller."""
    return [(title, value.decode("latin-1")) for name, title in names if (value := head.one(name))]


class WirePieces:
    """The body of a provider's answer, as it comes."""

    def __init__(self, provider: Provider, wire: Wire) -> None:
        self._provider = provider
        self._wire = wire
        self.rows: int | None = None

    async def next(self) -> bytes | None:
        """Return what has come since. Raises Refused."""
        return await self._wire.piece()

    async def close(self) -> None:
        """Hand the wire back."""
        self._provider.done(self._wire)
