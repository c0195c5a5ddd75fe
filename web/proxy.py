"""Believes `X-Forwarded-For`, `X-Forwarded-Proto` and client certificates only from a trusted proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from werkzeug.middleware.proxy_fix import ProxyFix

from core.networks import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


_FROM_FRONT = "shuxiang.from_front"
"""In a request's environment: whether a trusted proxy sent it. No header can write there."""


def came_from_front(environ: Mapping[str, Any]) -> bool:
    """Tell whether a trusted proxy sent this request, so that its other fields count as the proxy's word."""
    return environ.get(_FROM_FRONT) is True


class TrustedProxies:
    """A WSGI application behind proxies whose networks are known; every other peer speaks for itself."""

    def __init__(self, app: WSGIApplication, networks: tuple[Network, ...]) -> None:
        self._plain = app
        self._forwarded: WSGIApplication = ProxyFix(app, x_for=1, x_proto=1, x_host=0)
        self._networks = networks

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, as from the address that a trusted proxy names or from the peer's own."""
        trusted = environ[_FROM_FRONT] = self._trusts(environ.get("REMOTE_ADDR", ""))
        serve: Callable[..., Iterable[bytes]] = self._forwarded if trusted else self._plain
        return serve(environ, start_response)

    def _trusts(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
