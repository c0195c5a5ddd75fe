"""Believes `X-Forwarded-For` and `X-Forwarded-Proto` only when a trusted proxy wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from core.networks import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxies:
    """A WSGI application behind proxies whose networks are known; every other peer speaks for itself."""

    def __init__(self, app: WSGIApplication, networks: tuple[Network, ...]) -> None:
        self._plain = app
        self._forwarded: WSGIApplication = ProxyFix(app, x_for=1, x_proto=1, x_host=0)
        self._networks = networks

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, as from the address that a trusted proxy names or from the peer's own."""
        serve: Callable[..., Iterable[bytes]] = (
            self._forwarded if self._trusts(environ.get("REMOTE_ADDR", "")) else self._plain
        )
        return serve(environ, start_response)

    def _trusts(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
