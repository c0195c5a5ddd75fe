"""Public keys and certificates that a system registers, checked before anybody relies on them. Pure.

Keys come in the registration itself, never by an address to fetch them from.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import Key

from core.certificates import certificate_of, has_strong_key, subject_of, thumbprint
from core.errors import Invalid, invalid
from gateway.signatures import KINDS, SECRET, WeakKey, key_of, public_part


class Public(NamedTuple):
    """A key or certificate that may be kept: its thumbprint, and what the store keeps of it."""

    thumbprint: str
    document: dict[str, Any]


# --- public keys ----------------------------------------------------------------------------------


def read_public_key(jwk: Mapping[str, Any], pointer: str) -> Public:
    """Return a public key (RFC 7517) that a system signs with: P-256, RSA of 2048 to 4096 bits, or Ed25519.

    Raises Invalid; a private key is refused by name, since it is private no more.
    """
    if jwk["kty"] in KINDS and not SECRET.isdisjoint(jwk):
        raise invalid(
            pointer,
            "这是私钥，已经外泄，不能再用；请另行生成密钥对，只提交公钥",
            "this is your private key: it is burnt; make another pair and send the public key only",
            code="private_key",
        )
    try:
        part = public_part(jwk)
        key = _imported(jwk, part, pointer)
    except WeakKey as weak:
        raise _weak(pointer) from weak
    except ValueError as wrong:
        raise invalid(pointer, "不是完整的公钥", "is not a whole public key") from wrong
    if "x5c" in jwk:
        _check_chain(jwk["x5c"], key, pointer)
    print_ = key.thumbprint()
    algorithm = KINDS[part["kty"]].algorithms[0]
    return Public(print_, {**part, "kid": jwk.get("kid", print_), "alg": algorithm})


def _imported(jwk: Mapping[str, Any], part: Mapping[str, str], pointer: str) -> Key:
    """Return the key that was sent, once it says nothing that a key for signatures does not."""
    if jwk.get("use", "sig") != "sig" or list(jwk.get("key_ops", ["verify"])) != ["verify"]:
        raise invalid(f"{pointer}/use", "应为签名用的公钥", "must be a key for signatures")
    algorithms = KINDS[part["kty"]].algorithms
    if jwk.get("alg", algorithms[0]) not in algorithms:
        names = ", ".join(algorithms)
        raise invalid(f"{pointer}/alg", f"应为 {names}", f"must be {names}")
    return key_of(part)


def _check_chain(chain: Sequence[str], key: Key, pointer: str) -> None:
    """Refuse a certificate beside the key that is of another key (RFC 7517 section 4.7)."""
    try:
        first = x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
        theirs = first.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, IndexError, binascii.Error, x509.UnsupportedGeneralNameType) as wrong:
        raise invalid(f"{pointer}/x5c", "不是证书", "is no certificate") from wrong
    public: Any = key.get_op_key("verify")
    if theirs != public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise invalid(f"{pointer}/x5c", "证书与公钥不是同一密钥", "the certificate is of another key")


def _weak(pointer: str) -> Invalid:
    return invalid(
        pointer,
        "应为 P-256、RSA 2048 至 4096 位或 Ed25519 的公钥",
        "must be a public key of P-256, RSA with 2048 to 4096 bits, or Ed25519",
        code="weak_key",
    )


# --- certificates ---------------------------------------------------------------------------------


def read_certificate(pem: str, pointer: str, now: datetime) -> Public:
    """Return a certificate that a system shows (RFC 8705 section 2.2), with the end that is written in it.

    Raises Invalid, for one that has ended too.
    """
    if "PRIVATE KEY" in pem:
        raise invalid(
            pointer,
            "其中有私钥，已经外泄，不能再用；请另行生成密钥对，只提交证书",
            "there is a private key in it: it is burnt; make another pair and send the certificate only",
            code="private_key",
        )
    try:
        certificate = certificate_of(pem.encode())
        subject = subject_of(certificate)
    except ValueError as wrong:
        raise invalid(pointer, "应为一张 PEM 格式的证书", "must be one certificate in PEM") from wrong
    if not has_strong_key(certificate):
        raise _weak(pointer)
    if not is_in_time(certificate, now):
        raise invalid(pointer, "证书不在有效期内", "the certificate is not valid now", code="ended")
    text = certificate.public_bytes(Encoding.PEM).decode()
    return Public(thumbprint(certificate), {"pem": text, "subject": subject})


def ends_at(document: Mapping[str, Any]) -> datetime:
    """Return the end that is written in a kept certificate."""
    return certificate_of(document["pem"].encode()).not_valid_after_utc


def is_in_time(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether a certificate is valid at an instant by its own words."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
