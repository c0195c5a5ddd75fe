"""What a provider may say to a call on the short way: told and recorded as on the general way."""

from __future__ import annotations

import socket
import time

import pytest

from tests.gateway.providers import Answer, http, json_answer, silence
from tests.gateway.short_kit import FINE, ITEM, ITEMS, MANY, SECRET, Heard, Short, fresh, get, pieces

pytestmark = [pytest.mark.long, pytest.mark.takes(12)]

pytest_plugins = ["tests.gateway.short_fixtures"]


# --- what a provider may do on the second call ------------------------------------------------------


def broken(client: socket.socket) -> None:
    """Half an answer and a reset."""
    client.sendall(http(200, b"", "Content-Length: 50", length=False) + SECRET)
    time.sleep(0.02)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


HEAD = b"HTTP/1.1 200 X\r\nContent-Type: text/plain\r\nContent-Length: "
CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS: dict[str, Answer] = {
    "500": http(500, SECRET),
    "404": http(404, SECRET, "Set-Cookie: a=b"),
    "403": http(403, SECRET),
    "302": http(302, SECRET, "Location: file:///etc/passwd"),
    "304": http(304, length=False),
    "204": http(204, length=False),
    "204 with a length": http(204, b"", "Content-Length: 5", length=False),
    "201": http(201, b"made", "Content-Language: zh"),
    "206": http(206, SECRET),
    "nothing": http(200),
    "no fields": b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok",
    "64 KiB": http(200, b"x" * 65536),
    "64 KiB and one": http(200, b"x" * 65537),
    "300 KiB": http(200, b"x" * 300_000),
    "too much": HEAD + b"99999999\r\n\r\n" + SECRET,
    "chunked": CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    "chunked, much": pieces(CHUNKED + b"%x\r\n" % 70_000, b"x" * 70_000 + b"\r\n0\r\n\r\n"),
    "chunked, broken": CHUNKED + b"2\r\nok\r\nzz\r\n",
    "until the end": pieces(b"HTTP/1.1 200 X\r\n\r\nall of it"),
    "until the end, in pieces": pieces(b"HTTP/1.1 200 X\r\n\r\nall", b" of", b" it"),
    "not a byte": pieces(),
    "half a head": pieces(b"HTTP/1.1 200"),
    "half a body": pieces(HEAD + b"50\r\n\r\n" + SECRET),
    "half a large body": pieces(HEAD + b"200000\r\n\r\n" + b"x" * 100_000),
    "reset": broken,
    "silence": silence,
    "silence after the head": pieces(HEAD + b"50\r\n\r\n", rest=1.2),
    "silence in the body": pieces(HEAD + b"50\r\n\r\n" + SECRET, rest=1.2),
    "coded": http(200, b"\x1f\x8b" + SECRET, "Content-Encoding: gzip"),
    "surplus": FINE + http(200, SECRET),
    "a line end too many": FINE + b"\r\n",
    "half an answer too many": FINE + b"HTTP/1.1 200 X\r\nX-Sec",
    "interim": b"HTTP/1.1 103 X\r\nLink: a\r\n\r\n" + FINE,
    "interim, in pieces": pieces(b"HTTP/1.1 103 X\r\n\r\n", FINE),
    "line ends before it": b"\r\n\r\n" + FINE,
    "a long head": http(200, b"ok", *[f"X-{i}: {'x' * 90}" for i in range(20)]),
    "less than it says": FINE[:-5],
    "more than it says": FINE + b"all is well",
    "as ever, but in pieces": pieces(FINE[:40], FINE[40:]),
    "as ever, head and body": pieces(*FINE.partition(b"\r\n\r\n")),
    "1.0": FINE.replace(b"1.1", b"1.0"),
    "1.0, kept": FINE.replace(b"1.1", b"1.0").replace(b"\r\n", b"\r\nConnection: keep-alive\r\n", 1),
    "close": FINE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
    "a field twice": FINE.replace(b"\r\n", b'\r\nETag: "2"\r\n', 1),
    "no letters of ours": FINE.replace(b"text/plain", "text/plain; x=ü".encode("latin-1")),
    "two lengths": FINE.replace(b"\r\n", b"\r\nContent-Length: 12\r\n", 1),
    "length and chunks": FINE.replace(b"\r\n", b"\r\nTransfer-Encoding: chunked\r\n", 1),
    "a folded field": FINE.replace(b"text/plain", b"text/\r\n plain"),
    "a CR": FINE.replace(b"text/plain", b"text/\rplain"),
    "no HTTP": b"garbage\r\n\r\n" + SECRET,
    "an upgrade": b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_provider_says_is_told_and_recorded_as_on_the_general_way(short: Short, name: str) -> None:
    access = short.kit.grant("api")
    _alike_both_ways(short, get(access), ANSWERS[name], "raw")


JSONS: dict[str, Answer] = {
    "other records": json_answer({"data": {"items": [{"secret": "s", "code": "9"}]}}),
    "no JSON": http(200, SECRET, "Content-Type: application/json"),
    "no records": json_answer({"error": SECRET.decode()}),
    "records that are none": json_answer({"data": {"items": [1, 2]}}),
    "deep": http(200, b"[" * 2000, "Content-Type: application/json"),
    "many": json_answer({"data": {"items": [{**ITEM, "code": "x" * 100, "level": i} for i in range(2000)]}}),
    "in pieces": pieces(ITEMS[:80], ITEMS[80:]),
    "half": pieces(ITEMS[:-5]),
    "nothing": http(200),
    "204": http(204, length=False),
    "500": http(500, ITEMS),
}


@pytest.mark.parametrize("name", JSONS)
def test_what_is_cut_down_is_cut_down_as_on_the_general_way(short: Short, name: str) -> None:
    access = short.kit.grant("api", fields=["code"], parameters={"area": ["42"]})
    heard = _alike_both_ways(short, get(access, target=MANY), JSONS[name], "items")
    assert b"secret" not in heard.body


def _alike_both_ways(short: Short, request: bytes, answer: Answer, path: str) -> Heard:
    """Give the answer twice to a call on the short way and to one on the general way, and compare."""
    found = []
    well = short.provider.answers[f"/base/v1/{path}"]
    for way in (lambda same: same, fresh):
        with short.talk() as talk:
            short.prime(talk, request)
            assert short.at_rest()
            made = []
            for _ in range(2):
                short.say(answer, path)
                taken, asked, records = short.taken, short.provider.count, len(short.kit.records())
                heard = talk.ask(way(request))
                assert short.taken == taken + (way is not fresh)
                assert short.at_rest()
                asked = short.provider.count - asked
                made.append((heard.alike, asked, short.new_records(records)))
                assert SECRET not in heard.body or heard.status == 200
                if not heard.whole or heard.field("connection") == "close":
                    assert talk.ended()
                    break
                short.say(well, path)
                short.prime(talk, request)
        found.append(made)
        short.say(well, path)
    assert found[0] == found[1]
    return heard


def test_a_wire_that_went_stale_costs_nothing_on_either_way(short: Short) -> None:
    """A provider that closes instead of answering saw nothing of the call: it is asked once more."""
    request, left = get(short.kit.grant("api")), [1]

    def close_once(client: socket.socket) -> None:
        if left:
            left.pop()
        else:
            client.sendall(FINE)

    with short.talk() as talk:
        short.prime(talk, request)
        asked, taken, records = short.provider.count, short.taken, len(short.kit.records())
        short.say(close_once)
        assert talk.ask(request).body == b"all is well"
        assert (short.provider.count, short.taken) == (asked + 2, taken + 1)
        assert len(short.new_records(records)) == 1


def test_a_head_is_told_as_the_provider_spells_it_now(short: Short) -> None:
    request = get(short.kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
        for tag in ("one", "two", "one", "three"):
            for body in (b"a", b"b", b"longer", b""):
                short.say(http(200, body, f'ETag: "{tag}"'))
                heard = talk.ask(request)
                assert (heard.field("etag"), heard.body) == (f'"{tag}"', body)
