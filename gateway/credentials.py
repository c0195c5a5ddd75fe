"""The credentials of a system: secrets, public keys and certificates; two at a time, to change over.

A secret is shown once and kept as its digest. Of a key or a certificate the public part is kept, and only
that is ever taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from audit.log import record
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import digest, new_id, new_secret
from core.times import millis
from core.work import Work
from gateway import store
from gateway.client_keys import Public, ends_at, read_certificate, read_public_key
from gateway.clients import DISABLED, find_client, is_own, register_client
from gateway.methods import CERTIFICATE, CREDENTIALS, METHODS, PUBLIC_KEY, SECRET
from gateway.model import Client, Credential

MOST_CREDENTIALS = 2
"""Active credentials of one kind: the one in use, and its successor while the system changes over."""


def register_system(work: Work, draft: Mapping[str, Any]) -> Client:
    """Register a system, with its first key or certificate when it sends one; `draft` fits request/client."""
    registered = register_client(work, draft)
    if "public_key" in draft or "certificate" in draft:
        add_key(work, registered, draft)
    return registered


def issue_credential(
    work: Work, client_id: str, retire_after_hours: int | None = None
) -> tuple[Credential, str]:
    """Make a secret for a system; return it with its entry. Only its digest is kept: it is shown this once.

    `retire_after_hours` lets the secrets in use end after so many hours, the time that the system has to
    change over. Raises Conflict when two secrets are active already, or the system authenticates otherwise.
    """
    found = _own_client(work, client_id)
    secret = new_secret()
    made = _add(work, found, SECRET, Public(digest(secret), {}), retire_after_hours)
    record(work, "credential.issued", {"client": found.id, "credential": made.id, "type": made.kind})
    return made, secret


def register_key(work: Work, client_id: str, draft: Mapping[str, Any]) -> Credential:
    """Keep a public key or a certificate of a system; `draft` fits request/client_key.

    Raises Invalid for one that is weak, private or known already, Conflict as `issue_credential` does.
    """
    return add_key(work, _own_client(work, client_id), draft)


def add_key(work: Work, client: Client, draft: Mapping[str, Any]) -> Credential:
    """Keep the key or the certificate in `draft`, and put on record which one it is."""
    if ("public_key" in draft) == ("certificate" in draft):
        raise invalid(
            "/public_key",
            "公钥和证书须提交其一，且只提交其一",
            "send a public key or a certificate, and not both",
            code="required",
        )
    kind = PUBLIC_KEY if "public_key" in draft else CERTIFICATE
    if kind == PUBLIC_KEY:
        public = read_public_key(draft["public_key"], "/public_key")
    else:
        public = read_certificate(draft["certificate"], "/certificate", work.now)
    made = _add(work, client, kind, public, draft.get("retire_after_hours"))
    body = {"client": client.id, "credential": made.id, "type": kind, "thumbprint": made.digest}
    record(work, "credential.registered", body)
    return made


def revoke_credential(work: Work, client_id: str, credential_id: str) -> Client:
    """Revoke a credential at once, with every token of the system: which brought which is not kept."""
    found = find_client(work, client_id)
    if not (work.actor.has("platform_manager") or is_own(work, found)):
        raise NotPermitted("您不能吊销该凭据", "you may not revoke this credential")
    known = [c for c in store.credentials(work.tx, found.id) if c.id == credential_id]
    if not known:
        raise NotFound("没有这个凭据", "no such credential")
    if known[0].revoked_at is not None:
        raise Conflict("凭据已被吊销", "the credential is revoked already", code="wrong_state")
    store.revoke_credential(work.tx, credential_id, work.now)
    store.revoke_tokens_of(work.tx, found.id)
    work.policy_changed(work.tx)
    record(work, "credential.revoked", {"client": found.id, "credential": credential_id})
    return found


def list_credentials(work: Work, client: Client) -> tuple[Credential, ...]:
    """Return every credential that a system ever had, the oldest first."""
    return store.credentials(work.tx, client.id)


def credentials_by_client(work: Work, clients: Sequence[Client]) -> Mapping[str, tuple[Credential, ...]]:
    """Return the same for a page of systems, by the id of each that ever had any."""
    return store.credentials_by_client(work.tx, [c.id for c in clients])


def active_credentials(work: Work, client_id: str, kind: str) -> tuple[Credential, ...]:
    """Return the credentials of one kind that are accepted now."""
    every = store.credentials(work.tx, client_id)
    return tuple(c for c in every if c.kind == kind and c.is_active(work.now))


# --- adding one -----------------------------------------------------------------------------------


def _add(work: Work, client: Client, kind: str, public: Public, retire_after_hours: int | None) -> Credential:
    _check_kind(client, kind)
    _check_new(work, client, kind, public)
    active = active_credentials(work, client.id, kind)
    if retire_after_hours is not None:
        _retire(work, active, work.now + timedelta(hours=retire_after_hours))
    if len(active_credentials(work, client.id, kind)) >= MOST_CREDENTIALS:
        raise Conflict(
            f"最多同时有 {MOST_CREDENTIALS} 个有效凭据，请先吊销一个",
            f"a system has {MOST_CREDENTIALS} active credentials at most; revoke one first",
            code="too_many_credentials",
        )
    made = Credential(
        id=new_id(millis(work.now)),
        client_id=client.id,
        kind=kind,
        digest=public.thumbprint,
        created_at=work.now,
        created_by=work.actor.login,
        not_after=ends_at(public.document) if kind == CERTIFICATE else None,
        revoked_at=None,
        public=public.document or None,
    )
    store.insert_credential(work.tx, made)
    return made


def _check_kind(client: Client, kind: str) -> None:
    """Refuse what belongs neither to the authentication in force nor to the one asked for."""
    ways = [client.authentication, *([client.change.authentication] if client.change else [])]
    if kind not in {METHODS[way.method].credential for way in ways}:
        raise Conflict(
            f"该系统的认证方式不使用{CREDENTIALS[kind].zh}",
            f"the system's way of authentication takes no {CREDENTIALS[kind].en}",
            code="wrong_method",
        )


def _check_new(work: Work, client: Client, kind: str, public: Public) -> None:
    """Refuse a key that any system has or had, revoked or not, and a name that another of its keys has.

    With one key two systems could each pass for the other.
    """
    if store.is_known_credential(work.tx, public.thumbprint):
        raise invalid(
            f"/{kind}",
            "同一密钥登记过，请另行生成",
            "was registered before; make another one",
            code="known",
        )
    known = [c for c in store.credentials(work.tx, client.id) if c.kind == kind]
    kid = public.document.get("kid")
    if kid and any(c.is_active(work.now) and (c.public or {}).get("kid") == kid for c in known):
        raise invalid("/public_key/kid", "与现有公钥重名", "another key has this kid", code="known")


def _retire(work: Work, active: Sequence[Credential], at: datetime) -> None:
    for credential in active:
        if credential.not_after is None or at < credential.not_after:
            store.end_credential(work.tx, credential.id, at)


def _own_client(work: Work, client_id: str) -> Client:
    found = find_client(work, client_id)
    if not (is_own(work, found) and work.actor.has("consumer")):
        raise NotPermitted("只有本部门可以为系统签发凭据", "only its own department issues its credentials")
    if found.state == DISABLED:
        raise Conflict("该系统已停用", "the system is disabled", code="wrong_state")
    return found
