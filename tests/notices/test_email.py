"""E-mail: whoever is named for a department gets one message for each notice, and never a second."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from core.text import Text
from notices import smtp
from notices.outbox import PAUSES
from tests import postgresql
from tests.conftest import World
from tests.notices.receivers import ADDRESS, Inbox, by_email, certified, mail_server, post, sign_in
from tests.notices.sending import killed_while_sending, reason, send, states


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with mail_server() as server:
        yield server


def test_a_message_says_in_both_languages_what_waits_and_where(world: World, inbox: Inbox) -> None:
    by_email(world, inbox.port)
    post(world, "one", due=world.now + timedelta(days=10), cite="《办法》第二十条")
    assert send(world) == 1
    [letter] = inbox.letters()
    assert letter["Subject"] == "事项 one / Item one"
    assert letter["To"] == ADDRESS
    assert letter["From"].addresses[0].addr_spec == "notices@platform.example"
    assert letter["From"].addresses[0].display_name == world.settings.platform.title.zh
    assert letter["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(str(letter["Date"])) == world.now.replace(microsecond=0)
    text = letter.get_content()
    for words in (
        "请办理。",
        "Please see to it.",
        "截止时间: 2026-02-20 10:00",
        "第二十条",
        "Due: 2026-02-20",
    ):
        assert words in text
    assert f"{world.settings.platform.control_url}/datasets/307001-000001" in text
    assert all(byte < 128 for byte in inbox.messages[0])
    assert states(world) == {"sent": 1}


def test_one_message_for_each_address_and_no_second_one(world: World, inbox: Inbox) -> None:
    by_email(world, inbox.port, "a@example.org", "b@example.org")
    post(world, "one", "two", "one")
    assert send(world) == 4
    world.now += timedelta(days=3)
    assert send(world) == 0
    assert sorted(inbox.recipients) == ["a@example.org"] * 2 + ["b@example.org"] * 2
    assert len({m["Message-ID"] for m in inbox.letters()}) == 4


def test_no_text_of_a_notice_becomes_a_header(world: World, inbox: Inbox) -> None:
    by_email(world, inbox.port)
    nul = "" if postgresql.is_wanted() else "\x00"
    evil = f"事项\r\nBcc: everybody@example.org\r\n\r\n<html>\u2028X-Evil: 1{nul}"
    post(world, "one", subject=Text(evil, evil), body=Text(".\r\n.\r\nMAIL FROM:<x@example.org>", "."))
    send(world)
    [letter] = inbox.letters()
    assert letter["Bcc"] is None
    assert letter["X-Evil"] is None
    assert "Bcc: everybody@example.org" in letter["Subject"]
    assert "MAIL FROM" in letter.get_content()
    assert inbox.recipients == [ADDRESS]


def test_starttls_and_a_password_with_a_certificate_that_is_checked(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = certified(tmp_path)
    password = world.settings.data / "smtp.password"
    password.write_text("correct horse")
    password.chmod(0o600)
    options = {"security": "starttls", "username": "platform", "password": "file:{data}/smtp.password"}
    with mail_server(
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=sign_in(b"platform", b"correct horse"),
    ) as inbox:
        by_email(world, inbox.port, **options)
        post(world, "one")
        send(world)
        assert inbox.messages == []
        assert reason(world) == "smtp_tls"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        world.now += PAUSES[0]
        send(world)
        assert len(inbox.messages) == 1
        assert inbox.encrypted == [True]
        password.write_text("wrong")
        post(world, "two")
        send(world)
        assert len(inbox.messages) == 1
        assert reason(world) == "smtp_sign_in_refused"


def test_a_server_that_offers_no_starttls_gets_nothing(world: World, inbox: Inbox) -> None:
    by_email(world, inbox.port, security="starttls")
    post(world, "one")
    send(world)
    assert reason(world) == "smtp_not_supported"
    assert inbox.messages == []


@pytest.mark.parametrize(
    ("command", "answer", "becomes"),
    [
        ("RCPT", "450 later", {"waiting": 1}),
        ("RCPT", "550 nobody of that name", {"failed": 1}),
        ("MAIL", "550 not for you", {"waiting": 1}),
        ("DATA", "451 later", {"waiting": 1}),
        ("DATA", "554 no", {"failed": 1}),
    ],
)
def test_what_the_server_says_decides(
    world: World, inbox: Inbox, command: str, answer: str, becomes: dict[str, int]
) -> None:
    by_email(world, inbox.port)
    inbox.answers[command] = answer
    post(world, "one")
    send(world)
    assert states(world) == becomes


def test_one_refused_address_leaves_the_others_their_messages(world: World, inbox: Inbox) -> None:
    by_email(world, inbox.port, "gone@example.org", "here@example.org")
    inbox.answers["gone@example.org"] = "550 nobody of that name"
    post(world, "one")
    send(world)
    assert inbox.recipients == ["here@example.org"]
    assert states(world) == {"sent": 1, "failed": 1}


def test_it_is_tried_again_after_growing_pauses_and_then_no_more(world: World, inbox: Inbox) -> None:
    by_email(world, inbox.port)
    inbox.answers["RCPT"] = "450 later"
    post(world, "one")
    for pause in PAUSES:
        assert send(world) == 1
        world.now += pause - timedelta(seconds=1)
        assert send(world) == 0
        world.now += timedelta(seconds=1)
    assert send(world) == 1
    assert states(world) == {"failed": 1}
    world.now += timedelta(days=30)
    assert send(world) == 0


def test_a_server_that_is_away_costs_one_try_for_all(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    by_email(world, port)
    post(world, *(str(i) for i in range(9)))
    began = time.monotonic()
    assert send(world) == 9
    assert time.monotonic() - began < 20
    assert states(world) == {"waiting": 9}
    world.now += PAUSES[0]
    with mail_server() as server:
        by_email(world, server.port)
        send(world)
        assert len(server.messages) == 9


def test_a_server_that_drips_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TOTAL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.sendall(b"220 here\r\n")
                for _ in range(400):
                    time.sleep(0.1)
                    try:
                        peer.sendall(b"250-A\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        by_email(world, listening.getsockname()[1])
        post(world, "one")
        began = time.monotonic()
        send(world)
        assert time.monotonic() - began < 20
        thread.join(60)
    assert states(world) == {"waiting": 1}


def test_a_message_that_was_handed_over_without_an_answer_is_not_sent_again(
    world: World, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TOTAL_SECONDS", 0.5)
    inbox.hold = 1.5
    by_email(world, inbox.port)
    post(world, "one")
    send(world)
    assert len(inbox.messages) == 1
    assert states(world) == {"uncertain": 1}
    world.now += timedelta(days=3)
    assert send(world) == 0


@pytest.mark.long
def test_a_sender_killed_in_the_middle_leaves_the_message_uncertain(world: World, inbox: Inbox) -> None:
    inbox.hold = 30
    by_email(world, inbox.port)
    post(world, "one", "two")
    killed_while_sending(world, lambda: len(inbox.messages) == 1)
    assert send(world) == 0
    world.now += timedelta(minutes=5)
    inbox.hold = 0
    assert send(world) == 1
    assert sorted(m["Subject"] for m in inbox.letters()) == ["事项 one / Item one", "事项 two / Item two"]
    assert states(world) == {"uncertain": 1, "sent": 1}


def test_an_address_that_was_taken_out_gets_nothing_more(world: World, inbox: Inbox) -> None:
    by_email(world, inbox.port, "left@example.org")
    post(world, "one")
    by_email(world, inbox.port, "new@example.org")
    send(world)
    assert inbox.messages == []
    assert states(world) == {"failed": 1}
