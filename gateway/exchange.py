"""One call, from its head to its answer: token, permit, objection, provider, record."""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from core.networks import Address
from core.periods import day_of, midnight
from core.settings import Settings
from gateway import objections as no
from gateway.calls import Call, out_of_bounds, read_target, standing
from gateway.delivery import Delivery
from gateway.dpop import Proof
from gateway.flow import Admitted, read_again
from gateway.http1 import ClientGone, ServerConnection
from gateway.limits import Limits
from gateway.messages import Fault, Request
from gateway.model import Permit
from gateway.objections import BEARER, DPOP, Objection, Refused
from gateway.possession import Possession, Presented, presented_token
from gateway.quotas.store import take_call
from gateway.quotas.together import Together
from gateway.records import Recorder, call_fields
from gateway.reply import Reply
from gateway.shortcuts import Keys, Shortcuts
from gateway.snapshot import Permits
from gateway.sources import Prepared, Sources
from gateway.store import see_proof
from gateway.subjects import subject_field
from gateway.tickets import HEADER, named_ticket
from gateway.tls import shown_certificate
from gateway.tokens import token_digest, well_formed
from gateway.views import Views

log = logging.getLogger("shuxiang.plane")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every call of a worker is served with."""

    settings: Settings
    token_key: bytes
    keys: Keys
    possession: Possession
    permits: Permits
    views: Views
    together: Together
    recorder: Recorder
    delivery: Delivery
    shortcuts: Shortcuts
    sources: Sources
    limits: Limits


class Exchange:
    """One call below /share/."""

    def __init__(self, desk: Desk, request: Request, reply: Reply, line: ServerConnection) -> None:
        self._desk = desk
        self._request = request
        self._reply = reply
        self._line = line
        self._began = time.monotonic()
        self._trace = traceparent(request)
        self._scheme = BEARER
        self._fields: dict[str, Any] = {} if self._trace is None else {"trace": self._trace}
        self._entered: str | None = None  # the grant among whose calls at once this one is counted
        self._known = False  # whether the fields say already what the call and the grant are

    async def run(self) -> None:
        """Serve the call; whatever comes of it is on record. Raises ClientGone."""
        try:
            admitted, prepared = await self._admit()
            if prepared.api is not None:
                self._desk.shortcuts.keep(self._request, admitted, *prepared.api)
            await self._desk.delivery.deliver(self._reply, admitted, await prepared.ask())
        except Refused as refused:
            await self._refuse(refused.objection)
        except ClientGone:
            raise
        except Exception:
            if self._reply.started:
                raise
            log.exception("a call failed inside the gateway")
            await self._refuse(no.INTERNAL)
        finally:
            if self._entered is not None:
                self._desk.limits.leave(self._entered)

    async def _admit(self) -> tuple[Admitted, Prepared]:
        desk, request = self._desk, self._request
        trouble = desk.recorder.objection()
        if trouble is not None:
            raise Refused(trouble)
        if request.fault is not None:
            raise Refused(of_fault(request.fault))
        shown = request.all(b"authorization")
        version = desk.permits.version()
        known = desk.permits.recall(shown)
        presented, digest, permit = known if known is not None else await self._look_up(shown)
        self._scheme = presented.scheme
        view = desk.views.find(permit, digest, request, version)
        self._fields |= view.fields
        self._known = True
        proof = desk.possession.check(permit, presented, request, time.time(), shown_certificate(self._line))
        nonce = None if proof is None else await self._spend(proof)
        call, source = view.call, view.source
        if call is None:
            raise Refused(view.wrong or no.NO_SUCH_PATH)
        if call.query:
            self._fields |= subject_field(desk.keys.subject, permit, call)
        against = standing(permit, time.time()) or view.against
        if against is not None:
            raise Refused(against)
        if call.kind == "api":
            self._fields["operation"] = f"call/{call.name}"
        self._enter(permit)
        if permit.terms.needs_ticket or request.header(HEADER) is not None:
            await self._check_ticket(permit)
        admitted = Admitted(permit, digest, version, self._fields, self._began, nonce)
        prepared = await desk.sources.prepare(permit, call, request, self._line, self._trace)
        if permit.terms.calls_per_day is not None:
            await self._take_call(permit, permit.terms.calls_per_day)
        await self._stands(admitted, call, source)
        if prepared.changes or permit.terms.sensitive:
            intent = await desk.recorder.write("access.intent", self._fields)
            self._fields["intent"] = intent.id
            await self._stands(admitted, call, source)
        return admitted, prepared

    async def _look_up(self, shown: list[bytes]) -> tuple[Presented, str, Permit]:
        """Return what the Authorization fields present, the token's digest and its permit. Raises Refused."""
        permits, presented = self._desk.permits, presented_token(shown)
        self._scheme = presented.scheme
        digest = token_digest(presented.token)
        permit = permits.known(digest)
        if permit is None and not well_formed(self._desk.token_key, presented.token):
            raise Refused(no.TOKEN_UNKNOWN)
        stale = permits.stale()
        if stale is not None:
            raise Refused(stale)
        permit = permit or await permits.find(digest)
        if permit is None:
            raise Refused(no.TOKEN_UNKNOWN)
        found = presented, digest, permit
        permits.recall_next_time(shown, found)
        return found

    async def _spend(self, proof: Proof) -> str | None:
        """Use a proof up, and return what the caller's next one must name, if anything. Raises Refused."""
        desk = self._desk
        if not await desk.together.write(
            proof.digest, lambda tx: see_proof(tx, proof.digest, proof.expires_at)
        ):
            raise Refused(no.PROOF_REPLAYED)
        return desk.possession.fresh_nonce(proof, time.time())

    def _enter(self, permit: Permit) -> None:
        """Let the call in among those of its grant. Raises Refused where it has to come again."""
        terms = permit.terms
        if terms.calls_per_second is None and terms.calls_at_once is None:
            return
        held = self._desk.limits.enter(
            permit.grant_id, terms.calls_per_second, terms.calls_at_once, time.monotonic()
        )
        if held is not None:
            against = no.TOO_MANY_AT_ONCE if held.at_once else no.TOO_FAST
            raise Refused(against.having("Retry-After", str(ceil(held.seconds))))
        self._entered = permit.grant_id

    async def _take_call(self, permit: Permit, most: int) -> None:
        """Count the call against those that the grant allows for today. Raises Refused."""
        now = datetime.fromtimestamp(time.time(), UTC)
        today = day_of(now)
        grant = permit.grant_id
        if not await self._desk.together.write(grant, lambda tx: take_call(tx, grant, today, most)):
            left = midnight(today + timedelta(days=1)) - now
            raise Refused(no.QUOTA_USED_UP.having("Retry-After", str(ceil(left.total_seconds()))))

    async def _check_ticket(self, permit: Permit) -> None:
        """Put the ticket that a call is made for on record, once the hotline says that it is open.

        A call that names one is held to it even where its grant asks for none. Raises Refused.
        """
        try:
            number = named_ticket(self._request.all(HEADER))
        except ValueError:
            raise Refused(no.TICKET_NOT_OPEN) from None
        if number is None and permit.terms.needs_ticket:
            raise Refused(no.TICKET_MISSING)
        if number is not None:
            if not await self._desk.permits.ticket_open(number, permit.consumer):
                raise Refused(no.TICKET_NOT_OPEN)
            self._fields["ticket"] = number

    async def _stands(self, admitted: Admitted, call: Call, source: Address | None) -> None:
        """Judge the call again: a body or a record may have been long in coming. Raises Refused."""
        permits = self._desk.permits
        against: Objection | None = None
        while against is None and permits.version() != admitted.version:
            self._fields["policy_version"] = permits.version()
            against = permits.stale() or await read_again(permits, admitted)
            against = against or out_of_bounds(admitted.permit, call, source)
        against = against or permits.stale() or standing(admitted.permit, time.time())
        if against is not None:
            raise Refused(against)

    async def _refuse(self, objection: Objection) -> None:
        if self._scheme is DPOP:
            objection = objection.under(DPOP)
        if not self._known:
            self._fields |= self._of_a_stranger()
        await self._desk.delivery.refuse(self._reply, self._fields, objection, self._began)

    def _of_a_stranger(self) -> dict[str, Any]:
        """Return what the record of a call says that nobody known has made."""
        request = self._request
        call: Call | None = None
        with suppress(Refused):
            call = read_target(request.method, request.target)
        return call_fields(self._desk.keys.request, request.method, request.target, call)


def of_fault(fault: Fault) -> Objection:
    """Return the objection that a fault of the request amounts to."""
    return Objection(fault.status, fault.code, fault.text)


_TRACE = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def traceparent(request: Request) -> str | None:
    """Return the caller's trace context (W3C Trace Context) when it is well-formed."""
    fields = request.all(b"traceparent")
    found = _TRACE.fullmatch(fields[0]) if len(fields) == 1 else None
    if found is None or found[1] == b"0" * 32 or found[2] == b"0" * 16:
        return None
    return fields[0].decode("ascii")
