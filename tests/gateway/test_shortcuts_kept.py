"""What the short way keeps of a request, and which requests never take it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

import pytest

from audit.questions.subject import subject_digest, subject_key
from catalog.store import distributions
from gateway.shortcuts import KEPT_MOST
from tests.gateway.plane_kit import OPERATIONS, Kit, url
from tests.gateway.proofs import ec_prover
from tests.gateway.providers import json_answer
from tests.gateway.short_kit import CHANGE, ITEMS, MANY, RAW, Short, fresh, get

pytestmark = [pytest.mark.long, pytest.mark.takes(6)]

pytest_plugins = ["tests.gateway.short_fixtures"]

_numbers = count(1)
SEARCH = url("api", "call/search")


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
