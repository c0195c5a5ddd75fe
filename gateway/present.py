"""Systems, applications and grants as JSON: one form for the API and for the console's pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cases.model import Attachment, Case, roles_in
from cases.present import case_row, case_view, label
from cases.procedure import no_such
from cases.timing import book_of
from core.codes import in_url
from core.times import local_iso
from core.work import Work
from gateway.applications import WITHHELD, Demanded, Filed, papers_demanded, papers_of, withheld_fields
from gateway.asking import CALLS
from gateway.clients import STATES, client_actions
from gateway.credentials import credentials_by_client, list_credentials
from gateway.grants import Held
from gateway.methods import BINDINGS, CREDENTIALS, METHODS
from gateway.model import Authentication, Client, Credential
from gateway.quotas.counting import calls_today
from gateway.renewals import lineage_of, renewal_of
from gateway.terms import term_view
from gateway.urgency import ON_BEHALF, URGENT
from rules.visibility import visible

_RELATIONS = ("consumer", "provider", "platform_manager")


def client_view(work: Work, client: Client) -> dict[str, Any]:
    """Return a system as JSON, with its credentials but never a secret (schema response/client)."""
    return _client(work, client, list_credentials(work, client))


def client_rows(work: Work, clients: Sequence[Client]) -> list[dict[str, Any]]:
    """Return a page of systems as JSON, each as `client_view` has it."""
    credentials = credentials_by_client(work, clients)
    return [_client(work, c, credentials.get(c.id, ())) for c in clients]


def _client(work: Work, client: Client, credentials: Sequence[Credential]) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "description": client.description,
        "department": client.department,
        "networks": list(client.networks),
        "state": client.state,
        "state_title": label(STATES[client.state]),
        "actions": list(client_actions(work, client)),
        "created_at": local_iso(client.created_at),
        "approved_at": _iso(client.approved_at),
        "authentication": {
            **_authentication(client.authentication),
            "approved_at": _iso(client.method_approved_at),
        },
        "authentication_asked": (
            {**_authentication(client.change.authentication), "asked_at": local_iso(client.change.asked_at)}
            if client.change
            else None
        ),
        "credentials": [credential_view(work, c) for c in credentials],
    }


def _authentication(way: Authentication) -> dict[str, Any]:
    return {
        "method": way.method,
        "method_title": label(METHODS[way.method].title),
        "token_binding": way.binding,
        "token_binding_title": label(BINDINGS[way.binding]),
        "tls_subject": way.subject,
    }


def credential_view(work: Work, credential: Credential) -> dict[str, Any]:
    """Return a credential as JSON, without its secret (schema response/credential)."""
    return {
        "id": credential.id,
        "kind": credential.kind,
        "kind_title": label(CREDENTIALS[credential.kind]),
        **_public(credential),
        "active": credential.is_active(work.now),
        "created_at": local_iso(credential.created_at),
        "not_after": _iso(credential.not_after),
        "revoked_at": _iso(credential.revoked_at),
    }


def _public(credential: Credential) -> dict[str, Any]:
    """Return what tells a key or a certificate from others; a secret has nothing that could be told."""
    public = credential.public
    if public is None:
        return {"kid": None, "thumbprint": None, "subject": None}
    return {"kid": public.get("kid"), "thumbprint": credential.digest, "subject": public.get("subject")}


def issued_view(work: Work, credential: Credential, secret: str) -> dict[str, Any]:
    """Return a new credential with its secret, the one time that it is shown (response/credential_issued)."""
    return {
        "client_id": credential.client_id,
        "client_secret": secret,
        "token_endpoint": f"{work.settings.platform.control_url}/oauth/token",
        "credential": credential_view(work, credential),
    }


def application_view(work: Work, filed: Filed) -> dict[str, Any]:
    """Return an application as JSON (schema response/application)."""
    whole = {
        **_application(work, filed),
        "decision": _decision(filed),
        "attachments": [attachment_view(filed.application.id, a) for a in papers_of(work, filed)],
        "attachments_demanded": [_demanded(d) for d in papers_demanded(work, filed)],
        **case_view(work, filed.case),
    }
    return _or_nothing(filed.case, _as_seen(work, filed.case, whole))


def _as_seen(work: Work, case: Case, whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rulebook shows the viewer of an application or a grant; nothing where it names none."""
    book, _ = book_of(work, case)
    mine = roles_in(case, work.actor)
    relations = (*(r for r in _RELATIONS if r in mine), *(("auditor",) if work.actor.has("auditor") else ()))
    relation = "platform_manager" if work.actor.has("system") else next(iter(relations), "other")
    return visible(book.views[case.kind], relation, whole)


def _or_nothing(case: Case, shown: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown. Raises NotFound where the rulebook shows the viewer nothing at all."""
    if not shown:
        raise no_such(case.kind)
    return shown


def _decision(filed: Filed) -> dict[str, Any] | None:
    """Say which of the fields asked for were granted, which were not, and why not."""
    if filed.grant is None:
        return None
    return {
        "granted": list(filed.grant.terms.fields),
        "withheld": withheld_fields(filed.application, filed.grant.terms.fields),
        "reason": filed.case.facts.get(WITHHELD),
    }


def application_rows(work: Work, page: Sequence[Filed]) -> list[dict[str, Any]]:
    """Return what a list shows of applications (schema response/application_row)."""
    rows = (_as_seen(work, f.case, {**_application(work, f), **case_row(work, f.case)}) for f in page)
    return [row for row in rows if row]


def _application(work: Work, filed: Filed) -> dict[str, Any]:
    application, case, grant = filed
    document, facts = application.document, case.facts
    asked = ("kind", "fields", "operations", "row_filter", "parameters", "networks", "term_days")
    return {
        "id": application.id,
        "number": application.number,
        "dataset": _dataset(work, application.dataset_code, application.dataset_title),
        "client": {"id": application.client_id, "name": application.client_name},
        "consumer": application.consumer,
        "provider": application.provider,
        **{name: document[name] for name in (*asked, "purpose", "reasons", "duty_basis")},
        "ticket": document.get("ticket"),
        "needs_ticket": document.get("needs_ticket", False),
        **{name: document.get(name) for name in CALLS},
        "previous_grant": application.previous_grant,
        "share_class": facts["share_class"],
        "controlled_params": facts["controlled_params"],
        "decider": facts["decider"],
        "urgent": document.get(URGENT, False),
        "on_behalf": facts.get(ON_BEHALF, False),
        "grant": {"id": grant.id, "number": grant.number} if grant else None,
        "created_at": local_iso(application.created_at),
    }


def attachment_view(application_id: str, attachment: Attachment) -> dict[str, Any]:
    """Return a paper as JSON, with the address of its content (schema response/application_attachment)."""
    names = ("id", "type", "sealed", "name", "media_type", "size", "digest")
    return {
        **{name: getattr(attachment, name) for name in names},
        "added_at": local_iso(attachment.added_at),
        "url": f"/api/applications/{application_id}/attachments/{attachment.id}",
    }


def grant_view(work: Work, held: Held) -> dict[str, Any]:
    """Return a grant as JSON (schema response/grant)."""
    whole = {
        **_grant(work, held),
        "calls_today": calls_today(work, held.grant),
        **_lineage(work, held),
        **case_view(work, held.case),
    }
    return _or_nothing(held.case, _as_seen(work, held.case, whole))


def _lineage(work: Work, held: Held) -> dict[str, Any]:
    """Say how a grant goes on: what it continues, what continues it, and whether the viewer may apply to."""
    renewal, line = renewal_of(work, held), lineage_of(work, held)
    return {
        "renewal": {
            "allowed": renewal.allowed,
            "previous_grant": held.grant.number,
            "cite": renewal.cite.as_json(),
        },
        "renews": {"id": line.renews.id, "number": line.renews.number} if line.renews else None,
        "renewed_by": [
            {
                "application": {"id": later.id, "number": later.number},
                "grant": {"id": later.grant_id, "number": later.grant_number} if later.grant_id else None,
            }
            for later in line.renewed_by
        ],
    }


def grant_rows(work: Work, page: Sequence[Held]) -> list[dict[str, Any]]:
    """Return what a list shows of grants (schema response/grant_row)."""
    rows = (_as_seen(work, h.case, {**_grant(work, h), **case_row(work, h.case)}) for h in page)
    return [row for row in rows if row]


def _grant(work: Work, held: Held) -> dict[str, Any]:
    grant, case = held
    terms = grant.terms
    book, _ = book_of(work, case)
    return {
        "id": grant.id,
        "number": grant.number,
        "application": grant.application_id,
        "dataset": _dataset(work, grant.dataset_code, grant.dataset_title),
        "client": {"id": grant.client_id, "name": grant.client_name},
        "consumer": grant.consumer,
        "provider": grant.provider,
        "kind": terms.kind,
        "fields": list(terms.fields),
        "operations": list(terms.operations),
        "row_filter": {name: list(values) for name, values in terms.row_filter.items()},
        "parameters": {name: list(values) for name, values in terms.parameters.items()},
        "row_limit": terms.row_limit,
        "calls_per_day": terms.calls_per_day,
        "calls_per_second": terms.calls_per_second,
        "calls_at_once": terms.calls_at_once,
        "networks": list(terms.networks),
        "purpose": terms.purpose,
        "sensitive": terms.sensitive,
        "needs_ticket": terms.needs_ticket,
        "granted_at": local_iso(grant.granted_at),
        "valid_until": _iso(grant.valid_until),
        "term": term_view(book, case.facts),
    }


def share_url(work: Work, code: str) -> str:
    """Return the address of a dataset on the data plane, which is also its resource (RFC 8707)."""
    return f"{work.settings.platform.gateway_url}/share/{in_url(code)}"


def _dataset(work: Work, code: str, title: str) -> dict[str, str]:
    return {"code": code, "title": title, "url": share_url(work, code)}


def _demanded(paper: Demanded) -> dict[str, Any]:
    return {
        "type": paper.type,
        "title": label(paper.title),
        "sealed": paper.sealed,
        "cite": paper.cite.as_json(),
    }


def _iso(instant: datetime | None) -> str | None:
    return local_iso(instant) if instant else None
