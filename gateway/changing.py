"""Another way of authentication for a system: its department asks, the platform manager decides.

Until then the way in force stays the only one; from then on the new one is, and what belonged to the old one
is revoked. There is no moment at which both are taken, so nobody can choose the weaker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.log import record
from core.errors import Conflict, NotPermitted
from core.work import Work
from gateway import store
from gateway.clients import DISABLED, PENDING, as_manager, check_taken, find_client, is_own, on_record
from gateway.credentials import active_credentials, list_credentials
from gateway.methods import CREDENTIALS, METHODS, chosen
from gateway.model import Change, Client


def ask_for_change(work: Work, client_id: str, draft: Mapping[str, Any]) -> Client:
    """Ask for another authentication of a system; `draft` fits request/client_authentication.

    A system that nobody has approved yet changes at once. To ask for what is in force takes back what was
    asked for before. Raises Conflict when there is nothing to change.
    """
    found = find_client(work, client_id)
    if not (is_own(work, found) and work.actor.has("consumer")):
        raise NotPermitted(
            "只有本部门可以变更认证方式", "only its own department changes how it authenticates"
        )
    if found.state == DISABLED:
        raise Conflict("该系统已停用", "the system is disabled", code="wrong_state")
    wanted = chosen(work.settings, draft)
    if wanted == found.authentication and found.change is None:
        raise Conflict("认证方式没有变化", "that is how the system authenticates already", code="unchanged")
    asked_for = Change(wanted, work.now, work.actor.login)
    if found.state == PENDING:
        store.set_authentication(work.tx, found.id, asked_for)
    else:
        store.keep_change(work.tx, found.id, None if wanted == found.authentication else asked_for)
    asked = {"method": wanted.method, "binding": wanted.binding}
    record(work, "client.authentication_asked", {**on_record(found), **asked})
    return find_client(work, client_id)


def approve_change(work: Work, client_id: str) -> Client:
    """Put the authentication in force that a system asks for; credentials of the old one are revoked.

    Raises NotPermitted for who asked, and for who registered the system; Conflict while it has no credential
    for that way.
    """
    found = find_client(work, client_id)
    change = _waiting(work, found)
    if work.actor.login in (change.asked_by, found.created_by):
        raise NotPermitted("申请人不能审核自己的申请", "nobody approves a change that they asked for")
    wanted = change.authentication
    check_taken(work, wanted.method)
    _check_equipped(work, found, wanted.method)
    store.set_authentication(work.tx, found.id, change, (work.now, work.actor.login))
    _end_others(work, found, METHODS[wanted.method].credential)
    store.revoke_tokens_of(work.tx, found.id)  # those of before are bound to nothing, or to what was given up
    work.policy_changed(work.tx)
    changed = find_client(work, client_id)
    record(work, "client.authentication_approved", on_record(changed))
    return changed


def refuse_change(work: Work, client_id: str) -> Client:
    """Let a system stay with the authentication that it has."""
    found = find_client(work, client_id)
    _waiting(work, found)
    store.keep_change(work.tx, found.id, None)
    record(work, "client.authentication_refused", on_record(found))
    return find_client(work, client_id)


def _waiting(work: Work, client: Client) -> Change:
    as_manager(work)
    if client.change is None:
        raise Conflict("没有待审核的变更", "no change waits for approval", code="wrong_state")
    return client.change


def _check_equipped(work: Work, client: Client, method: str) -> None:
    kind = METHODS[method].credential
    if kind is not None and not active_credentials(work, client.id, kind):
        raise Conflict(
            f"该系统还没有{CREDENTIALS[kind].zh}，启用后将无法认证",
            f"the system has no {CREDENTIALS[kind].en} yet and could not authenticate",
            code="no_credential",
        )


def _end_others(work: Work, client: Client, kept: str | None) -> None:
    for credential in list_credentials(work, client):
        if credential.kind != kept and credential.revoked_at is None:
            store.revoke_credential(work.tx, credential.id, work.now)
            record(work, "credential.revoked", {"client": client.id, "credential": credential.id})
