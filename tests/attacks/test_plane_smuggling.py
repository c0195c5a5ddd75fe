"""Hostile HTTP on a raw socket: what is not plainly one request is refused and closed (list 29-51)."""

from __future__ import annotations

import re
import socket
import time

import pytest

from tests.gateway.plane_kit import Access, Kit, until, url
from tests.gateway.providers import json_answer

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]

CHANGE = url("api", "call/change")
ROWS = url("table", "rows?limit=1")


@pytest.fixture(scope="module")
def access(kit: Kit) -> Access:
    kit.provider.answers["/base/v1/changes"] = json_answer({"code": "1"})
    kit.provider.answers["/base/v1/items/a"] = json_answer({"code": "1"})
    return kit.grant("api")


def post(access: Access, *lines: str, body: str = "") -> bytes:
    """A call that changes something, with these header lines and nothing else about its body."""
    head = f"POST {CHANGE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access.token}\r\n"
    head += "Content-Type: text/plain\r\n"
    return (head + "".join(f"{line}\r\n" for line in lines) + "\r\n" + body).encode("latin-1")


def get(access: Access, target: str = url("api", "call/one?item=a"), *lines: str) -> bytes:
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access.token}\r\n"
    return (head + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


SMUGGLED = [
    (["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    (["Transfer-Encoding: chunked", "Content-Length: 5"], "0\r\n\r\n"),
    (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], "0\r\n\r\n"),
    (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    (["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n"),
    (["Transfer-Encoding: xchunked"], "0\r\n\r\n"),
    (["Transfer-Encoding: \x0bchunked"], "0\r\n\r\n"),
    (["Transfer-Encoding : chunked"], "0\r\n\r\n"),
    (["Transfer-Encoding:\r\n chunked"], "0\r\n\r\n"),
    (["Content-Length: 2", "Content-Length: 2"], "ab"),
    (["Content-Length: 2", "Content-Length: 3"], "ab"),
    (["Content-Length: 2, 2"], "ab"),
    (["Content-Length: +2"], "ab"),
    (["Content-Length: 0x2"], "ab"),
    (["Content-Length: -1"], "ab"),
    (["Content-Length: 99999999999999999999999"], "ab"),
    (["Transfer-Encoding: chunked"], "2;a\nb\r\nab\r\n0\r\n\r\n"),
    (["Transfer-Encoding: chunked"], "2\r\nabXX0\r\n\r\n"),
    (["Transfer-Encoding: chunked"], "2\nab\n0\n\n"),
    (["Transfer-Encoding: chunked"], "fffffffffffffffff\r\nab\r\n0\r\n\r\n"),
    (["Transfer-Encoding: chunked"], "-2\r\nab\r\n0\r\n\r\n"),
    (["Transfer-Encoding: chunked"], "zz\r\nab\r\n0\r\n\r\n"),
    (["Content-Length: 2", "X: a\x00b"], "ab"),
    (["Content-Length: 2", "X: a\rb"], "ab"),
    (["Content-Length: 2", "X: a\r\n b"], "ab"),
    (["Content-Length: 2", "X y: b"], "ab"),
    (["Content-Length: 2", ": b"], "ab"),
    (["Content-Length: 2", "nocolon"], "ab"),
    (["Content-Length: 2", "Host: y"], "ab"),
    (["Content-Length: 2", "Expect: something"], "ab"),
    (["Content-Length: 2", *(f"X-{i}: y" for i in range(120))], "ab"),
    (["Content-Length: 2", "X: " + "y" * 40_000], "ab"),
    (["Content-Length: 2", "X: " + "y" * 400_000], "ab"),
]


@pytest.mark.parametrize(("lines", "body"), SMUGGLED)
def test_33_an_ambiguous_request_runs_nothing_and_ends_the_connection(
    kit: Kit, access: Access, lines: list[str], body: str
) -> None:
    asked = kit.provider.count
    answer = kit.raw(post(access, *lines, body=body) + get(access))
    assert len(statuses(answer)) == 1, answer
    assert statuses(answer)[0] in (400, 413, 417, 431, 501), answer
    assert not answer.endswith(b"<open>")
    assert kit.provider.count == asked


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET {ROWS} HTTP/1.1\n\n",
        f"GET {ROWS} HTTP/1.1\nHost: x\n\n",
        f"GET {ROWS} HTTP/1.1\r\nHost: x\n\r\n",
        f"GET {ROWS} HTTP/1.1\r\n\r\n",
        f"GET {ROWS} HTTP/1.1\r\nHost: a b\r\n\r\n",
        f"GET {ROWS} HTTP/1.1\r\nHost: a/b\r\n\r\n",
        f"GET {ROWS} HTTP/1.1\r\nHost: a@b\r\n\r\n",
        f"GET {ROWS} HTTP/9.9\r\nHost: x\r\n\r\n",
        f"GET {ROWS} HTTP/2.0\r\nHost: x\r\n\r\n",
        f"GET {ROWS}\r\n\r\n",
        f"get {ROWS} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"FOO {ROWS} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"TRACE {ROWS} HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /" + "a" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "GET /share/\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /share/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST {ROWS} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_34_what_is_no_proper_head_is_refused_and_closed(
    kit: Kit, access: Access, request_bytes: str
) -> None:
    asked = kit.provider.count
    answer = kit.raw(request_bytes.encode("latin-1") + get(access))
    assert len(statuses(answer)) == 1, answer
    assert 400 <= statuses(answer)[0] <= 505, answer
    assert not answer.endswith(b"<open>")
    assert kit.provider.count == asked


@pytest.mark.parametrize(
    "target",
    [
        "/share/307001-000001%2frows",
        "/share/307001-000001/..%2f..%2frows",
        "/share/../share/307001-000001/rows",
        "/share/307001-000001/rows;x",
        "/share/307001-000001/rows%00",
        "/share/307001-000001//rows",
        "/share/307001-000001/%2e%2e/rows",
        "/share/307001-000001/rows%5c",
        "/share/307001-000001/rows#x",
        "/share/307001-000001/rows?x#y",
        "/share/./307001-000001/rows",
        "/share/307001%2D000001/rows",
        "/share/307001/000001/rows",
        "/share/307001-000001/rows/",
        "//share/307001-000001/rows",
        "http://evil/share/307001-000001/rows",
        "http://127.0.0.1/share/307001-000001/rows",
        "*",
        "share/x",
    ],
)
def test_29_a_hostile_target_opens_nothing(kit: Kit, target: str) -> None:
    access = kit.grant("table")
    answer = kit.raw(get(access, target, "Connection: close"))
    assert statuses(answer)[0] in (400, 404), answer
    assert b'"rows"' not in answer
    assert b"evil" not in answer


def test_33_a_trailer_is_no_header(kit: Kit, access: Access) -> None:
    head = (
        f"POST {CHANGE} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = kit.raw(f"{head}0\r\nAuthorization: Bearer {access.token}\r\n\r\n".encode(), wait=1)
    assert statuses(answer) == [401]


def test_33_chunks_and_extensions_are_read_and_sent_on_with_a_length(kit: Kit, access: Access) -> None:
    body = "2;ext=1\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    answer = kit.raw(post(access, "Transfer-Encoding: chunked", "Connection: close", body=body))
    assert statuses(answer) == [200]
    assert kit.provider.asked[-1][1].endswith(b"\r\n\r\nabcde")
    assert kit.provider.headers_of()["content-length"] == "5"


def test_35_headers_named_by_connection_still_count_and_go_no_further(kit: Kit, access: Access) -> None:
    answer = kit.raw(get(access, url("api", "call/one?item=a"), "Connection: close, Authorization, X-Key"))
    assert statuses(answer) == [200]
    assert kit.provider.headers_of()["x-key"] == "provider-secret"


def test_34_underscores_do_not_make_a_header(kit: Kit) -> None:
    access = kit.grant("table", networks=["10.0.0.0/8"])
    answer = kit.raw(
        get(access, ROWS, "X_Forwarded_For: 10.0.0.1", "Forwarded: for=10.0.0.1", "Connection: close")
    )
    assert statuses(answer) == [403]


def test_pipelined_requests_are_answered_in_order(kit: Kit, access: Access) -> None:
    one = kit.grant("table", fields=["code"])
    targets = [url("table", f"rows?limit=1&offset={i}") for i in range(20)]
    answer = kit.raw(b"".join(get(one, t) for t in targets) + get(one, ROWS, "Connection: close"))
    assert statuses(answer) == [200] * 21
    found = [answer.index(b'"code":"%05d"' % i) for i in range(1, 20)]
    assert found == sorted(found)


def test_33_a_flood_of_pipelined_requests_is_cut_short(kit: Kit, access: Access) -> None:
    answer = kit.raw(get(kit.grant("table", fields=["code"]), ROWS) * 400)
    assert 0 < len(statuses(answer)) < 400
    assert not answer.endswith(b"<open>")


def test_33_a_fault_behind_a_good_request_spoils_only_what_follows(kit: Kit, access: Access) -> None:
    asked = kit.provider.count
    answer = kit.raw(get(access) + b"GET / HTTP/1.1\r\nX y: z\r\n\r\n" + get(access))
    assert statuses(answer) == [200, 400]
    assert kit.provider.count == asked + 1


def test_http_1_0_is_answered_and_closed(kit: Kit, access: Access) -> None:
    head = f"GET {url('table', 'rows')} HTTP/1.0\r\nAuthorization: Bearer {kit.grant('table').token}\r\n"
    answer = kit.raw(f"{head}Accept: application/x-ndjson\r\n\r\n".encode())
    assert statuses(answer) == [200]
    assert b"Transfer-Encoding" not in answer
    assert answer.count(b"\n{") == 5000


def test_expect_is_met_only_once_the_call_is_admitted(kit: Kit, access: Access) -> None:
    with socket.create_connection(("127.0.0.1", kit.port), timeout=5) as client:
        client.sendall(post(access, "Content-Length: 2", "Expect: 100-continue"))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ab")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    nobody = Access("", "x" * 20)
    answer = kit.raw(post(nobody, "Content-Length: 2", "Expect: 100-continue"))
    assert statuses(answer) == [401]


def test_a_body_over_the_bound_is_refused_before_it_is_sent(kit: Kit, access: Access) -> None:
    answer = kit.raw(post(access, "Content-Length: 1000000"))
    assert statuses(answer) == [413]
    assert b"Audit-Record: " in answer


def test_33_an_endless_chunked_body_is_refused_at_the_bound(kit: Kit, access: Access) -> None:
    asked = kit.provider.count
    chunk = "8000\r\n" + "x" * 0x8000 + "\r\n"
    answer = kit.raw(post(access, "Transfer-Encoding: chunked", body=chunk * 4))
    assert statuses(answer) == [413]
    assert kit.provider.count == asked


def test_33_an_upgrade_is_ignored_and_what_follows_it_is_not_read(kit: Kit, access: Access) -> None:
    table = kit.grant("table", fields=["code"])
    answer = kit.raw(get(table, ROWS, "Connection: Upgrade", "Upgrade: h2c") + get(access))
    assert statuses(answer) == [200]
    assert not answer.endswith(b"<open>")


def test_51_slow_and_idle_clients_do_not_keep_others_waiting(kit: Kit) -> None:
    access = kit.grant("table")
    slow = [socket.create_connection(("127.0.0.1", kit.port)) for _ in range(150)]
    for i, client in enumerate(slow):
        client.sendall(post(access, "Content-Length: 100") if i % 3 else b"GET /share/ HTTP/1.1\r\nX: ")
    began = time.monotonic()
    assert kit.call(ROWS, access).status == 200
    assert time.monotonic() - began < 1
    for client in slow:
        client.close()


def test_every_answer_below_share_names_its_record(kit: Kit, access: Access) -> None:
    for lines in (["Content-Length: 2", "Host: y"], ["Transfer-Encoding: gzip, chunked"]):
        answer = kit.raw(post(access, *lines, body="ab"))
        record = answer.split(b"Audit-Record: ")[1].split(b"\r\n")[0].decode()
        assert until(lambda record=record: kit.record(record))["decision"] == "refused"
