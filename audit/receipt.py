"""Receipts: what a caller holds against us if the record of its call is not in the log in time.

    <origin> <base64 leaf hash> <journal/seq> <seal by> <base64 Ed25519 signature>

The signature is the receipt key's over ``shuxiang-receipt/v2``, origin, leaf hash, source and seal-by, one
per line. Seal-by is in milliseconds since 1970-01-01T00:00Z: a checkpoint that a witness cosigned later and
that lacks the leaf convicts the platform.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

from audit.beat import LAG_BOUND
from audit.checkpoint import BadNote, decode_base64, whole_number
from audit.journal import Position
from audit.keys import NoteSigner, NoteVerifier
from audit.merkle import leaf_hash
from audit.record import Record
from core.times import instant_of, millis

_FIRST_LINE = "shuxiang-receipt/v2"
_LAG_MILLIS = int(LAG_BOUND * 1000)
_MILLIS_MOST = 253_402_300_799_999
"""The end of the year 9999."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The promise that a leaf will be in the log of `origin` at `seal_by`."""

    origin: str
    leaf: bytes
    source: str
    seal_by: datetime


def make_receipt(signer: NoteSigner, origin: str, record: Record, position: Position) -> str:
    """Return the value of the Audit-Receipt header for a record that is durable.

    Calls are refused once the sealer is `LAG_BOUND` seconds behind, so that is what can be promised.
    """
    leaf = base64.b64encode(leaf_hash(record.envelope)).decode()
    promised = f"{origin} {leaf} {position.source} {millis(record.at) + _LAG_MILLIS}"
    return f"{promised} {base64.b64encode(signer.sign(_message(promised))).decode()}"


def check_receipt(verifier: NoteVerifier, value: str) -> Receipt:
    """Read a receipt. Raises BadNote unless the key signed it."""
    promised, _, signature = value.rpartition(" ")
    parts = promised.split(" ")
    if len(parts) != 4:
        raise BadNote("a receipt has five parts")
    if not verifier.verify(_message(promised), decode_base64(signature)):
        raise BadNote("the receipt's signature is wrong")
    origin, leaf, source, seal_by = parts
    if whole_number(seal_by) > _MILLIS_MOST:
        raise BadNote("a receipt promises a time before the year 10000")
    return Receipt(origin, decode_base64(leaf), source, instant_of(int(seal_by)))


def _message(promised: str) -> bytes:
    """Return what is signed for the first four parts; none of them can hold a blank."""
    return "".join(f"{line}\n" for line in (_FIRST_LINE, *promised.split(" "))).encode()
