"""A time-stamp authority: `openssl ts` behind a small HTTP server, with certificates of the tests' own."""

from __future__ import annotations

import subprocess
import threading
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.times import utc_now
from tests.tools import need

CONFIG = """
[tsa]
default_tsa = here
[here]
dir = {folder}
serial = $dir/serial
signer_cert = $dir/stamper.pem
signer_key = $dir/stamper.key
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.2
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority:
    """An authority in a folder: ``root.pem``, ``between.pem`` and the key that stamps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.openssl = need("openssl")
        _write_certificates(folder)
        (folder / "serial").write_text("01\n")
        (folder / "openssl.cnf").write_text(CONFIG.format(folder=folder))

    def stamp(self, query: bytes) -> bytes:
        """Answer a query as `openssl ts -reply` does."""
        (self.folder / "query.tsq").write_bytes(query)
        names = ("-config", "openssl.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr")
        command = (self.openssl, "ts", "-reply", *names)
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "reply.tsr").read_bytes()

    def believes(self, response: Path, content: Path) -> bool:
        """Tell whether `openssl ts -verify` believes a response over the bytes of a file."""
        names = ("-CAfile", "root.pem", "-untrusted", "between.pem")
        command = (self.openssl, "ts", "-verify", "-data", str(content), "-in", str(response), *names)
        return subprocess.run(command, cwd=self.folder, capture_output=True, check=False).returncode == 0


class Served(Authority):
    """The authority over HTTP (RFC 3161 section 3.4)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.status, self.content_type = 200, "application/timestamp-reply"
        self.old: bytes | None = None
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/timestamp-query"
                query = self.rfile.read(int(self.headers["Content-Length"]))
                reply = authority.old or authority.stamp(query)
                self.send_response(authority.status)
                self.send_header("Content-Type", authority.content_type)
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsa"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


@cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _write_certificates(folder: Path) -> None:
    """A root, one between, and the certificate that stamps (RFC 3161 section 2.3)."""
    issuers = {"root": "root", "between": "root", "stamper": "between"}
    for name, issuer in issuers.items():
        is_ca = name != "stamper"
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(folder, name))
            .issuer_name(_name(folder, issuer))
            .public_key(_key(name).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(utc_now() - timedelta(days=1))
            .not_valid_after(utc_now() + timedelta(days=30))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        )
        if not is_ca:
            use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(use, critical=True)
        certificate = builder.sign(_key(issuer), hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "stamper.key").write_bytes(_key("stamper").private_bytes(serialization.Encoding.PEM, *form))
    both = (folder / "root.pem").read_bytes() + (folder / "between.pem").read_bytes()
    (folder / "authority.pem").write_bytes(both)


def _name(folder: Path, name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{folder.name} {name}")])
