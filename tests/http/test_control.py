"""The control plane's server over an application of its own: whole answers, pieces, and what goes wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from typing import Any

import pytest

from control import THREADS, Control
from gateway.room import PEER_BYTES, Room
from tests.gateway.plane_kit import until
from tests.ports import free_port

PIECE = b"x" * 65536
MOST = 300_000


class Pieces:
    """An answer in many pieces that knows when it was closed."""

    closed = 0

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        Pieces.closed += 1


def _broken() -> Iterator[bytes]:
    yield b"half"
    raise OSError("gone")


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Answers by address."""
    path = environ["PATH_INFO"]
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start("200 OK", [("Content-Length", str(len(body))), ("Connection", "close"), ("Server", "other")])
        return [body]
    if path == "/none":
        start("204 No Content", [])
        return []
    if path == "/said":
        said = repr({k: environ.get(k) for k in ("HTTP_X_A", "REMOTE_ADDR", "QUERY_STRING")}).encode()
        start("200 OK", [("Content-Length", str(len(said)))])
        return [said]
    start("200 OK", [("Content-Type", "text/plain")])
    many = {"/pieces": [b"", b"one", b"", b"two"], "/endless": (PIECE for _ in range(10_000))}
    return Pieces(_broken() if path == "/broken" else many[path])


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    """A server in a thread."""
    port, ready, stop = free_port(), threading.Event(), threading.Event()

    control = Control(application, "127.0.0.1", port, MOST)

    async def live() -> None:
        await control.start()
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await control.stop()

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    assert ready.wait(10)
    yield control
    stop.set()
    thread.join(30)


@pytest.fixture(scope="module")
def port(control: Control) -> int:
    return control.address[1]


def ask(
    port: int, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes | None))
        got = connection.getresponse()
        return got.status, dict(got.getheaders()), got.read()
    finally:
        connection.close()


def test_a_body_arrives_whole_however_it_is_sent(port: int) -> None:
    sent = bytes(range(256)) * 1000
    status, headers, body = ask(port, "POST", "/echo", sent)
    assert (status, body) == (200, sent)
    assert "Server" not in headers
    assert "Connection" not in headers  # the server's own business
    chunked = ask(
        port, "POST", "/echo", iter([sent[:100_000], sent[100_000:]]), **{"Transfer-Encoding": "chunked"}
    )
    assert chunked[2] == sent


def test_a_body_over_the_bound_is_refused(port: int) -> None:
    status, _, body = ask(port, "POST", "/echo", b"x" * (MOST + 1))
    assert (status, b"body_too_large" in body) == (413, True)


def test_an_answer_in_pieces_is_whole_and_closed(port: int) -> None:
    before = Pieces.closed
    status, headers, body = ask(port, "GET", "/pieces")
    assert (status, body, headers["Transfer-Encoding"]) == (200, b"onetwo", "chunked")
    until(lambda: Pieces.closed == before + 1)


def test_head_gets_the_head(port: int) -> None:
    status, headers, body = ask(port, "HEAD", "/echo")
    assert (status, headers["Content-Length"], body) == (200, "0", b"")
    assert ask(port, "GET", "/none")[0::2] == (204, b"")


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(port: int) -> None:
    before = Pieces.closed
    with pytest.raises((IncompleteRead, RemoteDisconnected, ConnectionResetError)):
        ask(port, "GET", "/broken")
    assert ask(port, "GET", "/none")[0] == 204
    until(lambda: Pieces.closed == before + 1)


def test_what_a_caller_says_twice_is_told_in_order(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"GET /said?a=%2f HTTP/1.0\r\nX-A: 1\r\nX-A: 2\r\n\r\n")
        answer = line.makefile("rb").read()
    assert b"'HTTP_X_A': '1,2', 'REMOTE_ADDR': '127.0.0.1', 'QUERY_STRING': 'a=%2f'" in answer


def test_more_slow_readers_than_threads_keep_nobody_waiting(port: int) -> None:
    before = Pieces.closed
    lines = []
    for _ in range(THREADS + 8):
        line = socket.create_connection(("127.0.0.1", port), timeout=10)
        line.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        lines.append(line)
    assert all(line.recv(100) for line in lines)
    begun = time.monotonic()
    assert ask(port, "GET", "/none")[0] == 204
    assert time.monotonic() - begun < 5  # each of the others takes for ever
    for line in lines:
        line.close()
    deadline = time.monotonic() + 20
    while Pieces.closed < before + len(lines):
        assert time.monotonic() < deadline, "an answer that nobody reads was not closed"
        time.sleep(0.02)


def test_nobody_takes_the_room_of_others() -> None:
    room = Room(of_all=100, of_peer=40)
    assert room.take("a", 40)
    assert not room.take("a", 1)
    assert room.take("b", 40)
    assert not room.take("c", 30)
    room.give("a", 40)
    assert room.take("c", 30)
    assert room.taken == 70


def test_bodies_that_are_done_with_leave_no_trace(control: Control, port: int) -> None:
    for size in (10, MOST, MOST + 1):
        ask(port, "POST", "/echo", b"x" * size)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"x" * 5000)
        until(lambda: control.server.room.taken == 5000)
    until(lambda: control.server.room.taken == 0)


def test_a_body_without_room_is_told_to_come_again(control: Control, port: int) -> None:
    assert control.server.room.take("127.0.0.1", PEER_BYTES - 10)
    try:
        status, headers, body = ask(port, "POST", "/echo", b"x" * 20)
        assert (status, headers["Retry-After"], b"busy" in body) == (503, "1", True)
        assert ask(port, "POST", "/echo", b"x" * 10)[0] == 200
    finally:
        control.server.room.give("127.0.0.1", PEER_BYTES - 10)
