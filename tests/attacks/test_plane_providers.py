"""Providers that turn on the gateway: names that change, certificates of others, silence (list 41-49)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.settings import Connection
from core.text import Text
from gateway import objections as no
from gateway.breaker import MISSES, REST_SECONDS, Breaker
from gateway.objections import Objection, Refused
from gateway.upstream import Provider as Client
from tests.gateway.providers import Provider, http, json_answer, silence
from tests.ports import free_port
from tests.warm import demo_settings

HERE = (ip_network("127.0.0.1/32"),)
NAME = "provider.test"


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    made.answers["/x"] = json_answer({"code": "1"})
    yield made
    made.close()


def client(**changed: Any) -> Client:
    base = Connection(
        "c", "api", Text("", ""), "police", networks=HERE, connect_seconds=2.0, total_seconds=2.0
    )
    return Client(replace(base, **changed), demo_settings(Path("/nonexistent")))


async def call(asked: Client) -> Objection | int:
    """The status that a call got, or the objection that it came to; nothing is kept open after it."""
    try:
        head, wire = await asked.call("GET", "/x", {}, b"", "civil_affairs")
        while await wire.piece() is not None:
            pass
        asked.done(wire)
    except Refused as refused:
        return refused.objection
    finally:
        asked.close()
    return head.status


# --- names ----------------------------------------------------------------------------------------

Resolver = Callable[[list[list[str]]], list[str]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Let `NAME` resolve to these addresses, one list for each time that it is asked for."""
    asked: list[str] = []

    def script(answers: list[list[str]]) -> list[str]:
        def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            found = answers[min(len(asked), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return script


def test_41_a_name_is_resolved_once_and_the_address_that_was_checked_is_called(
    provider: Provider, resolver: Resolver
) -> None:
    asked = resolver([["127.0.0.1"], ["127.0.0.2"]])
    answer = asyncio.run(call(client(base_url=f"http://{NAME}:{provider.port}")))
    assert answer == 200
    assert asked == [NAME]
    assert provider.headers_of()["host"] == f"{NAME}:{provider.port}"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.2"],
        ["127.0.0.1", "127.0.0.2"],
        ["127.0.0.2", "127.0.0.1"],
        ["::ffff:127.0.0.2"],
        ["::1"],
        ["169.254.169.254"],
        ["fe80::1%lo"],
        ["127.0.0.1", "no address"],
        [],
    ],
)
def test_41_one_address_outside_the_networks_spoils_them_all(
    provider: Provider, resolver: Resolver, addresses: list[str]
) -> None:
    resolver([["127.0.0.1"], addresses])
    rebound = client(base_url=f"http://{NAME}:{provider.port}")
    assert asyncio.run(call(rebound)) == 200
    connections = provider.connections
    assert asyncio.run(call(rebound)) is no.PROVIDER_PROHIBITED
    assert provider.connections == connections


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "[::ffff:7f00:2]"]
)
def test_41_another_spelling_of_an_address_is_a_name_like_any_other(
    provider: Provider, resolver: Resolver, host: str
) -> None:
    resolver([["127.0.0.2"]])
    assert asyncio.run(call(client(base_url=f"http://{host}:{provider.port}"))) is no.PROVIDER_PROHIBITED
    assert provider.connections == 0


# --- redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("field", ["Location", "Refresh", "Content-Location", "Alt-Svc"])
def test_42_nobody_is_asked_that_the_provider_points_to(provider: Provider, status: int, field: str) -> None:
    elsewhere = Provider()
    value = f"http://127.0.0.1:{elsewhere.port}/x"
    provider.answers["/x"] = http(status, b"", f"{field}: {value}")
    assert asyncio.run(call(client(base_url=f"http://127.0.0.1:{provider.port}"))) == status
    assert elsewhere.connections == 0
    elsewhere.close()


# --- certificates ---------------------------------------------------------------------------------


class Authority:
    """A certificate authority that the gateway trusts while a test runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("authority")
        made = self._builder(self._name, self._key, (-1, 1))
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = made.add_extension(basic, critical=True).sign(self._key, SHA256())
        (folder / "ca.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(self, *names: str, days: tuple[int, int] = (-1, 1), common: str = NAME) -> Path:
        """A key and a certificate for these names, good between two days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(_named(common), key, days)
        if names:
            others = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            made = made.add_extension(others, critical=False)
        path = self.folder / "server.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        return path

    def _builder(self, name: x509.Name, key: Any, days: tuple[int, int]) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        begin, end = (now + timedelta(days=day) for day in days)
        return made.not_valid_before(begin).not_valid_after(end)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


@contextmanager
def served(chain: Path, newest: ssl.TLSVersion | None = None) -> Iterator[int]:
    """A provider that answers one connection with this certificate; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    if newest is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                plain, _ = listening.accept()
                with context.wrap_socket(plain, server_side=True) as line:
                    line.recv(65536)
                    line.sendall(json_answer({"code": "1"}))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(5)


def over_tls(chain: Path, resolver: Resolver, newest: ssl.TLSVersion | None = None) -> Objection | int:
    resolver([["127.0.0.1"]])
    with served(chain, newest) as port:
        return asyncio.run(call(client(base_url=f"https://{NAME}:{port}")))


def test_43_a_certificate_for_the_name_is_good(authority: Authority, resolver: Resolver) -> None:
    """Without this the refusals below could have any other reason."""
    assert over_tls(authority.issue(NAME), resolver) == 200


@pytest.mark.parametrize(
    ("names", "days"),
    [
        ([NAME], (-3, -1)),
        ([NAME], (1, 3)),
        (["other.test"], (-1, 1)),
        ([f"{NAME}\0.other.test"], (-1, 1)),
        ([f"other.test\0.{NAME}"], (-1, 1)),
        (["*.test.other"], (-1, 1)),
        (["*"], (-1, 1)),
        ([], (-1, 1)),
    ],
)
def test_43_any_other_certificate_is_not(
    authority: Authority, resolver: Resolver, names: list[str], days: tuple[int, int]
) -> None:
    assert over_tls(authority.issue(*names, days=days), resolver) is no.PROVIDER_TLS


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_43_an_old_version_of_tls_is_not_spoken(authority: Authority, resolver: Resolver) -> None:
    chain = authority.issue(NAME)
    assert over_tls(chain, resolver, ssl.TLSVersion.TLSv1_2) == 200
    assert over_tls(chain, resolver, ssl.TLSVersion.TLSv1_1) is no.PROVIDER_TLS


# --- the circuit breaker --------------------------------------------------------------------------


def test_49_a_provider_that_cannot_be_reached_is_left_alone_until_one_call_gets_through() -> None:
    breaker = Breaker()
    for _ in range(MISSES):
        assert breaker.may_try(0.0)
        breaker.missed(0.0)
    assert not breaker.may_try(REST_SECONDS - 0.1)
    assert breaker.may_try(REST_SECONDS)
    assert not breaker.may_try(REST_SECONDS)  # one call tries
    breaker.missed(REST_SECONDS + 1)
    assert not breaker.may_try(2 * REST_SECONDS)
    assert breaker.may_try(2 * REST_SECONDS + 1)
    breaker.reached()
    assert [breaker.may_try(2 * REST_SECONDS + 1) for _ in range(3)] == [True] * 3


def test_49_calls_to_a_provider_that_rests_are_told_so_at_once() -> None:
    away = client(base_url=f"http://127.0.0.1:{free_port()}")

    async def calls() -> list[Objection | int]:
        return [await call(away) for _ in range(MISSES + 2)]

    told = asyncio.run(calls())
    assert told == [no.PROVIDER_DOWN] * MISSES + [no.PROVIDER_RESTS] * 2
    assert no.PROVIDER_RESTS.headers == (("Retry-After", "5"),)


def test_49_slow_and_wrong_answers_shut_nobody_out(provider: Provider) -> None:
    """One caller with a bad query must not close the road to everybody else."""
    provider.answers["/x"] = http(500, b"")
    asked = client(base_url=f"http://127.0.0.1:{provider.port}", total_seconds=0.05)

    async def calls() -> list[Objection | int]:
        failed = [await call(asked) for _ in range(MISSES + 1)]
        provider.answers["/x"] = lambda line: time.sleep(0.1)
        late = [await call(asked) for _ in range(MISSES + 1)]
        provider.answers["/x"] = json_answer({"code": "1"})
        return [*failed, *late, await call(asked)]

    told = asyncio.run(calls())
    assert set(told[: MISSES + 1]) == {500}
    assert set(told[MISSES + 1 : -1]) == {no.ANSWER_TIMEOUT}
    assert told[-1] == 200


def test_45_wires_that_rest_are_in_nobodys_way(provider: Provider) -> None:
    """A call that changes something opens a wire of its own: those that rest make room for it."""
    provider.answers["/x"] = json_answer({"code": "1"})
    asked = client(base_url=f"http://127.0.0.1:{provider.port}", calls_at_once=4)

    async def post() -> int:
        head, wire = await asked.call("POST", "/x", {}, b"", "civil_affairs")
        while await wire.piece() is not None:
            pass
        asked.done(wire)
        return head.status

    async def story() -> list[int]:
        told = [await post() for _ in range(12)]
        asked.close()
        return told

    assert asyncio.run(story()) == [200] * 12


def test_45_one_department_never_has_every_connection_to_a_provider(provider: Provider) -> None:
    provider.answers["/x"] = silence
    asked = client(base_url=f"http://127.0.0.1:{provider.port}", total_seconds=0.5, calls_at_once=8)

    async def one(department: str) -> Any:
        try:
            head, wire = await asked.call("GET", "/x", {}, b"", department)
        except Refused as refused:
            return refused.objection
        asked.done(wire)
        return head.status

    async def story() -> tuple[list[Any], Any, Any]:
        slow = [asyncio.ensure_future(one("police")) for _ in range(6)]
        while provider.count < 4:
            await asyncio.sleep(0.01)
        provider.answers["/x"] = json_answer({"code": "1"})
        meanwhile = await one("health")
        told = await asyncio.gather(*slow)
        afterwards = await one("police")
        asked.close()
        return told, meanwhile, afterwards

    told, meanwhile, afterwards = asyncio.run(story())
    assert (meanwhile, afterwards) == (200, 200)
    assert (told.count(no.BUSY), told.count(no.ANSWER_TIMEOUT)) == (2, 4)
