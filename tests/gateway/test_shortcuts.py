"""The short way of a call that was made before: nobody sees a difference but in speed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from audit.journal import read_journal
from audit.note import NoteVerifier
from audit.questions.subject import subject_digest, subject_key
from audit.receipt import check_receipt
from audit.record import canonical
from audit.segments import segments_in
from catalog.store import distributions
from gateway.policy import change_policy
from gateway.shortcuts import KEPT_MOST
from gateway.store import grants
from tests.gateway.plane_kit import OPERATIONS, Access, Kit, until, url
from tests.gateway.proofs import ec_prover
from tests.gateway.providers import json_answer
from tests.gateway.short_kit import CHANGE, ITEMS, MANY, RAW, Heard, Short, fresh, get

pytestmark = [pytest.mark.long, pytest.mark.takes(6)]

pytest_plugins = ["tests.gateway.short_fixtures"]

_numbers = count(1)
SEARCH = url("api", "call/search")


# --- the same answer, the same record ---------------------------------------------------------------


def test_the_second_call_goes_the_short_way_and_gets_the_same_answer(short: Short) -> None:
    request, asked, records = get(short.kit.grant("api")), short.provider.count, len(short.kit.records())
    with short.talk() as talk:
        first = talk.ask(request)
        taken = short.taken
        second, third = talk.ask(request), talk.ask(request)
    assert short.taken == taken + 2
    assert first.status == 200
    assert first.body == b"all is well"
    assert first.alike == second.alike == third.alike
    assert [line.split(b":")[0] for line in first.head] == [line.split(b":")[0] for line in second.head]
    assert short.provider.count == asked + 3
    assert len({heard.field("audit-record") for heard in (first, second, third)}) == 3
    one, *others = short.new_records(records)
    assert others == [one, one]
    assert (one["k"], one["decision"], one["bytes"]) == ("access", "permitted", 11)


def test_the_provider_is_asked_in_the_same_words(short: Short) -> None:
    request = get(short.kit.grant("api"), "Accept: text/plain", "Accept-Language: zh", "Cookie: a=b")
    with short.talk() as talk:
        short.prime(talk, request)
    assert short.provider.asked[-1] == short.provider.asked[-2]
    assert b"Cookie" not in short.provider.asked[-1][1]


def test_each_record_is_the_one_that_its_answer_names_and_its_receipt_is_good(short: Short) -> None:
    kit = short.kit
    verifier = NoteVerifier.parse(kit.settings.key_file("receipt.vkey").read_text())
    request = get(kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
        for _ in range(5):
            heard = talk.ask(request)
            receipt = check_receipt(verifier, heard.field("audit-receipt") or "")
            assert receipt.origin == kit.settings.platform.log_origin
            assert kit.record(heard.field("audit-record") or "")["status"] == 200


def test_the_bytes_of_a_record_are_canonical_whatever_it_says(short: Short) -> None:
    access = short.kit.grant("api", purpose='100% "核对" %s %b %% \\ \u2028')
    with short.talk() as talk:
        short.prime(talk, get(access))
        heard = talk.ask(get(access)).field("audit-record")
    folder = short.kit.settings.data / "audit" / "journal"
    bodies = [frame.body for path in segments_in(folder) for frame in read_journal(path)]
    assert all(body == canonical(json.loads(body)) for body in bodies)
    [made] = [record for record in map(json.loads, bodies) if record["id"] == heard]
    [first, *_] = [record for record in map(json.loads, bodies) if record.get("grant") == made["grant"]]
    assert set(made) == set(first)
    assert made["purpose"] == '100% "核对" %s %b %% \\ \u2028'


def test_a_masked_answer_is_cut_down_to_the_grant(short: Short) -> None:
    access = short.kit.grant("api", fields=["code"], parameters={"area": ["42"]}, row_limit=1)
    request, records = get(access, target=MANY), len(short.kit.records())
    with short.talk() as talk:
        first = talk.ask(request)
        short.prime(talk, request)
        second = talk.ask(request)
    assert first.alike == second.alike
    assert json.loads(second.body) == {"data": {"items": [{"code": "1"}]}}
    assert {record["rows"] for record in short.new_records(records)} == {1}


def test_http_1_0_is_kept_alive_only_where_it_asks_for_it(short: Short) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        kept = get(access, "Connection: keep-alive", version="1.0")
        short.prime(talk, kept)
        assert talk.ask(kept).field("connection") == "keep-alive"
    taken = short.taken
    for _ in range(3):
        with short.talk() as talk:
            assert talk.ask(get(access, version="1.0")).field("connection") == "close"
            assert talk.ended()
    assert short.taken == taken


# --- what no longer stands --------------------------------------------------------------------------


def suspend(kit: Kit, access: Access) -> None:
    kit.set_state(access.grant_id, "suspended")


def revoke(kit: Kit, access: Access) -> None:
    kit.revoke(access.token)


def narrow(kit: Kit, access: Access) -> None:
    with kit.database.begin() as tx:
        one = grants.c.id == access.grant_id
        terms = tx.execute(grants.select().where(one)).one().terms
        tx.execute(grants.update().where(one).values(terms={**terms, "fields": ["code"]}))
        change_policy(tx, kit.counter)


@pytest.mark.parametrize(
    ("fell", "status"), [(suspend, 403), (revoke, 401), (narrow, 403)], ids=lambda value: str(value)
)
def test_what_is_taken_back_is_refused_on_the_next_call(
    short: Short, fell: Callable[[Kit, Access], None], status: int
) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        fell(short.kit, access)
        asked, taken = short.provider.count, short.taken
        refused = talk.ask(get(access))
        assert refused.status == talk.ask(get(access)).status == status
        assert (short.provider.count, short.taken) == (asked, taken)
        assert short.kit.record(refused.field("audit-record") or "")["decision"] == "refused"
        assert talk.ask(fresh(get(access))).alike == refused.alike


def test_a_grant_that_is_given_back_is_judged_again_before_it_goes_the_short_way(short: Short) -> None:
    access, other = short.kit.grant("api"), short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        for _ in range(3):
            suspend(short.kit, access)
            assert talk.ask(get(access)).status == 403
            short.kit.set_state(access.grant_id, "active")
            short.prime(talk, get(access))
        suspend(short.kit, other)
        taken, version = short.taken, short.kit.counter.read()
        heard = talk.ask(get(access))
        assert short.taken == taken
        assert short.kit.record(heard.field("audit-record") or "")["policy_version"] == version
        short.prime(talk, get(access))
        heard = talk.ask(get(access))
        assert short.kit.record(heard.field("audit-record") or "")["policy_version"] == version


@pytest.mark.parametrize("terms", [{"seconds": 0.7}, {"token_seconds": 0.7}], ids=str)
def test_token_and_grant_end_at_their_instant(short: Short, terms: dict[str, Any]) -> None:
    began = time.time()
    access = short.kit.grant("api", **terms)
    ends = time.time() + 0.7
    answers: list[tuple[float, int]] = []
    with short.talk() as talk:
        short.prime(talk, get(access))
        while time.time() < ends + 0.1:
            asked_at = time.time()
            answers.append((asked_at, talk.ask(get(access)).status))
            time.sleep(0.005)
    assert {status for at, status in answers if at > ends} <= {401, 403}
    assert answers[-1][1] in (401, 403)
    assert {status for at, status in answers if at < began + 0.65} == {200}


def test_a_policy_that_cannot_be_ascertained_refuses(short: Short) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        asked, taken = short.provider.count, short.taken

        def age(worker: Any) -> None:
            worker._permits._polled -= 6.0

        def ask_stale() -> Heard:
            short.inside(age)
            return talk.ask(get(access))

        assert until(lambda: ask_stale().status == 503, 3)
        assert short.provider.count - asked == short.taken - taken  # what came in between a look and the next
        assert until(lambda: talk.ask(get(access)).status == 200, 5)


# --- who asks ---------------------------------------------------------------------------------------


def test_the_same_bytes_from_another_address_are_another_call(short: Short) -> None:
    access = short.kit.grant("api", networks=["127.0.0.1/32"])
    with short.talk() as talk, short.talk("127.0.0.2") as stranger:
        short.prime(talk, get(access))
        asked = short.provider.count
        refused = stranger.ask(get(access))
        assert refused.status == stranger.ask(get(access)).status == 403
        assert short.provider.count == asked
        assert short.kit.record(refused.field("audit-record") or "")["address"] == "127.0.0.2"
        assert talk.ask(get(access)).status == 200


def test_whom_a_proxy_forwards_is_judged_and_recorded_each_by_its_address(short: Short) -> None:
    access = short.kit.grant("api", networks=["127.0.0.2/32", "10.0.0.0/8"])
    here, there = (get(access, f"X-Forwarded-For: {address}") for address in ("10.0.0.1", "192.0.2.1"))
    with short.talk("127.0.0.3") as proxy, short.talk("127.0.0.2") as talk:
        short.prime(proxy, here)
        short.prime(talk, here)
        assert proxy.ask(there).status == proxy.ask(there).status == 403
        for _ in range(2):
            by_proxy, direct = proxy.ask(here), talk.ask(here)
            assert short.kit.record(by_proxy.field("audit-record") or "")["address"] == "10.0.0.1"
            assert short.kit.record(direct.field("audit-record") or "")["address"] == "127.0.0.2"


def test_two_tokens_never_get_each_others_fields(short: Short) -> None:
    grants = {
        fields: short.kit.grant("api", fields=list(fields), parameters={"area": ["42"]})
        for fields in (("code",), ("name",), ("code", "level"))
    }
    with short.talk() as talk:
        for _ in range(4):
            for fields, access in grants.items():
                [item, _] = json.loads(talk.ask(get(access, target=MANY)).body)["data"]["items"]
                assert tuple(sorted(item)) == fields
    assert short.taken


# --- a query ----------------------------------------------------------------------------------------


def test_another_query_goes_the_short_way_too_and_is_judged_and_recorded_for_itself(short: Short) -> None:
    access = short.kit.grant("api", fields=["code"], parameters={"area": ["42", "43"]})
    one, other, none = (get(access, target=f"{MANY}?area={area}") for area in (42, 43, 44))
    with short.talk() as talk:
        short.prime(talk, one)
        taken, records = short.taken, len(short.kit.records())
        assert [talk.ask(request).status for request in (other, none, one, other)] == [200, 403, 200, 200]
        assert short.taken == taken + 3
        heard = [talk.ask(fresh(request)).status for request in (other, none, one, other)]
        asked = [line for line, _ in short.provider.asked[-6:]]
    assert heard == [200, 403, 200, 200]
    assert [line.split("?")[1] for line in asked] == [f"area={n} HTTP/1.1" for n in (43, 42, 43)] * 2
    made = short.new_records(records)
    assert made[:4] == made[4:]
    assert len({record["request_digest"] for record in made}) == 3


def test_whose_record_a_query_asks_for_is_recorded_for_each_call_and_the_value_is_nowhere(own: Short) -> None:
    kit = own.kit
    named = {"name": "search", "method": "GET", "path": "/v1/items", "records": "/data/items"}
    with kit.database.begin() as tx:
        api = distributions.c.kind == "api"
        detail = dict(tx.execute(distributions.select().where(api)).one().detail)
        detail["operations"] = [*OPERATIONS, {**named, "parameters": [{"name": "name", "in": "query"}]}]
        tx.execute(distributions.update().where(api).values(detail=detail))
    own.say(ITEMS, "items")
    access = kit.grant("api", fields=["code"], operations=["search"])
    key, records = subject_key(kit.settings.key("pseudonym.key")), len(kit.records())
    people = ["zhaotiezhu", "qianduoduo", "sunxiaomei", "lisiguang"]
    with own.talk() as talk:
        for person in people:
            assert talk.ask(get(access, target=f"{SEARCH}?name={person}")).status == 200
    assert own.taken == len(people) - 1
    made = own.new_records(records)
    digests = [subject_digest(key, "name", person) for person in people]
    assert [record["subject"] for record in made] == digests
    assert len({record["request_digest"] for record in made}) == len(people)
    kept = repr(own.inside(lambda worker: list(worker._shortcuts._known.items()))).encode()
    kept += b"".join(path.read_bytes() for path in kit.settings.data.rglob("*") if path.is_file())
    assert not [person for person in people if person.encode() in kept]


# --- what is not remembered -------------------------------------------------------------------------


def _requests(kit: Kit) -> dict[str, list[bytes]]:
    """Requests of a kind, each to be made three times."""
    whole = kit.grant("api")
    number = f"T-2026-{next(_numbers):06}"
    kit.ticket(number, "civil_affairs")
    trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    post = get(whole, "Content-Length: 0", target=CHANGE)
    return {
        "a trace": [get(whole, trace)],
        "a ticket": [get(whole, f"Purpose-Ticket: {number}")],
        "a sensitive grant": [get(kit.grant("api", sensitive=True))],
        "a bound per day": [get(kit.grant("api", calls_per_day=100))],
        "a bound per second": [get(kit.grant("api", calls_per_second=100))],
        "a bound at once": [get(kit.grant("api", calls_at_once=9))],
        "a change": [b"POST" + post[3:]],
        "a body": [get(whole, "Transfer-Encoding: chunked") + b"0\r\n\r\n"],
        "a long head": [get(whole, "X-Long: " + "x" * 1024)],
        "two in one": [get(whole) * 2],
    }


KINDS = (
    "a trace",
    "a ticket",
    "a sensitive grant",
    "a bound per day",
    "a bound per second",
    "a bound at once",
    "a change",
    "a body",
    "a long head",
    "two in one",
)


@pytest.mark.parametrize("kind", KINDS)
def test_not_remembered_is_a_call_with(short: Short, kind: str) -> None:
    short.say(json_answer({"code": "1"}), "changes")
    [request] = _requests(short.kit)[kind]
    taken, times = short.taken, 1 + (kind == "two in one")
    with short.talk() as talk:
        for _ in range(3):
            talk.socket.sendall(request)
            assert [talk.hear().status for _ in range(times)] == [400 if kind == "a body" else 200] * times
    assert short.taken == taken


def test_the_records_of_traces_tickets_and_intents_are_made_each_time(short: Short) -> None:
    requests, before = _requests(short.kit), len(short.kit.records())
    with short.talk() as talk:
        for kind in ("a trace", "a ticket", "a sensitive grant"):
            for _ in range(3):
                assert talk.ask(requests[kind][0]).status == 200
    records = short.new_records(before)
    assert sum("trace" in record for record in records) == 3
    assert sum("ticket" in record for record in records) == 3
    assert sum(record["k"] == "access.intent" for record in records) == 3


def test_a_bound_holds_over_the_same_bytes(short: Short) -> None:
    access = short.kit.grant("api", calls_per_day=3)
    with short.talk() as talk:
        assert [talk.ask(get(access)).status for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_proof_is_good_once_however_often_its_bytes_come(short: Short) -> None:
    prover, kit = ec_prover(), short.kit
    access = kit.grant("api", cnf=f"jkt:{prover.thumbprint}")

    def request(nonce: str | None) -> bytes:
        address = kit.settings.platform.gateway_url + RAW
        proof = prover.proof("GET", address, datetime.now(UTC), nonce=nonce, token=access.token)
        return get(access, f"DPoP: {proof}").replace(b"Bearer", b"DPoP")

    with short.talk() as talk:
        proved = request(talk.ask(request(None)).field("dpop-nonce"))
        assert [talk.ask(proved).status for _ in range(3)] == [200, 401, 401]


def test_a_head_is_answered_as_it_was(short: Short) -> None:
    request = get(short.kit.grant("api")).replace(b"GET", b"HEAD", 1)
    with short.talk() as talk:
        answers = []
        for _ in range(3):
            talk.socket.sendall(request)
            answers.append(talk.socket.recv(65536).split(b"\r\n")[0])
    assert len(set(answers)) == 1


def test_a_last_request_is_answered_as_the_last(short: Short) -> None:
    access, taken = short.kit.grant("api"), short.taken
    for _ in range(3):
        with short.talk() as talk:
            assert talk.ask(get(access, "Connection: close")).field("connection") == "close"
            assert talk.ended()
    assert short.taken == taken


def test_no_more_than_so_many_requests_are_remembered(own: Short) -> None:
    short, access = own, own.kit.grant("api")
    known = short.worker._shortcuts._known
    with short.talk() as talk:
        short.prime(talk, get(access))
        for start in range(0, KEPT_MOST + 100, 20):
            for index in range(start, start + 20):
                assert talk.ask(get(access, f"X-Other: many{index}")).status == 200
        assert len(known) == KEPT_MOST
        taken = short.taken
        assert talk.ask(get(access)).status == 200
        assert short.taken == taken  # the oldest has gone
        short.prime(talk, get(access))
