"""A record: a body that only auditors read, and the envelope that stands for it in the public log.

The envelope is the log entry. It holds a digest of the body, the kind, the source and the time, and no
personal data, so it may be published and kept for ever. The body carries 128 random bits, so nobody can
guess a body from its digest, and erasing a body breaks no proof.
"""

from __future__ import annotations

import hashlib
import os
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson

from core.ids import NOISE_BYTES, new_id
from core.times import millis

VERSION = 1
_NONCE_BYTES = 16
OWN_FIELDS = frozenset({"v", "k", "t", "id", "nonce"})
"""What `make_record` puts into every body; a caller's body must not hold them."""

FIELDS = (
    *("kind", "consumer", "provider", "client", "grant", "dataset", "operation", "decision", "reason"),
    *("case", "ticket", "actor", "subject"),
)
"""The fields of a body that queries may ask for; ``department`` asks for any of the parties."""


@dataclass(slots=True)
class Record:
    """One record, ready to be made durable; its leaf hash is SHA-256(0x00 || envelope).

    Nobody changes it; it is not frozen because making one would then take a microsecond longer, each call.
    """

    id: str
    kind: str
    at: datetime
    envelope: bytes
    body: bytes


def make_record(kind: str, at: datetime, source: str, body: Mapping[str, Any]) -> Record:
    """Make the record of something that happened at `at`; `source` names the journal or the outbox.

    Raises ValueError when `body` holds a field of ours, TypeError when it holds what JSON cannot.
    """
    if not OWN_FIELDS.isdisjoint(body):
        raise ValueError(f"an audit body must not set {sorted(OWN_FIELDS & set(body))}")
    ms = millis(at)
    record_id = new_id(ms)
    nonce = b2a_base64(os.urandom(_NONCE_BYTES), newline=False).decode()
    whole = canonical({**body, "v": VERSION, "k": kind, "t": ms, "id": record_id, "nonce": nonce})
    return Record(record_id, kind, at, make_envelope(kind, ms, source, whole), whole)


class RecordForm:
    """Records of one kind that say the same but for a few fields: what they share is spelled once."""

    def __init__(self, kind: str, shared: Mapping[str, Any], more: Sequence[str]) -> None:
        """`shared` is what all of them say, `more` names what each says besides.

        Raises ValueError when a field is one of ours or there twice.
        """
        if len({*shared, *more, *OWN_FIELDS}) < len(shared) + len(more) + len(OWN_FIELDS):
            raise ValueError(f"not the fields of one record: {sorted(shared)} and {sorted(more)}")
        given = {**shared, "v": VERSION, "k": kind}
        spelled = {name: _literal(canonical({name: given[name]})[1:-1]) for name in given}
        spelled |= {name: b'"%b":%%b' % name.encode() for name in more}
        spelled |= {"id": b'"id":"%b"', "nonce": b'"nonce":"%b"', "t": b'"t":%d'}
        self._kind = kind
        self._form = b"{%b}" % b",".join(spelled[name] for name in sorted(spelled))
        filled = (*more, "id", "nonce", "t")
        self._arranged = itemgetter(*sorted(range(len(filled)), key=filled.__getitem__))
        self._source, self._envelope = "", b""

    def fill(self, values: Sequence[bytes], at: datetime, source: str) -> Record:
        """Make a record as `make_record` does; `values` are those of `more`, in JSON and in their order."""
        ms, noise = millis(at), os.urandom(NOISE_BYTES + _NONCE_BYTES)
        record_id = new_id(ms, noise[:NOISE_BYTES])
        nonce = b2a_base64(noise[NOISE_BYTES:], newline=False)
        whole = self._form % self._arranged((*values, record_id.encode(), nonce, ms))
        if source != self._source:
            self._source, self._envelope = source, _envelope_form(self._kind, source)
        return Record(record_id, self._kind, at, self._envelope % (_digest(whole), ms), whole)


def _envelope_form(kind: str, source: str) -> bytes:
    """Return what `make_envelope` spells, but for digest and time."""
    return b'{"b":"%%b",%b,"t":%%d}' % _literal(canonical({"k": kind, "s": source})[1:-1])


def _literal(spelled: bytes) -> bytes:
    return spelled.replace(b"%", b"%%")


def make_envelope(kind: str, ms: int, source: str, body: bytes) -> bytes:
    """Return the log entry that stands for `body`: canonical JSON of about 100 bytes."""
    return canonical({"b": body_digest(body), "k": kind, "s": source, "t": ms})


def body_digest(body: bytes) -> str:
    """Return the SHA-256 of a body in base64, as the envelope holds it."""
    return _digest(body).decode()


def _digest(body: bytes) -> bytes:
    return b2a_base64(hashlib.sha256(body).digest(), newline=False)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return JSON with sorted keys, no blanks and no line ends, so that the same document has one digest."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
