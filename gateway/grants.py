"""Grants: opened by a decision, seen by their parties, suspended, taken back, ended, and over on time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from audit.log import record
from cases.model import Case
from cases.numbers import next_number
from cases.present import state_now
from cases.procedure import find_case, no_such, open_case, take
from cases.store import cases_by_id
from cases.timing import book_of
from core.db import Page
from core.errors import invalid
from core.ids import digest
from core.work import Work
from gateway import store
from gateway.asking import share_class
from gateway.model import Application, Client, Grant, Offer, Terms, Use
from gateway.terms import Term, check_term, term_of
from rules.rulebook import Rulebook, canonical

KIND = "grant"


class Held(NamedTuple):
    """A grant with the case that moves it."""

    grant: Grant
    case: Case


def open_grant(
    work: Work, application: Application, facts: Mapping[str, Any], terms: Terms, term: Term
) -> Held:
    """Open the grant that a decision gives; the caller has checked that the actor may decide.

    `facts` are those of the application's case. From here on the system can have tokens for it.
    """
    known = {
        name: getattr(application, name) for name in Use.__dataclass_fields__ if name != "application_id"
    }
    return _open(work, Use(application_id=application.id, **known), facts, terms, term)


def _open(work: Work, use: Use, facts: Mapping[str, Any], terms: Terms, term: Term) -> Held:
    number = next_number(work, "G")
    end = {"valid_until": term.valid_until.isoformat()} if term.valid_until else {}
    length = {"term_days": term.days, "term_set_by": term.set_by} if term.days else {}
    case = open_case(
        work,
        kind=KIND,
        workflow="grant",
        facts={**facts, "grant": number, **length, **end},
        parties={
            "consumer": use.consumer,
            "provider": use.provider,
            "platform_manager": work.settings.platform.manager,
        },
    )
    grant = Grant(
        id=case.id,
        number=number,
        application_id=use.application_id,
        dataset_id=use.dataset_id,
        dataset_code=use.dataset_code,
        dataset_title=use.dataset_title,
        client_id=use.client_id,
        client_name=use.client_name,
        consumer=use.consumer,
        provider=use.provider,
        terms=terms,
        granted_at=work.now,
        valid_until=term.valid_until,
    )
    store.insert_grant(work.tx, grant)
    _record_terms(work, grant)
    return Held(grant, case)


def open_direct_grant(
    work: Work, offer: Offer, client: Client, asked: Mapping[str, Any], terms: Terms, reason: str
) -> Held:
    """Open a grant that no application asked for: a demand that its provider meets (GZ art. 10).

    `reason` is the demand's number. The caller has checked that the actor may decide; the term is `asked`,
    within what the rulebook allows.
    """
    book: Rulebook = work.rulebooks.current("sharing")
    check_term(book, work.rulebooks.calendar, asked["term_days"], work.now)
    term = term_of(
        book, work.rulebooks.calendar, work.now, asked=asked["term_days"], decided=None, default=None
    )
    known = {"share_class": share_class(offer, terms.fields), "controlled_params": offer.controlled_params}
    facts = {
        **book.facts({**known, "kind": terms.kind}),
        **{"dataset": offer.code, "client": client.id, "consumer": client.department},
        **{"provider": offer.provider, "reason": reason},
    }
    use = Use(
        application_id=None,
        dataset_id=offer.id,
        dataset_code=offer.code,
        dataset_title=offer.title,
        client_id=client.id,
        client_name=client.name,
        consumer=client.department,
        provider=offer.provider,
    )
    return _open(work, use, facts, terms, term)


def find_grant(work: Work, grant_id: str) -> Held:
    """Return a grant, by id, to one of its parties or an auditor. Raises NotFound for everybody else."""
    case = find_case(work, grant_id, KIND)
    grant = store.grant(work.tx, grant_id)
    if grant is None:
        raise no_such(KIND)
    return Held(grant, case)


def find_grant_by_number(work: Work, number: str) -> Held:
    """Return a grant, by number, as `find_grant` does. Raises NotFound for everybody else."""
    named = store.grant_by_number(work.tx, number)
    if named is None:
        raise no_such(KIND)
    return find_grant(work, named.id)


def list_grants(
    work: Work,
    *,
    state: str | None = None,
    dataset: str | None = None,
    client: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page:
    """Return one page of the actor's grants (`Held`), the newest first, by their state at `work.now`."""
    flow = work.rulebooks.current("sharing").workflow("grant")
    if state is not None and state not in flow.states:
        names = ", ".join(flow.states)
        raise invalid("/state", f"应为 {names} 之一", f"must be one of {names}")
    expiry = {t.target for t in flow.transitions if t.timer}
    found = store.grants_page(
        work.tx,
        work.actor,
        manager=work.settings.platform.manager,
        wanted=store.GrantFilter(state, state in expiry, dataset, client),
        now=work.now,
        limit=limit,
        cursor=cursor,
    )
    cases = cases_by_id(work.tx, [g.id for g in found.rows])
    return Page([Held(g, cases[g.id]) for g in found.rows], found.next_cursor)


def act_on_grant(
    work: Work, grant_id: str, action: str, fields: Mapping[str, Any], expect_version: int | None = None
) -> Held:
    """Suspend, resume, take back or end a grant; the very next call is judged by it."""
    held = find_grant(work, grant_id)
    case = take(work, held.case, action, fields, expect_version=expect_version)
    work.policy_changed(work.tx)
    return Held(held.grant, case)


def grant_state(work: Work, case: Case) -> str:
    """Return a grant's state at `work.now`: expired from the instant on, whoever looks."""
    return state_now(work, case, book_of(work, case)[1])


def _record_terms(work: Work, grant: Grant) -> None:
    """Put the exact terms on record: names in clear, everything that might hold a value as one digest."""
    document = {name: getattr(grant.terms, name) for name in Terms.__dataclass_fields__}
    body = {
        "grant": grant.number,
        "dataset": grant.dataset_code,
        "client": grant.client_id,
        "consumer": grant.consumer,
        "provider": grant.provider,
        "fields": list(grant.terms.fields),
        "operations": list(grant.terms.operations),
        "networks": list(grant.terms.networks),
        "valid_until": grant.valid_until.isoformat() if grant.valid_until else None,
        "terms_digest": digest(canonical(document)),
    }
    record(work, "grant.opened", body)
