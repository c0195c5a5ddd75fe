"""The short way of a call that is like one before.

A system asks the same address again and again. The general way (`gateway/exchange.py`) reads a request,
judges it and spells it for the provider, in a task of its own. Where nothing of that depends on the clock, on
a count or on a proof, what came of it is kept here; the next time callbacks do what is left: see that policy,
token and grant still stand, ask the provider, make the record durable, answer.

    data_received -> Shortcuts.take -> Provider.send -> Errand.answered -> Journal.put -> Errand.recorded

A request without a query is known by its bytes and the address that they come from, and not parsed again.
With a query it is known by all but that (`take_like`), which is read and bound anew each time and never
kept: it may name a person. What does not go as usual (a provider that fails or sends much, a journal that is
poisoned) goes on the general way from where it is.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from audit.journal import JournalFailed, Position
from audit.record import Record, RecordForm
from gateway import apis
from gateway import objections as no
from gateway.binding import bind_operation
from gateway.calls import Call, read_query
from gateway.delivery import SMALL_BYTES, Delivery, beside, form_of, noticed, record_by, record_of
from gateway.flow import Admitted
from gateway.http1 import ClientGone, Handler, ServerConnection
from gateway.messages import Request
from gateway.metrics import Metrics
from gateway.objections import Objection, Refused
from gateway.records import PERMITTED, Recorder, lines_of_record, request_digest
from gateway.reply import Reply, lines_of
from gateway.snapshot import Permits
from gateway.subjects import subject_field
from gateway.upstream import Provider
from gateway.wire import Head, Wire

KEPT_MOST = 4096
"""Requests that a worker remembers; then the oldest goes."""

log = logging.getLogger("shuxiang.plane")


class Keys(NamedTuple):
    """Of the keyed digests in a record."""

    request: bytes
    subject: bytes


@dataclass(slots=True)
class Known:
    """A request that was let through, and what it came to."""

    request: Request
    admitted: Admitted
    call: Call
    provider: Provider
    asked: apis.Asked
    spelled: bytes
    """The request to the provider."""
    until: float
    """When token or grant ends, in seconds since the epoch."""
    extra: Mapping[str, Any]
    """What the record of an answer says besides."""
    form: RecordForm | None
    """Of such records, where there is no query."""
    passed: tuple[Head, str | None] | None = field(default=None)
    """A head of the provider and the fields that are passed on with it."""

    def lines(self, head: Head) -> str | None:
        """Return the fields of an answer with this head as they go out; None where it takes the long way."""
        if self.passed is None or self.passed[0] is not head:
            headers = apis.passed_on(self.asked.operation, head)
            spelled = None if headers is None else lines_of(beside(headers, self.admitted))
            self.passed = head, spelled
        return self.passed[1]


def is_plain(admitted: Admitted, asked: apis.Asked) -> bool:
    """Tell whether calls like one that was let through will be so as well, while its permit stands. Pure."""
    permit, terms = admitted.permit, admitted.permit.terms
    return (
        asked.operation["method"] == "GET"
        and not asked.changes
        and not terms.sensitive
        and permit.cnf is None
        and (terms.calls_per_day, terms.calls_per_second, terms.calls_at_once) == (None, None, None)
        and admitted.fields.keys().isdisjoint(("ticket", "trace"))
    )


class Shortcuts:
    """The requests that one worker has let through before."""

    def __init__(
        self, keys: Keys, permits: Permits, recorder: Recorder, delivery: Delivery, metrics: Metrics
    ) -> None:
        self._known: dict[tuple[Any, ...], Known] = {}
        self._keys = keys
        self._permits = permits
        self.recorder = recorder
        self.delivery = delivery
        self.metrics = metrics

    def keep(
        self, request: Request, admitted: Admitted, call: Call, provider: Provider, asked: apis.Asked
    ) -> None:
        """Remember a request that was let through, where the next one like it will be."""
        if request.raw is None or not is_plain(admitted, asked):
            return
        path = request.target.partition(b"?")[0]
        if call.query:  # nothing of it stays
            key, spelled, asked = _likeness(request, path), b"", asked._replace(path="")
            fields = {name: value for name, value in admitted.fields.items() if name not in _OF_QUERY}
        else:
            key, spelled = (request.raw, request.peer), provider.spell("GET", asked.path, asked.headers, b"")
            fields = dict(admitted.fields)
        if len(self._known) >= KEPT_MOST:
            del self._known[next(iter(self._known))]
        permit, extra = admitted.permit, noticed(admitted)
        self._known[key] = Known(
            replace(request, target=path, raw=None),
            replace(admitted, fields=fields),
            replace(call, query=()),
            provider,
            asked,
            spelled,
            min(permit.token_expires, math.inf if permit.valid_until is None else permit.valid_until),
            extra,
            None if call.query else form_of({**fields, **extra}),
        )

    def take(self, data: bytes, line: ServerConnection) -> bool:
        """Make a call that was made before, if the bytes are one and nothing speaks against it."""
        key = (data, line.peer)
        known = self._known.get(key)
        if known is None or not self._stands(key, known):
            return False
        errand = Errand(self, known, line, known.request, known.asked, known.admitted.fields)
        return errand.begin(known.spelled)

    def take_like(self, request: Request, line: ServerConnection) -> bool:
        """Make a call like one before but for its query, if it is one and nothing speaks against it."""
        path, mark, query = request.target.partition(b"?")
        if not mark or b"#" in query:
            return False
        key = _likeness(request, path)
        known = self._known.get(key)
        if known is None or not self._stands(key, known):
            return False
        permit, asked = known.admitted.permit, known.asked
        try:
            call = replace(known.call, query=read_query(query))
            asked = asked._replace(path=bind_operation(permit, asked.operation, call.query))
        except Refused:  # the general way says why
            return False
        fields = known.admitted.fields | {
            "request_digest": request_digest(self._keys.request, request.method, request.target),
            **subject_field(self._keys.subject, permit, call),
        }
        spelled = known.provider.spell("GET", asked.path, asked.headers, b"")
        return Errand(self, known, line, request, asked, fields).begin(spelled)

    def _stands(self, key: tuple[Any, ...], known: Known) -> bool:
        permits = self._permits
        if known.admitted.version != permits.version() or time.time() >= known.until:
            del self._known[key]
            return False
        return permits.stale() is None and self.recorder.objection() is None


_OF_QUERY = frozenset({"request_digest", "subject"})


def _likeness(request: Request, path: bytes) -> tuple[Any, ...]:
    """Return all of a request but its query."""
    return (request.method, path, request.version, request.peer, *request.headers)


class LongWay(Exception):
    """What a provider gave is no small whole answer."""


class Errand:
    """One such call under way."""

    __slots__ = (
        "_asked",
        "_began",
        "_body",
        "_fields",
        "_known",
        "_line",
        "_lines",
        "_record",
        "_request",
        "_shortcuts",
        "_status",
        "_wire",
    )

    def __init__(
        self,
        shortcuts: Shortcuts,
        known: Known,
        line: ServerConnection,
        request: Request,
        asked: apis.Asked,
        fields: dict[str, Any],
    ) -> None:
        self._shortcuts = shortcuts
        self._known = known
        self._line = line
        self._request = request
        self._asked = asked
        self._fields = fields
        self._began = time.monotonic()

    def begin(self, spelled: bytes) -> bool:
        """Ask the provider, where that can be done at once."""
        known = self._known
        return known.provider.send(spelled, known.admitted.permit.consumer, self.answered) is not None

    def answered(self, wire: Wire) -> None:
        """Put on record what the provider gave; what is more than a small whole answer takes the long way."""
        try:
            rows = self._receive(wire)
        except Exception:  # the long way meets it again, and says what it is
            self._wire = wire
            self._go_on(self._ask)
            return
        self._known.provider.done(wire)
        try:
            self._record = self._shortcuts.recorder.put(self._making(rows), self.recorded)
        except JournalFailed:
            self._go_on(self._refuse)
        except Exception:
            log.exception("a call failed inside the gateway")
            self._go_on(self._fail)

    def _making(self, rows: int | None) -> Callable[[datetime, str], Record]:
        known, answer = self._known, (self._status, rows, self._body, self._began)
        if known.form is not None:
            return record_by(known.form, *answer)
        return record_of({**self._fields, **known.extra}, *answer)

    def _receive(self, wire: Wire) -> int | None:
        """Take a small whole answer, and return how many records are in it. Raises Refused and LongWay."""
        known, found = self._known, wire.answer()
        lines = None if found is None else known.lines(found[0])
        if found is None or lines is None:
            raise LongWay
        self._body, rows = apis.cut_down(known.admitted.permit, self._asked.operation, found[1])
        if len(self._body) > SMALL_BYTES:
            raise LongWay
        self._status, self._lines = found[0].status, lines
        return rows

    def recorded(self, outcome: Position | JournalFailed) -> None:
        """Answer, once the record is durable."""
        if isinstance(outcome, JournalFailed):
            self._go_on(self._refuse)
            return
        reply = Reply(self._line, self._request)
        lines = self._lines + lines_of_record(self._record, outcome.receipt)
        try:
            reply.send_lines(self._status, lines, self._body)
        except ClientGone:
            reply.abort()
        self._shortcuts.metrics.answered(PERMITTED, self._status, self._began, len(self._body))
        self._line.answered(reply.keep_alive)

    # --- the long way -----------------------------------------------------------------------------

    def _go_on(self, handler: Handler) -> None:
        self._line.go_on(replace(self._request), handler)

    async def _ask(self, request: Request, reply: Reply, line: ServerConnection) -> None:
        known, delivery = self._known, self._shortcuts.delivery
        admitted = replace(known.admitted, fields=self._fields, began=self._began)
        try:
            answer = await apis.ask_on(known.provider, admitted.permit, self._asked, self._wire)
            await delivery.deliver(reply, admitted, answer)
        except Refused as refused:
            await self._object(reply, refused.objection)
        except ClientGone:
            raise
        except Exception:
            if reply.started:
                raise
            log.exception("a call failed inside the gateway")
            await self._object(reply, no.INTERNAL)

    async def _refuse(self, request: Request, reply: Reply, line: ServerConnection) -> None:
        await self._object(reply, no.JOURNAL_UNAVAILABLE)

    async def _fail(self, request: Request, reply: Reply, line: ServerConnection) -> None:
        await self._object(reply, no.INTERNAL)

    async def _object(self, reply: Reply, objection: Objection) -> None:
        await self._shortcuts.delivery.refuse(reply, self._fields, objection, self._began)
