"""A data plane inside the test's own process, which tells how many calls went the short way."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import uvloop

from gateway.plane import Worker
from gateway.wire import Wire
from hotline.numbers import is_open_number
from tests.gateway.plane_kit import Access, Kit, until, url
from tests.gateway.providers import Answer, http, json_answer

RAW, MANY, CHANGE = (url("api", f"call/{name}") for name in ("raw", "many", "change"))
FINE = http(200, b"all is well", "Content-Type: text/plain", 'ETag: "1"', "Set-Cookie: a=b")
SECRET = b"internal detail of the provider"
ITEM = {"code": "1", "name": "甲", "level": 3, "active": True, "secret": "x", "undeclared": "y"}
ITEMS = json_answer({"data": {"items": [ITEM, {**ITEM, "code": "2"}], "total": 2}, "debug": "z"})
_OF_ONE_CALL = (b"date:", b"audit-record:", b"audit-receipt:")
_OF_ONE_RECORD = ("id", "t", "ms", "nonce", "start", "intent")
_unique = count()


@dataclass(frozen=True)
class Heard:
    """One whole answer, or what came before the connection ended."""

    head: tuple[bytes, ...]
    body: bytes
    whole: bool = True

    @property
    def status(self) -> int:
        """The status, 0 when there was no answer."""
        return int(self.head[0].split(b" ")[1]) if self.head else 0

    @property
    def alike(self) -> tuple[tuple[bytes, ...], bytes, bool]:
        """All of it that is the same for two calls of a kind, in order."""
        head = tuple(line for line in self.head if not line.lower().startswith(_OF_ONE_CALL))
        return head, self.body, self.whole

    def field(self, name: str) -> str | None:
        """The one field of a name."""
        found = [line for line in self.head if line.lower().startswith(name.encode() + b":")]
        assert len(found) < 2
        return found[0].partition(b":")[2].strip().decode("latin-1") if found else None


class Talk:
    """One connection of a caller."""

    def __init__(self, port: int, source: str = "127.0.0.1", wait: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=wait, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def ask(self, data: bytes) -> Heard:
        """Send a request and hear its answer."""
        self.socket.sendall(data)
        return self.hear()

    def hear(self) -> Heard:
        """The next answer."""
        try:
            head = []
            while (line := self._file.readline()) not in (b"\r\n", b""):
                head.append(line.rstrip(b"\r\n"))
        except ConnectionResetError:
            return Heard(tuple(head), b"", False)
        heard = Heard(tuple(head), b"", bool(line))
        return Heard(heard.head, *self._body(heard)) if heard.whole else heard

    def ended(self) -> bool:
        """Whether the other side has ended the connection, after waiting for it."""
        try:
            return self._file.read(1) == b""
        except TimeoutError:
            return False

    def reset(self) -> None:
        """Hang up with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._file.close()
        self.socket.close()

    def _body(self, heard: Heard) -> tuple[bytes, bool]:
        length = heard.field("content-length")
        if length is not None:
            body = self._read(int(length))
            return body, len(body) == int(length)
        return self._chunks() if heard.field("transfer-encoding") == "chunked" else (b"", True)

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            try:
                line = self._file.readline()
            except ConnectionResetError:
                line = b""
            if not line:
                return body, False
            piece = self._read(int(line, 16) + 2)
            if len(piece) < int(line, 16) + 2:
                return body + piece, False
            if line == b"0\r\n":
                return body, True
            body += piece[:-2]

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except ConnectionResetError:
            return b""


class Short:
    """A worker over a `Kit`, in a thread of this process."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.taken = 0
        """Calls that went the short way."""
        self.provider = kit.provider
        self._loop = uvloop.new_event_loop()
        self.worker: Any = None
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Short:
        thresholds = gc.get_threshold()
        self._thread.start()
        assert self._started.wait(30)
        gc.unfreeze()  # what a worker does for its own process is not for this one
        gc.set_threshold(*thresholds)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        """Let the worker end as SIGTERM does."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def _run(self) -> None:
        self._loop.run_until_complete(self._live())
        self._loop.close()

    async def _live(self) -> None:
        self.worker = Worker(self.kit.settings, 0, is_open_number)
        api = self.worker._sources._apis["api"]
        send = api.send

        def counted(request: bytes, caller: str, then: Callable[[Wire], None]) -> Wire | None:
            """Only the short way sends like this."""
            wire: Wire | None = send(request, caller, then)
            self.taken += wire is not None
            return wire

        api.send = counted
        await self.worker.start()
        self._started.set()
        await self._stop.wait()
        await self.worker.stop()

    def inside(self, what: Callable[[Any], Any]) -> Any:
        """Do something with the worker in its own thread, and return what it returned."""

        async def do() -> Any:
            return what(self.worker)

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    # --- stories ----------------------------------------------------------------------------------

    def talk(self, source: str = "127.0.0.1", wait: float = 10.0) -> Talk:
        """A connection."""
        return Talk(self.kit.port, source, wait)

    def say(self, answer: Answer, path: str = "raw") -> None:
        """What the provider answers from now on."""
        self.provider.answers[f"/base/v1/{path}"] = answer

    def prime(self, talk: Talk, request: bytes) -> None:
        """Make a call until it has gone the short way, so that a connection to the provider is there too."""
        for _ in range(4):
            before = self.taken
            assert talk.ask(request).status == 200
            if self.taken > before:
                return
        raise AssertionError("it does not go the short way")

    def figures(self) -> tuple[int, int]:
        """How many connections and calls of the provider are open."""
        shown: dict[str, tuple[bool, int, int]] = self.inside(lambda w: w._sources.providers(0.0))
        return shown["api"][1:]

    def at_rest(self) -> bool:
        """Whether no call is under way."""
        return bool(until(lambda: self.figures()[1] == 0, 5))

    def new_records(self, before: int) -> list[dict[str, Any]]:
        """The records since there were so many, without what two calls never have alike."""
        return [
            {key: value for key, value in record.items() if key not in _OF_ONE_RECORD}
            for record in self.kit.records()[before:]
        ]


def get(access: Access, *lines: str, target: str = RAW, version: str = "1.1") -> bytes:
    """A request as bytes."""
    head = [f"GET {target} HTTP/{version}", "Host: gateway", f"Authorization: Bearer {access.token}", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def fresh(request: bytes) -> bytes:
    """The same request in bytes that were never sent before: it takes the general way."""
    return request[:-2] + b"X-Other: %d\r\n\r\n" % next(_unique)


def pieces(*parts: bytes, pause: float = 0.03, rest: float = 0.0) -> Callable[[socket.socket], None]:
    """An answer in several pieces, and then the end of the connection."""

    def send(client: socket.socket) -> None:
        for part in parts:
            client.sendall(part)
            time.sleep(pause)
        time.sleep(rest)

    return send
