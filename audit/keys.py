"""Keys of C2SP signed-note and tlog-cosignature, and the three sorts of signatures that they make.

verifier key   <name>+<key id, hex>+<base64(type || public key)>
signer key     PRIVATE+KEY+<name>+<key id, hex>+<base64(type || 32-byte seed)>
key id         SHA-256(<name> LF type || public key), the first four bytes

type 01        Ed25519 over the note's text: logs and receipts
type 04        Ed25519 over cosignature/v1, with the time: witnesses
type 06        ML-DSA-44 (FIPS 204) over subtree/v1, with the time: logs and witnesses
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from audit.checkpoint import BadNote, check_name, check_text, cosignature_v1, decode_base64, subtree_v1

ED25519, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06
_PUBLIC_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
_SEED_BYTES = 32
_TIME_BYTES = 8
_PRIVATE = "PRIVATE+KEY+"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_MOST = int((datetime.max.replace(tzinfo=UTC) - _EPOCH).total_seconds())

SORTS = {"ed25519": COSIGNATURE, "ml-dsa-44": ML_DSA_44}
"""What a cosigner's key may be, by name."""


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A public key with its name and its type."""

    name: str
    public: bytes
    kind: int = ED25519

    @classmethod
    def parse(cls, vkey: str) -> NoteVerifier:
        """Read a verifier key of one of the three types. Raises BadNote."""
        name, claimed, raw = _split_key(vkey.strip())
        kind = raw[0]
        if len(raw) != 1 + _PUBLIC_BYTES.get(kind, 0):
            raise BadNote("neither an Ed25519 key nor one of ML-DSA-44")
        verifier = cls(name, raw[1:], kind)
        if verifier.key_id.hex() != claimed:
            raise BadNote("the key id does not fit the key")
        return verifier

    @property
    def key_id(self) -> bytes:
        """The 4-byte id that stands in signature lines."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def algorithm(self) -> str:
        """``ed25519`` or ``ml-dsa-44``."""
        return "ml-dsa-44" if self.kind == ML_DSA_44 else "ed25519"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is this key's over `message`.

        For a cosigner's key `message` is the text of a checkpoint, and `signature` begins with the time.
        """
        try:
            if self.kind == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                self._verify_timed(message.decode(), signature)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _verify_timed(self, text: str, signature: bytes) -> None:
        seconds, rest = _seconds_of(signature), signature[_TIME_BYTES:]
        message = _timed_message(self.name, self.kind, seconds, text)
        if self.kind == COSIGNATURE:
            Ed25519PublicKey.from_public_bytes(self.public).verify(rest, message)
        else:
            MLDSA44PublicKey.from_public_bytes(self.public).verify(rest, message)

    def time_of(self, signature: bytes) -> datetime | None:
        """Return when a verified signature says it was made; None where it does not say.

        An ML-DSA-44 cosignature with the time 0 says nothing of when (C2SP tlog-cosignature).
        """
        seconds = 0 if self.kind == ED25519 else _seconds_of(signature)
        return _EPOCH + timedelta(seconds=seconds) if seconds else None

    def __str__(self) -> str:
        key = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


class NoteSigner:
    """An Ed25519 key of type 01 with its name: signs any text."""

    def __init__(self, name: str, seed: bytes) -> None:
        """`seed` is the 32-byte private key of RFC 8032. Raises BadNote for an unfit name."""
        check_name(name)
        self.name = name
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = NoteVerifier(name, self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> NoteSigner:
        """Make a new key."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, key: str) -> NoteSigner:
        """Read a signer key. Raises BadNote."""
        name, claimed, kind, seed = _split_secret(key)
        if kind != ED25519:
            raise BadNote("not an Ed25519 key that signs notes")
        signer = cls(name, seed)
        _check_id(signer.verifier, claimed)
        return signer

    def export(self) -> str:
        """Return the signer key as text, to be kept secret."""
        return _secret_text(self.verifier, self._seed)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over `message`."""
        return self._key.sign(message)

    def sign_note(self, text: str) -> str:
        """Return `text` as a note signed by this key. Raises BadNote for text that a note cannot hold."""
        check_text(text)
        return f"{text}\n{_line(self.verifier, self.sign(text.encode()))}"


class Cosigner:
    """A key of type 04 or 06 with its name: signs checkpoints, and when it did."""

    def __init__(self, name: str, sort: str, seed: bytes) -> None:
        """`sort` is ``ed25519`` or ``ml-dsa-44``, `seed` has 32 bytes. Raises BadNote for an unfit name."""
        check_name(name)
        self.name = name
        self._seed = seed
        self._key = _private(SORTS[sort], seed)
        self.verifier = NoteVerifier(name, self._key.public_key().public_bytes_raw(), SORTS[sort])

    @classmethod
    def generate(cls, name: str, sort: str = "ml-dsa-44") -> Cosigner:
        """Make a new key of the sort ``ed25519`` or ``ml-dsa-44``."""
        kind = MLDSA44PrivateKey if SORTS[sort] == ML_DSA_44 else Ed25519PrivateKey
        return cls(name, sort, kind.generate().private_bytes_raw())

    @classmethod
    def parse(cls, key: str) -> Cosigner:
        """Read a cosigner's key. Raises BadNote."""
        name, claimed, kind, seed = _split_secret(key)
        if kind not in SORTS.values():
            raise BadNote("not a cosigner's key")
        cosigner = cls(name, next(sort for sort, byte in SORTS.items() if byte == kind), seed)
        _check_id(cosigner.verifier, claimed)
        return cosigner

    def export(self) -> str:
        """Return the key as text, to be kept secret."""
        return _secret_text(self.verifier, self._seed)

    def cosign(self, text: str, at: datetime) -> str:
        """Return the signature line over a checkpoint's text, with the time in whole seconds.

        Raises BadNote when `text` is no checkpoint, or has extension lines that an ML-DSA-44 signature
        would not cover.
        """
        check_text(text)
        seconds = int(at.timestamp())
        signature = self._key.sign(_timed_message(self.name, self.verifier.kind, seconds, text))
        return _line(self.verifier, seconds.to_bytes(_TIME_BYTES) + signature)


def _private(kind: int, seed: bytes) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    if kind == ML_DSA_44:
        return MLDSA44PrivateKey.from_seed_bytes(seed)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _timed_message(name: str, kind: int, seconds: int, text: str) -> bytes:
    return cosignature_v1(text, seconds) if kind == COSIGNATURE else subtree_v1(name, seconds, text)


def _seconds_of(signature: bytes) -> int:
    """Return the time that a cosignature begins with. Raises BadNote beyond the year 9999, or if cut off."""
    seconds = int.from_bytes(signature[:_TIME_BYTES])
    if len(signature) <= _TIME_BYTES or seconds > _TIME_MOST:
        raise BadNote("a cosignature begins with a time of eight bytes")
    return seconds


def _line(verifier: NoteVerifier, signature: bytes) -> str:
    return f"— {verifier.name} {base64.b64encode(verifier.key_id + signature).decode()}\n"


def _split_key(text: str) -> tuple[str, str, bytes]:
    """Return name, claimed key id, and type with key. Raises BadNote."""
    name, _, rest = text.partition("+")
    check_name(name)
    claimed, _, encoded = rest.partition("+")
    raw = decode_base64(encoded)
    if not raw:
        raise BadNote("not a key")
    return name, claimed, raw


def _split_secret(key: str) -> tuple[str, str, int, bytes]:
    text = key.strip()
    if not text.startswith(_PRIVATE):
        raise BadNote("not a signer key")
    name, claimed, raw = _split_key(text.removeprefix(_PRIVATE))
    if len(raw) != 1 + _SEED_BYTES:
        raise BadNote("a signer key has 32 bytes")
    return name, claimed, raw[0], raw[1:]


def _check_id(verifier: NoteVerifier, claimed: str) -> None:
    if verifier.key_id.hex() != claimed:
        raise BadNote("the signer key's id does not fit its key")


def _secret_text(verifier: NoteVerifier, seed: bytes) -> str:
    key = base64.b64encode(bytes([verifier.kind]) + seed).decode()
    return f"{_PRIVATE}{verifier.name}+{verifier.key_id.hex()}+{key}"
