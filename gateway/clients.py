"""Business systems: a department registers one, and the platform manager approves it.

A system is an OAuth client (RFC 6749 section 2). Data may be used in the system that they were granted to and
in no other (QJ art. 24; GZ art. 12), so every grant names one. What is approved is the system with its way of
authentication: to change that takes another approval (gateway/changing.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from audit.log import record
from core.db import Page
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import new_id
from core.text import Text
from core.times import millis
from core.work import Work
from gateway import store
from gateway.methods import METHODS, SECRET, chosen, methods_of
from gateway.model import Client

PENDING, ACTIVE, DISABLED = "pending", "active", "disabled"
STATES = {
    PENDING: Text("待审核", "pending"),
    ACTIVE: Text("已启用", "active"),
    DISABLED: Text("已停用", "disabled"),
}


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
        asked_by=work.actor.login,
        authentication=chosen(work.settings, draft),
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
    if found is None or not (_sees_all(work) or is_own(work, found)):
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
    actions: list[str] = []
    if work.actor.has("platform_manager"):
        actions += _actions_of_manager(work, client)
    if is_own(work, client) and work.actor.has("consumer") and client.state != DISABLED:
        ways = [client.authentication, *([client.change.authentication] if client.change else [])]
        kinds = {METHODS[way.method].credential for way in ways}
        actions += ["issue_credential"] if SECRET in kinds else []
        actions += ["register_key"] if kinds - {SECRET, None} else []
        actions.append("change_authentication")
    return tuple(actions)


def _actions_of_manager(work: Work, client: Client) -> list[str]:
    actions = []
    if client.state != ACTIVE and not had_a_hand(work, client):
        actions.append("approve")
    if client.state != DISABLED:
        actions.append("disable")
    if client.change is not None:
        theirs = client.change.asked_by != work.actor.login and client.created_by != work.actor.login
        actions += ["approve_authentication"] if theirs else []
        actions.append("refuse_authentication")
    return actions


def approve_client(work: Work, client_id: str) -> Client:
    """Let a system take part (again), with the authentication that it has.

    Raises NotPermitted for the person who registered it, or asked for the authentication that it has.
    """
    found = find_client(work, client_id)
    as_manager(work)
    if had_a_hand(work, found):
        raise NotPermitted(
            "登记或变更系统的人不能审核该系统", "nobody approves a system that they registered or changed"
        )
    if found.state == ACTIVE:
        raise Conflict("该系统已启用", "cannot approve a system that is active", code="wrong_state")
    check_taken(work, found.authentication.method)
    approved = (work.now, work.actor.login)
    store.set_client_state(work.tx, found.id, ACTIVE, approved)
    store.approve_method(work.tx, found.id, approved)
    _record(work, found, "approved")
    return find_client(work, client_id)


def check_taken(work: Work, method: str) -> None:
    """Raise Conflict for a way of authentication that this deployment does not take (any more)."""
    if method not in methods_of(work.settings):
        raise Conflict(
            f"本平台不采用{METHODS[method].title.zh}，请该部门另选认证方式",
            f"this platform takes no {METHODS[method].title.en}; the department has to choose another way",
            code="method_not_taken",
        )


def disable_client(work: Work, client_id: str) -> Client:
    """Shut a system out: none of its tokens or credentials is accepted from the next call on."""
    found = find_client(work, client_id)
    as_manager(work)
    if found.state == DISABLED:
        raise Conflict("该系统已停用", "cannot disable a system that is disabled", code="wrong_state")
    store.set_client_state(work.tx, found.id, DISABLED)
    store.revoke_tokens_of(work.tx, found.id)
    work.policy_changed(work.tx)
    _record(work, found, "disabled")
    return find_client(work, client_id)


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


def is_own(work: Work, client: Client) -> bool:
    """Tell whether a system is one of the actor's department."""
    return client.department == work.actor.department


def had_a_hand(work: Work, client: Client) -> bool:
    """Tell whether the actor registered a system, or asked for the authentication that it has."""
    return work.actor.login in (client.created_by, client.asked_by)


def as_manager(work: Work) -> None:
    """Raise NotPermitted for everybody but the platform manager."""
    if not work.actor.has("platform_manager"):
        raise NotPermitted("只有平台管理部门可以审核系统", "only the platform manager decides on systems")


def _record(work: Work, client: Client, action: str) -> None:
    record(work, f"client.{action}", {**on_record(client), "networks": list(client.networks)})


def on_record(client: Client) -> dict[str, Any]:
    """Return what the log says of a system: who it is, how it authenticates, what its tokens are bound to."""
    way = client.authentication
    return {"client": client.id, "consumer": client.department, "method": way.method, "binding": way.binding}
