"""The short way of a call that was made before, byte for byte.

A system asks the same address again and again. The general way (`gateway/exchange.py`) reads the request,
judges it and spells it for the provider, in a task of its own. Where nothing of that depends on the clock, on
a count or on a proof, what came of it is kept here, under the bytes and the address that they came from; the
next time callbacks do what is left: see that policy, token and grant still stand, ask the provider, make the
record durable, answer.

    data_received -> Shortcuts.take -> Provider.send -> Errand.answered -> Journal.put -> Errand.recorded

What does not go as usual (a provider that fails or sends much, a journal that is poisoned) goes on the
general way from where it is. A target with a query is never kept: it may name a person.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

from audit.journal import JournalFailed, Position
from gateway import apis
from gateway import objections as no
from gateway.delivery import SMALL_BYTES, Delivery, beside, noticed, whole_record
from gateway.flow import Admitted
from gateway.http1 import ClientGone, Handler, ServerConnection
from gateway.messages import Request
from gateway.metrics import Metrics
from gateway.objections import Objection, Refused
from gateway.records import PERMITTED, Recorder, Written
from gateway.reply import Reply, lines_of
from gateway.snapshot import Permits
from gateway.upstream import Provider
from gateway.wire import Head, Wire

KEPT_MOST = 4096
"""Requests that a worker remembers; then the oldest goes."""

log = logging.getLogger("shuxiang.plane")


@dataclass(slots=True)
class Known:
    """A request that was let through, and what it came to."""

    request: Request
    admitted: Admitted
    provider: Provider
    asked: apis.Asked
    spelled: bytes
    """The request to the provider."""
    until: float
    """When token or grant ends, in seconds since the epoch."""
    said: dict[str, Any]
    """What each record says but for the answer."""
    passed: tuple[Head, str | None] | None = field(default=None)
    """A head of the provider and the fields that are passed on with it."""

    def lines(self, head: Head) -> str | None:
        """Return the fields of an answer with this head as they go out; None where it takes the long way."""
        if self.passed is None or self.passed[0] is not head:
            headers = apis.passed_on(self.asked.operation, head)
            spelled = None if headers is None else lines_of(beside(headers, self.admitted))
            self.passed = head, spelled
        return self.passed[1]


def is_plain(request: Request, admitted: Admitted, asked: apis.Asked) -> bool:
    """Tell whether a call that was let through will be so again, while its permit stands. Pure."""
    permit, terms = admitted.permit, admitted.permit.terms
    return (
        b"?" not in request.target
        and asked.operation["method"] == "GET"
        and not asked.changes
        and not terms.sensitive
        and permit.cnf is None
        and (terms.calls_per_day, terms.calls_per_second, terms.calls_at_once) == (None, None, None)
        and admitted.fields.keys().isdisjoint(("ticket", "trace", "subject"))
    )


class Shortcuts:
    """The requests that one worker has let through before."""

    def __init__(self, permits: Permits, recorder: Recorder, delivery: Delivery, metrics: Metrics) -> None:
        self._known: dict[tuple[bytes, str], Known] = {}
        self._permits = permits
        self.recorder = recorder
        self.delivery = delivery
        self.metrics = metrics

    def keep(self, request: Request, admitted: Admitted, provider: Provider, asked: apis.Asked) -> None:
        """Remember a request that was let through, where the next one like it will be."""
        if request.raw is None or not is_plain(request, admitted, asked):
            return
        if len(self._known) >= KEPT_MOST:
            del self._known[next(iter(self._known))]
        permit = admitted.permit
        self._known[request.raw, request.peer] = Known(
            request,
            replace(admitted, fields=dict(admitted.fields)),
            provider,
            asked,
            provider.spell("GET", asked.path, asked.headers, b""),
            min(permit.token_expires, math.inf if permit.valid_until is None else permit.valid_until),
            {**admitted.fields, **noticed(admitted)},
        )

    def take(self, data: bytes, line: ServerConnection) -> bool:
        """Make a call that was made before, if the bytes are one and nothing speaks against it."""
        key = (data, line.peer)
        known = self._known.get(key)
        if known is None:
            return False
        admitted, permits = known.admitted, self._permits
        if admitted.version != permits.version() or time.time() >= known.until:
            del self._known[key]
            return False
        if permits.stale() is not None or self.recorder.objection() is not None:
            return False
        errand = Errand(self, known, line)
        return known.provider.send(known.spelled, admitted.permit.consumer, errand.answered) is not None


class LongWay(Exception):
    """What a provider gave is no small whole answer."""


class Errand:
    """One such call under way."""

    __slots__ = (
        "_began",
        "_body",
        "_known",
        "_line",
        "_lines",
        "_record",
        "_shortcuts",
        "_status",
        "_wire",
    )

    def __init__(self, shortcuts: Shortcuts, known: Known, line: ServerConnection) -> None:
        self._shortcuts = shortcuts
        self._known = known
        self._line = line
        self._began = time.monotonic()

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
            outcome = whole_record(self._known.said, self._status, rows, self._body, self._began)
            self._record = self._shortcuts.recorder.put("access", outcome, self.recorded)
        except JournalFailed:
            self._go_on(self._refuse)
        except Exception:
            log.exception("a call failed inside the gateway")
            self._go_on(self._fail)

    def _receive(self, wire: Wire) -> int | None:
        """Take a small whole answer, and return how many records are in it. Raises Refused and LongWay."""
        known, found = self._known, wire.answer()
        lines = None if found is None else known.lines(found[0])
        if found is None or lines is None:
            raise LongWay
        self._body, rows = apis.cut_down(known.admitted.permit, known.asked.operation, found[1])
        if len(self._body) > SMALL_BYTES:
            raise LongWay
        self._status, self._lines = found[0].status, lines
        return rows

    def recorded(self, outcome: Position | JournalFailed) -> None:
        """Answer, once the record is durable."""
        if isinstance(outcome, JournalFailed):
            self._go_on(self._refuse)
            return
        reply = Reply(self._line, self._known.request)
        lines = self._lines + Written(self._record, outcome.receipt).lines
        try:
            reply.send_lines(self._status, lines, self._body)
        except ClientGone:
            reply.abort()
        self._shortcuts.metrics.answered(PERMITTED, self._status, self._began, len(self._body))
        self._line.answered(reply.keep_alive)

    # --- the long way -----------------------------------------------------------------------------

    def _go_on(self, handler: Handler) -> None:
        self._line.go_on(replace(self._known.request), handler)

    async def _ask(self, request: Request, reply: Reply, line: ServerConnection) -> None:
        known, delivery = self._known, self._shortcuts.delivery
        admitted = replace(known.admitted, began=self._began)
        try:
            answer = await apis.ask_on(known.provider, admitted.permit, known.asked, self._wire)
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
        fields = self._known.admitted.fields
        await self._shortcuts.delivery.refuse(reply, fields, objection, self._began)
