"""How records lie in a journal segment: a header, then frames, then zeros.

    header   magic "SXJ2", first seq u64, crc32 u32 of the seq
    frame    magic 0x5846 u16, payload length u32, crc32 u32 over (seq || payload), seq u64, payload
    payload  envelope length u16, envelope, body, tag of 16 bytes

The tag is HMAC-SHA-256, cut, over the seq and what of the payload is before it, under a key of this
journal. Whoever seals asks for it, so that nobody without the platform's keys puts a record into the log by
way of a journal; whoever only looks does not.

All numbers are big-endian. A frame counts only if its magic, length, checksum and sequence (one more than
the frame before) are right; reading stops at the first that is not, because whatever follows it was never
acknowledged.
"""

from __future__ import annotations

import hmac
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.keyed import keyed_digest

KEY_FILE = "pseudonym.key"
"""The platform's key file that the keys of journals are derived from."""
_MAGIC = 0x5846
_HEADER_MAGIC = b"SXJ2"
_HEADER = struct.Struct(">4sQI")
_FRAME = struct.Struct(">HIIQ")
_OPENING = struct.Struct(">HII")
"""What of a frame stands before that which its checksum is over."""
_SAID = struct.Struct(">QH")
"""How what a frame says begins: its sequence number, and the length of the envelope."""
_U16 = struct.Struct(">H")
_U64 = struct.Struct(">Q")
_SUMMED = 10
"""Where in a frame begins what its checksum is over: sequence number and payload."""
_PIECE = 1024 * 1024
"""What is read of a segment at a time."""

_TAG_BYTES = 16
_NOBODY = bytes(_TAG_BYTES)
_LEAST = _U16.size + _TAG_BYTES
"""Bytes of a payload with nothing in it."""

HEADER_BYTES = _HEADER.size
FRAME_BYTES = _FRAME.size + _U16.size + _TAG_BYTES
"""What a frame adds to envelope and body."""
ENVELOPE_MAX = 65_535
"""An entry of the log holds at most this many bytes (C2SP tlog-tiles, entry bundles)."""


class Frame(NamedTuple):
    """A record as read from a journal; `end` is the offset where the next frame begins."""

    seq: int
    end: int
    envelope: bytes
    body: bytes
    tag: bytes


def journal_key(secret: bytes, journal: str) -> bytes:
    """Return the key by which the writer of a journal vouches for its frames; `secret` is the platform's."""
    return hmac.digest(secret, b"journal\0" + journal.encode(), "sha256")


def encode_header(first_seq: int) -> bytes:
    """Return the header of a segment whose first frame has the sequence number `first_seq`."""
    return _HEADER.pack(_HEADER_MAGIC, first_seq, zlib.crc32(_U64.pack(first_seq)))


def encode_frame(seq: int, envelope: bytes, body: bytes, key: bytes | None) -> bytes:
    """Return the frame of one record. Without the journal's key nobody vouches for it and it is never sealed.

    Raises ValueError when the envelope is too long for the log.
    """
    if len(envelope) > ENVELOPE_MAX:
        raise ValueError("the envelope is longer than an entry of the log may be")
    said = _said(seq, envelope, body)
    tag = _NOBODY if key is None else _tag(key, said)
    length = len(said) - _U64.size + _TAG_BYTES
    return b"".join((_OPENING.pack(_MAGIC, length, zlib.crc32(tag, zlib.crc32(said))), said, tag))


def is_vouched(frame: Frame, key: bytes) -> bool:
    """Tell whether the writer of the journal with this key made the frame."""
    return hmac.compare_digest(frame.tag, _tag(key, _said(frame.seq, frame.envelope, frame.body)))


def _said(seq: int, envelope: bytes, body: bytes) -> bytes:
    return b"".join((_SAID.pack(seq, len(envelope)), envelope, body))


def _tag(key: bytes, said: bytes) -> bytes:
    return keyed_digest(key, said)[:_TAG_BYTES]


def first_seq(path: Path) -> int | None:
    """Return the sequence number of a segment's first frame; None while nothing was written into it."""
    with path.open("rb") as file:
        return _read_header(file)


def read_journal(path: Path, offset: int = 0, seq: int = 0) -> Iterator[Frame]:
    """Yield the complete frames of a segment, stopping at the first bad one.

    To go on reading, hand in the `end` and the `seq` of the last frame seen; at offset 0 the header decides.
    Raises FileNotFoundError when the segment is gone.
    """
    with path.open("rb", buffering=0) as file:
        if offset == 0:
            first = _read_header(file)
            if first is None:
                return
            offset, seq = HEADER_BYTES, first - 1
        yield from _frames(file, offset, seq)


def _frames(file: BinaryIO, offset: int, seq: int) -> Iterator[Frame]:
    """Yield the frames from `offset` on; it parses pieces in memory, since a backlog is read through here."""
    piece, at, size = b"", 0, os.fstat(file.fileno()).st_size
    while True:
        end = at + _FRAME.size
        if end <= len(piece):
            magic, length, checksum, number = _FRAME.unpack_from(piece, at)
            end += length
            if magic != _MAGIC or number != seq + 1 or length < _LEAST or offset + end > size:
                return
        if end > len(piece):
            offset, fresh = offset + at, _read_at(file, offset + at, max(_PIECE, end - at))
            if len(fresh) < end - at:
                return
            piece, at = fresh, 0
            continue
        split = end - length + _U16.size + _U16.unpack_from(piece, end - length)[0]
        tag = end - _TAG_BYTES
        if split > tag or zlib.crc32(piece[at + _SUMMED : end]) != checksum:
            return
        envelope = piece[end - length + _U16.size : split]
        yield Frame(number, offset + end, envelope, piece[split:tag], piece[tag:end])
        at, seq = end, number


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _read_header(file: BinaryIO) -> int | None:
    raw = file.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES:
        return None
    magic, first, checksum = _HEADER.unpack(raw)
    good = magic == _HEADER_MAGIC and first > 0 and checksum == zlib.crc32(_U64.pack(first))
    return first if good else None
