"""Hostile callers and providers against the short way of a call that is like one before."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.plane_kit import until
from tests.gateway.providers import http, json_answer
from tests.gateway.short_kit import CHANGE, FINE, ITEM, ITEMS, MANY, SECRET, Heard, Short, fresh, get, pieces

pytestmark = [pytest.mark.long, pytest.mark.takes(8)]

pytest_plugins = ["tests.gateway.short_fixtures"]


@pytest.fixture(autouse=True)
def nothing_is_left(short: Short) -> Iterator[None]:
    """Whatever the attack was, no call and no connection stays under way."""
    yield
    short.say(FINE)
    assert short.at_rest()
    assert until(lambda: not short.inside(lambda worker: worker._public.connections), 5)


QUERIES = (
    "area=42#x",
    "area=42#",
    "area=42?x",
    "area=42&area=43",
    "area=42&debug=1",
    "area=44",
    "AREA=42",
    "area=%zz",
    "area=42%00",
    "area=42%0d%0aX:y",
    "area=%34%32",
    "area=42;area=44",
    "area=42&",
    "&&area=42",
    "area",
    "area=",
    "",
    "area=42&page=x",
    "area=42&page=" + "1" * 700,
    "&".join(f"x{index}=1" for index in range(90)),
    "area=42&serial=" + "1" * 60 + "x",
)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:20])
def test_29_no_query_means_more_on_the_short_way(short: Short, query: str) -> None:
    access = short.kit.grant("api", fields=["code"], parameters={"area": ["42", "43", "42#x", "42#"]})
    with short.talk() as talk:
        short.prime(talk, get(access, target=f"{MANY}?area=43"))
        request = get(access, target=f"{MANY}?{query}")
        made: list[tuple[object, int, object]] = []
        for sent in (request, request, fresh(request)):
            asked, records = short.provider.count, len(short.kit.records())
            heard = talk.ask(sent)
            words = {line for line, _ in short.provider.asked[asked:]}
            made.append((heard.alike, sorted(words), short.new_records(records)))  # type: ignore[arg-type]
        assert made[0] == made[1] == made[2]


def test_33_remembered_bytes_are_a_body_where_a_body_is_due(short: Short) -> None:
    access = short.kit.grant("api")
    inner = get(access)
    chunk = b"%x\r\n%b\r\n" % (len(inner), inner)
    typed = "Content-Type: text/plain"
    posts = {
        "counted": (f"Content-Length: {len(inner)}", inner),
        "chunked": ("Transfer-Encoding: chunked", chunk + b"0\r\n\r\n"),
        "trailed": ("Transfer-Encoding: chunked", b"0\r\n" + inner.partition(b"\r\n")[2]),
    }
    short.say(json_answer({"code": "1"}), "changes")
    for framing, body in posts.values():
        with short.talk() as talk:
            short.prime(talk, inner)
            asked = short.provider.count
            talk.socket.sendall(b"POST" + get(access, typed, framing, target=CHANGE)[3:])
            time.sleep(0.01)
            assert talk.ask(body).status == 200
            assert short.provider.count == asked + 1
            assert talk.ask(inner).body == b"all is well"


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Content-Length: +5",
        " folded: 1",
        "Content-Length : 5",
    ],
)
def test_33_nothing_that_was_remembered_is_served_behind_a_fault(short: Short, framing: str) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        asked = short.provider.count
        talk.socket.sendall(b"POST" + get(access, framing, target=CHANGE)[3:])
        time.sleep(0.01)
        talk.socket.sendall(get(access))
        assert talk.hear().status in (400, 501)
        assert talk.ended()
        assert short.provider.count == asked


def test_33_what_is_behind_a_last_request_or_an_upgrade_is_never_served(short: Short) -> None:
    access = short.kit.grant("api")
    for line in ("Connection: close", "Connection: upgrade\r\nUpgrade: h2c"):
        with short.talk() as talk:
            short.prime(talk, get(access))
            asked = short.provider.count
            talk.socket.sendall(get(access, line))
            time.sleep(0.01)
            talk.socket.sendall(get(access))
            assert talk.hear().field("connection") == "close"
            assert talk.ended()
            assert short.provider.count == asked + 1


def test_50_a_second_answer_never_reaches_the_next_caller(short: Short) -> None:
    """A provider that answers twice, in one piece or later: what nobody asked for goes to nobody."""
    one, other = get(short.kit.grant("api")), get(short.kit.grant("api"))
    extra = http(200, SECRET, "Content-Type: text/plain")
    for answer in (FINE + extra, FINE + extra[:50], FINE + b"\r\n" + extra, pieces(FINE, extra, rest=0.05)):
        with short.talk() as talk:
            short.prime(talk, one)
            short.prime(talk, other)
            for _ in range(3):
                short.say(answer)
                assert talk.ask(one).body == b"all is well"
                time.sleep(0.05)  # one that comes later than the next request cannot be told from its answer
                short.say(FINE)
                for _ in range(3):
                    assert talk.ask(other).body == b"all is well"


def test_50_an_answer_that_comes_after_its_caller_has_gone_is_not_the_next_callers(short: Short) -> None:
    one, other = get(short.kit.grant("api")), get(short.kit.grant("api"))
    late = http(200, SECRET, "Content-Type: text/plain")
    with short.talk() as talk:
        for pause in (0.0, 0.02, 1.0):  # the last is too late: the wire is given up
            short.prime(talk, other)
            short.say(pieces(b"", late, pause=pause))
            gone = short.talk()
            asked = short.provider.count
            gone.socket.sendall(one)
            until(lambda before=asked: short.provider.count > before)
            gone.reset()
            short.say(FINE)
            for _ in range(20):
                assert talk.ask(other).body == b"all is well"
                time.sleep(0.002)
            assert short.at_rest()


def test_50_callers_of_one_address_get_their_own_fields_whatever_the_others_do(short: Short) -> None:
    fields = (("code",), ("name",), ("level",), ("code", "active"))
    areas = {"area": ["42", "43"]}
    grants = [short.kit.grant("api", fields=list(some), parameters=areas) for some in fields]
    requests = [get(access, target=f"{MANY}?area=%d") for access in grants]
    wrong: list[Heard] = []

    def call(index: int) -> None:
        some, request = fields[index % 4], requests[index % 4]
        for turn in range(40):
            with short.talk() as talk:
                for area in (42, 43):
                    heard = talk.ask(request.replace(b"%d", b"%d" % area))
                    [item, *_] = json.loads(heard.body)["data"]["items"]
                    if set(item) != set(some) or item != {name: ITEM[name] for name in some}:
                        wrong.append(heard)
                talk.socket.sendall(request.replace(b"%d", b"42"))
                if turn % 3 == 0:
                    talk.reset()

    threads = [threading.Thread(target=call, args=(index,)) for index in range(8)]
    short.say(ITEMS, "items")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_51_heads_and_requests_that_are_never_the_same_are_forgotten_again(short: Short) -> None:
    access = short.kit.grant("api")
    heads = short.worker._sources._apis["api"]._heads._known
    with short.talk() as talk:
        short.prime(talk, get(access))
        for index in range(600):
            short.say(http(200, b"ok", f"X-Request: {index}", "X-Pad: " + "x" * 500))
            assert talk.ask(get(access)).body == b"ok"
            assert len(heads) <= 256


def test_a_query_stays_in_no_memory_of_what_was_asked(short: Short) -> None:
    """It may name a person: of a remembered request it is the one part that is not kept."""
    named = "31010119700101001x"
    access = short.kit.grant("api", fields=["code"], parameters={})
    short.say(json_answer({"code": "1"}), f"items/{named}")
    with short.talk() as talk:
        for _ in range(3):
            talk.ask(get(access, target=f"/share/307001-000002/call/one?item={named}"))
    assert named not in repr(short.inside(lambda worker: list(worker._shortcuts._known.items())))


def test_51_a_caller_that_reads_nothing_fills_no_memory(short: Short) -> None:
    request = get(short.kit.grant("api"))
    with short.talk() as other:
        short.prime(other, request)
        short.say(http(200, b"x" * 65536))
        hungry = short.talk(wait=0.05)
        deadline = time.monotonic() + 1.5
        try:
            while time.monotonic() < deadline:
                hungry.socket.sendall(request)
                time.sleep(0.0005)
        except (TimeoutError, ConnectionError):
            pass  # it is made to wait, or cut off: either will do

        def waiting(worker: Any) -> list[int]:
            return [line._transport.get_write_buffer_size() for line in worker._public.connections]

        most = max(short.inside(waiting))
        hungry.reset()
        assert most < 4 * 1024 * 1024
