"""TLS at both ends of the data plane: callers without a front, providers with an authority of their own."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from core.certificates import thumbprint
from core.errors import ConfigError
from core.settings_tls import ProviderTls, ServerTls, tls_faults
from gateway.tls import check_tls, listener_context, provider_context
from tests.gateway.plane_kit import Access, Kit, Response

pytestmark = [pytest.mark.takes(6), pytest.mark.long]

ROWS = "/share/307001-000001/rows?limit=1"


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "CA") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key = generate_private_key(SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.own = self._sign(self.name, self.key, x509.BasicConstraints(True, None), None)
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.own.public_bytes(Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path, x509.Certificate]:
        """A certificate for localhost and its key, as files."""
        key = generate_private_key(SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        )
        made = self._sign(subject, key, x509.BasicConstraints(False, None), names)
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(made.public_bytes(Encoding.PEM))
        files[1].touch(0o600)
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return *files, made

    def _sign(
        self,
        subject: x509.Name,
        key: EllipticCurvePrivateKey,
        basic: x509.BasicConstraints,
        names: x509.SubjectAlternativeName | None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            self.name,
            subject,
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(hours=1),
            now + timedelta(days=1),
        ).add_extension(basic, True)
        if names is not None:
            builder = builder.add_extension(names, False)
        return builder.sign(self.key, SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


class Providing(http.server.BaseHTTPRequestHandler):
    """A provider that says whose certificate it was shown."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"subject": str(self.connection.getpeercert()["subject"])}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def provider(authority: Authority) -> Iterator[int]:
    """A provider that asks for a certificate; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("provider")[:2])
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Providing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory, authority: Authority, provider: int) -> Iterator[Kit]:
    certificate, key, _ = authority.issue("gateway")
    made = Kit(tmp_path_factory.mktemp("plane"), gateway_tls=ServerTls(certificate, key, authority.file))
    ours, our_key, _ = authority.issue("ours")
    api = replace(
        made.settings.connections["api"],
        base_url=f"https://localhost:{provider}",
        tls=ProviderTls(authority.file, ours, our_key),
    )
    made.settings = replace(made.settings, connections={**made.settings.connections, "api": api})
    try:
        yield made.start()
    finally:
        made.close()


def context_of(authority: Authority, *pair: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    if pair:
        certificate, key = pair
        context.load_cert_chain(certificate, key)
    return context


def call(kit: Kit, context: ssl.SSLContext, target: str, access: Access) -> Response:
    line = http.client.HTTPSConnection("127.0.0.1", kit.port, context=context, timeout=30)
    try:
        line.request("GET", target, headers=access.headers)
        got = line.getresponse()
        return Response(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
    finally:
        line.close()


def test_callers_reach_the_data_plane_over_tls_and_nothing_else(kit: Kit, authority: Authority) -> None:
    access = kit.grant("table")
    assert call(kit, context_of(authority), ROWS, access).status == 200
    assert not kit.raw(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_sessions_are_resumed_and_one_protocol_is_spoken(kit: Kit, authority: Authority) -> None:
    context, session = context_of(authority), None
    for resumed in (False, True):
        with (
            socket.create_connection(("127.0.0.1", kit.port), 30) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as line,
        ):
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200")
            assert (line.selected_alpn_protocol(), line.session_reused) == ("http/1.1", resumed)
            session = line.session


def test_a_token_is_bound_to_the_certificate_of_the_handshake(kit: Kit, authority: Authority) -> None:
    certificate, key, made = authority.issue("caller")
    other, other_key, _ = authority.issue("another")
    access = kit.grant("table", cnf=f"x5t:{thumbprint(made)}")
    assert call(kit, context_of(authority, certificate, key), ROWS, access).status == 200
    assert call(kit, context_of(authority), ROWS, access).code == "certificate_missing"
    assert call(kit, context_of(authority, other, other_key), ROWS, access).code == "certificate_other"


def test_a_certificate_that_nobody_vouches_for_ends_the_handshake(
    kit: Kit, authority: Authority, tmp_path: Path
) -> None:
    certificate, key, _ = Authority(tmp_path / "others", "Others").issue("stranger")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        call(kit, context_of(authority, certificate, key), ROWS, kit.grant("table"))


def test_a_large_file_arrives_whole_and_the_connection_goes_on(kit: Kit, authority: Authority) -> None:
    (kit.files / "large.bin").write_bytes(bytes(range(256)) * 20_000)
    access = kit.grant("file")
    line = http.client.HTTPSConnection("127.0.0.1", kit.port, context=context_of(authority), timeout=30)
    for _ in range(2):
        line.request("GET", "/share/307001-000003/files/large.bin", headers=access.headers)
        assert line.getresponse().read() == bytes(range(256)) * 20_000
    line.close()


def test_a_provider_is_shown_our_certificate_and_known_by_its_own_authority(kit: Kit) -> None:
    context = ssl.create_default_context(cafile=str(kit.settings.connections["api"].tls.ca))  # type: ignore[union-attr]
    answer = call(kit, context, "/share/307001-000002/call/raw", kit.grant("api"))
    assert answer.status == 200
    assert "ours" in answer.json["subject"]


def test_calls_that_are_alike_are_answered_alike_over_tls(kit: Kit, authority: Authority) -> None:
    access, answers = kit.grant("api"), set()
    line = http.client.HTTPSConnection("127.0.0.1", kit.port, context=context_of(authority), timeout=30)
    for _ in range(4):
        line.request("GET", "/share/307001-000002/call/raw", headers=access.headers)
        got = line.getresponse()
        named = {name.lower() for name, _ in got.getheaders()}
        answers.add((got.status, got.read(), frozenset(named)))
    line.close()
    [(status, body, named)] = answers
    assert status == 200
    assert b"ours" in body
    assert {"audit-record", "audit-receipt"} <= named
    of_grant = [record for record in kit.records() if record.get("grant") == f"G-{access.grant_id}"]
    assert [record["decision"] for record in of_grant] == ["permitted"] * 4


def test_a_provider_of_an_authority_that_is_not_its_own_is_not_spoken_to(
    authority: Authority, provider: int, tmp_path: Path
) -> None:
    context = provider_context(ProviderTls(ca=Authority(tmp_path, "Others").file))
    with (
        socket.create_connection(("127.0.0.1", provider), 30) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_files_that_do_not_do_are_named_at_the_start(kit: Kit, authority: Authority, tmp_path: Path) -> None:
    certificate, key, _ = authority.issue("open")
    other = authority.issue("mismatch")[1]
    key.chmod(0o644)
    for wrong, named in (
        (ServerTls(certificate, key), "open.key"),
        (ServerTls(certificate, other), "open.pem"),
        (ServerTls(certificate, other, tmp_path / "none.pem"), "open.pem"),
    ):
        settings = replace(kit.settings, platform=replace(kit.settings.platform, gateway_tls=wrong))
        with pytest.raises(ConfigError) as refused:
            check_tls(settings)
        assert named in str(refused.value)
    check_tls(kit.settings)


def test_nothing_older_than_tls_1_2_is_spoken(authority: Authority) -> None:
    certificate, key, _ = authority.issue("modern")
    assert listener_context(ServerTls(certificate, key)).minimum_version == ssl.TLSVersion.TLSv1_2
    assert provider_context(None).minimum_version == ssl.TLSVersion.TLSv1_2
    assert provider_context(None).verify_mode == ssl.CERT_REQUIRED


def test_tls_is_set_up_for_addresses_of_tls_alone(tmp_path: Path) -> None:
    platform = {"gateway_tls": {}, "gateway_url": "http://gateway.example"}
    found = list(tls_faults(tmp_path, platform, [{"tls": {}, "base_url": "http://provider.example"}]))
    assert [fault.pointer for fault in found] == ["/gateway_url", "/connections/0/base_url"]
