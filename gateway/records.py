"""The access records of the data plane: made durable first, then named in the answer.

    access          a call that is over: refused, failed, or answered in one piece
    access.intent   before a provider is asked, where the grant is sensitive or the call changes something
    access.start    before the first byte of a stream
    access.end      before its last piece; `start` names the record of its beginning

Fields of a body: the call (method, operation, request_digest, subject, trace, file), the grant
(grant, client, consumer, provider, dataset, purpose, address, policy_version), the outcome (decision,
reason, status, rows, bytes, response_digest, ms, and `disputed`: the open corrections that the answer named).
`subject` is whose record was asked for, as keyed digests (`gateway/subjects.py`).
A call whose token is unknown has no grant fields, and of the call only the method and the operation's
template, so that nothing a stranger typed is kept.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from audit.journal import Journal, JournalFailed, Told
from audit.record import Record, make_record
from core.keyed import keyed_digest
from core.networks import Address
from gateway.calls import Call
from gateway.model import Permit
from gateway.objections import JOURNAL_UNAVAILABLE, Objection, Refused

PERMITTED = "permitted"
REFUSED = "refused"
FAILED = "failed"
"""Permitted, and then the provider or the gateway failed."""
ABORTED = "aborted"
"""Permitted, and then cut off in the middle."""


ASKED_AGAIN = 0.002
"""Seconds for which one look at the file system holds for every call that begins."""


class Written(NamedTuple):
    """A durable record, as the answer names it."""

    id: str
    receipt: str

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the fields of the answer."""
        return ("Audit-Record", self.id), ("Audit-Receipt", self.receipt)


def lines_of_record(record_id: str, receipt: str) -> str:
    """Return the fields that name a record (`Written.headers`) as they go out."""
    return f"Audit-Record: {record_id}\r\nAudit-Receipt: {receipt}\r\n"


class Recorder:
    """Writes records into this worker's journal."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.journal: Journal | None = None
        self.failure = "the journal is not open yet"
        self._asked_at = float("-inf")
        self._found: Objection | None = None

    def trouble(self) -> str | None:
        """Return why records cannot be written at present, or None."""
        return self.failure if self.journal is None else self.journal.trouble()

    def objection(self) -> Objection | None:
        """Return the objection to every call while records cannot be written.

        The file system is asked once for all the calls that begin within `ASKED_AGAIN`. Whether the segment
        was removed is asked after each write besides, before anybody is told of it.
        """
        now = time.monotonic()
        if now - self._asked_at > ASKED_AGAIN:
            self._asked_at = now
            self._found = JOURNAL_UNAVAILABLE if self.trouble() else None
        return self._found

    async def write(self, kind: str, body: Mapping[str, Any]) -> Written:
        """Make a record durable. Raises Refused (journal_unavailable) when that is not certain."""
        if self.journal is None:
            raise Refused(JOURNAL_UNAVAILABLE)
        record = make_record(kind, self._clock(), self.journal.name, body)
        try:
            position = await self.journal.append(record)
        except JournalFailed as failed:
            raise Refused(JOURNAL_UNAVAILABLE) from failed
        return Written(record.id, position.receipt)

    def put(self, make: Callable[[datetime, str], Record], told: Told) -> str:
        """Begin to make a record durable, and return its id; `make` is given the time and the source.

        Raises JournalFailed when it cannot be.
        """
        if self.journal is None:
            raise JournalFailed(self.failure)
        record = make(self._clock(), self.journal.name)
        self.journal.put(record, told)
        return record.id


def request_key(pseudonym_key: bytes) -> bytes:
    """Return the key of the request digests, derived from the platform's key for pseudonyms."""
    return hmac.digest(pseudonym_key, b"request-digest", "sha256")


def call_fields(key: bytes, method: str, target: bytes, call: Call | None) -> dict[str, Any]:
    """Return what a record says about the call, before anything is known of who calls.

    A query is often one of few (an id number, a telephone number): under a key that no record holds, who
    reads the records cannot find it by trying them all.
    """
    return {
        "method": method,
        "operation": call.operation if call else None,
        "request_digest": request_digest(key, method, target),
    }


def request_digest(key: bytes, method: str, target: bytes) -> str:
    """Return the keyed digest of method and target, in hex."""
    return keyed_digest(key, method.encode() + b" " + target).hex()


def grant_fields(permit: Permit, source: Address | None, policy_version: int) -> dict[str, Any]:
    """Return what a record says about the grant that the call was judged by."""
    return {
        "dataset": permit.dataset_code,
        "grant": permit.grant_number,
        "client": permit.client_id,
        "consumer": permit.consumer,
        "provider": permit.provider,
        "purpose": permit.terms.purpose,
        "address": str(source) if source else None,
        "policy_version": policy_version,
    }
