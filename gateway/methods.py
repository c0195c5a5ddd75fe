"""The ways in which a system may show who it is, and what its tokens may be bound to.

A system has one way at a time: nobody gets in by a weaker one than the one that was approved for it. Which
ways there are depends on the deployment: its profile (FAPI 2.0 takes no secrets and gives no bearer tokens),
and whether a trusted front hands client certificates over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.x509 import Name

from core.errors import invalid
from core.settings import Settings
from core.settings_security import FAPI2
from core.text import Text
from gateway.model import Authentication

CLIENT_SECRET, PRIVATE_KEY_JWT = "client_secret", "private_key_jwt"
TLS_CLIENT_AUTH, SELF_SIGNED_TLS = "tls_client_auth", "self_signed_tls_client_auth"
UNBOUND, DPOP, CERTIFICATE_BOUND = "none", "dpop", "certificate"
SECRET, PUBLIC_KEY, CERTIFICATE = "client_secret", "public_key", "certificate"


@dataclass(frozen=True, slots=True)
class Method:
    """A way of authentication: what it is called, the credential it needs, its names in RFC 8414 metadata."""

    title: Text
    credential: str | None
    """Kind of the credentials that belong to it; None where the certificate's subject says it all."""
    transports: tuple[str, ...]


METHODS: Mapping[str, Method] = {
    PRIVATE_KEY_JWT: Method(
        Text("私钥签名(private_key_jwt)", "signature with a private key (private_key_jwt)"),
        PUBLIC_KEY,
        ("private_key_jwt",),
    ),
    TLS_CLIENT_AUTH: Method(
        Text("客户端证书，由证书机构签发(tls_client_auth)", "certificate of an authority (tls_client_auth)"),
        None,
        ("tls_client_auth",),
    ),
    SELF_SIGNED_TLS: Method(
        Text(
            "客户端证书，逐张登记(self_signed_tls_client_auth)",
            "certificate registered one by one (self_signed_tls_client_auth)",
        ),
        CERTIFICATE,
        ("self_signed_tls_client_auth",),
    ),
    CLIENT_SECRET: Method(
        Text("密钥串(client_secret)", "secret (client_secret)"),
        SECRET,
        ("client_secret_basic", "client_secret_post"),
    ),
}
"""By the name that a registration uses, the strongest first."""

BINDINGS: Mapping[str, Text] = {
    UNBOUND: Text("不绑定", "not bound"),
    DPOP: Text("绑定密钥(DPoP)", "bound to a key (DPoP)"),
    CERTIFICATE_BOUND: Text("绑定客户端证书", "bound to a client certificate"),
}
CREDENTIALS: Mapping[str, Text] = {
    SECRET: Text("密钥串", "secret"),
    PUBLIC_KEY: Text("公钥", "public key"),
    CERTIFICATE: Text("证书", "certificate"),
}


def methods_of(settings: Settings) -> tuple[str, ...]:
    """Return the ways that this deployment takes."""
    security = settings.security
    missing = {CLIENT_SECRET} if security.security_profile == FAPI2 else set()
    if security.client_certificate_header is None:
        missing |= {TLS_CLIENT_AUTH, SELF_SIGNED_TLS}
    elif security.client_certificate_verdict_header is None:
        missing.add(TLS_CLIENT_AUTH)
    return tuple(m for m in METHODS if m not in missing)


def bindings_of(settings: Settings) -> tuple[str, ...]:
    """Return what a system's tokens may be bound to in this deployment."""
    unbound = () if settings.security.security_profile == FAPI2 else (UNBOUND,)
    by_certificate = () if settings.security.client_certificate_header is None else (CERTIFICATE_BOUND,)
    return (*unbound, DPOP, *by_certificate)


def chosen(settings: Settings, draft: Mapping[str, Any]) -> Authentication:
    """Return the authentication that a registration asks for, with what the profile takes for granted.

    Raises Invalid for a way that this deployment does not take.
    """
    fapi2 = settings.security.security_profile == FAPI2
    method = draft.get("auth_method", PRIVATE_KEY_JWT if fapi2 else CLIENT_SECRET)
    if method not in methods_of(settings):
        raise _not_taken("/auth_method", methods_of(settings))
    binding = draft.get("token_binding", _binding(method) if fapi2 else UNBOUND)
    if binding not in bindings_of(settings):
        raise _not_taken("/token_binding", bindings_of(settings))
    return Authentication(method, binding, _subject(method, draft.get("tls_subject")))


def _binding(method: str) -> str:
    return CERTIFICATE_BOUND if method in (TLS_CLIENT_AUTH, SELF_SIGNED_TLS) else DPOP


def _subject(method: str, text: str | None) -> str | None:
    """Return a subject as certificates are compared with it: RFC 4514, as the library writes it."""
    if method != TLS_CLIENT_AUTH:
        if text is not None:
            raise invalid(
                "/tls_subject", "只有 tls_client_auth 需要填写", "is for tls_client_auth only", code="unknown"
            )
        return None
    try:
        written = Name.from_rfc4514_string(text or "").rfc4514_string()
    except ValueError:
        written = ""
    if not written:
        raise invalid(
            "/tls_subject",
            "请填写证书主体，如 CN=health-archive,O=卫生健康局,C=CN",
            "give the certificate's subject (RFC 4514), such as CN=health-archive,O=Health,C=CN",
        )
    return written


def _not_taken(pointer: str, taken: tuple[str, ...]) -> Exception:
    names = ", ".join(taken)
    return invalid(pointer, f"本平台采用：{names}", f"this platform takes: {names}", code="not_taken")
