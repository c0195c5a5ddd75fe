"""How departments are told of what waits for them: mail server, addresses and webhooks of a deployment."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import Finding
from core.networks import Network, address_of, may_reach
from core.text import Text

SECRET_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
"""How many bytes a signing secret may have (Standard Webhooks)."""
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Smtp:
    """The mail server that takes our messages; `security` is starttls, tls or none."""

    host: str
    port: int
    sender: str
    security: str
    username: str | None
    password: str | None
    """Reference to the secret, ``env:NAME`` or ``file:PATH``."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a department's own system takes notices (Standard Webhooks)."""

    url: str
    secret: str
    """Reference to a secret ``whsec_<base64>``."""
    networks: tuple[Network, ...]
    """Where the address must lie; when empty, anywhere but in private and special networks."""


@dataclass(frozen=True, slots=True)
class Notify:
    """How one department is told besides its inbox."""

    email: tuple[str, ...] = ()
    webhook: Webhook | None = None


INBOX_ONLY = Notify()


def smtp_of(raw: Mapping[str, Any] | None) -> Smtp | None:
    """Read `smtp` of platform.yaml; the port defaults to that of its security (587, 465, 25)."""
    if raw is None:
        return None
    security = raw.get("security", "starttls")
    port = raw.get("port", _PORTS[security])
    return Smtp(raw["host"], port, raw["sender"], security, raw.get("username"), raw.get("password"))


def notify_of(raw: Mapping[str, Any] | None) -> Notify:
    """Read `notify` of an entry of departments.yaml."""
    given = raw or {}
    hook = given.get("webhook")
    webhook = None
    if hook is not None:
        networks = tuple(ip_network(n) for n in hook.get("networks", ()))
        webhook = Webhook(hook["url"], hook["secret"], networks)
    return Notify(tuple(given.get("email", ())), webhook)


def signing_key(secret: str) -> bytes:
    """Return the bytes behind ``whsec_<base64>``. Raises ValueError when they are not 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as wrong:
        raise ValueError("not base64") from wrong
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ValueError("not whsec_ and 24 to 64 bytes in base64")
    return key


def notify_faults(folder: Path, platform: Mapping[str, Any], departments: list[Any]) -> Iterable[Finding]:
    """Yield what would send secrets or notices where they do not belong, or nowhere."""
    smtp = smtp_of(platform.get("smtp"))
    if smtp is not None:
        yield from _smtp_faults(str(folder / "platform.yaml"), smtp)
    file = str(folder / "departments.yaml")
    for i, entry in enumerate(departments):
        notify = notify_of(entry.get("notify"))
        if notify.email and smtp is None:
            yield Finding(
                file,
                f"/departments/{i}/notify/email",
                Text("platform.yaml 没有配置邮件服务器 smtp", "platform.yaml names no mail server (smtp)"),
            )
        if notify.webhook is not None:
            yield from _webhook_faults(file, f"/departments/{i}/notify/webhook", notify.webhook)


def _smtp_faults(file: str, smtp: Smtp) -> Iterable[Finding]:
    if (smtp.username is None) != (smtp.password is None):
        yield Finding(
            file,
            "/smtp/username",
            Text("用户名和密码须一并配置", "username and password go together"),
        )
    if smtp.password is not None and smtp.security == "none" and not _is_loopback(smtp.host):
        yield Finding(
            file,
            "/smtp/security",
            Text("密码不得不加密发往其他主机", "a password must not go to another host without TLS"),
        )


def _webhook_faults(file: str, pointer: str, webhook: Webhook) -> Iterable[Finding]:
    parts = urlsplit(webhook.url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not _is_loopback(host):
        yield Finding(
            file,
            f"{pointer}/url",
            Text("发往其他主机的通知须用 https", "notices to another host need https"),
        )
    address = address_of(host)
    if address is not None and not may_reach(address, webhook.networks):
        yield Finding(
            file,
            f"{pointer}/networks",
            Text(f"{host} 不在允许的网段内", f"{host} is not in a network that is named here"),
        )


def _is_loopback(host: str) -> bool:
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)
