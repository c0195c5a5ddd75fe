"""A request as it came, and what makes one impossible to take (RFC 9110, RFC 9112). No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.text import Text

HEAD_BYTES = 32 * 1024
HEAD_LINES = 100
TRAILER_BYTES = 8 * 1024
"""What may come between two bytes of a chunked body and after the last: sizes, extensions, trailers."""
TARGET_BYTES = 16 * 1024
KNOWN_BYTES = 1024
"""Longer requests are parsed each time."""
_NO_HOST = re.compile(rb"[ \t,/\\@?#\x7f-\xff]")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request cannot be taken as it came."""

    status: int
    code: str
    text: Text


def _fault(status: int, code: str, zh: str, en: str) -> Fault:
    return Fault(status, code, Text(zh, en))


MALFORMED = _fault(
    400, "malformed_request", "请求不符合 HTTP/1.1 的格式", "the request is not well-formed HTTP/1.1"
)
BAD_HOST = _fault(400, "bad_host", "Host 须有且只有一个", "exactly one Host is needed")
TIMED_OUT = _fault(408, "request_timeout", "请求没有在限定时间内到达", "the request did not arrive in time")
BODY_TOO_LARGE = _fault(413, "body_too_large", "请求体过大", "the request's body is too large")
TARGET_TOO_LONG = _fault(414, "target_too_long", "请求地址过长", "the request's target is too long")
BAD_EXPECT = _fault(417, "bad_expectation", "不支持这种 Expect", "the expectation cannot be met")
HEAD_TOO_LARGE = _fault(431, "head_too_large", "请求头过大", "the request's head is too large")
TRAILER_TOO_LARGE = _fault(
    431, "trailer_too_large", "分块附加内容过大", "what comes with the body's chunks is too large"
)
BAD_METHOD = _fault(501, "unknown_method", "不支持这种方法", "the method is not known here")
BAD_CODING = _fault(501, "bad_coding", "传输编码只支持 chunked", "chunked is the only transfer coding here")
BUSY = _fault(503, "busy", "请求过多，请稍后再试", "too much is under way; try again in a moment")
BAD_VERSION = _fault(
    505, "bad_version", "只支持 HTTP/1.0 和 HTTP/1.1", "only HTTP/1.0 and HTTP/1.1 are spoken here"
)


class BodyRefused(Exception):
    """The body cannot be had: too large, broken, or late; `fault` says which."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


@dataclass(slots=True)
class Request:
    """One request: its head, and how far its body has come."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    """In order, names in lower case; trailers are dropped."""
    version: str
    keep_alive: bool
    peer: str
    fault: Fault | None = None
    length: int | None = 0
    """Declared bytes of the body; None when it is chunked."""
    complete: bool = False
    expects: bool = False
    """The client waits for `100 Continue` before it sends the body."""
    body: bytearray = field(default_factory=bytearray)
    body_fault: Fault | None = None
    raw: bytes | None = None
    """All of it, where it came in one piece, without a body, on a connection that goes on."""
    _fields: dict[bytes, list[bytes]] | None = None

    def header(self, name: bytes) -> bytes | None:
        """Return the first field of this (lower case) name."""
        found = self.all(name)
        return found[0] if found else None

    @property
    def has_body(self) -> bool:
        """Tell whether the request declares a body of at least one byte."""
        return self.length != 0

    def all(self, name: bytes) -> list[bytes]:
        """Return every field of this (lower case) name, in order."""
        if self._fields is None:
            self._fields = {}
            for key, value in self.headers:
                self._fields.setdefault(key, []).append(value)
        return self._fields.get(name) or []


def read_head(request: Request) -> Fault | None:
    """Fill in what the head says about the body, and return what is wrong with the head.

    The parser has already refused conflicting and malformed lengths.
    """
    hosts = 0
    size = len(request.target)
    for name, value in request.headers:
        size += len(name) + len(value) + 4
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            request.length = int(value)
        elif name == b"transfer-encoding":
            request.length = None
            if value.lower() != b"chunked" or request.version == "1.0":
                return BAD_CODING
        elif name == b"expect":
            if value.lower() != b"100-continue":
                return BAD_EXPECT
            request.expects = request.version == "1.1"
    return _bounds(request, size) or _hosts(request, hosts)


def _bounds(request: Request, size: int) -> Fault | None:
    if request.version not in ("1.0", "1.1"):
        return BAD_VERSION
    if request.method not in METHODS:
        return BAD_METHOD
    if len(request.target) > TARGET_BYTES:
        return TARGET_TOO_LONG
    if size > HEAD_BYTES or len(request.headers) > HEAD_LINES:
        return HEAD_TOO_LARGE
    return None


def _hosts(request: Request, hosts: int) -> Fault | None:
    """RFC 9112 section 3.2: one Host, and none is forgiven to HTTP/1.0 only."""
    if hosts > 1 or (hosts == 0 and request.version == "1.1"):
        return BAD_HOST
    return BAD_HOST if hosts and _NO_HOST.search(request.header(b"host") or b"") else None
