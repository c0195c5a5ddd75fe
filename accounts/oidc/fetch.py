"""Asks an identity provider: over TLS, on hosts that are named, bounded in time and size, no redirects.

A provider that hangs holds a few of the platform's threads for some seconds each, and never more.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

_SECONDS, _TOTAL_SECONDS = 3.0, 8.0
"""How long one step may take (to connect, to shake hands, to hear something), and the answer as a whole."""
_MOST, _CHUNK = 256 * 1024, 16 * 1024
AT_ONCE = 8
"""So many threads ask one provider at the same time."""


class Unreachable(Exception):
    """The provider did not answer, or not as a provider does; it may later."""


class Told(NamedTuple):
    """An answer, with the names that Authlib's client knows it by."""

    status_code: int
    body: bytes

    def json(self) -> Any:
        """Return the document that was answered. Raises ValueError when it is none."""
        return json.loads(self.body)

    def raise_for_status(self) -> None:
        """Raise Unreachable for an answer that is no success."""
        if self.status_code >= 400:
            raise Unreachable(f"status {self.status_code}")


class Road:
    """The way to one provider. It stands in for the session that Authlib's client posts with."""

    def __init__(self, hosts: frozenset[str], ca_file: str | None) -> None:
        self._hosts = hosts
        self._context = ssl.create_default_context(cafile=ca_file)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def get_json(self, url: str) -> dict[str, Any]:
        """Return the document at an address. Raises Unreachable."""
        told = self._ask("GET", url, None, {"Accept": "application/json"})
        try:
            document = told.json()
        except ValueError as wrong:
            raise Unreachable("no JSON") from wrong
        if told.status_code != 200 or not isinstance(document, dict):
            raise Unreachable(f"status {told.status_code}")
        return document

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> Told:
        """Post a form, authenticated by Authlib's `auth`. Raises Unreachable."""
        url, prepared, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        raw = body.encode() if isinstance(body, str) else body
        plain = {name: value for name, value in prepared.items() if name.lower() != "content-length"}
        return self._ask("POST", url, raw, plain)

    def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Told:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname not in self._hosts or parts.username is not None:
            raise Unreachable("an address that is not the provider's")
        connection = HTTPSConnection(parts.hostname, parts.port, timeout=_SECONDS, context=self._context)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        with self._turn():
            try:
                connection.connect()
                with _cut_short(connection.sock):
                    connection.request(method, target, body, {**headers, "Accept-Encoding": "identity"})
                    answer = connection.getresponse()
                    return Told(answer.status, _read(answer.read1))
            except (OSError, HTTPException, ValueError) as wrong:
                raise Unreachable(type(wrong).__name__) from wrong
            finally:
                connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(blocking=False):
            raise Unreachable("others are waiting for it")
        try:
            yield
        finally:
            self._turns.release()


@contextmanager
def _cut_short(line: socket.socket) -> Iterator[None]:
    """End a connection that takes too long as a whole: each step may be short, and there may be many."""
    cut = threading.Timer(_TOTAL_SECONDS, _cut, [line])
    cut.daemon = True
    cut.start()
    try:
        yield
    finally:
        cut.cancel()


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)  # TLS goes on reading, and finds the end


def _read(read: Any) -> bytes:
    """Read an answer to its end. Raises HTTPException when it is too long."""
    parts, length = [], 0
    while chunk := read(_CHUNK):
        parts.append(chunk)
        length += len(chunk)
        if length > _MOST:
            raise HTTPException("the answer is too long")
    return b"".join(parts)
