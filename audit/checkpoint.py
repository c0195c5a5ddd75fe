"""What notes are made of: texts, names and base64 of C2SP signed-note, checkpoints and what cosigners sign.

checkpoint     origin, tree size and base64(root), one per line (C2SP tlog-checkpoint)
cosignature/v1 ``cosignature/v1``, ``time <seconds>`` and the checkpoint's text: for Ed25519 cosigners
subtree/v1     a binary message of cosigner, time, origin, range and root: for ML-DSA-44 cosigners
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass

_HEAD_LINES = 3
_SIZE_DIGITS = 19
_SIZE_MOST = 2**63 - 1
_NAME_MOST = 255
_SUBTREE_LABEL = b"subtree/v1\n\0"
_U64 = struct.Struct(">Q")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class BadNote(ValueError):
    """The note or the key is malformed, or no signature of a known key verifies."""


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
        if lines.pop() != "" or len(lines) < _HEAD_LINES or not all(lines):
            raise BadNote("a checkpoint has at least three lines, none of them empty")
        root = decode_base64(lines[2])
        if len(root) != 32:
            raise BadNote("a root has 32 bytes")
        return cls(lines[0], whole_number(lines[1]), root)


def cosignature_v1(text: str, seconds: int) -> bytes:
    """Return what an Ed25519 cosigner signs. Raises BadNote when `text` is no checkpoint."""
    Checkpoint.parse(text)
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def subtree_v1(name: str, seconds: int, text: str) -> bytes:
    """Return what the ML-DSA-44 cosigner `name` signs for a whole tree.

    Raises BadNote when `text` is no checkpoint, or one with extension lines: the message does not hold them,
    so nobody could tell a true one from one that was added later.
    """
    checkpoint = Checkpoint.parse(text)
    if text != checkpoint.text:
        raise BadNote("an ML-DSA-44 cosignature does not cover extension lines")
    start = 0
    return b"".join(
        (
            _SUBTREE_LABEL,
            _short(name),
            _U64.pack(seconds),
            _short(checkpoint.origin),
            _U64.pack(start),
            _U64.pack(checkpoint.size),
            checkpoint.root,
        )
    )


def _short(text: str) -> bytes:
    raw = text.encode()
    if not 1 <= len(raw) <= _NAME_MOST:
        raise BadNote(f"a cosigned name has 1 to {_NAME_MOST} bytes")
    return bytes([len(raw)]) + raw


def whole_number(text: str) -> int:
    """Return a size or an index: ASCII decimal below 2**63 without leading zeroes. Raises BadNote."""
    if not (text.isascii() and text.isdigit()) or len(text) > _SIZE_DIGITS or str(int(text)) != text:
        raise BadNote("not a whole number without leading zeroes")
    if int(text) > _SIZE_MOST:
        raise BadNote("a number beyond 2**63 - 1")
    return int(text)


def check_name(name: str) -> None:
    """Raise BadNote for what cannot be a key name: empty, or with a plus or a space of Unicode."""
    if not name or "+" in name or any(c.isspace() for c in name):
        raise BadNote(f"not a key name: {name!r}")
    check_text(f"{name}\n")


def check_text(text: str) -> None:
    """Raise BadNote for what a note cannot hold."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise BadNote("a note ends in a line feed and holds no other control characters")
    try:
        text.encode()
    except UnicodeEncodeError as wrong:
        raise BadNote("a note is valid UTF-8") from wrong


def decode_base64(encoded: str) -> bytes:
    """Return what base64 stands for (RFC 4648 section 4). Raises BadNote for any but the one encoding."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise BadNote("not base64") from wrong
    if base64.b64encode(raw).decode() != encoded:
        raise BadNote("not base64 in its one proper form")
    return raw
