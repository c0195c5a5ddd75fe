"""Business systems: a department registers one, the platform manager approves it, it gets credentials.

A system is an OAuth client (RFC 6749 section 2). Data may be used in the system that they were granted to and
in no other (QJ art. 24; GZ art. 12), so every grant names one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from audit.log import record
from core.db import Page
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import digest, new_id, new_secret
from core.text import Text
from core.times import millis
from core.work import Work
from gateway import store
from gateway.model import Client, Credential

PENDING, ACTIVE, DISABLED = "pending", "active", "disabled"
STATES = {
    PENDING: Text("待审核", "pending"),
    ACTIVE: Text("已启用", "active"),
    DISABLED: Text("已停用", "disabled"),
}
CLIENT_SECRET = "client_secret"
MOST_CREDENTIALS = 2
"""Active secrets of one system: the one in use, and its successor while the system changes over."""


def register_client(work: Work, draft: Mapping[str, Any]) -> Client:
    """Register a business system of the actor's department; `draft` fits request/client."""
    registered = Client(
        id=new_id(millis(work.now)),
        name=draft["name"],
        department=work.actor.department,
        state=PENDING,
        networks=plain_networks(draft["networks"], "/networks"),
        created_at=work.now,
        created_by=work.actor.login,
        description=draft.get("description", ""),
    )
    store.insert_client(work.tx, registered)
    _record(work, registered, "registered")
    return registered


def find_client(work: Work, client_id: str) -> Client:
    """Return a system that the actor may know of: their department's, or any for manager and auditor.

    Raises NotFound for every other, existing or not.
    """
    found = store.client(work.tx, client_id)
    if found is None or not (_sees_all(work) or _is_own(work, found)):
        raise NotFound("没有这个业务系统", "no such system")
    return found


def find_client_called(work: Work, name: str) -> Client | None:
    """Return the active system of the actor's department with this name, None where there is not just one."""
    found = store.clients_called(work.tx, work.actor.department, name, ACTIVE)
    return found[0] if len(found) == 1 else None


def list_clients(work: Work, state: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of the systems that the actor may know of, the newest first."""
    if state is not None and state not in STATES:
        raise invalid("/state", f"应为 {'、'.join(STATES)} 之一", f"must be one of {', '.join(STATES)}")
    department = None if _sees_all(work) else work.actor.department
    return store.clients_page(work.tx, department, state, limit, cursor)


def client_actions(work: Work, client: Client) -> tuple[str, ...]:
    """Return what the actor may do with a system now."""
    actions = []
    if work.actor.has("platform_manager"):
        if client.state != ACTIVE and client.created_by != work.actor.login:
            actions.append("approve")
        if client.state != DISABLED:
            actions.append("disable")
    if _is_own(work, client) and work.actor.has("consumer") and client.state != DISABLED:
        actions.append("issue_credential")
    return tuple(actions)


def approve_client(work: Work, client_id: str) -> Client:
    """Let a system take part (again). Raises NotPermitted for the person who registered it."""
    found = find_client(work, client_id)
    _as_manager(work)
    if found.created_by == work.actor.login:
        raise NotPermitted("登记人不能审核自己登记的系统", "nobody approves a system that they registered")
    if found.state == ACTIVE:
        raise Conflict("该系统已启用", "cannot approve a system that is active", code="wrong_state")
    store.set_client_state(work.tx, found.id, ACTIVE, (work.now, work.actor.login))
    _record(work, found, "approved")
    return find_client(work, client_id)


def disable_client(work: Work, client_id: str) -> Client:
    """Shut a system out: none of its tokens or credentials is accepted from the next call on."""
    found = find_client(work, client_id)
    _as_manager(work)
    if found.state == DISABLED:
        raise Conflict("该系统已停用", "cannot disable a system that is disabled", code="wrong_state")
    store.set_client_state(work.tx, found.id, DISABLED)
    store.revoke_tokens_of(work.tx, found.id)
    work.policy_changed(work.tx)
    _record(work, found, "disabled")
    return find_client(work, client_id)


# --- credentials ----------------------------------------------------------------------------------


def issue_credential(
    work: Work, client_id: str, retire_after_hours: int | None = None
) -> tuple[Credential, str]:
    """Make a secret for a system; return it with its entry. Only its digest is kept: it is shown this once.

    `retire_after_hours` lets the secrets in use end after so many hours, the time that the system has to
    change over. Raises Conflict when two secrets are active already.
    """
    found = _own_client(work, client_id)
    if retire_after_hours is not None:
        end = work.now + timedelta(hours=retire_after_hours)
        _retire(work, active_credentials(work, found.id), end)
    if len(active_credentials(work, found.id)) >= MOST_CREDENTIALS:
        raise Conflict(
            f"最多同时有 {MOST_CREDENTIALS} 个有效凭据，请先吊销一个",
            f"a system has {MOST_CREDENTIALS} active credentials at most; revoke one first",
            code="too_many_credentials",
        )
    secret = new_secret()
    made = Credential(
        id=new_id(millis(work.now)),
        client_id=found.id,
        kind=CLIENT_SECRET,
        digest=digest(secret),
        created_at=work.now,
        created_by=work.actor.login,
        not_after=None,
        revoked_at=None,
    )
    store.insert_credential(work.tx, made)
    record(work, "credential.issued", {"client": found.id, "credential": made.id, "type": made.kind})
    return made, secret


def revoke_credential(work: Work, client_id: str, credential_id: str) -> Client:
    """Revoke a secret at once, with every token of the system: which secret brought which is not kept."""
    found = find_client(work, client_id)
    if not (work.actor.has("platform_manager") or _is_own(work, found)):
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


def active_credentials(work: Work, client_id: str) -> tuple[Credential, ...]:
    """Return the credentials that are accepted now."""
    return tuple(c for c in store.credentials(work.tx, client_id) if c.is_active(work.now))


def _retire(work: Work, active: Sequence[Credential], at: datetime) -> None:
    for credential in active:
        if credential.not_after is None or at < credential.not_after:
            store.end_credential(work.tx, credential.id, at)


# --- networks -------------------------------------------------------------------------------------


def plain_networks(given: Sequence[str], pointer: str) -> tuple[str, ...]:
    """Return networks in their canonical form. Raises Invalid for one that holds every address."""
    plain = []
    for i, text in enumerate(given):
        network = ip_network(text)
        if network.prefixlen == 0:
            raise invalid(
                f"{pointer}/{i}", "不能是全部地址，请写明来源网段", "must name networks, not every address"
            )
        plain.append(str(network))
    return tuple(dict.fromkeys(plain))


def check_within(given: Sequence[str], allowed: Sequence[str], pointer: str) -> None:
    """Refuse networks that reach beyond `allowed`. Raises Invalid at the first one that does."""
    outer = [ip_network(n) for n in allowed]
    for i, text in enumerate(given):
        inner: Any = ip_network(text)
        if not any(inner.version == o.version and inner.subnet_of(o) for o in outer):
            names = "、".join(allowed)
            raise invalid(
                f"{pointer}/{i}", f"超出了 {names}", f"reaches beyond {', '.join(allowed)}", code="too_wide"
            )


# --- who --------------------------------------------------------------------------------------------


def _sees_all(work: Work) -> bool:
    return work.actor.has("platform_manager") or work.actor.has("auditor") or work.actor.has("system")


def _is_own(work: Work, client: Client) -> bool:
    return client.department == work.actor.department


def _own_client(work: Work, client_id: str) -> Client:
    found = find_client(work, client_id)
    if not (_is_own(work, found) and work.actor.has("consumer")):
        raise NotPermitted("只有本部门可以为系统签发凭据", "only its own department issues its credentials")
    if found.state == DISABLED:
        raise Conflict("该系统已停用", "the system is disabled", code="wrong_state")
    return found


def _as_manager(work: Work) -> None:
    if not work.actor.has("platform_manager"):
        raise NotPermitted("只有平台管理部门可以审核系统", "only the platform manager decides on systems")


def _record(work: Work, client: Client, action: str) -> None:
    body = {"client": client.id, "consumer": client.department, "networks": list(client.networks)}
    record(work, f"client.{action}", body)
