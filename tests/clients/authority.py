"""A certificate authority that lives as long as the tests: for the front, and for systems."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID


class Issued(NamedTuple):
    """A certificate and its key, as files, and the certificate's text."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.read_text(encoding="ascii")


class Authority:
    """Signs certificates with a key that nobody else has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name_of("Test Authority")
        built = certificate(self._name, self._name, self._key, self._key, ca=True)
        self.file = folder / "authority.crt"
        self.file.write_bytes(built.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, rsa_bits: int = 0) -> Issued:
        """Return a certificate of this authority for `localhost` or for a system."""
        key = (
            rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
        )
        return keep(self._folder / name, certificate(name_of(name), self._name, key, self._key), key)

    def nobody(self, name: str) -> Issued:
        """Return a certificate that no authority stands behind: it signed itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        return keep(self._folder / f"self-{name}", certificate(name_of(name), name_of(name), key, key), key)


def name_of(text: str) -> x509.Name:
    """A subject."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "潜江市卫生健康委员会"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def certificate(
    name: x509.Name,
    issuer: x509.Name,
    key: CertificateIssuerPrivateKeyTypes,
    signing: CertificateIssuerPrivateKeyTypes,
    *,
    ca: bool = False,
) -> x509.Certificate:
    """Build a certificate that is good for a day."""
    now = datetime.now(UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    identifier = x509.SubjectKeyIdentifier.from_public_key
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(identifier(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
        .sign(signing, hashes.SHA256())
    )


def keep(place: Path, built: x509.Certificate, key: CertificateIssuerPrivateKeyTypes) -> Issued:
    """Write a certificate and its key."""
    issued = Issued(place.with_suffix(".crt"), place.with_suffix(".key"))
    issued.certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    issued.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return issued
