"""C2SP signed notes: a text and who signed it.

A note is text that ends in a line feed, an empty line, then one line per signature:

    — <name> <base64(key id || signature)>
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from audit.checkpoint import BadNote, Checkpoint, check_name, check_text, decode_base64
from audit.keys import Cosigner, NoteSigner, NoteVerifier

__all__ = [
    "BadNote",
    "Checkpoint",
    "Cosigner",
    "NoteSigner",
    "NoteVerifier",
    "Signature",
    "add_signatures",
    "decode_base64",
    "open_note",
    "signatures_of",
    "split_note",
]

_SIGNATURES_MOST = 100
_NOTE_MOST = 1_000_000


class Signature(NamedTuple):
    """That a known key signed, and when it says it did; None where it does not say."""

    verifier: NoteVerifier
    at: datetime | None


def open_note(note: str, verifiers: Iterable[NoteVerifier]) -> str:
    """Return the text of a note that at least one of `verifiers` signed.

    Signatures of unknown keys are ignored. Raises BadNote when the note is malformed, when a signature of
    a known key is wrong, or when there is none.
    """
    if not signatures_of(note, verifiers):
        raise BadNote("no signature of a known key")
    return split_note(note)[0]


def signatures_of(note: str, verifiers: Iterable[NoteVerifier]) -> tuple[Signature, ...]:
    """Return the signatures of known keys, each key once, with its newest time.

    Raises BadNote when the note is malformed, or when a signature of a known key is wrong.
    """
    text, signatures = split_note(note)
    known = {(v.name, v.key_id): v for v in verifiers}
    found: dict[NoteVerifier, datetime | None] = {}
    for name, raw in signatures:
        verifier = known.get((name, raw[:4]))
        if verifier is None:
            continue
        if not verifier.verify(text.encode(), raw[4:]):
            raise BadNote(f"the signature of {name} is wrong")
        times = [at for at in (found.get(verifier), verifier.time_of(raw[4:])) if at is not None]
        found[verifier] = max(times, default=None)
    return tuple(Signature(verifier, at) for verifier, at in found.items())


def add_signatures(note: str, lines: Iterable[str]) -> str:
    """Return `note` with more signature lines, each ending in a line feed; one it has is not added again.

    Raises BadNote when that is no note; whose signatures they are is not checked.
    """
    head, mark, tail = note.rpartition("\n\n")
    there = dict.fromkeys(f"{line}\n" for line in tail.removesuffix("\n").split("\n"))
    signed = head + mark + "".join(there | dict.fromkeys(lines))
    split_note(signed)
    return signed


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text and the (name, key id || signature) of each signature, unverified. Raises BadNote."""
    head, mark, tail = note.rpartition("\n\n")
    if len(note) > _NOTE_MOST or not mark or not tail.endswith("\n"):
        raise BadNote("not a signed note")
    check_text(note)
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > _SIGNATURES_MOST:
        raise BadNote("too many signatures")
    return head + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = decode_base64(encoded)
    if dash != "—" or len(raw) < 5:
        raise BadNote("not a signature line")
    check_name(name)
    return name, raw
