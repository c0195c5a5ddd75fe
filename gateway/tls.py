"""TLS at both ends of the data plane: towards callers where no front ends it, and towards providers.

TLS 1.2 and later, one protocol inside (ALPN ``http/1.1``), sessions resumed by tickets. A certificate that a
caller shows is vouched for by `client_ca`, or the handshake fails; what it is bound to is its thumbprint.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from pathlib import Path

from core.errors import ConfigError, Finding
from core.secret_files import check_place, read_secret_file
from core.settings import Settings
from core.settings_tls import ProviderTls, ServerTls
from core.text import Text
from gateway.http1 import Server, ServerConnection

HANDSHAKE_SECONDS = 10.0
SETTLE_SECONDS = 0.5
"""How long handshakes that have begun are waited for when the listener closes."""


def listener_context(tls: ServerTls) -> ssl.SSLContext:
    """Return how the listener speaks TLS. Raises ConfigError naming the file that does not do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        _load_authorities(context, tls.client_ca)
    return context


def provider_context(tls: ProviderTls | None) -> ssl.SSLContext:
    """Return how a provider is spoken to. Raises ConfigError naming the file that does not do."""
    own = tls is not None and tls.ca is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if own else ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2: names stand in subjectAltName alone
    if tls is not None and tls.ca is not None:
        _load_authorities(context, tls.ca)
    if tls is not None and tls.certificate is not None and tls.key is not None:
        _load_pair(context, tls.certificate, tls.key)
    return context


def check_tls(settings: Settings) -> None:
    """Raise ConfigError with every file of certificates or keys that cannot be used; asked at start."""
    findings: list[Finding] = []
    for tls in (settings.platform.gateway_tls, *(c.tls for c in settings.connections.values())):
        try:
            if isinstance(tls, ServerTls):
                listener_context(tls)
            elif tls is not None:
                provider_context(tls)
        except ConfigError as wrong:
            findings += wrong.findings
    if findings:
        raise ConfigError(findings)


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    read_secret_file(key)
    check_place(key)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as wrong:  # ssl.SSLError is an OSError
        raise _unusable(certificate, f"{wrong} ({key})") from wrong


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as wrong:
        raise _unusable(path, str(wrong)) from wrong


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _unusable(path: Path, reason: str) -> ConfigError:
    words = Text(f"证书或密钥无法使用：{reason}", f"the certificate or key cannot be used: {reason}")
    return ConfigError([Finding(str(path), "", words)])


class TlsServer(Server):
    """The connections of a listener that ends TLS itself."""

    def __call__(self) -> ServerConnection:
        """Return the protocol of a new connection (asyncio's factory)."""
        return TlsConnection(self)


class TlsConnection(ServerConnection):
    """One client's connection under TLS."""

    certificate: str | None = None
    """Thumbprint (`x5t#S256`, RFC 8705 section 3.1) of what the caller has shown, if anything."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note what the caller showed in the handshake."""
        shown = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if shown is not None:
            self.certificate = base64.urlsafe_b64encode(hashlib.sha256(shown).digest()).rstrip(b"=").decode()
        super().connection_made(transport)

    def eof_received(self) -> bool:
        """Close: TLS has no connection that is open in one direction alone."""
        super().eof_received()
        return False

    def _hang_up(self) -> None:
        """Leave it to the client to close after the last answer, and do so ourselves soon."""
        if self._transport is None or self.lost:
            return
        self._deaf = True
        self._resume_reading()
        self._deadline = self._loop.time() + self._patience.linger


def shown_certificate(line: ServerConnection) -> str | None:
    """Return the thumbprint of the certificate that a caller showed where TLS ends here."""
    return line.certificate if isinstance(line, TlsConnection) else None
