"""A provider's answers whose head is known: what comes of them is what the parser would have made of them."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.wire import KNOWN_BYTES, KNOWN_MOST, Heads, Wire

MOST = 64 * 1024
FINE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Line(asyncio.Transport):
    """The other end of a wire: it notes whether the wire was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False
        self.sent: list[bytes] = []

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def abort(self) -> None:
        self.cut = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


Came = tuple[int, tuple[tuple[bytes, bytes], ...], bytes, bool, bool, str | None]
"""Status, fields, body, whether it is whole, whether the wire may be used again, and what was wrong."""


def hear(heads: Heads, *parts: bytes) -> Came:
    """Ask a provider that answers in these parts."""

    async def ask() -> Came:
        wire = Wire(MOST, heads)
        wire.connection_made(Line())
        told: list[Wire] = []
        wire.send(b"GET / HTTP/1.1\r\n\r\n", told.append)
        for part in parts:
            if wire.open:
                wire.data_received(part)
        found, fault = wire.answer(), None if wire._fault is None else wire._fault.code
        assert len(told) == (wire._head is not None or fault is not None)
        if found is None:
            return 0, (), b"", False, wire.reusable, fault
        head, body = found
        return head.status, tuple(head.headers), body, True, wire.reusable, fault

    return asyncio.run(ask())


def head_of(length: int, *fields: str, size: int = 0) -> bytes:
    """A head; with a `size`, of so many bytes."""
    lines = ["HTTP/1.1 200 OK", *fields, f"Content-Length: {length}"]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    if size:
        lines.insert(1, "X: " + "x" * (size - len(head) - 5))
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return head


def test_a_known_head_gives_the_very_object_and_the_new_body() -> None:
    heads = Heads()
    hear(heads, FINE)
    first, second = heads.find(FINE), heads.find(FINE[:-2] + b"no")
    assert first is not None
    assert second is not None
    assert first[0] is second[0]
    assert (first[1], second[1]) == (b"ok", b"no")
    assert hear(heads, FINE[:-2] + b"no")[2] == b"no"


def test_only_a_whole_answer_is_found() -> None:
    heads = Heads()
    hear(heads, FINE)
    for data in (FINE[:-1], FINE + b"x", FINE + FINE, FINE[:-2], b"", b"\r\n\r\n", b"\r\n" + FINE):
        assert heads.find(data) is None


SURPLUS = (
    FINE + b"\r\n",
    FINE + b"XYZ",
    FINE + b"HTTP/1.1 200 OK\r\nX-Half",
    FINE + FINE,
    b"\r\n\r\n" + FINE,
    b"\r\n\r\n\r\n\r\n" + FINE,
    head_of(8000, size=192) + b"b" * 8000 + head_of(6) + b"SECRET",
    head_of(9000) + b"b" * 9000 + head_of(6) + b"SECRET",
    b"HTTP/1.1 103 X\r\n\r\n" + FINE,
    b"HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n" + b"abcde",
)


def test_what_comes_before_or_behind_an_answer_never_becomes_its_body() -> None:
    """An answer is given out the second time as it was the first time, and as it is without a memory."""
    for data in SURPLUS:
        heads = Heads()
        first = hear(heads, data)
        assert hear(heads, data) == hear(heads, data) == first == hear(Heads(), data)
        assert b"SECRET" not in first[2]
        assert len(first[2]) in (0, 2, 8000, 9000)


def test_what_a_wire_that_goes_on_and_a_length_do_not_promise_is_not_remembered() -> None:
    for data in (
        FINE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        FINE.replace(b"1.1", b"1.0"),
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        FINE.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1),
        FINE[:-1],
    ):
        heads = Heads()
        hear(heads, data)
        assert not heads._known, data


def test_an_answer_in_parts_is_not_remembered_but_may_be_known() -> None:
    heads = Heads()
    parted = hear(heads, FINE[:30], FINE[30:])
    assert not heads._known
    assert hear(heads, FINE) == parted
    assert hear(heads, FINE[:30], FINE[30:]) == hear(heads, FINE[:-1], FINE[-1:]) == parted


def test_heads_are_remembered_up_to_a_size_and_a_number() -> None:
    heads = Heads()
    for size in (KNOWN_BYTES - 1, KNOWN_BYTES, KNOWN_BYTES + 1, 5000):
        data = head_of(2, size=size) + b"ok"
        assert hear(heads, data) == hear(heads, data)
        assert (heads.find(data) is not None) == (size <= KNOWN_BYTES)
    for index in range(3 * KNOWN_MOST):
        assert hear(heads, head_of(2, f"ETag: {index}") + b"ok")[2] == b"ok"
        assert len(heads._known) <= KNOWN_MOST
    assert sum(map(len, heads._known)) <= KNOWN_MOST * KNOWN_BYTES


def test_bytes_that_nobody_asked_for_end_the_wire_after_a_known_head_too() -> None:
    async def ask() -> tuple[bool, bool]:
        heads, line = Heads(), Line()
        wire = Wire(MOST, heads)
        wire.connection_made(line)
        for _ in range(2):
            wire.send(b"x", lambda wire: None)
            wire.data_received(FINE)
            assert wire.reusable
        wire.data_received(FINE)
        return wire.reusable, line.cut

    assert asyncio.run(ask()) == (False, True)


FIELDS = ("Content-Type: text/plain", "Connection: close", "Connection: keep-alive", "ETag: a", "X:")
LINES = st.lists(st.sampled_from(FIELDS), max_size=3)
BODY = st.sampled_from([b"", b"a", b"ab", b"\r\n", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 9000])
AROUND = st.sampled_from([b"", b"", b"", b"\r\n", b"\r\n\r\n", b"\n", b"x", FINE, FINE[:20]])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Answers that are right, and such that are not quite."""
    body = draw(BODY)
    version = draw(st.sampled_from(["1.1", "1.1", "1.0"]))
    status = draw(st.sampled_from([200, 200, 204, 404]))
    length = draw(st.sampled_from([len(body)] * 4 + [len(body) + 1, max(0, len(body) - 1)]))
    framings = [f"Content-Length: {length}"] * 4 + ["Transfer-Encoding: chunked", "Y: z"]
    framing = draw(st.sampled_from(framings))
    head = "\r\n".join([f"HTTP/{version} {status} X", *draw(LINES), framing]).encode()
    return draw(AROUND) + head + b"\r\n\r\n" + body + draw(AROUND)


@settings(max_examples=100, deadline=None)
@given(st.lists(answers(), min_size=1, max_size=4), st.data())
@example([FINE, FINE + b"\r\n", FINE], None)
@example([b"\r\n\r\n" + FINE, b"\r\n\r\n" + FINE.replace(b"200 OK", b"500 NO")], None)
def test_what_was_answered_before_changes_no_answer(row: list[bytes], data: Any) -> None:
    heads = Heads()
    for answer in row * 2:
        at = 0 if data is None else data.draw(st.integers(0, len(answer)))
        parts = [part for part in (answer[:at], answer[at:]) if part]
        assert hear(heads, *parts) == hear(Heads(), *parts)
