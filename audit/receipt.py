"""Receipts: what a caller holds against us if the record of its call is not in the log in time.

    <origin> <base64 leaf hash> <journal/seq> <seal by> <index/size/path> <base64 Ed25519 signature>

Records that became durable in one write share a signature. They are the leaves of a Merkle tree (RFC 6962
section 2.1); `index`, `size` and `path`, the hashes of an inclusion proof one behind the other in base64,
lead from the leaf to its root. The signature is the receipt key's over ``shuxiang-receipt/v3``, origin,
journal and sequence number of the first of these records, size, seal-by and base64 root, one per line.
Seal-by is in milliseconds since 1970-01-01T00:00Z: a checkpoint that a witness cosigned later and that lacks
the leaf convicts the platform.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.beat import LAG_BOUND
from audit.checkpoint import BadNote, decode_base64, whole_number
from audit.keys import NoteSigner, NoteVerifier
from audit.merkle import leaf_hashes, root_and_paths, root_from_inclusion
from audit.record import Record
from core.times import instant_of, millis

_FIRST_LINE = "shuxiang-receipt/v3"
_LAG_MILLIS = int(LAG_BOUND * 1000)
_MILLIS_MOST = 253_402_300_799_999
"""The end of the year 9999."""
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Receipt:
    """The promise that a leaf will be in the log of `origin` at `seal_by`."""

    origin: str
    leaf: bytes
    source: str
    seal_by: datetime


def make_receipts(
    signer: NoteSigner, origin: str, journal: str, first: int, records: Sequence[Record]
) -> list[str]:
    """Return the values of the Audit-Receipt header for records that one write of `journal` makes durable.

    They are worth nothing before it has. Calls are refused once the sealer is `LAG_BOUND` seconds behind, so
    that is what can be promised.
    """
    leaves = leaf_hashes(record.envelope for record in records)
    seal_by = millis(max(record.at for record in records)) + _LAG_MILLIS
    size = len(leaves)
    root, paths = root_and_paths(leaves)
    signed = _encoded(signer.sign(_message(origin, f"{journal}/{first}", size, seal_by, root)))
    return [
        f"{origin} {_encoded(leaf)} {journal}/{first + i} {seal_by} {i}/{size}/{_encoded(path)} {signed}"
        for i, (leaf, path) in enumerate(zip(leaves, paths, strict=True))
    ]


def check_receipt(verifier: NoteVerifier, value: str) -> Receipt:
    """Read a receipt. Raises BadNote unless the key signed it."""
    parts = value.split(" ")
    if len(parts) != 6:
        raise BadNote("a receipt has six parts")
    origin, leaf, source, seal_by, place, signature = parts
    if whole_number(seal_by) > _MILLIS_MOST:
        raise BadNote("a receipt promises a time before the year 10000")
    receipt = Receipt(origin, decode_base64(leaf), source, instant_of(int(seal_by)))
    if not verifier.verify(_message_of(receipt, place), decode_base64(signature)):
        raise BadNote("the receipt's signature is wrong")
    return receipt


def _message_of(receipt: Receipt, place: str) -> bytes:
    """Return what must have been signed for a receipt that is at `place`, index/size/path. Raises BadNote."""
    index, size, path = _place(place)
    root = root_from_inclusion(index, size, receipt.leaf, path)
    journal, _, seq = receipt.source.rpartition("/")
    first = whole_number(seq) - index
    if root is None or len(receipt.leaf) != _HASH_BYTES or first < 1:
        raise BadNote("a receipt's path does not lead to a root")
    return _message(receipt.origin, f"{journal}/{first}", size, millis(receipt.seal_by), root)


def _place(text: str) -> tuple[int, int, list[bytes]]:
    index, _, rest = text.partition("/")
    size, mark, path = rest.partition("/")
    hashes = decode_base64(path) if path else b""
    if not mark or len(hashes) % _HASH_BYTES:
        raise BadNote("a receipt's place is index/size/path")
    steps = [hashes[i : i + _HASH_BYTES] for i in range(0, len(hashes), _HASH_BYTES)]
    return whole_number(index), whole_number(size), steps


def _message(origin: str, source: str, size: int, seal_by: int, root: bytes) -> bytes:
    """Return what is signed; no part can hold a line feed."""
    return f"{_FIRST_LINE}\n{origin}\n{source}\n{size}\n{seal_by}\n{_encoded(root)}\n".encode()


def _encoded(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()
