"""Client certificates, as the trusted front in front of us hands them over. Pure.

The front ends the TLS connection and checks that the caller holds the key; what it puts into the header is
nginx's `$ssl_client_escaped_cert`: the certificate in PEM, URL-encoded.
"""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MOST_BYTES = 16 * 1024
"""The longest header value that is read; a certificate with a few names takes 2 to 4 kB."""
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_LEAST_RSA, _LEAST_CURVE = 2048, 256


def certificate_of(value: bytes) -> x509.Certificate:
    """Return the certificate that a header value or a PEM text holds.

    Raises ValueError when it holds none, more than one, or anything beside it.
    """
    if len(value) > MOST_BYTES:
        raise ValueError("the certificate is too long")
    pem = unquote_to_bytes(value).strip()
    whole = pem.startswith(_BEGIN) and pem.endswith(_END) and pem.count(_BEGIN) == pem.count(_END) == 1
    if not whole:
        raise ValueError("not one certificate in PEM")
    try:
        return x509.load_pem_x509_certificate(pem)
    except UnsupportedAlgorithm as wrong:
        raise ValueError("the certificate uses an algorithm that is not supported") from wrong


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the base64url SHA-256 of the DER form: `x5t#S256` of RFC 8705 section 3.1."""
    return base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()


def subject_of(certificate: x509.Certificate) -> str:
    """Return the subject as RFC 4514 writes it, the form in which `tls_client_auth_subject_dn` is compared.

    Raises ValueError when it cannot be read.
    """
    return certificate.subject.rfc4514_string()


def has_strong_key(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate's key is RSA of 2048 bits, a curve of 256, or Ed25519, or stronger."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, RSAPublicKey):
        return key.key_size >= _LEAST_RSA
    if isinstance(key, EllipticCurvePublicKey):
        return key.curve.key_size >= _LEAST_CURVE
    return isinstance(key, Ed25519PublicKey)
