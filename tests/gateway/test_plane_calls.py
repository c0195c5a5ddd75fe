"""Calls through a running worker: what is let through, what is refused, and that both are on record."""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote

import pytest

from audit.note import NoteVerifier
from audit.questions.subject import subject_digest, subject_key
from audit.receipt import check_receipt
from tests.gateway.plane_kit import Kit, until, url
from tests.gateway.providers import json_answer

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]

ITEM = {"code": "1", "name": "甲", "level": 3, "active": True, "secret": "x", "undeclared": "y"}


@pytest.fixture(autouse=True)
def provider(kit: Kit) -> None:
    kit.provider.answers["/base/v1/items/a"] = json_answer(ITEM)
    items = [{**ITEM, "code": str(i)} for i in range(5)]
    kit.provider.answers["/base/v1/items"] = json_answer({"data": {"items": items, "total": 5}, "debug": "z"})
    (kit.files / "a.csv").write_text("x,y\n1,2\n")
    (kit.files / "数据1.txt").write_text("好")


@pytest.mark.parametrize(
    ("kind", "target"), [("table", "rows"), ("api", "call/one?item=a"), ("file", "files/a.csv")]
)
def test_a_permitted_call_is_answered_and_on_record(kit: Kit, kind: str, target: str) -> None:
    answer = kit.call(url(kind, target), kit.grant(kind))
    assert answer.status == 200
    record = kit.record(answer.record)
    assert record["decision"] == "permitted"
    assert record["reason"] is None
    assert record["bytes"] == len(answer.body)
    assert record["response_digest"] == hashlib.sha256(answer.body).hexdigest()
    assert (record["consumer"], record["provider"], record["client"]) == ("civil_affairs", "police", "sys-1")
    assert record["purpose"] == "核对地址"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("kind", "target"), [("table", "rows"), ("api", "call/one?item=a"), ("file", "files/a.csv")]
)
def test_a_refused_call_is_on_record_and_nobody_is_asked(kit: Kit, kind: str, target: str) -> None:
    asked = kit.provider.count
    answer = kit.call(url(kind, target), kit.grant(kind, networks=["10.0.0.0/8"]))
    assert (answer.status, answer.code) == (403, "network_not_allowed")
    assert kit.record(answer.record)["decision"] == "refused"
    assert kit.record(answer.record)["reason"] == "network_not_allowed"
    assert kit.provider.count == asked
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert answer.headers["proxy-status"].startswith("shuxiang; error=http_request_denied")


def test_the_receipt_is_signed_by_the_platform(kit: Kit) -> None:
    answer = kit.call(url("table", "rows"), kit.grant("table"))
    verifier = NoteVerifier.parse(kit.settings.key_file("receipt.vkey").read_text())
    receipt = check_receipt(verifier, answer.headers["audit-receipt"])
    assert receipt.origin == kit.settings.platform.log_origin


def test_a_record_holds_no_raw_address_and_nothing_of_a_stranger(kit: Kit) -> None:
    stranger = "13912345678"
    answer = kit.call(f"/share/307001-000001/files/{stranger}?q={stranger}")
    record = kit.record(answer.record)
    assert (answer.status, record["reason"], record["operation"]) == (401, "token_missing", "files/{name}")
    assert stranger not in str(record)
    assert "dataset" not in record


def test_the_digest_of_a_request_can_be_confirmed_only_with_the_platforms_key(kit: Kit) -> None:
    target = url("table", "rows?name=eq.13912345678")
    first, again = (kit.record(kit.call(target, kit.grant("table")).record) for _ in range(2))
    key = hmac.digest(kit.settings.key("pseudonym.key"), b"request-digest", "sha256")
    assert first["request_digest"] == hmac.digest(key, b"GET " + target.encode(), "sha256").hex()
    assert first["request_digest"] == again["request_digest"]
    assert "salt" not in first


def test_whose_record_was_asked_for_is_on_record_as_a_digest_and_the_value_is_nowhere(kit: Kit) -> None:
    value, target = "赵铁柱", url("table", f"rows?name=eq.{quote('赵铁柱')}")
    answered = kit.record(kit.call(target, kit.grant("table", sensitive=True)).record)
    refused = kit.record(kit.call(target, kit.grant("table", networks=["10.0.0.0/8"])).record)
    plain = kit.record(kit.call(url("table", "rows?level=eq.3"), kit.grant("table")).record)
    digest = subject_digest(subject_key(kit.settings.key("pseudonym.key")), "name", value)
    assert (answered["decision"], answered["subject"]) == ("permitted", digest)
    assert (refused["decision"], refused["subject"]) == ("refused", digest)
    assert kit.record(answered["intent"])["subject"] == digest
    assert "subject" not in plain
    kept = [path.read_bytes() for path in kit.settings.data.rglob("*") if path.is_file()]
    assert any(digest.encode() in content for content in kept)
    assert not any(
        spelled in content for content in kept for spelled in (value.encode(), quote(value).encode())
    )


# --- tokens -----------------------------------------------------------------------------------------


def test_a_call_without_a_token_is_challenged_without_an_error(kit: Kit) -> None:
    answer = kit.call(url("table", "rows"))
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="shuxiang"')
    assert "error=" not in answer.headers["www-authenticate"]
    assert kit.record(answer.record)["reason"] == "token_missing"


@pytest.mark.parametrize("token", ["x", "sx_" + "A" * 48, "sx_" + "A" * 47, "e30.e30.e30"])
def test_a_token_that_is_not_ours_is_invalid(kit: Kit, token: str) -> None:
    answer = kit.call(url("table", "rows"), headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.code) == (401, "token_unknown")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("field", ["Basic eDp5", "Bearer", "Bearer a b", "Bearer a,b", "token x", "Bearer é"])
def test_an_authorization_that_is_no_single_bearer_token_is_malformed(kit: Kit, field: str) -> None:
    answer = kit.call(url("table", "rows"), headers={"Authorization": field})
    assert (answer.status, answer.code) == (400, "authorization_malformed")


def test_two_authorizations_are_malformed_even_when_both_would_do(kit: Kit) -> None:
    token = kit.grant("table").token
    field = f"Authorization: Bearer {token}\r\n"
    answer = kit.raw(
        f"GET {url('table', 'rows')} HTTP/1.1\r\nHost: x\r\n{field}{field}Connection: close\r\n\r\n".encode()
    )
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"Audit-Record: " in answer


def test_a_revoked_token_is_refused_on_the_next_call(kit: Kit) -> None:
    access = kit.grant("table")
    assert kit.call(url("table", "rows"), access).status == 200
    kit.revoke(access.token)
    answer = kit.call(url("table", "rows"), access)
    assert (answer.status, answer.code) == (401, "token_revoked")


def test_a_token_ends_at_its_instant(kit: Kit) -> None:
    access = kit.grant("table", token_seconds=0.6)
    assert kit.call(url("table", "rows"), access).status == 200
    time.sleep(0.65)
    assert kit.call(url("table", "rows"), access).code == "token_expired"


# --- grants -----------------------------------------------------------------------------------------


def test_a_grant_ends_at_its_instant_with_nobody_watching(kit: Kit) -> None:
    end = time.time() + 0.7
    access = kit.grant("table", seconds=0.7)
    late = []
    while time.time() < end + 0.3:
        began = time.time()
        answer = kit.call(url("table", "rows?limit=1"), access)
        late.append((began, answer.status))
    assert [s for t, s in late if t < end - 0.05] == [200] * len([t for t, _ in late if t < end - 0.05])
    after = [s for t, s in late if t > end + 0.05]
    assert after
    assert set(after) == {403}
    assert kit.call(url("table", "rows"), access).code == "grant_expired"


@pytest.mark.parametrize(
    ("state", "code"),
    [("suspended", "grant_suspended"), ("reclaimed", "grant_ended"), ("terminated", "grant_ended")],
)
def test_a_grant_that_is_not_active_opens_nothing(kit: Kit, state: str, code: str) -> None:
    access = kit.grant("table")
    assert kit.call(url("table", "rows"), access).status == 200
    kit.set_state(access.grant_id, state)
    assert kit.call(url("table", "rows"), access).code == code
    kit.set_state(access.grant_id, "active")
    assert kit.call(url("table", "rows"), access).status == 200


def test_a_token_opens_only_the_dataset_and_the_kind_of_its_grant(kit: Kit) -> None:
    access = kit.grant("table")
    assert kit.call(url("file", "files"), access).code == "dataset_not_granted"
    assert kit.call(url("table", "files"), access).code == "kind_not_granted"


def test_a_policy_raised_by_another_host_is_seen_within_seconds(kit: Kit) -> None:
    access = kit.grant("table")
    assert kit.call(url("table", "rows"), access).status == 200
    with kit.database.begin() as tx:
        from cases.store import cases
        from gateway.store import raise_policy_version

        tx.execute(
            cases.update().where(cases.c.id == access.grant_id).values(state="suspended", serves=False)
        )
        raise_policy_version(tx)  # and the counter of this host is left alone
    until(lambda: kit.call(url("table", "rows"), access).status == 403, 4)


# --- apis -------------------------------------------------------------------------------------------


def test_only_granted_fields_leave_the_gateway(kit: Kit) -> None:
    access = kit.grant("api", fields=["code", "name"])
    answer = kit.call(url("api", "call/one?item=a"), access)
    assert answer.json == {"code": "1", "name": "甲"}
    many = kit.call(url("api", "call/many?area=42"), access)
    assert many.json == {"data": {"items": [{"code": str(i), "name": "甲"} for i in range(5)]}}
    assert kit.record(many.record)["rows"] == 5


def test_a_row_limit_caps_the_records(kit: Kit) -> None:
    answer = kit.call(url("api", "call/many?area=42"), kit.grant("api", row_limit=2))
    assert len(answer.json["data"]["items"]) == 2


def test_a_controlled_parameter_passes_with_a_granted_value_only(kit: Kit) -> None:
    access = kit.grant("api")
    assert kit.call(url("api", "call/many?area=43"), access).status == 200
    assert kit.provider.asked[-1][0] == "GET /base/v1/items?area=43 HTTP/1.1"
    asked = kit.provider.count
    for query in ("?area=44", "", "?area="):
        answer = kit.call(url("api", f"call/many{query}"), access)
        assert (answer.status, answer.code) == (403, "parameter_not_granted")
        assert answer.json["errors"][0]["pointer"] == "/query/area"
    assert kit.provider.count == asked


def test_a_single_granted_value_is_filled_in(kit: Kit) -> None:
    assert kit.call(url("api", "call/many"), kit.grant("api", parameters={"area": ["42"]})).status == 200
    assert kit.provider.asked[-1][0] == "GET /base/v1/items?area=42 HTTP/1.1"


def test_a_controlled_parameter_that_the_grant_does_not_name_is_closed(kit: Kit) -> None:
    answer = kit.call(url("api", "call/many?area=42"), kit.grant("api", parameters={}))
    assert answer.code == "parameter_not_granted"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("call/many?area=42&x=1", "unknown_parameter"),
        ("call/many?area=42&area=42", "repeated_parameter"),
        ("call/many?area=42&page=x", "bad_parameter"),
        ("call/one", "missing_parameter"),
        ("call/one?item=", "bad_parameter"),
        ("call/one?item=..", "bad_parameter"),
        ("call/one?item=.", "bad_parameter"),
        ("call/one?item=a%2Fb", "bad_parameter"),
        ("call/one?item=a%5Cb", "bad_parameter"),
        ("call/one?item=A", "bad_parameter"),
        ("call/many?area", "bad_query"),
        ("call/many?area=%zz", "bad_query"),
        ("call/many?area=%ff", "bad_query"),
        ("call/many?area=a%0d%0ab", "bad_query"),
    ],
)
def test_a_parameter_that_is_not_as_declared_never_reaches_the_provider(
    kit: Kit, target: str, code: str
) -> None:
    asked = kit.provider.count
    answer = kit.call(url("api", target), kit.grant("api"))
    assert (answer.status, answer.code) == (400, code)
    assert kit.provider.count == asked
    assert kit.record(answer.record)["decision"] == "refused"


def test_a_path_parameter_is_encoded_into_its_place(kit: Kit) -> None:
    kit.provider.answers["/base/v1/items/a%20%25"] = json_answer(ITEM)
    assert kit.call(url("api", "call/one?item=a%20%25"), kit.grant("api")).status == 200
    assert kit.provider.asked[-1][0] == "GET /base/v1/items/a%20%25 HTTP/1.1"


def test_an_operation_outside_the_grant_is_refused(kit: Kit) -> None:
    access = kit.grant("api", operations=["many"])
    assert kit.call(url("api", "call/one?item=a"), access).code == "operation_not_granted"
    assert kit.call(url("api", "call/none"), access).code == "operation_not_granted"


def test_another_method_than_the_operations_is_named_in_allow(kit: Kit) -> None:
    answer = kit.call(url("api", "call/one?item=a"), kit.grant("api"), "DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert kit.record(answer.record)["reason"] == "method_not_allowed"
    answer = kit.call(url("table", "rows"), kit.grant("table"), "POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_an_answer_that_cannot_be_cut_down_needs_a_grant_of_every_field(kit: Kit) -> None:
    kit.provider.answers["/base/v1/raw"] = json_answer(ITEM)
    asked = kit.provider.count
    answer = kit.call(url("api", "call/raw"), kit.grant("api", fields=["code"]))
    assert (answer.status, answer.code) == (403, "fields_not_separable")
    assert kit.provider.count == asked
    assert kit.call(url("api", "call/raw"), kit.grant("api")).json == ITEM


def test_nothing_of_the_caller_but_the_allowed_headers_reaches_the_provider(kit: Kit) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    sent = {
        "Cookie": "a=b", "X-Forwarded-For": "10.0.0.1", "X-User-Id": "root", "Via": "x", "Referer": "y",
        "Accept-Language": "zh", "traceparent": trace, "X-Key": "mine", "Accept-Encoding": "gzip",
    }  # fmt: skip
    answer = kit.call(url("api", "call/one?item=a"), kit.grant("api"), headers=sent)
    got = kit.provider.headers_of()
    assert got["x-key"] == "provider-secret"
    assert got["host"] == f"127.0.0.1:{kit.provider.port}"
    assert set(got) == {"host", "user-agent", "x-key", "accept-language", "accept", "traceparent"}
    assert kit.record(answer.record)["trace"] == trace


def test_a_call_that_changes_something_leaves_its_intent_first(kit: Kit) -> None:
    kit.provider.answers["/base/v1/changes"] = json_answer({"code": "9"}, 201)
    answer = kit.call(
        url("api", "call/change"), kit.grant("api"), "POST", {"Content-Type": "application/json"}, b'{"a":1}'
    )
    assert (answer.status, answer.json) == (201, {"code": "9"})
    assert kit.provider.asked[-1][1].endswith(b'{"a":1}')
    record = kit.record(answer.record)
    intent = kit.record(record["intent"])
    assert intent["k"] == "access.intent"
    assert intent["t"] <= record["t"]


def test_a_sensitive_grant_leaves_its_intent_first(kit: Kit) -> None:
    answer = kit.call(url("table", "rows"), kit.grant("table", sensitive=True))
    assert kit.record(kit.record(answer.record)["intent"])["k"] == "access.intent"


def test_a_body_is_taken_only_where_the_operation_takes_one(kit: Kit) -> None:
    json_type = {"Content-Type": "application/json"}
    answer = kit.call(url("api", "call/one?item=a"), kit.grant("api"), "GET", json_type, b"{}")
    assert (answer.status, answer.code) == (400, "body_not_taken")
    answer = kit.call(url("api", "call/change"), kit.grant("api"), "POST", json_type, b"x" * 70_000)
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert kit.record(answer.record)["decision"] == "refused"


# --- sources ----------------------------------------------------------------------------------------


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(kit: Kit) -> None:
    access = kit.grant("table", networks=["10.1.0.0/16"])
    answer = kit.call(url("table", "rows"), access, headers={"X-Forwarded-For": "10.1.2.3"})
    assert answer.code == "network_not_allowed"


def test_what_lies_beside_the_road_is_not_found(kit: Kit) -> None:
    for target in (
        "/share/",
        "/share",
        "/share/x/rows",
        "/share/307001-000001/nothing",
        "/share/307001-000001",
    ):
        answer = kit.call(target, kit.grant("table"))
        assert (answer.status, answer.code) == (404, "no_such_path"), target
        assert kit.record(answer.record)["operation"] is None
    answer = kit.call("/api/datasets")
    assert (answer.status, answer.code) == (404, "no_such_path")
    assert "audit-record" not in answer.headers
