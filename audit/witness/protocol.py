"""What goes over the wire between a log and a witness (C2SP tlog-witness, add-checkpoint), as bytes.

old <size>                  the tree that the witness knows
<base64 of 32 bytes>        any number of hashes up to 63: the proof from there to the checkpoint
<empty line>
<checkpoint>                a signed note
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.merkle import EMPTY_ROOT
from audit.note import BadNote, Checkpoint, decode_base64, split_note

ADD_CHECKPOINT = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
"""The content type of a 409 that tells the size which the witness knows."""
SUBMISSION_MOST = 128 * 1024
"""Bytes of a request; one with 63 hashes and 16 signatures of ML-DSA-44 has less than half of it."""
_PROOF_MOST = 63
_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE_BODY = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True)
class Known:
    """The tree that a witness cosigned last; the empty one for a log that it never saw."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint with the proof that it continues a tree of `old` entries."""

    old: int
    proof: tuple[bytes, ...]
    note: str
    checkpoint: Checkpoint


def write_submission(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """Return the body of a request."""
    hashes = "".join(f"{base64.b64encode(step).decode()}\n" for step in proof)
    return f"old {old}\n{hashes}\n{note}".encode()


def read_submission(body: bytes) -> Submission:
    """Read the body of a request; nothing in it is trusted yet. Raises BadNote."""
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        raise BadNote("the body is not UTF-8") from wrong
    head, _, note = text.partition("\n\n")
    first, *hashes = head.split("\n")
    old = _OLD_LINE.fullmatch(first)
    if old is None:
        raise BadNote("the first line gives no old size")
    if len(hashes) > _PROOF_MOST:
        raise BadNote(f"a proof has {_PROOF_MOST} lines at most")
    checkpoint = Checkpoint.parse(split_note(note)[0])
    return Submission(int(old[1]), tuple(_hash(line) for line in hashes), note, checkpoint)


def _hash(line: str) -> bytes:
    step = decode_base64(line)
    if len(step) != len(EMPTY_ROOT):
        raise BadNote("a hash has 32 bytes")
    return step


def write_size(size: int) -> bytes:
    """Return the body of a 409 that tells what the witness knows."""
    return f"{size}\n".encode()


def read_size(body: bytes) -> int | None:
    """Read the body of a 409; None when it tells no size."""
    found = _SIZE_BODY.fullmatch(body)
    return None if found is None else int(found[1])
