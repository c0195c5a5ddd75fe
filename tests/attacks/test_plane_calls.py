"""Callers that want more than their grant, against a data plane of two workers (list 21-50)."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import pytest

from cases.store import cases
from core.periods import day_of
from gateway.objections import Refused
from gateway.places import OPEN_MOST, STREAMS_OF_ALL, STREAMS_OF_ONE, Places
from gateway.policy import change_policy
from gateway.quotas.store import calls_on, forget_calls, grant_calls, take_call
from gateway.store import clients
from tests.gateway.plane_kit import API, Access, Kit, url
from tests.gateway.providers import http, json_answer, silence

pytestmark = pytest.mark.long

ITEM = {"code": "1", "name": "甲", "level": 3, "secret": "s"}
ONE = url("api", "call/one?item=a")
ROWS = url("table", "rows?limit=1")


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    made = Kit(tmp_path_factory.mktemp("plane"))
    made.provider.answers["/base/v1/items/a"] = json_answer(ITEM)
    made.provider.answers["/base/v1/raw"] = json_answer(ITEM)
    try:
        yield made.start(2)
    finally:
        made.close()


# --- between issue and use ------------------------------------------------------------------------


def _disable(kit: Kit, access: Access, to: str) -> None:
    with kit.database.begin() as tx:
        tx.execute(clients.update().values(state=to))
        change_policy(tx, kit.counter)


def _withdraw(kit: Kit, access: Access, to: str) -> None:
    with kit.database.begin() as tx:
        moved = cases.update().where(cases.c.kind == "dataset").values(serves=to == "active")
        tx.execute(moved)
        change_policy(tx, kit.counter)


def _suspend(kit: Kit, access: Access, to: str) -> None:
    kit.set_state(access.grant_id, "active" if to == "active" else "suspended")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (_disable, 401, "client_disabled"),
        (_withdraw, 403, "dataset_unavailable"),
        (_suspend, 403, "grant_suspended"),
    ],
)
def test_21_what_is_taken_back_between_issue_and_use_is_gone_at_once(
    kit: Kit, change: Any, status: int, code: str
) -> None:
    access = kit.grant("table")
    assert kit.call(ROWS, access).status == 200
    change(kit, access, "disabled")
    try:
        told = [kit.call(ROWS, access) for _ in range(6)]  # whichever worker is asked
    finally:
        change(kit, access, "active")
    assert {(answer.status, answer.code) for answer in told} == {(status, code)}
    assert {kit.record(answer.record)["reason"] for answer in told} == {code}
    assert kit.call(ROWS, access).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "fields=*", "fields=secret", "select=*", "select=CODE", "select=code%20as%20x", "select=code,,name",
        "select=code)", "select=cod\u0435", "select=items.code", "select=code::text", "select=secret%00",
        "select=code&select=secret", "Select=secret", "or=(secret.eq.s1)", "select=code;secret",
    ],
)  # fmt: skip
def test_25_no_spelling_of_a_field_reaches_beyond_the_grant(kit: Kit, query: str) -> None:
    answer = kit.call(
        url("table", f"rows?{quote(query, safe='%=&(),.*:')}"), kit.grant("table", fields=["code"])
    )
    assert answer.status in (400, 403), answer.body
    assert kit.record(answer.record)["decision"] == "refused"


@pytest.mark.parametrize(
    "lines",
    [
        {"X-Forwarded-For": "10.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1, 10.0.0.1"},
        {"X-Real-IP": "10.0.0.1"},
        {"X-Client-IP": "10.0.0.1"},
        {"True-Client-IP": "10.0.0.1"},
        {"CF-Connecting-IP": "10.0.0.1"},
        {"Forwarded": "for=10.0.0.1"},
        {"X_Forwarded_For": "10.0.0.1"},
    ],
)
def test_26_nobody_vouches_for_a_caller_but_a_trusted_proxy(kit: Kit, lines: dict[str, str]) -> None:
    answer = kit.call(ROWS, kit.grant("table", networks=["10.0.0.0/8"]), headers=lines)
    assert (answer.status, answer.code) == (403, "network_not_allowed")
    assert kit.record(answer.record)["address"] == "127.0.0.1"


# --- the calls of a day ---------------------------------------------------------------------------


def used(kit: Kit, access: Access) -> int:
    with kit.database.read() as tx:
        return calls_on(tx, access.grant_id, day_of(datetime.now(UTC)))


def test_27_of_a_hundred_calls_at_once_exactly_the_ten_that_are_left_get_through(kit: Kit) -> None:
    access = kit.grant("api", calls_per_day=90)
    with kit.database.begin() as tx:
        today = day_of(datetime.now(UTC)).isoformat()
        tx.execute(grant_calls.insert().values(grant_id=access.grant_id, day=today, calls=80))
    asked = kit.provider.count
    others = [Access(access.grant_id, kit.token(access.grant_id)) for _ in range(3)]
    with ThreadPoolExecutor(50) as threads:
        got = list(threads.map(lambda i: kit.call(ONE, [access, *others][i % 4]), range(100)))
    assert Counter(answer.status for answer in got) == {200: 10, 429: 90}
    assert kit.provider.count == asked + 10
    assert used(kit, access) == 90
    refused = next(answer for answer in got if answer.status == 429)
    assert refused.code == "quota_used_up"
    assert 0 < int(refused.headers["retry-after"]) <= 24 * 3600
    assert kit.record(refused.record)["decision"] == "refused"


def test_27_a_call_that_is_refused_for_another_reason_is_not_counted(kit: Kit) -> None:
    access = kit.grant("api", calls_per_day=5)
    assert kit.call(url("api", "call/one"), access).code == "missing_parameter"
    assert kit.call(ONE, access, "DELETE").status == 405
    assert used(kit, access) == 0
    assert kit.call(ONE, access).status == 200
    assert used(kit, access) == 1


def test_27_another_day_has_calls_of_its_own_and_a_grant_without_a_bound_counts_none(kit: Kit) -> None:
    access, free = kit.grant("api", calls_per_day=1), kit.grant("api")
    with kit.database.begin() as tx:
        tx.execute(grant_calls.insert().values(grant_id=access.grant_id, day="2026-01-01", calls=1))
    assert [kit.call(ONE, access).status for _ in range(2)] == [200, 429]
    assert kit.call(ONE, free).status == 200
    assert used(kit, free) == 0


def test_27_while_calls_cannot_be_counted_none_gets_through(kit: Kit) -> None:
    access, asked = kit.grant("api", calls_per_day=5), kit.provider.count
    with kit.database.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE grant_calls RENAME TO elsewhere")
    try:
        answer = kit.call(ONE, access)
    finally:
        with kit.database.begin() as tx:
            tx.exec_driver_sql("ALTER TABLE elsewhere RENAME TO grant_calls")
    assert (answer.status, answer.code) == (503, "database_unavailable")
    assert kit.record(answer.record)["reason"] == "database_unavailable"
    assert kit.provider.count == asked
    assert kit.call(ONE, access).status == 200


def test_27_counts_of_past_days_are_forgotten(kit: Kit) -> None:
    yesterday, today = date(2026, 1, 1), date(2026, 1, 2)
    with kit.database.begin() as tx:
        assert take_call(tx, "g", yesterday, 1)
        assert take_call(tx, "g", today, 1)
        assert forget_calls(tx, today) >= 1
        assert (calls_on(tx, "g", yesterday), calls_on(tx, "g", today)) == (0, 1)


# --- addresses and names --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["307001-000001'--", "307001-000001%22", "３07001-000001", "307001-000001\u0301", "307001-00000１",
     "307001_000001", "307001-000001%20", "307001-000001%0a", "-", "%E2%80%AE307001-000001"],
)  # fmt: skip
def test_29_no_twin_of_a_datasets_code_is_the_dataset(kit: Kit, code: str) -> None:
    answer = kit.call(f"/share/{quote(code, safe='%')}/rows", kit.grant("table"))
    assert (answer.status, answer.code) in ((404, "no_such_path"), (400, "bad_target"))
    assert kit.record(answer.record)["dataset"] == "307001/000001"  # the token's, never what was typed


@pytest.mark.parametrize(
    "name",
    ["CON", "nul.csv:", "a" * 300 + ".csv", "a\r\nX: y.csv", 'a".csv', "\u202egnp.csv", "~root.csv", "a.csv.",
     "a.csv ", "A\u0301.csv", "/etc/passwd", "....//a.csv", "C:\\a.csv", "a.csv\x00.bin", "-rf.csv"],
)  # fmt: skip
def test_30_no_name_leads_out_of_the_folder_or_into_a_header(kit: Kit, name: str) -> None:
    answer = kit.call(url("file", f"files/{quote(name, safe='')}"), kit.grant("file"))
    assert answer.status in (400, 404)
    assert answer.code in ("no_such_file", "bad_target")
    assert "x" not in answer.headers


# --- headers --------------------------------------------------------------------------------------


def test_35_fields_that_connection_names_go_no_further_and_do_not_shed_the_token(kit: Kit) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    sent = {"Accept-Language": "zh", "traceparent": trace}
    named = {"Connection": "close, Authorization, X-Request-Id, accept-language ,Traceparent"}
    raw = url("api", "call/raw")
    assert kit.call(raw, kit.grant("api"), headers={**sent, **named}).status == 200
    assert not {"accept-language", "traceparent", "authorization"} & set(kit.provider.headers_of())
    assert kit.call(raw, headers=named).status == 401
    assert kit.call(raw, kit.grant("api"), headers=sent).status == 200
    assert {"accept-language", "traceparent"} <= set(kit.provider.headers_of())


def test_37_no_answer_follows_the_host_that_a_caller_names(kit: Kit) -> None:
    (kit.files / "a.csv").write_text("code\n", "utf-8")
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for target, access in (
        (url("file", "files"), kit.grant("file")),
        (url("table", "rows?limit=1"), kit.grant("table")),
        (ONE, kit.grant("api")),
        (url("table", "rows"), None),
        ("/readyz", None),
    ):
        answer = kit.call(target, access, headers=evil)
        assert b"evil" not in answer.body + str(answer.headers).encode()
    assert kit.provider.headers_of()["host"] == f"127.0.0.1:{kit.provider.port}"


FORGED = (
    "X-User-Id", "X-Remote-User", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
    "X-Forwarded-Uri", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "Via",
    "Forwarded", "Proxy-Authorization", "Proxy-Connection", "Cookie", "DPoP", "X-Client-Cert", "X-Key",
    "Referer", "Origin", "Range", "If-None-Match", "If-Modified-Since", "TE", "Trailer", "Keep-Alive",
    "Max-Forwards", "Content-Location", "User-Agent", "tracestate", "baggage", "Early-Data",
)  # fmt: skip


def test_38_nothing_that_a_caller_forges_reaches_the_provider(kit: Kit) -> None:
    access = kit.grant("api")
    sent = dict.fromkeys(FORGED, "forged")
    assert kit.call(url("api", "call/raw"), access, headers=sent).status == 200
    got = kit.provider.headers_of()
    assert set(got) == {"host", "user-agent", "x-key"}
    assert (got["x-key"], got["user-agent"]) == ("provider-secret", "shuxiang")
    assert access.token.encode() not in kit.provider.asked[-1][1]


@pytest.mark.parametrize(
    "end", ["\r\nX: y", "%0d%0aX:%20y", "%0aX:%20y", "%E5%98%8D%E5%98%8AX:%20y", "%c4%8d%c4%8aX"]
)
def test_39_no_line_end_gets_into_a_header_of_ours_or_of_the_providers(kit: Kit, end: str) -> None:
    asked = kit.provider.count
    typed = quote(end, safe="%")
    answer = kit.call(url("api", f"call/one?item=a{typed}"), kit.grant("api"))
    assert answer.status == 400
    assert "x" not in answer.headers
    assert kit.provider.count == asked
    listed = kit.call(url("table", f"rows?limit=1&code=neq.{typed}"), kit.grant("table"))
    assert "x" not in listed.headers
    assert listed.status in (200, 400)


# --- providers ------------------------------------------------------------------------------------


@pytest.mark.long
def test_45_providers_that_stay_silent_hold_up_nobody_else(kit: Kit) -> None:
    kit.provider.answers["/base/v1/items/s"] = silence
    access, table = kit.grant("api"), kit.grant("table")
    slow = url("api", "call/one?item=s")
    with ThreadPoolExecutor(40) as threads:
        waiting = [threads.submit(kit.call, slow, access) for _ in range(40)]
        time.sleep(0.3)
        began = time.monotonic()
        assert kit.call(ROWS, table).status == 200
        assert kit.call(ONE, access).status == 200
        assert time.monotonic() - began < 1
        assert {call.result().status for call in waiting} == {504}
    assert kit.call(ONE, access).status == 200


def test_46_a_provider_sets_no_header_of_ours(kit: Kit) -> None:
    said = (
        "Set-Cookie: a=b", "Server: theirs", "Location: https://evil.example", "Alt-Svc: evil",
        "Access-Control-Allow-Origin: *", "Clear-Site-Data: *", "Content-Security-Policy: default-src *",
        "Strict-Transport-Security: max-age=0",
        "Content-Disposition: inline", "Cache-Control: public, max-age=9", "Via: 1.1 theirs", "Refresh: 0",
        "Audit-Record: 01900000-0000-7000-8000-000000000000", "Audit-Receipt: theirs", "Data-Notice: theirs",
        "DPoP-Nonce: theirs", "Proxy-Status: theirs", "X-Content-Type-Options: off",
    )  # fmt: skip
    kit.provider.answers["/base/v1/items/h"] = http(200, b'{"code":"1"}', "Content-Type: text/html", *said)
    answer = kit.call(url("api", "call/one?item=h"), kit.grant("api"))
    assert answer.json == {"code": "1"}
    ours = {"date", "content-type", "content-length", "cache-control", "x-content-type-options"}
    assert set(answer.headers) == {*ours, "audit-record", "audit-receipt"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert kit.record(answer.record)["decision"] == "permitted"


DEEP = b'{"code":' + b"[" * 900 + b"]" * 900 + b',"secret":"x"}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"code":"1","__proto__":{"secret":"x"},"constructor":"x"}', 200),
        (b'{"secret":"x","code":"1","code":"2"}', 200),
        (b'{"code":NaN,"secret":"x"}', 502),
        (b'{"code":Infinity}', 502),
        (b'{"code":' + b"1" * 50 + b',"secret":"x"}', 200),
        (b'{"code":1e400,"secret":"x"}', 502),
        (b'{"code":"\\ud800","secret":"x"}', 502),
        (b'{"code":"\xff\xfe","secret":"x"}', 502),
        (b'{"CODE":"x","Code":"x","\\u0063ode":"1","c\xc3\xb8de":"x"}', 200),
        (DEEP, 502),
        (b"[" * 10_000 + b"]" * 10_000, 502),
        (b'{"code":"1"}{"secret":"x"}', 502),
        (b'\xef\xbb\xbf{"code":"1"}', 502),
        (b"", 502),
    ],
)  # fmt: skip
def test_47_whatever_json_a_provider_sends_only_granted_fields_leave(
    kit: Kit, body: bytes, status: int
) -> None:
    kit.provider.answers["/base/v1/items/j"] = http(200, body, "Content-Type: application/json")
    answer = kit.call(url("api", "call/one?item=j"), kit.grant("api", fields=["code"], operations=["one"]))
    assert answer.status == status
    if status == 200:
        assert set(answer.json) == {"code"}
    else:
        assert answer.headers["proxy-status"].startswith("shuxiang; error=http_protocol_error")
    assert b"x" not in answer.body.replace(b"urn:shuxiang", b"").replace(b"text", b"") or status != 200


@pytest.mark.parametrize(
    ("said", "told"), [(401, 502), (403, 502), (407, 502), (429, 502), (500, 502), (503, 503)]
)
def test_49_a_providers_refusal_is_never_taken_for_ours(kit: Kit, said: int, told: int) -> None:
    challenge = ('WWW-Authenticate: Bearer error="invalid_token"', "Retry-After: 86400", "DPoP-Nonce: theirs")
    kit.provider.answers["/base/v1/items/e"] = http(said, b"invalid_token", *challenge)
    answer = kit.call(url("api", "call/one?item=e"), kit.grant("api"))
    assert answer.status == told
    assert not {"www-authenticate", "dpop-nonce"} & set(answer.headers)
    assert answer.headers.get("retry-after") in (None, "5")
    assert b"invalid_token" not in answer.body


def test_50_two_consumers_of_one_address_never_get_each_others_fields(kit: Kit) -> None:
    lists = (["code"], ["name"], ["code", "level"], ["secret"])
    grants = [(kit.grant("api", fields=fields, operations=["one"]), set(fields)) for fields in lists]
    tables = [(kit.grant("table", fields=fields), set(fields)) for fields in lists]

    def call(i: int) -> None:
        access, fields = grants[i % 4]
        rows, columns = tables[i % 4]
        one, page = kit.call(ONE, access), kit.call(ROWS, rows)
        assert one.headers["cache-control"] == page.headers["cache-control"] == "no-store"
        assert not {"age", "etag", "expires"} & (set(one.headers) | set(page.headers))
        assert (one.status, page.status) == (200, 200), one.body + page.body
        assert (set(one.json), set(page.json["rows"][0])) == (fields, columns)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(call, range(80)))


@pytest.mark.parametrize("size", [20, 300_000])
def test_50_an_answer_that_nobody_read_is_no_part_of_the_next_callers(kit: Kit, size: int) -> None:
    """The body of an error is dropped, and the connection that it came on serves somebody else."""
    raw = url("api", "call/raw")
    access, other = kit.grant("api"), kit.grant("api")
    try:
        for _ in range(6):  # whichever worker is asked
            kit.provider.answers["/base/v1/raw"] = http(404, b"x" * size)
            assert kit.call(raw, access).status == 404
            kit.provider.answers["/base/v1/raw"] = json_answer(ITEM)
            assert (kit.call(raw, other).json, kit.call(ONE, other).json) == (ITEM, ITEM)
    finally:
        kit.provider.answers["/base/v1/raw"] = json_answer(ITEM)


def test_50_an_answer_is_not_spared_because_the_caller_says_that_it_has_one(kit: Kit) -> None:
    asked = kit.provider.count
    sent = {
        "If-None-Match": "*",
        "Cache-Control": "only-if-cached",
        "If-Modified-Since": "Sun, 22 Nov 2026 08:00:00 GMT",
    }
    for _ in range(2):
        assert kit.call(ONE, kit.grant("api"), headers=sent).json == ITEM
    assert kit.provider.count == asked + 2
    assert "if-none-match" not in kit.provider.headers_of()


# --- many connections -----------------------------------------------------------------------------


def test_51_two_hundred_idle_and_slow_callers_hold_up_nobody(kit: Kit) -> None:
    access = kit.grant("table")
    head = f"GET {ROWS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access.token}\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", kit.port)) for _ in range(200)]
    try:
        for i, line in enumerate(slow):
            line.sendall((b"", b"GET /share", head, head + b"\r\n")[i % 4])  # the last never reads its answer
        began = time.monotonic()
        assert [kit.call(ROWS, access).status for _ in range(5)] == [200] * 5
        assert time.monotonic() - began < 2
    finally:
        for line in slow:
            line.close()


@pytest.fixture
def long_rows(kit: Kit) -> Iterator[None]:
    """A table that no socket buffer holds."""
    _fill(kit, "x" * 4000)
    yield
    _fill(kit, "s")


def _fill(kit: Kit, secret: str) -> None:
    with sqlite3.connect(kit.rows) as db:
        db.execute("UPDATE items SET secret = ?", (secret,))
    db.close()


@pytest.mark.usefixtures("long_rows")
def test_51_one_department_that_reads_slowly_leaves_places_for_the_others(kit: Kit) -> None:
    access = kit.grant("table")
    head = f"GET {url('table', 'rows')} HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n"
    head += f"Authorization: Bearer {access.token}\r\n\r\n"
    lines = [socket.create_connection(("127.0.0.1", kit.port)) for _ in range(40)]
    try:
        for line in lines:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(head.encode())
        told = Counter(line.recv(12) for line in lines)
        assert told[b"HTTP/1.1 200"] <= 2 * STREAMS_OF_ONE  # of two workers
        assert told[b"HTTP/1.1 503"] == 40 - told[b"HTTP/1.1 200"]
        began = time.monotonic()
        assert [kit.call(ROWS, access).status for _ in range(5)] == [200] * 5
        assert time.monotonic() - began < 1
    finally:
        for line in lines:
            line.close()


def test_51_no_department_has_all_the_places_and_pages_always_have_some() -> None:
    async def story() -> list[str]:
        places, told = Places(), []
        for department in ["police"] * (STREAMS_OF_ONE + 1) + ["health"] * STREAMS_OF_ONE:
            try:
                await places.take(0.01, department)
                told.append(department)
            except Refused:
                told.append("busy")
        for _ in range(OPEN_MOST - STREAMS_OF_ALL):
            await places.take(0.01, None)
        with pytest.raises(Refused):
            await places.take(0.01, None)
        places.leave("police")
        await places.take(0.01, "health")
        return told

    left = STREAMS_OF_ALL - STREAMS_OF_ONE
    expected = ["police"] * STREAMS_OF_ONE + ["busy"] + ["health"] * left
    assert asyncio.run(story()) == expected + ["busy"] * (STREAMS_OF_ONE - left)


def test_nothing_of_the_attacks_is_in_the_records(kit: Kit) -> None:
    """Names, queries and headers that strangers typed stay out of the access log."""
    written = json.dumps(kit.records(), ensure_ascii=False)
    assert API in written
    for typed in ("evil", "forged", "passwd", "--", "fields=", "provider-secret"):
        assert typed not in written, typed
