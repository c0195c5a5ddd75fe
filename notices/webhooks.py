"""The webhook client: one POST to a department's own system, bounded in every direction.

The name is resolved once, every address that comes back must lie where the deployment allows, and the
connection is made to an address that was checked. Redirects are not followed, TLS is verified, and nothing of
the answer counts but its status and Retry-After (RFC 9110 section 10.2.3).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from core.networks import Address, Network, address_of, may_reach
from notices.model import FAILED, RETRY, SENT, Outcome

CONNECT_SECONDS, TOTAL_SECONDS, BODY_SECONDS = 5.0, 15.0, 1.0
HEAD_BYTES, BODY_BYTES = 16 * 1024, 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |$)")


class Answer(NamedTuple):
    """What counts of an answer."""

    status: int
    retry_after: str
    length: int = 0
    """Bytes of the body that are waited for."""


class _Prohibited(Exception):
    """The name leads to an address outside the networks that are allowed."""


class Poster:
    """Posts to one address."""

    def __init__(self, url: str, networks: Sequence[Network]) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self._authority = parts.netloc
        self._networks = networks

    def post(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Outcome:
        """Send one webhook and return what became of it. Nothing waits longer than `TOTAL_SECONDS`."""
        try:
            answer = asyncio.run(self._exchange(self._request(headers, body)))
        except _Prohibited:
            return Outcome(RETRY, "address_prohibited", down=True)
        except TimeoutError:
            return Outcome(RETRY, "timeout", down=True)
        except socket.gaierror:
            return Outcome(RETRY, "name_unresolved", down=True)
        except ssl.SSLError:
            return Outcome(RETRY, "tls", down=True)
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError):
            return Outcome(RETRY, "no_answer", down=True)
        return outcome_of(answer, now)

    def _request(self, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [
            f"POST {self._target} HTTP/1.1",
            f"Host: {self._authority}",
            "User-Agent: shuxiang",
            "Content-Type: application/json",
            "Accept-Encoding: identity",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body

    async def _exchange(self, request: bytes) -> Answer:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await self._connect(await self._resolve())
                writer.write(request)
                await writer.drain()
                answer = await _read_head(reader)
            await _hear_out(reader, answer.length)
            return answer
        finally:
            if writer is not None:
                writer.transport.abort()

    async def _connect(
        self, addresses: Sequence[Address]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: OSError = ConnectionError()
        for address in addresses:
            try:
                return await asyncio.open_connection(
                    str(address),
                    self._port,
                    limit=HEAD_BYTES,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
            except OSError as wrong:
                failure = wrong
        raise failure

    async def _resolve(self) -> list[Address]:
        literal = address_of(self._host)
        found: list[Address | None] = [literal]
        if literal is None:
            loop = asyncio.get_running_loop()
            infos = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            found = [address_of(str(info[4][0])) for info in infos]
        checked = [a for a in found if a is not None and may_reach(a, self._networks)]
        if not found or len(checked) < len(found):
            raise _Prohibited
        return checked


async def _read_head(reader: asyncio.StreamReader) -> Answer:
    """Read up to the end of the head, past interim answers. Raises ValueError when it is no HTTP."""
    while True:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        status = _STATUS.match(lines[0])
        if status is None:
            raise ValueError("no HTTP answer")
        if int(status[1]) >= 200:
            break
    fields = (line.partition(b":") for line in lines[1:])
    named = {name.strip().lower(): value.strip() for name, _, value in fields}
    code, length = int(status[1]), named.get(b"content-length", b"")
    most = min(int(length[:9]), BODY_BYTES) if length.isdigit() else BODY_BYTES
    return Answer(code, named.get(b"retry-after", b"").decode("latin-1"), 0 if code == 204 else most)


async def _hear_out(reader: asyncio.StreamReader, length: int) -> None:
    """Let the other side finish its sentence, within bounds; whatever it says changes nothing."""
    with suppress(OSError, EOFError):
        async with asyncio.timeout(BODY_SECONDS):
            await reader.readexactly(length)


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """Return what an answer means (Standard Webhooks): 2xx is done, 410 the end, all else is tried again."""
    if 200 <= answer.status < 300:
        return Outcome(SENT)
    reason = f"http_{answer.status}"
    if answer.status == 410:
        return Outcome(FAILED, reason)
    return Outcome(RETRY, reason, after_seconds=_seconds(answer.retry_after, now))


def _seconds(retry_after: str, now: datetime) -> float:
    """Return Retry-After in seconds from `now`; nothing for what it is not."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        until = parsedate_to_datetime(retry_after)
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date, or one without a zone
        return 0.0
