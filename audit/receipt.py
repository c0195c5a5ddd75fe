"""Receipts: what a caller holds against us if the record of its call never appears in the log.

    <origin> <base64 leaf hash> <journal/seq> <base64 Ed25519 signature>

The signature is the receipt key's over ``shuxiang-receipt/v1``, origin, leaf hash and source, one per line.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from audit.journal import Position
from audit.merkle import leaf_hash
from audit.note import BadNote, NoteSigner, NoteVerifier, decode_base64
from audit.record import Record


@dataclass(frozen=True, slots=True)
class Receipt:
    """The promise that a leaf will be in the log of `origin`."""

    origin: str
    leaf: bytes
    source: str


def make_receipt(signer: NoteSigner, origin: str, record: Record, position: Position) -> str:
    """Return the value of the Audit-Receipt header for a record that is durable."""
    leaf = base64.b64encode(leaf_hash(record.envelope)).decode()
    signature = signer.sign(_message(origin, leaf, position.source))
    return f"{origin} {leaf} {position.source} {base64.b64encode(signature).decode()}"


def check_receipt(verifier: NoteVerifier, value: str) -> Receipt:
    """Read a receipt. Raises BadNote unless the key signed it."""
    parts = value.split(" ")
    if len(parts) != 4:
        raise BadNote("a receipt has four parts")
    origin, leaf, source, signature = parts
    if not verifier.verify(_message(origin, leaf, source), decode_base64(signature)):
        raise BadNote("the receipt's signature is wrong")
    return Receipt(origin, decode_base64(leaf), source)


def _message(origin: str, leaf: str, source: str) -> bytes:
    return f"shuxiang-receipt/v1\n{origin}\n{leaf}\n{source}\n".encode()
