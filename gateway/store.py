"""The tables of the gateway and every statement on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Table,
    and_,
    case,
    delete,
    false,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from audit.questions.grants import InForce
from cases.store import cases
from catalog.corrections import open_disputes
from catalog.corrections.model import Dispute
from catalog.store import datasets, distributions
from core.db import Document, Instant, Page, metadata, page
from core.networks import Network
from core.work import Actor
from gateway.alike import ALIKE
from gateway.model import (
    Application,
    Authentication,
    Change,
    Client,
    Credential,
    Grant,
    Offer,
    Permit,
    Terms,
    Token,
)
from gateway.notice import notice_of

clients = Table(
    "clients",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("department", String(80), nullable=False, index=True),
    Column("description", String(2000), nullable=False),
    Column("networks", Document, nullable=False),
    Column("state", String(20), nullable=False),  # pending, active, disabled
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("approved_at", Instant),
    Column("approved_by", String(80)),
    Column("auth_method", String(40), nullable=False),
    Column("token_binding", String(20), nullable=False),  # none, dpop, certificate
    Column("tls_subject", String(500)),
    Column("method_approved_at", Instant),
    Column("method_approved_by", String(80)),
    Column("change", Document),  # another authentication that waits for approval
    Column("asked_by", String(80)),  # for the authentication in force
    CheckConstraint(
        "(approved_by IS NULL OR approved_by <> created_by)"
        " AND (method_approved_by IS NULL OR asked_by IS NULL OR method_approved_by <> asked_by)",
        name="by_another",
    ),
)

client_credentials = Table(
    "client_credentials",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False, index=True),
    Column("kind", String(40), nullable=False),  # client_secret, public_key, certificate
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("not_after", Instant),
    Column("revoked_at", Instant),
    Column("public", Document),  # a JWK, or {"pem": ...}; NULL for a secret
    Index(
        "uq_client_credentials_digest",
        "digest",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

applications = Table(
    "applications",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("number", String(40), nullable=False, unique=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False),
    Column("consumer", String(80), nullable=False, index=True),
    Column("provider", String(80), nullable=False, index=True),
    Column("document", Document, nullable=False),  # fits request/application
    Column("previous_grant", String(36), index=True),
    Column("created_at", Instant, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("id", ForeignKey("cases.id"), primary_key=True),
    Column("number", String(40), nullable=False, unique=True),
    Column("application_id", ForeignKey("applications.id")),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False, index=True),
    Column("consumer", String(80), nullable=False, index=True),
    Column("provider", String(80), nullable=False, index=True),
    Column("terms", Document, nullable=False),
    Column("granted_at", Instant, nullable=False),
    Column("valid_until", Instant),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("grant_id", ForeignKey("grants.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("cnf", String(60)),  # jkt:<thumbprint> (RFC 9449), x5t:<thumbprint> (RFC 8705), NULL for bearer
    Index("ix_access_tokens_expires_at", "expires_at"),
)

token_failures = Table(
    "token_failures",
    metadata,
    Column("client", String(64), primary_key=True),  # digest of the client_id that was tried, known or not
    Column("source", String(64), primary_key=True),
    Column("since", Instant, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
)

seen_proofs = Table(
    "seen_proofs",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

policy = Table(
    "policy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
)

POLICY_ROW = 1


# --- policy version -------------------------------------------------------------------------------


def policy_version(tx: Connection) -> int:
    """Return the policy version: raised by every change that may turn a permit into a refusal."""
    version = tx.execute(select(policy.c.version).where(policy.c.id == POLICY_ROW)).scalar()
    return 0 if version is None else int(version)


def raise_policy_version(tx: Connection) -> int:
    """Raise the policy version by one and return the new one."""
    changed = tx.execute(update(policy).where(policy.c.id == POLICY_ROW).values(version=policy.c.version + 1))
    if changed.rowcount == 0:
        tx.execute(policy.insert().values(id=POLICY_ROW, version=1))
    return policy_version(tx)


# --- permits --------------------------------------------------------------------------------------

_grant_case = cases.alias("grant_case")
_dataset_case = cases.alias("dataset_case")

_PERMIT = (
    select(
        access_tokens.c.digest,
        access_tokens.c.expires_at,
        access_tokens.c.revoked,
        access_tokens.c.cnf,
        grants.c.id.label("grant_id"),
        grants.c.number,
        grants.c.terms,
        grants.c.valid_until,
        grants.c.consumer,
        grants.c.provider,
        _grant_case.c.serves.label("grant_usable"),
        _grant_case.c.closed_at.is_not(None).label("grant_ended"),
        clients.c.id.label("client_id"),
        clients.c.state.label("client_state"),
        grants.c.dataset_id,
    )
    .join(grants, grants.c.id == access_tokens.c.grant_id)
    .join(_grant_case, _grant_case.c.id == grants.c.id)
    .join(clients, and_(clients.c.id == grants.c.client_id, clients.c.id == access_tokens.c.client_id))
)
_OFFERED = (
    select(
        datasets.c.id,
        datasets.c.code,
        datasets.c.document["attributes"].label("attributes"),
        _dataset_case.c.serves.label("public"),
        distributions.c.kind,
        distributions.c.connection,
        distributions.c.detail,
    )
    .join(_dataset_case, _dataset_case.c.id == datasets.c.id)
    .outerjoin(distributions, distributions.c.dataset_id == datasets.c.id)
)


def permit(tx: Connection, token_digest: str, console: str = "") -> Permit | None:
    """Return what the token with this digest stands for, or None when there is no such token.

    `console` is the address of the pages that a notice refers to.
    """
    return permits(tx, [token_digest], console).get(token_digest)


def permits(tx: Connection, digests: Sequence[str], console: str = "") -> dict[str, Permit]:
    """Return what the tokens with these digests stand for, as far as there are such tokens.

    Equal parts of them are the same objects: thousands of systems have the same terms on the same data.
    """
    rows = tx.execute(_PERMIT.where(access_tokens.c.digest.in_(digests))).all()
    wanted = sorted({row.dataset_id for row in rows})
    offered: dict[str, dict[str | None, Any]] = {id: {} for id in wanted}
    for offer in tx.execute(_OFFERED.where(datasets.c.id.in_(wanted))) if wanted else ():
        offered[offer.id][offer.kind] = offer
    disputed = {id: open_disputes(tx, id) for id in wanted}
    found = {}
    for row in rows:
        terms, networks = ALIKE.terms(row.terms, terms_of)
        offers, disputes = offered[row.dataset_id], disputed[row.dataset_id]
        found[row.digest] = _permit(row, terms, networks, offers, disputes, console)
    return found


def _permit(
    row: Any,
    terms: Terms,
    networks: tuple[Network, ...],
    offered: Mapping[str | None, Any],
    disputes: Sequence[Dispute],
    console: str,
) -> Permit:
    dataset, mounted = next(iter(offered.values())), offered.get(terms.kind)
    return Permit(
        token_expires=row.expires_at.timestamp(),
        token_revoked=row.revoked,
        cnf=row.cnf,
        grant_id=row.grant_id,
        grant_number=row.number,
        grant_usable=row.grant_usable,
        grant_ended=row.grant_ended,
        valid_until=row.valid_until.timestamp() if row.valid_until else None,
        client_id=row.client_id,
        client_state=row.client_state,
        consumer=row.consumer,
        provider=row.provider,
        dataset_id=row.dataset_id,
        dataset_code=dataset.code,
        dataset_public=dataset.public,
        terms=terms,
        networks=networks,
        connection=mounted.connection if mounted else None,
        detail=ALIKE.document(mounted.detail) if mounted else {},
        attributes=ALIKE.documents(dataset.attributes),
        notice=notice_of(disputes, terms, console),
    )


def terms_of(document: dict[str, Any]) -> Terms:
    """Read a grant's terms from the column that keeps them."""
    return Terms(
        kind=document["kind"],
        fields=tuple(document["fields"]),
        row_filter={k: tuple(v) for k, v in document["row_filter"].items()},
        parameters={k: tuple(v) for k, v in document["parameters"].items()},
        operations=tuple(document["operations"]),
        row_limit=document["row_limit"],
        networks=tuple(document["networks"]),
        purpose=document["purpose"],
        sensitive=document["sensitive"],
        needs_ticket=document.get("needs_ticket", False),
        calls_per_day=document.get("calls_per_day"),
        calls_per_second=document.get("calls_per_second"),
        calls_at_once=document.get("calls_at_once"),
    )


# --- systems and their credentials ----------------------------------------------------------------


def insert_client(tx: Connection, client: Client) -> None:
    """Add a system."""
    values = {c.name: getattr(client, c.name) for c in clients.c if hasattr(client, c.name)}
    values |= {"networks": list(client.networks), "change": _kept_change(client.change)}
    tx.execute(clients.insert().values(**values, **_kept_authentication(client.authentication)))


def client(tx: Connection, client_id: str) -> Client | None:
    """Return a system, or None."""
    row = tx.execute(select(clients).where(clients.c.id == client_id)).one_or_none()
    return _client(row) if row else None


def clients_called(tx: Connection, department: str, name: str, state: str) -> list[Client]:
    """Return the systems of a department with this name and state."""
    c = clients.c
    where = (c.department == department, c.name == name, c.state == state)
    return [_client(row) for row in tx.execute(select(clients).where(*where))]


def clients_page(
    tx: Connection, department: str | None, state: str | None, limit: int, cursor: str | None
) -> Page:
    """Return one page of systems, the newest first; of one department unless `department` is None."""
    query = select(clients)
    if department is not None:
        query = query.where(clients.c.department == department)
    if state is not None:
        query = query.where(clients.c.state == state)
    found = page(tx, query, [clients.c.created_at, clients.c.id], limit=limit, cursor=cursor)
    return Page([_client(row) for row in found.rows], found.next_cursor)


def set_client_state(
    tx: Connection, client_id: str, state: str, approved: tuple[datetime, str] | None = None
) -> None:
    """Set a system's state; `approved` says when and by whom, and is left as it was when None."""
    values: dict[str, Any] = {"state": state}
    if approved is not None:
        values |= {"approved_at": approved[0], "approved_by": approved[1]}
    tx.execute(update(clients).where(clients.c.id == client_id).values(**values))


def set_authentication(
    tx: Connection, client_id: str, change: Change, approved: tuple[datetime, str] | None = None
) -> None:
    """Put another authentication in force, whoever asked for it; `approved` says when and by whom."""
    values = {**_kept_authentication(change.authentication), "asked_by": change.asked_by, "change": None}
    if approved is not None:  # in one statement: the database holds that these two are not the same person
        values |= {"method_approved_at": approved[0], "method_approved_by": approved[1]}
    tx.execute(update(clients).where(clients.c.id == client_id).values(**values))


def approve_method(tx: Connection, client_id: str, approved: tuple[datetime, str]) -> None:
    """Keep when the authentication in force was approved, and by whom."""
    values = {"method_approved_at": approved[0], "method_approved_by": approved[1]}
    tx.execute(update(clients).where(clients.c.id == client_id).values(**values))


def keep_change(tx: Connection, client_id: str, change: Change | None) -> None:
    """Keep the change of authentication that a system waits for; None when it waits for none any more."""
    tx.execute(update(clients).where(clients.c.id == client_id).values(change=_kept_change(change)))


def credentials(tx: Connection, client_id: str) -> tuple[Credential, ...]:
    """Return every credential that a system ever had, the oldest first."""
    c = client_credentials.c
    query = select(client_credentials).where(c.client_id == client_id).order_by(c.created_at, c.id)
    return tuple(Credential(**row._mapping) for row in tx.execute(query))


def credentials_by_client(tx: Connection, ids: Sequence[str]) -> dict[str, tuple[Credential, ...]]:
    """Return every credential that these systems (at most a page of them) ever had, the oldest first."""
    c = client_credentials.c
    query = select(client_credentials).where(c.client_id.in_(ids)).order_by(c.created_at, c.id)
    found: dict[str, tuple[Credential, ...]] = {}
    for row in tx.execute(query):
        found[row.client_id] = (*found.get(row.client_id, ()), Credential(**row._mapping))
    return found


def is_known_credential(tx: Connection, digest: str) -> bool:
    """Tell whether any system ever had the key, the certificate or the secret with this digest."""
    found = select(client_credentials.c.id).where(client_credentials.c.digest == digest)
    return tx.execute(found.limit(1)).first() is not None


def insert_credential(tx: Connection, credential: Credential) -> None:
    """Add a credential."""
    tx.execute(client_credentials.insert().values(**asdict(credential)))


def end_credential(tx: Connection, credential_id: str, not_after: datetime) -> None:
    """Let a credential end at an instant."""
    c = client_credentials.c
    tx.execute(update(client_credentials).where(c.id == credential_id).values(not_after=not_after))


def revoke_credential(tx: Connection, credential_id: str, now: datetime) -> None:
    """Mark a credential as revoked."""
    c = client_credentials.c
    tx.execute(update(client_credentials).where(c.id == credential_id).values(revoked_at=now))


def _client(row: Any) -> Client:
    values = dict(row._mapping)
    own = Authentication(values.pop("auth_method"), values.pop("token_binding"), values.pop("tls_subject"))
    change = values.pop("change")
    return Client(
        **{**values, "networks": tuple(row.networks)},
        authentication=own,
        change=_change(change) if change else None,
    )


def _kept_authentication(given: Authentication) -> dict[str, Any]:
    return {"auth_method": given.method, "token_binding": given.binding, "tls_subject": given.subject}


def _kept_change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    asked = {"asked_at": change.asked_at.isoformat(), "asked_by": change.asked_by}
    return {**asdict(change.authentication), **asked}


def _change(kept: Mapping[str, Any]) -> Change:
    wanted = Authentication(kept["method"], kept["binding"], kept["subject"])
    return Change(wanted, datetime.fromisoformat(kept["asked_at"]), kept["asked_by"])


# --- datasets, as an applicant meets them ---------------------------------------------------------


def offer(tx: Connection, code: str) -> Offer | None:
    """Return the dataset with this code and its distributions, or None."""
    query = (
        select(datasets, _dataset_case.c.serves)
        .join(_dataset_case, _dataset_case.c.id == datasets.c.id)
        .where(datasets.c.code == code)
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    d = distributions.c
    mounted = tx.execute(select(d.kind, d.detail).where(d.dataset_id == row.id).order_by(d.kind))
    return Offer(
        id=row.id,
        code=row.code,
        title=row.title,
        provider=row.provider,
        share_class=row.share_class,
        controlled_params=row.controlled_params,
        is_public=row.serves,
        was_public=row.published_at is not None,
        attributes=tuple(row.document["attributes"]),
        required_materials=tuple(row.document.get("required_materials", ())),
        distributions={m.kind: m.detail for m in mounted},
    )


# --- applications ---------------------------------------------------------------------------------

_application_case = cases.alias("application_case")

_APPLICATION = (
    select(
        applications,
        datasets.c.code.label("dataset_code"),
        datasets.c.title.label("dataset_title"),
        clients.c.name.label("client_name"),
    )
    .join(datasets, datasets.c.id == applications.c.dataset_id)
    .join(clients, clients.c.id == applications.c.client_id)
    .join(_application_case, _application_case.c.id == applications.c.id)
)


def insert_application(tx: Connection, application: Application) -> None:
    """Add an application; its case exists already."""
    columns = {c.name: getattr(application, c.name) for c in applications.c}
    tx.execute(applications.insert().values(**{**columns, "document": dict(application.document)}))


def application(tx: Connection, application_id: str) -> Application | None:
    """Return an application, or None."""
    row = tx.execute(_APPLICATION.where(applications.c.id == application_id)).one_or_none()
    return Application(**row._mapping) if row else None


def applications_page(
    tx: Connection,
    actor: Actor,
    *,
    manager: str,
    state: str | None,
    draft: str,
    limit: int,
    cursor: str | None,
) -> Page:
    """Return one page of the applications that the actor may see, the newest first.

    One in the state `draft` exists for its own department and for whoever wrote it, and for nobody else.
    """
    a = applications.c
    written = _application_case.c.opened_by == actor.login
    own = or_(written, a.consumer == actor.department if actor.has("consumer") else false())
    submitted = and_(_party(actor, manager, applications), _application_case.c.state != draft)
    query = _APPLICATION.where(or_(own, submitted))
    if state is not None:
        query = query.where(_application_case.c.state == state)
    found = page(tx, query, [a.created_at, a.id], limit=limit, cursor=cursor)
    return Page([Application(**row._mapping) for row in found.rows], found.next_cursor)


def _party(actor: Actor, manager: str, table: Table) -> Any:
    """The condition that a row concerns the actor: as consumer, provider, manager or auditor."""
    if actor.has("auditor") or (actor.has("platform_manager") and actor.department == manager):
        return table.c.id.is_not(None)
    roles = [r for r in ("consumer", "provider") if actor.has(r)]
    return or_(false(), *(table.c[r] == actor.department for r in roles))


# --- grants ---------------------------------------------------------------------------------------

_GRANT = (
    select(
        grants,
        datasets.c.code.label("dataset_code"),
        datasets.c.title.label("dataset_title"),
        clients.c.name.label("client_name"),
    )
    .join(datasets, datasets.c.id == grants.c.dataset_id)
    .join(clients, clients.c.id == grants.c.client_id)
    .join(_grant_case, _grant_case.c.id == grants.c.id)
)


def insert_grant(tx: Connection, grant: Grant) -> None:
    """Add a grant; its case exists already."""
    columns = {c.name: getattr(grant, c.name) for c in grants.c}
    tx.execute(grants.insert().values(**{**columns, "terms": asdict(grant.terms)}))


def grant(tx: Connection, grant_id: str) -> Grant | None:
    """Return a grant, or None."""
    return _one_grant(tx, _GRANT.where(grants.c.id == grant_id))


def grant_of_application(tx: Connection, application_id: str) -> Grant | None:
    """Return the grant that an application led to, or None."""
    return _one_grant(tx, _GRANT.where(grants.c.application_id == application_id))


def grants_of_applications(tx: Connection, ids: Sequence[str]) -> dict[str, Grant]:
    """Return the grants that these applications (at most a page of them) led to, by application."""
    rows = tx.execute(_GRANT.where(grants.c.application_id.in_(ids)))
    return {row.application_id: _grant(row) for row in rows}


def grant_by_number(tx: Connection, number: str) -> Grant | None:
    """Return the grant with this number, or None."""
    return _one_grant(tx, _GRANT.where(grants.c.number == number))


def previous_of(tx: Connection, application_id: str) -> Grant | None:
    """Return the grant that an application continues, or None."""
    named = select(applications.c.previous_grant).where(applications.c.id == application_id)
    return _one_grant(tx, _GRANT.where(grants.c.id == named.scalar_subquery()))


class Successor(NamedTuple):
    """An application that is to continue a grant, and the grant that it led to, if any."""

    id: str
    number: str
    grant_id: str | None
    grant_number: str | None


MOST_SUCCESSORS = 20


def successors(tx: Connection, grant_id: str, draft: str) -> tuple[Successor, ...]:
    """Return the submitted applications that continue a grant, the newest first, MOST_SUCCESSORS of them."""
    a = applications.c
    query = (
        select(a.id, a.number, grants.c.id.label("grant_id"), grants.c.number.label("grant_number"))
        .join(_application_case, _application_case.c.id == a.id)
        .outerjoin(grants, grants.c.application_id == a.id)
        .where(a.previous_grant == grant_id, _application_case.c.state != draft)
        .order_by(a.created_at.desc(), a.id.desc())
        .limit(MOST_SUCCESSORS)
    )
    return tuple(Successor(*row) for row in tx.execute(query))


class GrantFilter(NamedTuple):
    """What a list of grants is narrowed to; with `is_expiry` those whose end is past belong to `state`."""

    state: str | None
    is_expiry: bool
    dataset: str | None
    client: str | None


def grants_page(
    tx: Connection,
    actor: Actor,
    *,
    manager: str,
    wanted: GrantFilter,
    now: datetime,
    limit: int,
    cursor: str | None,
) -> Page:
    """Return one page of the grants that the actor may see, the newest first, by their state at `now`."""
    query = _GRANT.where(_party(actor, manager, grants))
    lapsed = and_(_grant_case.c.lapses_at.is_not(None), _grant_case.c.lapses_at <= now)
    if wanted.state is not None and wanted.is_expiry:
        query = query.where(or_(_grant_case.c.state == wanted.state, lapsed))
    elif wanted.state is not None:
        query = query.where(_grant_case.c.state == wanted.state, ~lapsed)
    if wanted.dataset is not None:
        query = query.where(datasets.c.code == wanted.dataset)
    if wanted.client is not None:
        query = query.where(grants.c.client_id == wanted.client)
    found = page(tx, query, [grants.c.granted_at, grants.c.id], limit=limit, cursor=cursor)
    return Page([_grant(row) for row in found.rows], found.next_cursor)


def live_grants(tx: Connection, client_id: str, now: datetime) -> Sequence[Grant]:
    """Return the grants that a system can use at `now`: active, not over, and their dataset published."""
    query = _GRANT.join(_dataset_case, _dataset_case.c.id == grants.c.dataset_id).where(
        grants.c.client_id == client_id,
        _grant_case.c.serves,
        _dataset_case.c.serves,
        or_(grants.c.valid_until.is_(None), grants.c.valid_until > now),
    )
    return [_grant(row) for row in tx.execute(query.order_by(grants.c.number))]


def grants_in_force(tx: Connection, now: datetime) -> Sequence[InForce]:
    """Return every grant under which data may flow at `now`, by number."""
    g = grants.c
    columns = (g.number, g.consumer, g.provider, g.client_id, datasets.c.code, g.granted_at, g.valid_until)
    query = (
        _GRANT.with_only_columns(*columns, maintain_column_froms=True)
        .where(_grant_case.c.serves, or_(g.valid_until.is_(None), g.valid_until > now))
        .order_by(g.number)
    )
    return [InForce(*row) for row in tx.execute(query)]


def users_of(tx: Connection, code: str) -> tuple[str, ...]:
    """Return the departments with a grant on a dataset that is still open: usable, or suspended for now."""
    found = _GRANT.where(datasets.c.code == code, _grant_case.c.closed_at.is_(None))
    users = tx.execute(found.with_only_columns(grants.c.consumer, maintain_column_froms=True).distinct())
    return tuple(sorted(users.scalars()))


def _one_grant(tx: Connection, query: Select[Any]) -> Grant | None:
    row = tx.execute(query).one_or_none()
    return _grant(row) if row else None


def _grant(row: Any) -> Grant:
    return Grant(**{**row._mapping, "terms": terms_of(row.terms)})


# --- access tokens --------------------------------------------------------------------------------


def insert_token(
    tx: Connection,
    digest: str,
    grant: Grant,
    issued_at: datetime,
    expires_at: datetime,
    cnf: str | None = None,
) -> None:
    """Add an access token, by its digest; `cnf` is what it is bound to."""
    tx.execute(
        access_tokens.insert().values(
            digest=digest,
            grant_id=grant.id,
            client_id=grant.client_id,
            issued_at=issued_at,
            expires_at=expires_at,
            revoked=False,
            cnf=cnf,
        )
    )


def token(tx: Connection, digest: str) -> Token | None:
    """Return the token with this digest, or None."""
    found = permit(tx, digest)
    c = access_tokens.c
    row = tx.execute(select(c.issued_at, c.expires_at, c.cnf).where(c.digest == digest)).one_or_none()
    if found is None or row is None:
        return None
    end = select(grants.c.valid_until).where(grants.c.id == found.grant_id)
    return Token(
        digest=digest,
        grant_id=found.grant_id,
        grant_number=found.grant_number,
        client_id=found.client_id,
        dataset_code=found.dataset_code,
        kind=found.terms.kind,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        usable=not found.token_revoked
        and found.client_state == "active"
        and found.grant_usable
        and found.dataset_public,
        valid_until=tx.execute(end).scalar(),
        cnf=row.cnf,
    )


def revoke_token(tx: Connection, digest: str) -> None:
    """Mark a token as revoked."""
    tx.execute(update(access_tokens).where(access_tokens.c.digest == digest).values(revoked=True))


def revoke_tokens_of(tx: Connection, client_id: str) -> int:
    """Mark every token of a system as revoked; return how many there were."""
    c = access_tokens.c
    where = and_(c.client_id == client_id, c.revoked.is_(False))
    return tx.execute(update(access_tokens).where(where).values(revoked=True)).rowcount


def forget_tokens(tx: Connection, before: datetime) -> int:
    """Drop the tokens that expired before an instant; return how many."""
    return tx.execute(delete(access_tokens).where(access_tokens.c.expires_at < before)).rowcount


# --- proofs, each of which counts once ------------------------------------------------------------


def see_proof(tx: Connection, digest: str, expires_at: datetime) -> bool:
    """Note that a proof was presented; return False when it had been before. Keep it until it expires."""
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name]
    noted = insert(seen_proofs).values(digest=digest, expires_at=expires_at).on_conflict_do_nothing()
    return tx.execute(noted.returning(seen_proofs.c.digest)).first() is not None


def forget_proofs(tx: Connection, before: datetime) -> int:
    """Drop the proofs that expired before an instant; return how many."""
    return tx.execute(delete(seen_proofs).where(seen_proofs.c.expires_at < before)).rowcount


# --- failed attempts ------------------------------------------------------------------------------


class Failures(NamedTuple):
    """How often a client_id was tried with wrong credentials from one source, and since when."""

    since: datetime
    tries: int


def failures(tx: Connection, client_digest: str, source: str) -> Failures | None:
    """Return the failed attempts on a client_id from a source, or None."""
    c = token_failures.c
    query = select(c.since, c.tries).where(c.client == client_digest, c.source == source)
    row = tx.execute(query).one_or_none()
    return Failures(row.since, row.tries) if row else None


def count_failure(tx: Connection, client_digest: str, source: str, now: datetime, since: datetime) -> None:
    """Count one more failed attempt, from `now` on where the count began at `since` or before.

    One statement, so that no two attempts at once are counted as one.
    """
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[tx.dialect.name]
    c = token_failures.c
    first = insert(token_failures).values(client=client_digest, source=source, since=now, tries=1)
    over = c.since <= since
    again = {
        "since": case((over, first.excluded.since), else_=c.since),
        "tries": case((over, 1), else_=c.tries + 1),
    }
    tx.execute(first.on_conflict_do_update(index_elements=[c.client, c.source], set_=again))


def forget_failures(tx: Connection, before: datetime) -> int:
    """Drop the counts that began before an instant; return how many."""
    return tx.execute(delete(token_failures).where(token_failures.c.since < before)).rowcount
