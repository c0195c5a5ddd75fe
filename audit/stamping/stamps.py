"""What is asked of a time-stamp authority, and what it takes to believe its answer (RFC 3161)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from core.errors import ConfigError, Finding
from core.text import Text

CLOCKS_APART = timedelta(minutes=5)
"""An authority's time may differ by so much from ours when it answers."""


class BadStamp(Exception):
    """The response is no valid stamp over the bytes in question."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp that was verified: its serial number, and when the authority says that it saw the bytes."""

    serial: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificates by which an authority is known."""

    roots: tuple[x509.Certificate, ...]
    between: tuple[x509.Certificate, ...] = ()


def read_authority(path: Path) -> Authority:
    """Read a PEM file: what issued itself is a root. Raises ConfigError."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as wrong:
        raise _fault(path, f"无法读取证书：{wrong}", f"no certificates: {wrong}") from wrong
    roots = tuple(c for c in found if c.issuer == c.subject)
    if not roots:
        raise _fault(path, "缺少根证书", "the root certificate is missing")
    return Authority(roots, tuple(c for c in found if c.issuer != c.subject))


def make_request(content: bytes) -> TimeStampRequest:
    """Return the request for a stamp over SHA-256 of `content`, that asks for the certificate too."""
    builder = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def check_stamp(
    response: bytes, content: bytes, authority: Authority, request: TimeStampRequest | None = None
) -> Stamp:
    """Verify a response over `content`, and against its request if known. Raises BadStamp."""
    builder = VerifierBuilder.from_request(request) if request is not None else VerifierBuilder()
    for root in authority.roots:
        builder = builder.add_root_certificate(root)
    for certificate in authority.between:
        builder = builder.add_intermediate_certificate(certificate)
    try:
        decoded = decode_timestamp_response(response)
        builder.build().verify_message(decoded, content)
        return Stamp(decoded.tst_info.serial_number, decoded.tst_info.gen_time)
    except (VerificationError, ValueError, TypeError) as wrong:
        raise BadStamp(str(wrong)) from wrong


def check_time(stamp: Stamp, now: datetime) -> None:
    """Refuse a fresh stamp whose time is far from ours: one of the two clocks is wrong. Raises BadStamp."""
    if abs(stamp.at - now) > CLOCKS_APART:
        raise BadStamp(f"the authority's clock says {stamp.at.isoformat()}, ours {now.isoformat()}")


def _fault(path: Path, zh: str, en: str) -> ConfigError:
    return ConfigError([Finding(str(path), "", Text(zh, en))])
