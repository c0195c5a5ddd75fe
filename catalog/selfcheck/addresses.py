"""Looks at a provider's service: its name resolves into the connection's networks and the port answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from catalog.model import CheckItem
from core.settings import Connection
from core.text import Text


def check_address(connection: Connection) -> Iterator[CheckItem]:
    """Yield what was found; no request is sent, since a call may change something."""
    parts = urlsplit(connection.base_url or "")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = _resolve(host, port)
    except OSError:
        yield CheckItem("address", False, Text("主机名无法解析", "the host name does not resolve"))
        return
    outside = [str(a) for a in addresses if not any(a in network for network in connection.networks)]
    if outside:
        words = Text(
            f"地址 {outside[0]} 不在连接允许的网段内", f"{outside[0]} is outside the connection's networks"
        )
        yield CheckItem("address", False, words)
        return
    yield CheckItem(
        "address", True, Text("地址在连接允许的网段内", "the address is inside the connection's networks")
    )
    yield _reached(str(addresses[0]), port, connection.connect_seconds)


def _resolve(host: str, port: int) -> list[IPv4Address | IPv6Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = (ip_address(str(info[4][0]).partition("%")[0]) for info in found)
    plain = (a.ipv4_mapped or a if isinstance(a, IPv6Address) else a for a in addresses)
    return list(dict.fromkeys(plain))


def _reached(address: str, port: int, seconds: float) -> CheckItem:
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except OSError as wrong:
        reason = wrong.strerror or type(wrong).__name__
        words = Text(f"服务端口连接不上({reason})", f"the service does not accept connections ({reason})")
        return CheckItem("reachable", False, words)
    return CheckItem("reachable", True, Text("服务端口可以连接", "the service accepts connections"))
