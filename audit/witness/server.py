"""What a witness does: it cosigns a checkpoint that continues the one before, and never another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection

from audit.merkle import verify_consistency
from audit.note import BadNote, Checkpoint, Cosigner, NoteVerifier, signatures_of, split_note
from audit.witness import store
from audit.witness.protocol import SIZE_TYPE, SUBMISSION_MOST, Submission, read_submission, write_size
from core.db import Database

CONFLICTS_MOST = 100
"""So many contradictions of one log are kept: one would do, and nobody shall fill the disk with them."""
_PLAIN = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """An answer of HTTP."""

    status: int
    content_type: str
    body: bytes


class _Refused(Exception):
    """The checkpoint is not cosigned; `size` is what the witness knows, where the answer tells it."""

    def __init__(self, status: HTTPStatus, why: str, size: int | None = None) -> None:
        super().__init__(why)
        self.answer = Answer(status, _PLAIN, f"{why}\n".encode())
        if size is not None:
            self.answer = Answer(status, SIZE_TYPE, write_size(size))


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its keys, the logs that it knows by origin with their keys, and its memory."""

    cosigners: Sequence[Cosigner]
    logs: Mapping[str, Sequence[NoteVerifier]]
    database: Database

    def add_checkpoint(self, body: bytes, clock: Callable[[], datetime]) -> Answer:
        """Answer a request of C2SP tlog-witness; what is cosigned is durable before this returns.

        The clock is read while the log's row is locked: of two cosignatures, the later has no fewer entries.
        """
        try:
            submission = self._read(body)
            self._check_signature(submission)
            with self.database.begin() as tx:
                at = clock()
                refused = self._remember(tx, submission, at)
            if refused is not None:
                raise refused
            return Answer(HTTPStatus.OK, _PLAIN, self._cosign(split_note(submission.note)[0], at))
        except _Refused as wrong:
            return wrong.answer

    def _read(self, body: bytes) -> Submission:
        if len(body) > SUBMISSION_MOST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {SUBMISSION_MOST} bytes")
        try:
            return read_submission(body)
        except BadNote as wrong:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(wrong)) from wrong

    def _check_signature(self, submission: Submission) -> None:
        verifiers = self.logs.get(submission.checkpoint.origin)
        if verifiers is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "no log of this origin is known here")
        try:
            signatures = signatures_of(submission.note, verifiers)
        except BadNote as wrong:
            raise _Refused(HTTPStatus.FORBIDDEN, str(wrong)) from wrong
        if not signatures:
            raise _Refused(HTTPStatus.FORBIDDEN, "no signature of a key that the log is known by")
        if submission.old > submission.checkpoint.size:
            raise _Refused(HTTPStatus.BAD_REQUEST, "the old size is beyond the checkpoint's")

    def _remember(self, tx: Connection, submission: Submission, at: datetime) -> _Refused | None:
        """Hold the checkpoint against what was cosigned and put it in its place, or return the refusal.

        A contradiction is kept, which is why it does not end the transaction as an exception.
        """
        known, asked = store.select_known(tx, submission.checkpoint.origin), submission.checkpoint
        if submission.old != known.size:
            return _Refused(HTTPStatus.CONFLICT, "the old size is another", known.size)
        if asked.size == known.size and asked.root != known.root:
            store.insert_conflict(tx, asked, submission.note, at, CONFLICTS_MOST)
            return _Refused(HTTPStatus.CONFLICT, "another root was cosigned", known.size)
        if not verify_consistency(known.size, asked.size, known.root, asked.root, submission.proof):
            return _Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the proof does not lead to the checkpoint")
        store.put_known(tx, asked, submission.note, at)
        return None

    def _cosign(self, text: str, at: datetime) -> bytes:
        """Return a signature line of every key; ML-DSA-44 covers no extension lines and so signs none."""
        plain = Checkpoint.parse(text).text == text
        signing = (c for c in self.cosigners if plain or c.verifier.algorithm == "ed25519")
        return "".join(cosigner.cosign(text, at) for cosigner in signing).encode()


def logs_of(verifiers: Iterable[NoteVerifier]) -> dict[str, list[NoteVerifier]]:
    """Return the keys by the origin of their log, which is their name (C2SP tlog-checkpoint)."""
    logs: dict[str, list[NoteVerifier]] = {}
    for verifier in verifiers:
        logs.setdefault(verifier.name, []).append(verifier)
    return logs
