"""Who receives what goes out: a mail server, an authority for certificates, and the settings for both."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.settings_notify import Notify, Smtp, Webhook
from core.text import Text
from core.work import SYSTEM
from notices.model import Draft
from notices.post import post_notice
from tests.conftest import World
from tests.ports import free_port

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ADDRESS = "desk@civil-affairs.example"


@dataclass
class Inbox:
    """What the mail server took, and what it says to which command."""

    port: int
    messages: list[bytes]
    answers: dict[str, str]
    """Command to its answer, in place of the usual one."""
    recipients: list[str]
    hold: float = 0.0
    """Seconds before a message is answered for."""
    encrypted: list[bool] = field(default_factory=list)

    def letters(self) -> list[EmailMessage]:
        """The messages as a mail program reads them."""
        return [message_from_bytes(m, policy=default) for m in self.messages]


class _Handler:
    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox

    async def handle_MAIL(self, _s: Any, session: Any, envelope: Any, address: str, _o: Any) -> str:
        envelope.mail_from = address
        self.inbox.encrypted.append(session.ssl is not None)
        return self.inbox.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, _s: Any, _e: Any, envelope: Any, address: str, _o: Any) -> str:
        answer = self.inbox.answers.get(address, self.inbox.answers.get("RCPT", "250 OK"))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _s: Any, _e: Any, envelope: Any) -> str:
        self.inbox.messages.append(envelope.content)
        self.inbox.recipients.extend(envelope.rcpt_tos)
        await asyncio.sleep(self.inbox.hold)
        return self.inbox.answers.get("DATA", "250 OK")


@contextmanager
def mail_server(**options: Any) -> Iterator[Inbox]:
    """A mail server on a free port."""
    inbox = Inbox(free_port(), [], {}, [])
    controller = Controller(_Handler(inbox), hostname="127.0.0.1", port=inbox.port, **options)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


def sign_in(login: bytes, password: bytes) -> Any:
    """An authenticator for aiosmtpd that knows one account."""

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (login, password), handled=False)

    return check


def certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost by an authority of its own: the authority, and the server's side."""
    now = datetime.now(UTC)

    def builder(subject: str, issuer: str, key: Any) -> x509.CertificateBuilder:
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (issuer, subject)]
        made = x509.CertificateBuilder(names[0], names[1], key.public_key(), x509.random_serial_number())
        return made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = builder("Test authority", "Test authority", ca_key)
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    authority = authority.add_extension(
        x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
            **usage,
        ),
        critical=True,
    )
    hosts = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    server = builder("localhost", "Test authority", key)
    server = server.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    (folder / "ca").write_bytes(authority.sign(ca_key, SHA256()).public_bytes(Encoding.PEM))
    (folder / "certificate").write_bytes(server.sign(ca_key, SHA256()).public_bytes(Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return folder / "ca", context


def by_email(world: World, port: int, *addresses: str, **smtp: Any) -> None:
    """Let the civil affairs bureau be told by e-mail."""
    server = Smtp("127.0.0.1", port, "notices@platform.example", "none", None, None)
    platform = replace(world.settings.platform, smtp=replace(server, **smtp))
    world.settings = replace(world.settings, platform=platform)
    _notify(world, "civil_affairs", email=addresses or (ADDRESS,))


def by_webhook(
    world: World, url: str, department: str = "civil_affairs", networks: tuple[str, ...] = ("127.0.0.0/8",)
) -> None:
    """Let a department be told by webhook."""
    path = world.settings.data / "webhook.secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    allowed = tuple(ip_network(n) for n in networks)
    _notify(world, department, webhook=Webhook(url, "file:{data}/webhook.secret", allowed))


def _notify(world: World, department: str, **changes: Any) -> None:
    known = dict(world.settings.departments)
    notify: Notify = replace(known[department].notify, **changes)
    known[department] = replace(known[department], notify=notify)
    world.settings = replace(world.settings, departments=known)


def post(world: World, *keys: str, department: str = "civil_affairs", **changes: Any) -> None:
    """Post a notice under each key."""
    for key in keys:
        first = Draft(
            key=key,
            about="",
            link="/datasets/307001-000001",
            department=department,
            role="provider",
            kind="step",
            subject=Text(f"事项 {key}", f"Item {key}"),
            body=Text("请办理。", "Please see to it."),
        )
        with world.work(SYSTEM) as work:
            post_notice(work, replace(first, **changes))


def verified(headers: dict[str, str], body: bytes, now: datetime) -> Any:
    """The payload of a webhook, if it is one, as the specification has its receiver check it."""
    key = base64.b64decode(SECRET.split("_", 1)[1])
    assert abs(now.timestamp() - int(headers["webhook-timestamp"])) <= 300
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    versions = dict(s.split(",", 1) for s in headers["webhook-signature"].split(" "))
    assert hmac.compare_digest(versions["v1"], expected)
    return json.loads(body)
