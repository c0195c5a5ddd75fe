"""How an answer leaves: its record first.

A small complete answer has one record, `access`. Anything larger is a stream: `access.start` is durable
before its first byte, and its last piece waits until `access.end` is. While a stream runs, its permit is
looked at again for every piece and twice a second besides; when it has fallen, the connection is cut off
without an end of the body, and `access.end` says what was sent.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from audit.record import Record, RecordForm, make_record
from gateway import objections as no
from gateway.answers import Answer, FileSpan, Hashed, Headers, Memory, Stream
from gateway.flow import Admitted, Flow
from gateway.metrics import Metrics
from gateway.objections import Objection, Refused
from gateway.records import ABORTED, FAILED, PERMITTED, REFUSED, Recorder, Written
from gateway.refusals import challenges_of, problem, refusal_headers
from gateway.reply import Reply
from gateway.snapshot import Permits

SMALL_BYTES = 64 * 1024

_ALWAYS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class Delivery:
    """Sends the answers of one worker."""

    def __init__(self, recorder: Recorder, permits: Permits, metrics: Metrics, metadata: str) -> None:
        """`metadata` is the address of the data plane's description (RFC 9728)."""
        self._recorder = recorder
        self._permits = permits
        self._metrics = metrics
        self._challenges = challenges_of(metadata)
        self._flows: set[Flow] = set()

    # --- refusals ---------------------------------------------------------------------------------

    async def refuse(self, reply: Reply, fields: dict[str, Any], objection: Objection, began: float) -> None:
        """Put a refusal on record and answer it; without a record, the answer is that there is none."""
        decision = FAILED if objection.of_provider else REFUSED
        body = problem(objection)
        outcome = _outcome(decision, objection.code, objection.status, None, body, began)
        written: Written | None = None
        try:
            if objection is not no.JOURNAL_UNAVAILABLE:
                written = await self._recorder.write("access", {**fields, **outcome})
        except Refused as unwritten:
            objection = unwritten.objection
        self._metrics.answered(decision, objection.status, began)
        self._send(reply, objection, written.headers if written else ())

    def plain(self, reply: Reply, objection: Objection) -> None:
        """Answer what is no call at all, and so is not on record."""
        self._send(reply, objection, ())

    def _send(self, reply: Reply, objection: Objection, recorded: Headers) -> None:
        headers = (*_ALWAYS, *refusal_headers(objection, self._challenges), *recorded)
        reply.send(objection.status, headers, problem(objection))

    # --- answers ----------------------------------------------------------------------------------

    async def deliver(self, reply: Reply, admitted: Admitted, answer: Answer | Stream) -> None:
        """Send what the provider gave, its record first. Raises Refused while nothing has been sent yet."""
        if isinstance(answer, Answer):
            if len(answer.body) <= SMALL_BYTES:
                await self._complete(reply, admitted, answer, noticed(admitted))
                return
            answer = Stream(answer.status, answer.headers, len(answer.body), Memory(answer.body, answer.rows))
        try:
            await self._stream(reply, admitted, answer)
        finally:
            await answer.pieces.close()

    async def _complete(
        self, reply: Reply, admitted: Admitted, answer: Answer, extra: dict[str, Any]
    ) -> None:
        outcome = _outcome(PERMITTED, None, answer.status, answer.rows, answer.body, admitted.began)
        written = await self._recorder.write("access", {**admitted.fields, **extra, **outcome})
        self._metrics.answered(PERMITTED, answer.status, admitted.began, len(answer.body))
        headers = (*beside(answer.headers, admitted), *written.headers)
        reply.send(answer.status, headers, answer.body, answer.length)

    async def _stream(self, reply: Reply, admitted: Admitted, stream: Stream) -> None:
        extra = {**noticed(admitted), **({"file": stream.file} if stream.file else {})}
        span = _span(reply, stream)
        head: list[bytes] = []
        size = 0 if span is None else span.length
        while size <= SMALL_BYTES and (piece := await stream.pieces.next()) is not None:
            head.append(piece)
            size += len(piece)
        first = b"".join(head)
        if size <= SMALL_BYTES:
            whole = Answer(stream.status, stream.headers, first, stream.pieces.rows)
            await self._complete(reply, admitted, whole, extra)
            return
        begun = {"decision": PERMITTED, "status": stream.status}
        written = await self._recorder.write("access.start", {**admitted.fields, **extra, **begun})
        headers = (*beside(stream.headers, admitted), *written.headers)
        reply.start(stream.status, headers, stream.length)
        flow = Flow(self._permits, reply, admitted, stream.pieces)
        self._flows.add(flow)
        try:
            reason = await flow.pump(span, first, lambda: self._end(flow, stream, extra, written.id, None))
            if reason is not None:
                await self._abort(flow, stream, extra, written.id, reason)
        finally:
            self._flows.discard(flow)

    async def _end(
        self, flow: Flow, stream: Stream, extra: dict[str, Any], start: str, reason: str | None
    ) -> None:
        decision = ABORTED if reason else PERMITTED
        admitted = flow.admitted
        outcome = {
            "start": start,
            "decision": decision,
            "reason": reason,
            "status": stream.status,
            "rows": stream.pieces.rows,
            "bytes": flow.bytes,
            "response_digest": await flow.digest(),
            "ms": _elapsed(admitted.began),
        }
        await self._recorder.write("access.end", {**admitted.fields, **extra, **outcome})
        self._metrics.answered(decision, stream.status, admitted.began, flow.bytes)

    async def _abort(
        self, flow: Flow, stream: Stream, extra: dict[str, Any], start: str, reason: str
    ) -> None:
        flow.reply.abort()
        try:
            await self._end(flow, stream, extra, start, reason)
        except Refused:
            self._metrics.answered(ABORTED, stream.status, flow.admitted.began, flow.bytes)

    async def recheck(self, now: float) -> None:
        """Cut off the streams whose permit has fallen; `now` in seconds since the epoch. Call it often."""
        for flow in tuple(self._flows):
            await flow.recheck(now)


def _span(reply: Reply, stream: Stream) -> FileSpan | None:
    """Return the file that the kernel can send by itself: a large one, hashed before, on a plain socket."""
    if not isinstance(stream.pieces, Hashed) or not reply.takes_spans:
        return None
    span = stream.pieces.span
    return span if span is not None and span.length > SMALL_BYTES else None


def noticed(admitted: Admitted) -> dict[str, Any]:
    """Return what a record says of the open corrections that the answer names."""
    numbers = admitted.permit.notice.numbers
    return {"disputed": list(numbers)} if numbers else {}


def beside(headers: Headers, admitted: Admitted) -> Headers:
    """Return all fields of an answer but those that name its record; `headers` are its own."""
    return (*headers, *admitted.headers, *_ALWAYS)


def record_of(
    said: Mapping[str, Any], status: int, rows: int | None, body: bytes, began: float
) -> Callable[[datetime, str], Record]:
    """Return how to make the record of a call that is answered in one piece; `said` is what was before."""
    outcome = {**said, **_outcome(PERMITTED, None, status, rows, body, began)}
    return lambda at, source: make_record("access", at, source, outcome)


def form_of(said: Mapping[str, Any]) -> RecordForm:
    """Return the form of such records when what was before is always the same."""
    more = ("bytes", "ms", "response_digest", "rows", "status")
    return RecordForm("access", {**said, "decision": PERMITTED, "reason": None}, more)


def record_by(
    form: RecordForm, status: int, rows: int | None, body: bytes, began: float
) -> Callable[[datetime, str], Record]:
    """Return how to make the same record by its form."""
    values = (
        b"%d" % len(body),
        repr(_elapsed(began)).encode(),
        f'"{hashlib.sha256(body).hexdigest()}"'.encode(),
        b"null" if rows is None else b"%d" % rows,
        b"%d" % status,
    )
    return partial(form.fill, values)


def _outcome(
    decision: str, reason: str | None, status: int, rows: int | None, body: bytes, began: float
) -> dict[str, Any]:
    return {
        "decision": decision,
        "reason": reason,
        "status": status,
        "rows": rows,
        "bytes": len(body),
        "response_digest": hashlib.sha256(body).hexdigest(),
        "ms": _elapsed(began),
    }


def _elapsed(began: float) -> float:
    """Return the milliseconds since `began`, to a tenth."""
    return int((time.monotonic() - began) * 10_000 + 0.5) / 10
