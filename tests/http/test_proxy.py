"""Whose word on a caller's address is believed."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from web.proxy import TrustedProxies


def asked_from(peer: str, forwarded: str) -> str:
    @Request.application
    def tell(request: Any) -> Response:
        return Response(request.remote_addr)

    app = TrustedProxies(tell, (ip_network("10.9.9.9/32"), ip_network("fd00::/8")))
    answer = Client(app).get("/", environ_base={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": forwarded})
    return answer.get_data(as_text=True)


@pytest.mark.parametrize("peer", ["10.9.9.9", "::ffff:10.9.9.9", "fd00::1"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    assert asked_from(peer, "203.0.113.7") == "203.0.113.7"


@pytest.mark.parametrize("peer", ["203.0.113.8", "10.9.9.10", ""])
def test_anybody_else_speaks_for_themselves(peer: str) -> None:
    assert asked_from(peer, "198.51.100.1") == peer


def test_only_the_hop_that_the_proxy_wrote_counts() -> None:
    assert asked_from("10.9.9.9", "198.51.100.1, 203.0.113.7") == "203.0.113.7"
