"""C2SP signed notes and checkpoints, with Ed25519 keys.

verifier key   <name>+<key id, hex>+<base64(0x01 || public key)>
signer key     PRIVATE+KEY+<name>+<key id, hex>+<base64(0x01 || seed)>
note           text ending in a line feed, an empty line, then one line per signature:
               — <name> <base64(key id || signature)>
checkpoint     a note whose text is origin, tree size and base64(root), one per line
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
_SIGNATURES_MOST = 100
_NOTE_MOST = 1_000_000


class BadNote(ValueError):
    """The note or the key is malformed, or no signature of a known key verifies."""


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A public key with its name."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> NoteVerifier:
        """Read a verifier key. Raises BadNote."""
        name, _, rest = vkey.strip().partition("+")
        public = _decode_key(name, rest)
        return cls(name, key_id(name, public), public)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is this key's over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        key = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


class NoteSigner:
    """A private key with its name."""

    def __init__(self, name: str, seed: bytes) -> None:
        """`seed` is the 32-byte private key of RFC 8032. Raises BadNote for an unfit name."""
        _check_name(name)
        self.name = name
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.verifier = NoteVerifier(name, key_id(name, public), public)

    @classmethod
    def generate(cls, name: str) -> NoteSigner:
        """Make a new key."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, key: str) -> NoteSigner:
        """Read a signer key. Raises BadNote."""
        text = key.strip()
        if not text.startswith(_PRIVATE):
            raise BadNote("not a signer key")
        name, _, rest = text.removeprefix(_PRIVATE).partition("+")
        claimed, _, encoded = rest.partition("+")
        signer = cls(name, _decode_typed(encoded))
        if signer.verifier.key_id.hex() != claimed:
            raise BadNote("the signer key's id does not fit its key")
        return signer

    def export(self) -> str:
        """Return the signer key as text, to be kept secret."""
        key = base64.b64encode(_ED25519 + self._seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{key}"

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over `message`."""
        return self._key.sign(message)

    def sign_note(self, text: str) -> str:
        """Return `text` as a note signed by this key. Raises BadNote for text that a note cannot hold."""
        _check_text(text)
        line = base64.b64encode(self.verifier.key_id + self.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {line}\n"


def key_id(name: str, public: bytes) -> bytes:
    """Return the 4-byte id of an Ed25519 key: SHA-256(name || LF || 0x01 || key), cut off."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def open_note(note: str, verifiers: Iterable[NoteVerifier]) -> str:
    """Return the text of a note that at least one of `verifiers` signed.

    Signatures of unknown keys are ignored. Raises BadNote when the note is malformed, when a signature of
    a known key is wrong, or when there is none.
    """
    text, signatures = split_note(note)
    known = {(v.name, v.key_id): v for v in verifiers}
    verified = 0
    for name, raw in signatures:
        verifier = known.get((name, raw[:4]))
        if verifier is None:
            continue
        if not verifier.verify(text.encode(), raw[4:]):
            raise BadNote(f"the signature of {name} is wrong")
        verified += 1
    if not verified:
        raise BadNote("no signature of a known key")
    return text


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text and the (name, key id || signature) of each signature, unverified. Raises BadNote."""
    head, mark, tail = note.rpartition("\n\n")
    if len(note) > _NOTE_MOST or not mark or not tail.endswith("\n"):
        raise BadNote("not a signed note")
    text = head + "\n"
    _check_text(text)
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > _SIGNATURES_MOST:
        raise BadNote("too many signatures")
    return text, [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = decode_base64(encoded)
    if dash != "—" or len(raw) < 5:
        raise BadNote("not a signature line")
    _check_name(name)
    return name, raw


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() for c in name):
        raise BadNote(f"not a key name: {name!r}")


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise BadNote("a note's text ends in a line feed and holds no other control characters")


def _decode_key(name: str, rest: str) -> bytes:
    _check_name(name)
    claimed, _, encoded = rest.partition("+")
    public = _decode_typed(encoded)
    if key_id(name, public).hex() != claimed:
        raise BadNote("the key id does not fit the key")
    return public


def _decode_typed(encoded: str) -> bytes:
    raw = decode_base64(encoded)
    if raw[:1] != _ED25519 or len(raw) != 33:
        raise BadNote("not an Ed25519 key")
    return raw[1:]


def decode_base64(encoded: str) -> bytes:
    """Return what base64 of the strict kind stands for. Raises BadNote."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise BadNote("not base64") from wrong


# --- checkpoints ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits itself to: its first `size` entries have this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note text of C2SP tlog-checkpoint."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint; lines after the third are extensions. Raises BadNote."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0]:
            raise BadNote("a checkpoint has at least three lines")
        size, root = lines[1], decode_base64(lines[2])
        if not (size.isascii() and size.isdigit()) or (size != "0" and size[0] == "0") or len(root) != 32:
            raise BadNote("not a tree size and a root")
        return cls(lines[0], int(size), root)
