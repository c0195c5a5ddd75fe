"""The server's patience, in one process: who is late is cut off, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from gateway.http1 import Patience, Server, ServerConnection
from gateway.messages import BodyRefused, Request
from gateway.reply import Reply

pytestmark = pytest.mark.long

QUICK = Patience(head=0.2, body=0.2, idle=0.3, stall=0.3, linger=0.2)
Story = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _handle(request: Request, reply: Reply, line: ServerConnection) -> None:
    if request.fault is not None:
        reply.send(request.fault.status, (), b"fault")
    elif request.target == b"/big":
        reply.start(200, (), None)
        for _ in range(1000):
            await reply.write(bytes(65536))
        reply.finish()
    else:
        try:
            reply.send(200, (), await line.body(request, 10))
        except BodyRefused as refused:
            reply.send(refused.fault.status, (), refused.fault.code.encode())


def tell(story: Story) -> None:
    """Run a story as a client of a server with little patience."""

    async def run() -> None:
        server = Server(_handle, max_body=100, patience=QUICK)
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(server, "127.0.0.1", 0)

        async def sweep() -> None:
            while True:
                await asyncio.sleep(0.02)
                server.sweep(loop.time())

        chore = asyncio.create_task(sweep())
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        await asyncio.wait_for(story(reader, writer), 5)
        writer.close()
        chore.cancel()
        listening.close()
        await server.drain(1)

    asyncio.run(run())


def test_a_slow_head_is_answered_and_closed() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")

    tell(story)


def test_a_head_that_comes_byte_by_byte_is_late_as_well() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = asyncio.create_task(reader.read(20))
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX: yyyyyyyyyyyyyyyy":
            if not answer.done():
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 ")

    tell(story)


def test_a_slow_body_is_answered_and_closed() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        assert (await reader.read()).endswith(b"request_timeout")

    tell(story)


def test_a_connection_without_a_request_is_closed() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""

    tell(story)


def test_an_idle_connection_is_closed_after_its_last_answer() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.read() == b""

    tell(story)


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(1.0)
        with suppress(ConnectionResetError):
            assert b"\r\n0\r\n\r\n" not in await reader.read()

    tell(story)


def test_a_body_in_pieces_is_put_together() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\na")
        for byte in b"bcde":
            await asyncio.sleep(0.01)
            writer.write(bytes([byte]))
        assert (await reader.read()).endswith(b"\r\n\r\nabcde")

    tell(story)


def test_a_body_over_the_handlers_bound_is_refused() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n"
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")

    tell(story)


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"0\r\nX: " + b"a" * 20_000,
        b"0\r\n" + b"X: y\r\n" * 4000 + b"\r\n",
        b"2;x=" + b"a" * 20_000,
    ],
    ids=["field", "fields", "extension"],
)
@pytest.mark.parametrize("size", [1000, 100_000])
def test_what_comes_with_chunks_is_bounded(rest: bytes, size: int) -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = asyncio.create_task(reader.read())
        sent = CHUNKED + rest
        for at in range(0, len(sent), size):
            writer.write(sent[at : at + size])
            await asyncio.sleep(0.001)
        got = await answer
        assert got.startswith(b"HTTP/1.1 431 ")
        assert got.endswith(b"trailer_too_large")

    tell(story)


def test_a_small_trailer_and_a_body_in_tiny_chunks_pass() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"0\r\nX: " + b"a" * 4000 + b"\r\n\r\n")
        assert (await reader.readuntil(b"ab")).startswith(b"HTTP/1.1 200 ")
        writer.write(CHUNKED + b"1\r\nc\r\n" * 8 + b"0\r\n\r\n")
        assert (await reader.readuntil(b"abcccccccc")).startswith(b"HTTP/1.1 200 ")

    tell(story)
