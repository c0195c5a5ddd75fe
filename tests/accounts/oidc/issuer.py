"""A small identity provider over TLS, which says what a test wants it to say, and certificates for it."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwk, jwt

CLIENT, SECRET = "shuxiang", "a-secret-of-256-bits-or-so-0123456789"


def certificate(folder: Path) -> Path:
    """Make a certificate for this machine that is its own authority; return the file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place = folder / "issuer.pem"
    place.write_bytes(built.public_bytes(serialization.Encoding.PEM) + secret)
    return place


@dataclass
class Issuer:
    """The provider. Its answers are attributes, which a test changes."""

    now: Callable[[], datetime]
    port: int = 0
    subject: str = "u-1"
    key: Any = field(default_factory=lambda: jwk.generate_key("EC", "P-256", {"kid": "1", "use": "sig"}))
    algorithm: str = "ES256"
    claims: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    published: list[Any] | None = None
    token_answer: tuple[int, bytes] | None = None
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    sign: Callable[[dict[str, Any]], str] | None = None

    @property
    def url(self) -> str:
        """The issuer identifier."""
        return f"https://localhost:{self.port}"

    def described(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/end?x=1",
            "authorization_response_iss_parameter_supported": True,
            "code_challenge_methods_supported": ["S256"],
            **self.document,
        }

    def authorise(self, address: str) -> dict[str, str]:
        """Sign in whoever comes with `address`; return what the browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.url}

    def token(self, form: dict[str, str]) -> tuple[int, bytes]:
        """Redeem a code, once."""
        self.forms.append(form)
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if asked is None or proof != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, b'{"error": "invalid_grant"}'
        if self.token_answer is not None:
            return self.token_answer
        claims = self.id_claims(asked)
        signed = self.sign(claims) if self.sign else self.signed(claims)
        return 200, json.dumps({"access_token": "x", "token_type": "Bearer", "id_token": signed}).encode()

    def id_claims(self, asked: dict[str, str]) -> dict[str, Any]:
        """What an ID token says, with the changes that a test wants; None leaves a claim out."""
        at = int(self.now().timestamp())
        claims = {"iss": self.url, "sub": self.subject, "aud": CLIENT, "nonce": asked["nonce"]}
        claims |= {"iat": at, "exp": at + 300, "email": "zhao@example.org", **self.claims}
        return {name: value for name, value in claims.items() if value is not None}

    def signed(self, claims: dict[str, Any]) -> str:
        """Sign an ID token."""
        header = {"alg": self.algorithm, "kid": self.key.kid}
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])

    def answer(self, path: str) -> tuple[int, bytes]:
        """Answer a GET."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, json.dumps(self.described()).encode()
        if path == "/jwks":
            own = [self.key.as_dict(private=False)]
            return 200, json.dumps({"keys": own if self.published is None else self.published}).encode()
        return 404, b"{}"


def serve(issuer: Issuer, place: Path) -> ThreadingHTTPServer:
    """Start the provider on a port of this machine; the caller shuts it down."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(*issuer.answer(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            form["authorization"] = self.headers.get("Authorization", "")
            self._say(*issuer.token(form))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{issuer.url}/jwks")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    issuer.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
