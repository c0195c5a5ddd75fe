"""What a provider may do wrong: every failure is bounded, told apart from ours, and leaks nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from http.client import IncompleteRead
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from core.networks import allowed
from core.settings import Connection
from core.text import Text
from gateway import objections as no
from gateway.objections import Refused
from gateway.upstream import Provider as Client
from tests.gateway.plane_kit import Access, Kit, Response, free_port, until, url
from tests.gateway.providers import drip, http, json_answer, self_signed, silence

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]

SECRET = b"internal detail of the provider"


@pytest.fixture(scope="module")
def access(kit: Kit) -> Access:
    return kit.grant("api", fields=["code"], operations=["one", "many", "change"])


@pytest.fixture(scope="module")
def whole(kit: Kit) -> Access:
    return kit.grant("api")


def ask(kit: Kit, access: Access, answer: bytes | Callable[[socket.socket], None]) -> Response:
    kit.provider.answers["/base/v1/items/a"] = answer
    got = kit.call(url("api", "call/one?item=a"), access)
    assert SECRET not in got.body
    assert SECRET.decode() not in str(got.headers)
    return got


def short(client: socket.socket) -> None:
    """Declare fifty bytes and send one."""
    client.sendall(http(200, b"", "Content-Length: 50", length=False) + b"{")


def chunked(trailer: bytes) -> bytes:
    """An answer in one chunk, and what follows that."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"2\r\n{}\r\n0\r\n" + trailer


def ask_raw(kit: Kit, access: Access, answer: bytes | Callable[[socket.socket], None]) -> Response:
    kit.provider.answers["/base/v1/raw"] = answer
    return kit.call(url("api", "call/raw"), access)


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (400, 400),
        (401, 502),
        (403, 502),
        (404, 404),
        (407, 502),
        (409, 409),
        (418, 502),
        (429, 502),
        (500, 502),
        (501, 502),
        (503, 503),
        (504, 504),
        (301, 502),
        (302, 502),
        (307, 502),
        (308, 502),
        (304, 502),
        (206, 502),
        (299, 502),
    ],
)
def test_an_error_of_the_provider_is_told_as_such(
    kit: Kit, access: Access, received: int, status: int
) -> None:
    headers = ("Location: file:///etc/passwd", "WWW-Authenticate: Basic", "Set-Cookie: a=b")
    body = b"" if received == 304 else SECRET
    answer = ask(kit, access, http(received, body, *headers))
    assert answer.status == status
    assert answer.headers["proxy-status"] == f"shuxiang; received-status={received}"
    assert not {"location", "www-authenticate", "set-cookie"} & set(answer.headers)
    record = kit.record(answer.record)
    assert (record["decision"], record["status"]) == ("failed", status)


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"garbage\r\n\r\n" + SECRET, 502, "http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 502, "http_protocol_error"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            502,
            "http_protocol_error",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502, "http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", 502, "http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 502, "http_protocol_error"),
        (chunked(b"X: " + b"a" * 100_000), 502, "http_protocol_error"),
        (chunked(b"".join(b"X-%d: y\r\n" % i for i in range(2000)) + b"\r\n"), 502, "http_protocol_error"),
        (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502, "http_protocol_error"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, 502, "http_protocol_error"),
        (http(200, SECRET, "Content-Type: text/html"), 502, "http_protocol_error"),
        (json_answer([1, 2]), 502, "http_protocol_error"),
        (json_answer("x"), 502, "http_protocol_error"),
        (http(200, b'{"code":NaN}'), 502, "http_protocol_error"),
        (http(200, b"[" * 10_000), 502, "http_protocol_error"),
        (http(200, b"{}", "Content-Encoding: gzip"), 502, "http_response_content_coding"),
        (http(200, b"{}", *(f"X-{i}: y" for i in range(10_000))), 502, "http_response_header_section_size"),
        (http(200, b"{}", *(f"X-{i}: y" for i in range(150))), 502, "http_response_header_section_size"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000, 502, "http_response_header_section_size"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", 502, "http_response_body_size"),
        (short, 502, "http_response_incomplete"),
        (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Enc"), 502, "http_response_incomplete"),
        (lambda c: None, 502, "http_response_incomplete"),
        (silence, 504, "http_response_timeout"),
        (drip(b"x", 0.1), 504, "http_response_timeout"),
        (drip(b" " * 500_000, 0.0), 502, "http_response_body_size"),
    ],
)
def test_a_broken_answer_is_bounded_and_told_apart(
    kit: Kit, access: Access, answer: bytes, status: int, error: str
) -> None:
    began = time.monotonic()
    got = ask(kit, access, answer)
    assert time.monotonic() - began < 10
    assert (got.status, f"error={error}" in got.headers["proxy-status"]) == (status, True), got
    record = kit.record(got.record)
    assert (record["decision"], record["reason"]) == ("failed", got.code)


def test_only_harmless_headers_of_the_provider_reach_the_caller(kit: Kit, whole: Access) -> None:
    bad = (
        "Set-Cookie: a=b",
        "Server: x",
        "Location: /x",
        "Access-Control-Allow-Origin: *",
        "Refresh: 0",
        "Clear-Site-Data: *",
        "Content-Security-Policy: x",
        "Cache-Control: public",
        "Via: y",
    )
    good = ("Content-Type: text/plain", "Content-Language: zh", 'ETag: "1"')
    answer = ask_raw(kit, whole, http(200, b"hello", *bad, *good))
    assert answer.body == b"hello"
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.headers) == {
        "date",
        "content-type",
        "content-language",
        "etag",
        "cache-control",
        "x-content-type-options",
        "audit-record",
        "audit-receipt",
        "content-length",
    }


def test_odd_json_is_still_cut_down(kit: Kit, access: Access) -> None:
    body = b'{"code":"1","code":"2","__proto__":{"a":1},"secret":"x","big":12345678901234567890123456789}'
    answer = ask(kit, access, http(200, body))
    assert answer.json == {"code": "2"}


def test_a_second_answer_that_nobody_asked_for_is_no_part_of_the_first(kit: Kit, whole: Access) -> None:
    first = json_answer({"code": "1"})
    got = ask_raw(kit, whole, first + http(200, SECRET, "Content-Type: application/json", "X-Code: 2"))
    assert (got.status, json.loads(got.body)) == (200, {"code": "1"})
    assert SECRET not in got.body
    assert "x-code" not in got.headers


def test_an_answer_that_only_the_end_of_the_connection_ends(kit: Kit, whole: Access) -> None:
    answer = ask_raw(kit, whole, lambda c: c.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello"))
    assert (answer.status, answer.body) == (200, b"hello")


def test_a_large_answer_streams_between_its_records(kit: Kit, whole: Access) -> None:
    body = b"0123456789" * 200_000
    answer = ask_raw(kit, whole, http(200, body))
    assert answer.body == body
    assert kit.record(answer.record)["k"] == "access.start"
    end = until(lambda: [r for r in kit.records() if r.get("start") == answer.record])[0]
    assert (end["bytes"], end["decision"]) == (len(body), "permitted")


def test_a_large_masked_answer_streams_too(kit: Kit, access: Access) -> None:
    items = [{"code": f"{i:08d}", "secret": "x"} for i in range(10_000)]
    kit.provider.answers["/base/v1/items"] = json_answer({"data": {"items": items}})
    answer = kit.call(url("api", "call/many?area=42"), access)
    assert answer.json == {"data": {"items": [{"code": i["code"]} for i in items]}}
    end = until(lambda: [r for r in kit.records() if r.get("start") == answer.record])[0]
    assert end["rows"] == 10_000


def test_a_stream_that_breaks_off_is_cut_off_and_on_record(kit: Kit, whole: Access) -> None:
    def send(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500_000)
        time.sleep(0.2)

    with pytest.raises((ConnectionResetError, IncompleteRead)):
        ask_raw(kit, whole, send)
    end = until(
        lambda: [r for r in kit.records() if r.get("reason") == "provider_incomplete" and "start" in r]
    )
    assert end[0]["decision"] == "aborted"


def test_connections_are_used_again_and_a_stale_one_costs_nothing(kit: Kit, access: Access) -> None:
    assert ask(kit, access, json_answer({"code": "1"})).status == 200
    before = kit.provider.connections
    for _ in range(3):
        assert ask(kit, access, json_answer({"code": "1"})).status == 200
    assert kit.provider.connections == before

    def once_and_close(client: socket.socket) -> None:
        client.sendall(json_answer({"code": "1"}))

    assert ask(kit, access, once_and_close).status == 200  # kept by us, closed by the provider
    assert ask(kit, access, json_answer({"code": "1"})).status == 200


def test_a_call_that_changes_something_is_never_sent_twice(kit: Kit, access: Access) -> None:
    kit.provider.answers["/base/v1/changes"] = lambda c: None
    before = kit.provider.count
    headers = {"Content-Type": "application/json"}
    answer = kit.call(url("api", "call/change"), access, "POST", headers, b"{}")
    assert (answer.status, kit.provider.count - before) == (502, 1)


# --- where the gateway connects to ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("10.1.2.3", ["10.2.0.0/16"], False),
        ("10.1.2.3", [], False),
        ("127.0.0.1", ["0.0.0.0/0"], False),
        ("127.0.0.1", ["127.0.0.0/8"], True),
        ("127.0.0.1", ["127.0.0.1/32"], True),
        ("169.254.169.254", ["0.0.0.0/0", "169.0.0.0/8"], False),
        ("100.100.100.200", ["100.64.0.0/10"], False),
        ("::1", ["::/0"], False),
        ("::1", ["::1/128"], True),
        ("fe80::1", ["::/0"], False),
        ("64:ff9b::7f00:1", ["::/0"], False),
        ("2001:db8::1", ["2001:db8::/32"], True),
        ("224.0.0.1", ["0.0.0.0/0"], False),
    ],
)
def test_special_addresses_need_a_network_of_their_own(
    address: str, networks: list[str], expected: bool
) -> None:
    assert allowed(ip_address(address), [ip_network(n) for n in networks]) is expected


def failure_of(kit: Kit, **changes: object) -> object:
    """What a call through a connection like this comes to."""
    base = Connection("c", "api", Text("", ""), "police", connect_seconds=0.5, total_seconds=1.0)
    connection = replace(base, **changes)  # type: ignore[arg-type]

    async def call() -> object:
        client = Client(connection, kit.settings)
        try:
            await client.call("GET", "/x", {}, b"", "civil_affairs")
        except Refused as refused:
            return refused.objection
        return None

    return asyncio.run(call())


def test_a_name_that_resolves_outside_the_networks_is_not_connected_to(kit: Kit) -> None:
    before = kit.provider.count
    port = kit.provider.port
    wide = (ip_network("0.0.0.0/0"),)
    assert failure_of(kit, base_url=f"http://localhost:{port}", networks=wide) is no.PROVIDER_PROHIBITED
    assert failure_of(kit, base_url=f"http://127.0.0.1:{port}", networks=wide) is no.PROVIDER_PROHIBITED
    assert (
        failure_of(kit, base_url=f"http://[::ffff:127.0.0.1]:{port}", networks=wide) is no.PROVIDER_PROHIBITED
    )
    assert kit.provider.count == before


def test_a_refused_connection_a_bad_name_and_a_bad_certificate(kit: Kit, tmp_path: Path) -> None:
    here = (ip_network("127.0.0.1/32"),)
    assert failure_of(kit, base_url=f"http://127.0.0.1:{free_port()}", networks=here) is no.PROVIDER_DOWN
    assert failure_of(kit, base_url="http://no-such-name.invalid", networks=here) is no.PROVIDER_UNRESOLVED
    with self_signed(tmp_path) as port:
        assert failure_of(kit, base_url=f"https://127.0.0.1:{port}", networks=here) is no.PROVIDER_TLS


def test_a_credential_is_never_part_of_an_answer_or_a_record(kit: Kit, access: Access) -> None:
    ask(kit, access, http(500, b"X-Key: provider-secret"))
    assert "provider-secret" not in json.dumps(kit.records())
