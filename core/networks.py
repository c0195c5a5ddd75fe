"""Where an outgoing connection may go: networks that the deployment names, and what no wide network means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "::/128",
        "::1/128",
        "fe80::/10",
        "ff00::/8",
        "64:ff9b::/96",
        "fd00:ec2::254/128",
    )
)
"""This host, its link, multicast, cloud metadata: never meant by a wide network."""


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """Return the address that `text` spells, an IPv4-mapped IPv6 one as IPv4; None when it spells none."""
    try:
        if ":" not in text:
            return IPv4Address(text)
        address = IPv6Address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address


def customer_of(address: Address) -> Network:
    """Return what counts as one party: an IPv4 address, of IPv6 the network of a line (RFC 6177)."""
    return ip_network((address, 64 if isinstance(address, IPv6Address) else 32), strict=False)


def allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether a connection with these networks may go to `address`."""
    special = [s for s in _SPECIAL if address in s]
    return any(address in n and all(_inside(n, s) for s in special) for n in networks)


def may_reach(address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether `address` lies in the named networks; where none is named, whether it is a public one."""
    if networks:
        return allowed(address, networks)
    return address.is_global and not any(address in s for s in _SPECIAL)


def _inside(inner: Any, outer: Any) -> bool:
    return inner.version == outer.version and bool(inner.subnet_of(outer))
