"""An operator asks for data because of a ticket: a token of the office's own system, for the one call.

Nothing here reads a provider's data. The call goes over the data plane as anybody's does: under a grant,
within its fields and networks, with the ticket as its purpose, and on record before a row comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.log import record
from core.errors import Conflict, NotFound
from core.work import Work
from gateway.authenticating import client_actor
from gateway.clients import find_client_called
from gateway.dpop import Nonces
from gateway.issuing import KEY, choose_grant, keep_token, new_token
from gateway.prover import Prover
from gateway.wanted import Wanted
from hotline.inquiries.model import Lookup, Question, check_values, lookup_of
from hotline.tickets import find_ticket


def lookups(work: Work) -> tuple[Lookup, ...]:
    """Return what the deployment lets its operators look up."""
    return tuple(lookup_of(raw) for raw in work.settings.hotline.inquiries)


def find_lookup(work: Work, code: str) -> Lookup:
    """Return a look-up that the deployment offers. Raises NotFound for any other."""
    found = next((lookup for lookup in lookups(work) if lookup.code == code), None)
    if found is None:
        raise NotFound("没有这项查询", "there is no such look-up")
    return found


def prepare_lookup(work: Work, ticket_id: str, code: str, given: Mapping[str, Any]) -> Question:
    """Return the call that answers a look-up, ready to be made once this transaction is over.

    Raises NotFound for a ticket or look-up that the actor does not have, Invalid for what was typed,
    Conflict for a ticket that is closed or where the office has no grant to go by.
    """
    held = find_ticket(work, ticket_id)
    if held.ticket.closed_at is not None or held.case.closed_at is not None:
        raise Conflict("工单已办结，不能再查询", "the ticket is closed", code="wrong_state")
    lookup = find_lookup(work, code)
    values = check_values(lookup, given)
    client = find_client_called(work, lookup.client)
    wanted = Wanted(dataset=lookup.dataset, kind=lookup.kind)
    grant = choose_grant(work, client, (wanted,)) if client is not None else None
    if client is None or grant is None:
        raise Conflict(
            f"“{lookup.client}”没有可用于该数据集的授权",
            f"the system {lookup.client!r} has no grant on the dataset to go by",
            code="no_grant",
        )
    prover = Prover()
    issued = new_token(work, grant, prover.cnf)
    keep_token(work.acting_as(client_actor(client)), issued)
    number = held.ticket.number
    record(work, "ticket.lookup", {"case": held.case.id, "number": number, "grant": grant.number})
    path = lookup.path(values)
    return Question(number, lookup, path, issued.token, _proof(work, prover, path, issued.token))


def _proof(work: Work, prover: Prover, path: str, token: str) -> str:
    nonce = Nonces(work.settings.key(KEY)).current(work.now)
    url = work.settings.platform.gateway_url + path
    return prover.proof("GET", url, work.now, nonce=nonce, token=token)
