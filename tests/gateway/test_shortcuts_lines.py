"""Connections whose requests go the short way: pipelined, split, hung up on, without a journal, ending."""

from __future__ import annotations

import json
import os
import socket
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.records import ASKED_AGAIN
from tests.gateway.plane_kit import until
from tests.gateway.providers import json_answer, silence
from tests.gateway.short_kit import CHANGE, FINE, MANY, Short, fresh, get, pieces

pytestmark = [pytest.mark.long, pytest.mark.takes(12)]

pytest_plugins = ["tests.gateway.short_fixtures"]


# --- connections ------------------------------------------------------------------------------------


def test_remembered_requests_in_one_write_are_answered_in_order(short: Short) -> None:
    access = short.kit.grant("api")
    requests = [get(access, f"Accept-Language: l{i}") for i in range(3)]
    with short.talk() as talk:
        for request in requests:
            short.prime(talk, request)
        for row in (requests, requests[::-1], [requests[0]] * 20):
            asked = short.provider.count
            talk.socket.sendall(b"".join(row))
            assert [talk.hear().status for _ in row] == [200] * len(row)
            words = [request for _, request in short.provider.asked[asked:]]
            wanted = [b"Accept-Language: l%d\r\n" % requests.index(request) for request in row]
            assert all(line in heard for line, heard in zip(wanted, words, strict=True))


def test_what_is_split_at_any_byte_is_the_same_request(short: Short) -> None:
    request = get(short.kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
        for at in range(1, len(request), 3):
            talk.socket.sendall(request[:at])
            time.sleep(0.001)
            assert talk.ask(request[at:]).status == 200
            assert talk.ask(request).status == 200


def test_line_ends_before_a_remembered_request_are_passed_over(short: Short) -> None:
    request = get(short.kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
        for before in (b"\r\n", b"\r\n\r\n", b"\n"):
            assert talk.ask(before + request).status == talk.ask(before + request).status == 200
            talk.socket.sendall(before)
            time.sleep(0.01)
            assert talk.ask(request).status == 200
            assert talk.ask(request + before).status == talk.ask(request + before).status == 200


def test_half_a_remembered_request_and_then_another_whole_one_is_one_bad_request(short: Short) -> None:
    request = get(short.kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
        asked = short.provider.count
        talk.socket.sendall(request[:20])
        time.sleep(0.02)
        assert talk.ask(request).status == 400
        assert talk.ended()
        assert short.provider.count == asked


def test_what_follows_a_remembered_request_is_judged_for_itself(short: Short) -> None:
    request = get(short.kit.grant("api"))
    for follows in (b"\x00 garbage\r\n\r\n", b"GET / HTTP/1.1\r\nX y: z\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"):
        for together in (True, False):
            with short.talk() as talk:
                short.prime(talk, request)
                talk.socket.sendall(request + follows if together else request)
                if not together:
                    talk.socket.sendall(follows + request)
                assert [talk.hear().status, talk.hear().status] == [200, 400]
                assert talk.ended()


def test_a_remembered_request_after_one_with_a_body_is_itself(short: Short) -> None:
    access = short.kit.grant("api")
    short.say(json_answer({"code": "1"}), "changes")
    post = b"POST" + get(access, "Content-Type: text/plain", "Content-Length: 2", target=CHANGE)[3:]
    with short.talk() as talk:
        short.prime(talk, get(access))
        for _ in range(3):
            assert talk.ask(post + b"ab").status == 200
            assert talk.ask(get(access)).body == b"all is well"
        body = get(access)
        head = get(access, "Content-Type: text/plain", f"Content-Length: {len(body)}", target=CHANGE)[3:]
        asked = short.provider.count
        talk.socket.sendall(b"POST" + head)
        time.sleep(0.02)
        assert talk.ask(body).status == 200  # the remembered bytes are a body now, and no request
        assert short.provider.asked[asked:][0][1].endswith(body)
        assert short.provider.count == asked + 1


def test_requests_behind_a_slow_answer_wait_for_it(short: Short) -> None:
    access = short.kit.grant("api")
    with short.talk() as talk:
        short.prime(talk, get(access))
        short.say(pieces(b"", FINE.replace(b"all is well", b"it was slow"), pause=0.1))
        talk.socket.sendall(get(access))
        time.sleep(0.03)
        short.say(FINE)
        for data in (get(access), fresh(get(access)), get(access, target="/nothing")):
            talk.socket.sendall(data)
            time.sleep(0.005)
        heard = [talk.hear() for _ in range(4)]
    assert [h.status for h in heard] == [200, 200, 200, 404]
    assert [h.body for h in heard[:3]] == [b"it was slow", b"all is well", b"all is well"]


def test_a_caller_that_sends_no_more_still_gets_its_answer(short: Short) -> None:
    request = get(short.kit.grant("api"))
    for behind in (b"", request):
        with short.talk() as talk:
            short.prime(talk, request)
            short.say(pieces(b"", FINE, pause=0.05))
            talk.socket.sendall(request)
            time.sleep(0.01)
            talk.socket.sendall(behind)
            talk.socket.shutdown(socket.SHUT_WR)
            assert talk.hear().status == 200
            assert not behind or talk.hear().status == 200
            assert talk.ended()
        short.say(FINE)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_caller_that_hangs_up_leaves_its_record_and_nothing_else(short: Short, how: str) -> None:
    request = get(short.kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
    wires, records, permitted = short.figures()[0], len(short.kit.records()), _permitted(short)
    short.say(pieces(b"", FINE, pause=0.05))
    talk = short.talk()
    taken = short.taken
    talk.socket.sendall(request)
    until(lambda: short.taken == taken + 1)
    talk.reset() if how == "reset" else talk.__exit__()
    [record] = until(lambda: short.new_records(records), 3)
    assert (record["decision"], record["bytes"]) == ("permitted", 11)
    assert short.at_rest()
    assert short.figures()[0] <= wires
    assert _permitted(short) == permitted + 1
    assert not short.inside(lambda w: [line for line in w._public.connections if line._busy])


def test_callers_that_hang_up_again_and_again_leave_no_call_under_way(short: Short) -> None:
    request = get(short.kit.grant("api"))
    with short.talk() as talk:
        short.prime(talk, request)
        for index in range(60):
            short.say((FINE, pieces(b"", FINE, pause=0.005), silence)[index % 3])
            gone = short.talk()
            gone.socket.sendall(request)
            gone.reset() if index % 2 else gone.__exit__()
        short.say(FINE)
        assert short.at_rest()
        short.prime(talk, request)
    assert until(lambda: not short.inside(lambda w: w._public.connections), 3)


def _permitted(short: Short) -> float:
    page = short.inside(lambda worker: worker._metrics.page(worker._standing()))
    return float(page.split(b'status="200"} ')[1].split()[0])


# --- any row of requests, in any pieces -------------------------------------------------------------


PURPOSE = "任意组合"


@pytest.fixture(scope="module")
def row(shared: Short) -> list[bytes]:
    """Requests of all kinds; a bad one, or a last one, is not among them."""
    access, ended = (shared.kit.grant("api", purpose=PURPOSE) for _ in range(2))
    shared.kit.set_state(ended.grant_id, "suspended")
    short_fields = shared.kit.grant("api", purpose=PURPOSE, fields=["code"], parameters={"area": ["42"]})
    return [
        get(access),
        get(access, "Accept-Language: zh"),
        get(access, "Connection: keep-alive", version="1.0"),
        get(short_fields, target=MANY),
        get(short_fields, target=f"{MANY}?area=42"),
        get(ended),
        get(access, target="/nothing"),
        b"POST" + get(access, "Content-Type: text/plain", "Content-Length: 2", target=CHANGE)[3:] + b"ab",
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_row_of_requests_in_any_pieces_gets_the_answers_of_each(
    short: Short, row: list[bytes], data: st.DataObject
) -> None:
    short.say(json_answer({"code": "1"}), "changes")
    chosen = data.draw(st.lists(st.sampled_from(range(len(row))), min_size=1, max_size=8))
    sent = b"".join(row[index] for index in chosen)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    with short.talk() as talk:
        alone = {index: talk.ask(row[index]).alike for index in (*row_order(chosen), *row_order(chosen))}
        records = len(short.kit.records())
        for start, end in pairwise([0, *cuts, len(sent)]):
            talk.socket.sendall(sent[start:end])
            time.sleep(data.draw(st.sampled_from([0.0, 0.001])))
        heard = [talk.hear() for _ in chosen]
        talk.socket.shutdown(socket.SHUT_WR)
        assert talk.ended()  # and not an answer more
    assert [h.alike for h in heard] == [alone[index] for index in chosen]
    named = [h.field("audit-record") for h in heard if h.field("audit-record")]
    made = [
        record["id"]
        for record in short.kit.records()[records:]
        if record["k"] != "access.intent" and record["purpose"] == PURPOSE  # and not of a test before
    ]
    assert made == named


def row_order(chosen: list[int]) -> list[int]:
    return sorted(set(chosen))


def test_a_line_to_the_provider_that_lies_idle_is_closed_though_nobody_calls(
    own: Short, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own.talk() as talk:
        own.prime(talk, get(own.kit.grant("api")))
    assert own.figures() == (1, 0)
    monkeypatch.setattr("gateway.upstream.IDLE_SECONDS", 0.1)
    until(lambda: own.figures() == (0, 0), 5)


# --- no record, no data -----------------------------------------------------------------------------


def test_a_journal_that_is_taken_away_between_two_calls(own: Short) -> None:
    request = get(own.kit.grant("api"))
    with own.talk() as talk:
        own.prime(talk, request)
        for path in (own.kit.settings.data / "audit" / "journal").iterdir():
            path.unlink()
        time.sleep(ASKED_AGAIN + 0.01)
        asked = own.provider.count
        for _ in range(3):
            heard = talk.ask(request)
            assert (heard.status, json.loads(heard.body)["code"]) == (503, "journal_unavailable")
            assert heard.field("audit-record") is None
        assert own.provider.count == asked


@pytest.mark.parametrize("when", ["before the write", "while it is asked for"])
def test_a_write_that_fails_refuses_what_the_provider_gave_already(own: Short, when: str) -> None:
    """The journal is poisoned while the provider is asked; what it gave does not leave."""
    request = get(own.kit.grant("api"))
    with own.talk() as talk:
        own.prime(talk, request)
        own.say(pieces(b"", FINE, pause=0.1))
        taken = own.taken
        talk.socket.sendall(request)
        until(lambda: own.taken == taken + 1)

        def spoil(worker: Any) -> None:
            journal = worker._recorder.journal
            if when == "before the write":
                journal._failure = "a write failed"
            else:
                full = os.open("/dev/full", os.O_WRONLY)
                os.dup2(full, journal._active.fd)
                os.close(full)

        own.inside(spoil)
        heard = talk.hear()
        assert (heard.status, json.loads(heard.body)["code"]) == (503, "journal_unavailable")
        assert b"all is well" not in heard.body
        own.say(FINE)
        until(lambda: talk.ask(request).status == 200, 10)
        own.prime(talk, request)
    assert own.at_rest()


# --- the end ----------------------------------------------------------------------------------------


def test_calls_under_way_at_the_end_are_answered_as_the_last(own: Short) -> None:
    request = get(own.kit.grant("api"))
    talks = [own.talk() for _ in range(6)]
    own.prime(talks[0], request)
    for talk in talks:  # each has a wire to the provider
        talk.socket.sendall(request)
    assert {talk.hear().status for talk in talks} == {200}
    own.say(pieces(b"", FINE, pause=0.3))
    taken, asked = own.taken, own.provider.count
    for talk in talks:
        talk.socket.sendall(request)
    until(lambda: own.provider.count == asked + 6)
    assert own.taken > taken
    own.stop()
    until(lambda: own.worker._public.draining)
    talks[0].socket.sendall(request)  # comes too late: an answer that says `close` is the last
    for talk in talks:
        heard = talk.hear()
        assert (heard.status, heard.field("connection")) == (200, "close")
        assert talk.ended()
        talk.__exit__()
    assert own.provider.count == asked + 6
