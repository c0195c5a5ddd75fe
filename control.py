"""The control plane's own server: the application behind the same strict HTTP as the data plane.

A request reaches the application when it is plainly one request and has arrived whole, and an answer is
taken from it as fast as it is read: who sends or reads slowly holds a connection, never one of the threads
(docs/decisions/0036).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import orjson
import uvloop

from core.handed import Listener, tell
from gateway.http1 import Patience, Server, ServerConnection
from gateway.leaving import see_off
from gateway.messages import BAD_HOST, BUSY, MALFORMED, BodyRefused, Fault, Request
from gateway.reply import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

THREADS = 32
WAITING = 512
"""Requests that may wait for a thread; what comes on top is told to come again."""
DRAIN_SECONDS = 12.0
PATIENCE = Patience(body=120.0)
"""A paper of 16 MiB may come over a slow line: while it does, it costs memory and no thread."""

ONCE = frozenset(
    {
        *(b"authorization", b"content-type", b"cookie", b"dpop", b"forwarded", b"idempotency-key"),
        *(b"if-match", b"origin", b"referer", b"x-client-cert", b"x-client-verify"),
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"),
    }
)
"""Fields that decide something: two of them would be read as one, joined by a comma."""

_OURS = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})
log = logging.getLogger("shuxiang.control")


def serve_control(
    app: WSGIApplication, host: str, port: int, max_body: int, given: Listener | None = None
) -> None:
    """Serve an application until SIGTERM or SIGINT, then finish the answers under way and end.

    `given` listens already.
    """
    sys.setswitchinterval(0.001)  # the loop must not wait long for threads that compute
    uvloop.run(_serve(Control(app, host, port, max_body, given=given)))


async def _serve(control: Control) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await control.start()
    tell("READY=1")
    await stop.wait()
    await control.stop()


class Control:
    """One listener, and the threads that the application runs in."""

    def __init__(
        self,
        app: WSGIApplication,
        host: str,
        port: int,
        max_body: int,
        patience: Patience = PATIENCE,
        given: Listener | None = None,
    ) -> None:
        """`given` listens at the address already."""
        self._app = app
        self._given = given
        self.address = (host, port)
        self._max_body = max_body
        self.server = Server(self.answer, max_body=max_body, patience=patience)
        self._threads = ThreadPoolExecutor(THREADS, "control")
        self._waiting = 0
        self._listening: asyncio.Server | None = None
        self._sweep: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        if self._given is not None:
            self._listening = await loop.create_server(self.server, sock=self._given)
        else:
            self._listening = await loop.create_server(self.server, *self.address, backlog=1024)
        self._sweep = asyncio.create_task(self._sweeping())

    async def stop(self) -> None:
        """Take no more requests, finish those under way, and close."""
        if self._listening is not None and self._sweep is not None:
            await see_off(self.server, [self._listening], DRAIN_SECONDS)
            self._sweep.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _sweeping(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.server.sweep(asyncio.get_running_loop().time())

    async def answer(self, request: Request, reply: Reply, line: ServerConnection) -> None:
        """Answer one request. Raises ClientGone."""
        fault = request.fault or oddity(request)
        body = b""
        if fault is None:
            try:
                body = await line.body(request, self._max_body)
            except BodyRefused as refused:
                fault = refused.fault
        if fault is None and self._waiting >= WAITING + THREADS:
            fault = BUSY
        if fault is not None:
            _refuse(request, reply, fault)
            return
        await self._call(environment(request, body, self.address), request, reply)

    async def _call(self, environ: WSGIEnvironment, request: Request, reply: Reply) -> None:
        call = Call(self._app, environ)
        try:
            first = await self._in_a_thread(call.begin)
            await self._pass_on(call, first, request, reply)
        finally:
            if call.is_open:
                await self._in_a_thread(call.close)

    async def _pass_on(self, call: Call, first: bytes, request: Request, reply: Reply) -> None:
        """Send the answer: whole where its first piece is all of it, else piece by piece as it is read."""
        if request.method == "HEAD" or call.is_whole:
            reply.send(call.status, call.headers, first, call.length if request.method == "HEAD" else None)
            return
        reply.start(call.status, call.headers, call.length)
        await reply.write(first)
        while piece := await self._in_a_thread(call.next):
            await reply.write(piece)
        reply.finish()

    async def _in_a_thread(self, work: Callable[[], Any]) -> Any:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


class Call:
    """One call of the application (PEP 3333). Each step runs in some thread, one step at a time."""

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        self._app = app
        self._environ = environ
        self._answer: Iterable[bytes] = ()
        self._pieces: Iterator[bytes] = iter(())
        self.is_open = self.is_whole = False
        self.status = 500
        self.headers: Sequence[tuple[str, str]] = ()
        self.length: int | None = None

    def begin(self) -> bytes:
        """Call the application and return the first piece of its answer; close what ends with it."""
        self._answer = self._app(self._environ, self._start)
        self.is_open = True
        self._pieces = iter(self._answer)
        first = self.next()
        if self.length == len(first) or not first:
            self.is_whole = True
            self.close()
        return first

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name, value) for name, value in headers if name.lower() not in _OURS]
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        self.length = lengths[0] if lengths else None
        return _no_writing

    def next(self) -> bytes:
        """Return the next piece that is not empty; nothing at the end."""
        return next((piece for piece in self._pieces if piece), b"")

    def close(self) -> None:
        """Tell the application that its answer is no longer wanted."""
        self.is_open = False
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()


def _no_writing(_data: bytes) -> None:
    raise RuntimeError("an application that writes instead of returning is not served here")


def oddity(request: Request) -> Fault | None:
    """Return what makes a well-formed head unfit for WSGI, where names are folded and paths are decoded."""
    seen = set()
    for name, _ in request.headers:
        if b"_" in name or (name in ONCE and name in seen):
            return MALFORMED
        seen.add(name)
    target, _, _ = request.target.partition(b"?")
    if not target.startswith(b"/"):
        scheme, _, rest = target.partition(b"://")
        if scheme.lower() not in (b"http", b"https"):
            return MALFORMED
        if rest.partition(b"/")[0] != request.header(b"host"):
            return BAD_HOST
    return MALFORMED if _is_odd(path_of(request.target)) else None


def path_of(target: bytes) -> bytes:
    """Return the path of a target as it came; of one in absolute form (RFC 9112 section 3.2.2), its own."""
    path = target.partition(b"?")[0]
    return path if path.startswith(b"/") else b"/" + path.partition(b"://")[2].partition(b"/")[2]


def _is_odd(path: bytes) -> bool:
    """Tell whether a path may mean another one to somebody else: CVE-2019-9901, CVE-2021-29492 and kin."""
    lower = path.lower()
    if b"%2f" in lower or b"%5c" in lower or b"\\" in path or b"#" in path:
        return True
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return True
    return not text.isprintable() or not {".", ".."}.isdisjoint(text.split("/"))


def environment(request: Request, body: bytes, address: tuple[str, int]) -> WSGIEnvironment:
    """Return the request as WSGI wants to see it (PEP 3333)."""
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path_of(request.target)).decode("latin-1"),
        "QUERY_STRING": request.target.partition(b"?")[2].decode("latin-1"),
        "SERVER_NAME": address[0],
        "SERVER_PORT": str(address[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": request.peer,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    environ.pop("HTTP_CONTENT_LENGTH", None)
    if (kind := environ.pop("HTTP_CONTENT_TYPE", None)) is not None:
        environ["CONTENT_TYPE"] = kind
    if request.has_body:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _refuse(request: Request, reply: Reply, fault: Fault) -> None:
    """Refuse what does not reach the application, and let nothing follow it on its connection."""
    request.keep_alive = False
    document = {
        "type": f"urn:shuxiang:problem:{fault.code}",
        "title": fault.text.zh,
        "title_en": fault.text.en,
        "status": fault.status,
        "code": fault.code,
    }
    headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
    if fault is BUSY:
        headers.append(("Retry-After", "1"))
    reply.send(fault.status, headers, orjson.dumps(document))
