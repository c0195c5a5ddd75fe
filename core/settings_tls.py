"""Certificates and keys by file: of the data plane's listener, and for providers with their own authority.

A path is relative to the deployment's folder; ``{data}`` stands for the data folder. Key files are secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Finding
from core.text import Text

Place = Callable[[str], Path]
"""Makes a path of what a file says."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a listener shows itself, and whose callers' certificates it takes."""

    certificate: Path
    """PEM, with those of the authorities between."""
    key: Path
    client_ca: Path | None = None
    """PEM; None: callers are not asked for a certificate."""


@dataclass(frozen=True, slots=True)
class ProviderTls:
    """How a provider is known, and how we show ourselves to it."""

    ca: Path | None = None
    """PEM; None: the system's authorities."""
    certificate: Path | None = None
    key: Path | None = None


def server_tls_of(raw: Mapping[str, Any] | None, place: Place) -> ServerTls | None:
    """Read `gateway_tls`."""
    if raw is None:
        return None
    ca = place(raw["client_ca"]) if "client_ca" in raw else None
    return ServerTls(place(raw["certificate"]), place(raw["key"]), ca)


def provider_tls_of(raw: Mapping[str, Any] | None, place: Place) -> ProviderTls | None:
    """Read `tls` of a connection."""
    return None if raw is None else ProviderTls(**{name: place(path) for name, path in raw.items()})


def tls_faults(folder: Path, platform: Mapping[str, Any], connections: Iterable[Any]) -> Iterable[Finding]:
    """Yield where TLS is set up for an address that is not one of TLS."""
    if "gateway_tls" in platform and not platform["gateway_url"].startswith("https:"):
        words = Text("设置 gateway_tls 时应为 https 地址", "must be https where gateway_tls is set")
        yield Finding(str(folder / "platform.yaml"), "/gateway_url", words)
    for i, connection in enumerate(connections):
        if "tls" in connection and not connection.get("base_url", "").startswith("https:"):
            words = Text("设置 tls 时应为 https 地址", "must be https where tls is set")
            yield Finding(str(folder / "connections.yaml"), f"/connections/{i}/base_url", words)
