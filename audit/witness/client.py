"""Asks one witness for its cosignature (C2SP tlog-witness, add-checkpoint)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from audit.note import BadNote, Checkpoint, NoteVerifier, signatures_of, split_note
from audit.witness.protocol import ADD_CHECKPOINT, SIZE_TYPE, read_size, write_submission

_ANSWER_MOST = 64 * 1024
_TRIES = 3
"""The first may tell the size that the witness knows; the second may meet another asker."""

Prove = Callable[[int], Sequence[bytes]]
"""Returns the consistency proof from an old size to the checkpoint in question."""


class Unreachable(Exception):
    """The witness did not answer, or not as a witness does; it may later."""


class Refused(Exception):
    """The witness will not cosign, with the status of its answer and the size that it told, if any."""

    def __init__(self, status: int, why: str, theirs: int | None = None) -> None:
        super().__init__(f"{status} {why}".strip())
        self.status = status
        self.theirs = theirs


class Contradicted(Refused):
    """The witness cosigned a tree that ours does not continue: ours was rolled back, or there are two."""


class Told(NamedTuple):
    """An answer of HTTP, as far as it matters."""

    status: int
    content_type: str
    body: bytes


class WitnessClient:
    """A connection to one witness, kept open between questions."""

    def __init__(self, url: str, verifiers: Sequence[NoteVerifier], seconds: float) -> None:
        """`url` is the submission prefix, `seconds` how long each answer is waited for."""
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=seconds)
        self._path = parts.path.rstrip("/") + ADD_CHECKPOINT
        self._verifiers = tuple(verifiers)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def cosign(self, note: str, old: int, prove: Prove) -> tuple[str, ...]:
        """Return the witness's signature lines over `note`; `old` is what it is believed to know.

        Raises Unreachable, Refused or Contradicted.
        """
        size = Checkpoint.parse(split_note(note)[0]).size
        old = min(old, size)
        for _ in range(_TRIES):
            told = self._post(write_submission(old, prove(old), note))
            if told.status == 200:
                return self._valid_lines(note, told.body)
            old = _conflict(told, old, size)
        raise Unreachable("another asker is always ahead")

    def _post(self, body: bytes) -> Told:
        """Ask once; where a kept connection turns out to be closed, once more on a new one."""
        is_kept = self._connection.sock is not None
        try:
            return self._exchange(body)
        except (OSError, HTTPException) as wrong:
            self._connection.close()
            if not is_kept or isinstance(wrong, TimeoutError):
                raise Unreachable(str(wrong) or type(wrong).__name__) from wrong
        try:
            return self._exchange(body)
        except (OSError, HTTPException) as wrong:
            self._connection.close()
            raise Unreachable(str(wrong) or type(wrong).__name__) from wrong

    def _exchange(self, body: bytes) -> Told:
        self._connection.request("POST", self._path, body, {"Content-Type": "text/plain; charset=utf-8"})
        with self._connection.getresponse() as answer:
            content = answer.read(_ANSWER_MOST + 1)
        if len(content) > _ANSWER_MOST:
            raise HTTPException("the answer is too long")
        content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return Told(answer.status, content_type, content)

    def _valid_lines(self, note: str, body: bytes) -> tuple[str, ...]:
        """Return the lines of known keys; a witness that signs wrongly has refused."""
        text = split_note(note)[0]
        try:
            lines = [f"{line}\n" for line in body.decode().removesuffix("\n").split("\n")]
            known = tuple(line for line in lines if signatures_of(f"{text}\n{line}", self._verifiers))
        except (UnicodeDecodeError, BadNote) as wrong:
            raise Refused(200, f"not a cosignature: {wrong}") from wrong
        if not known:
            raise Refused(200, "no cosignature of a key that is known of it")
        return known


def _conflict(told: Told, old: int, size: int) -> int:
    """Return the size that a 409 tells, where asking with it may help. Raises Refused or Contradicted."""
    theirs = read_size(told.body) if told.content_type == SIZE_TYPE else None
    if told.status == 409 and theirs is not None and theirs > size:
        raise Contradicted(409, f"it cosigned {theirs} entries, the log holds {size}", theirs)
    if told.status == 409 and old == size and theirs in (None, size):
        raise Contradicted(409, f"it cosigned another root of {size} entries", size)
    if told.status == 409 and theirs is not None and theirs != old:
        return theirs
    if told.status == 422 and old > 0:
        raise Contradicted(
            422, f"the tree of {old} entries that it cosigned is not the beginning of ours", old
        )
    why = told.body[:200].decode(errors="replace").strip()
    if told.status == 429 or told.status >= 500:
        raise Unreachable(f"{told.status} {why}")
    raise Refused(told.status, why, theirs)
