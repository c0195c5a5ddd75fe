"""Webhooks: signed as Standard Webhooks says, tried again, sent by one sender, and only where they may go."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.db import Database
from core.networks import address_of, may_reach
from notices import sender, webhooks
from notices.model import Outcome
from notices.outbox import PAUSES, Outbox
from notices.sender import send_once
from notices.webhooks import Answer, outcome_of
from tests.conftest import START, World
from tests.gateway.providers import Provider, drip, http, silence
from tests.notices.receivers import by_webhook, certified, post, verified
from tests.notices.sending import killed_while_sending, reason, send, states

pytestmark = pytest.mark.long


@pytest.fixture
def receiver() -> Iterator[Provider]:
    made = Provider()
    made.answers["/hook"] = http(204)
    yield made
    made.close()


def url(receiver: Provider) -> str:
    return f"http://127.0.0.1:{receiver.port}/hook"


def body(receiver: Provider, index: int = -1) -> bytes:
    return receiver.asked[index][1].partition(b"\r\n\r\n")[2]


def ids(receiver: Provider) -> list[str]:
    return [receiver.headers_of(i)["webhook-id"] for i in range(receiver.count)]


def test_the_receiver_can_verify_who_sent_what_and_when(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver) + "?from=platform")
    post(world, "one", due=world.now + timedelta(days=10), cite="《办法》第二十条")
    assert send(world) == 1
    document = verified(receiver.headers_of(), body(receiver), world.now)
    assert receiver.asked[0][0] == "POST /hook?from=platform HTTP/1.1"
    assert document["type"] == "notice.step"
    assert document["timestamp"] == "2026-02-10T10:00:00+08:00"
    assert document["data"]["subject"] == {"zh": "事项 one", "en": "Item one"}
    assert document["data"]["due"] == "2026-02-20T10:00:00+08:00"
    assert document["data"]["url"] == f"{world.settings.platform.control_url}/datasets/307001-000001"
    assert receiver.headers_of()["content-type"] == "application/json"
    assert states(world) == {"sent": 1}
    with pytest.raises(AssertionError):
        verified(receiver.headers_of(), body(receiver) + b" ", world.now)


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_what_was_not_taken_is_sent_again_under_the_same_id(
    world: World, receiver: Provider, status: int
) -> None:
    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = http(status, b"", f"Location: {url(receiver)}")
    post(world, "one")
    send(world)
    assert receiver.count == 1
    assert reason(world) == f"http_{status}"
    assert send(world) == 0
    receiver.answers["/hook"] = http(200, b"thanks")
    world.now += PAUSES[0]
    assert send(world) == 1
    assert len(set(ids(receiver))) == 1
    assert body(receiver, 0) == body(receiver, 1)
    verified(receiver.headers_of(), body(receiver), world.now)
    assert states(world) == {"sent": 1}


def test_an_endpoint_that_is_gone_is_left_alone(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = http(410)
    post(world, "one")
    send(world)
    assert states(world) == {"failed": 1}


def test_it_ends_after_the_last_pause(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = http(500)
    post(world, "one")
    for pause in PAUSES:
        send(world)
        world.now += pause
    send(world)
    world.now += timedelta(days=9)
    assert send(world) == 0
    assert receiver.count == len(PAUSES) + 1
    assert states(world) == {"failed": 1}


def test_the_receiver_may_ask_for_more_time(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = http(503, b"", "Retry-After: 600")
    post(world, "one")
    send(world)
    world.now += timedelta(seconds=599)
    assert send(world) == 0
    receiver.answers["/hook"] = http(503, b"", "Retry-After: 999999999999")
    world.now += timedelta(seconds=1)
    send(world)
    world.now += timedelta(hours=24)
    assert send(world) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Tue, 10 Feb 2026 02:01:00 GMT", 60),
        ("Tue, 10 Feb 2026 01:00:00 GMT", 0),
        ("-5", 0),
        ("soon", 0),
        ("٣", 0),
        ("", 0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, seconds: float) -> None:
    assert outcome_of(Answer(503, value), START).after_seconds == seconds


# --- time and size --------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT_SECONDS", "TOTAL_SECONDS", "BODY_SECONDS"):
        monkeypatch.setattr(webhooks, name, 0.4)


@pytest.mark.usefixtures("hasty")
def test_a_receiver_that_does_not_answer_costs_one_try_for_all(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = silence
    post(world, *(str(i) for i in range(5)))
    assert send(world) == 5
    assert receiver.count == 1
    assert reason(world) == "timeout"
    assert states(world) == {"waiting": 5}


@pytest.mark.usefixtures("hasty")
def test_an_answer_without_an_end_was_an_answer(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = drip(b"x" * 1000, 0.05)
    post(world, "one")
    began = time.monotonic()
    send(world)
    assert time.monotonic() - began < 20
    assert states(world) == {"sent": 1}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"SSH-2.0-hello\r\n\r\n", b"HTTP/1.1 200"],
)
def test_what_is_no_answer_is_tried_again(world: World, receiver: Provider, answer: bytes) -> None:
    def say(client: socket.socket) -> None:
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        client.recv(1)

    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = say
    post(world, "one")
    send(world)
    assert reason(world) == "no_answer"


def test_one_slow_department_keeps_nobody_else_waiting(world: World, receiver: Provider) -> None:
    def slowly(client: socket.socket) -> None:
        time.sleep(0.05)
        client.sendall(http(204))

    receiver.answers["/slow"] = slowly
    by_webhook(world, url(receiver).replace("/hook", "/slow"))
    by_webhook(world, url(receiver), department="health")
    post(world, *(f"slow {i}" for i in range(30)))
    post(world, "quick", department="health")
    assert send(world) < 20
    assert [line for line, _ in receiver.asked].count("POST /hook HTTP/1.1") == 1


def test_a_sender_that_is_told_to_stop_gives_back_what_it_has_not_begun(
    world: World, receiver: Provider
) -> None:
    by_webhook(world, url(receiver))
    post(world, *(str(i) for i in range(5)))
    send_once(world.settings, Outbox(world.database, lambda: world.now), lambda: receiver.count >= 2)
    assert receiver.count == 2
    assert states(world) == {"sent": 2, "waiting": 3}
    assert send(world) == 3


def test_a_place_that_takes_too_long_gives_way(
    world: World, receiver: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "GROUP_SECONDS", 0.0)
    by_webhook(world, url(receiver))
    post(world, "one")
    send(world)
    assert (receiver.count, states(world)) == (0, {"waiting": 1})


# --- nothing twice --------------------------------------------------------------------------------


def test_several_senders_send_each_webhook_once(world: World, receiver: Provider) -> None:
    departments = ("civil_affairs", "health", "education", "police")
    for department in departments:
        by_webhook(world, url(receiver), department=department)
        post(world, *(f"{department} {i}" for i in range(15)), department=department)

    def drain() -> None:
        database = Database(world.settings.database_url)
        try:
            while send_once(world.settings, Outbox(database, lambda: world.now)):
                pass
        finally:
            database.close()

    threads = [threading.Thread(target=drain) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(Counter(ids(receiver)).values()) == 1
    assert receiver.count == 60
    assert states(world) == {"sent": 60}


def test_a_sender_that_lost_its_claim_neither_sends_nor_settles(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver))
    post(world, "one", "two")
    slow = Outbox(world.database, lambda: world.now)
    first, second = slow.claim()
    assert slow.begin(first)
    world.now += timedelta(minutes=5)
    assert send(world) == 2
    assert not slow.begin(second)
    slow.settle(first, Outcome("failed", "late"))
    assert receiver.count == 2
    assert states(world) == {"sent": 2}


@pytest.mark.long
def test_a_sender_killed_in_the_middle_leaves_it_to_the_receiver_to_drop_the_repeat(
    world: World, receiver: Provider
) -> None:
    by_webhook(world, url(receiver))
    receiver.answers["/hook"] = silence
    post(world, "one")
    killed_while_sending(world, lambda: receiver.count == 1)
    receiver.answers["/hook"] = http(204)
    assert send(world) == 0
    world.now += timedelta(minutes=2)
    assert send(world) == 1
    assert len(ids(receiver)) == 2
    assert len(set(ids(receiver))) == 1
    assert states(world) == {"sent": 1}


# --- where it may go ------------------------------------------------------------------------------


def test_a_name_that_leads_inside_is_not_called(world: World, receiver: Provider) -> None:
    by_webhook(world, url(receiver).replace("127.0.0.1", "localhost"), networks=())
    post(world, "one")
    send(world)
    assert receiver.connections == 0
    assert reason(world) == "address_prohibited"


def test_a_name_that_leads_nowhere_is_told_as_such(world: World) -> None:
    by_webhook(world, "https://nobody.invalid/hook", networks=())
    post(world, "one")
    send(world)
    assert reason(world) == "name_unresolved"


@pytest.mark.parametrize(
    ("address", "networks", "may"),
    [
        ("8.8.8.8", (), True),
        ("10.1.2.3", (), False),
        ("192.168.0.1", (), False),
        ("127.0.0.1", (), False),
        ("169.254.169.254", (), False),
        ("100.64.0.1", (), False),
        ("::1", (), False),
        ("fd00::1", (), False),
        ("::ffff:10.0.0.1", (), False),
        ("64:ff9b::a00:1", (), False),
        ("2001:4860:4860::8888", (), True),
        ("10.1.2.3", ("10.0.0.0/8",), True),
        ("8.8.8.8", ("10.0.0.0/8",), False),
        ("169.254.169.254", ("0.0.0.0/0",), False),
    ],
)
def test_private_and_special_addresses_must_be_named(
    address: str, networks: tuple[str, ...], may: bool
) -> None:
    from ipaddress import ip_network

    known = address_of(address)
    assert known is not None
    assert may_reach(known, [ip_network(n) for n in networks]) is may


def test_the_certificate_is_checked(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = certified(tmp_path)
    taken: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve_tls, args=(listening, context, taken), daemon=True)
        thread.start()
        by_webhook(
            world, f"https://localhost:{listening.getsockname()[1]}/hook", networks=("127.0.0.0/8", "::1/128")
        )
        post(world, "one")
        send(world)
        assert reason(world) == "tls"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        world.now += PAUSES[0]
        send(world)
        thread.join(5)
    assert taken[0].startswith(b"POST /hook HTTP/1.1\r\nHost: localhost:")
    assert states(world) == {"sent": 1}


def _serve_tls(listening: socket.socket, context: Any, taken: list[bytes]) -> None:
    while not taken:
        client, _ = listening.accept()
        try:
            with context.wrap_socket(client, server_side=True) as tls:
                taken.append(tls.recv(65536))
                tls.sendall(http(204))
        except OSError:
            client.close()


def test_a_webhook_that_was_taken_out_is_not_called(world: World, receiver: Provider) -> None:
    before = world.settings
    by_webhook(world, url(receiver))
    post(world, "one")
    world.settings = before
    send(world)
    assert (receiver.count, states(world)) == (0, {"failed": 1})
