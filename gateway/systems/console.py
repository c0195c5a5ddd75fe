"""The pages of business systems: registered, approved, and how each authenticates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.errors import invalid
from core.text import Text
from core.work import Work
from gateway.changing import approve_change, ask_for_change, refuse_change
from gateway.clients import STATES, approve_client, disable_client, find_client, list_clients
from gateway.credentials import issue_credential, register_key, register_system, revoke_credential
from gateway.methods import BINDINGS, METHODS, bindings_of, chosen, methods_of
from gateway.present import client_rows, client_view, issued_view
from gateway.systems.forms import at_fields, read_key, read_system, read_way
from schemas import validate
from web.pages import Go, Page, Pages, Seen

pages = Pages("systems")

CONSUMER = {"consumer"}
READERS = {"consumer", "platform_manager", "auditor"}
PAGE = 25
_CHANGING = ("auth_method", "token_binding", "tls_subject")
_RETIRE = (
    ("0", Text("立即失效", "end at once")),
    ("24", Text("24 小时后失效", "end after 24 hours")),
    ("168", Text("7 天后失效", "end after 7 days")),
)


@pages.show("/systems", who=READERS, summary=Text("业务系统", "Systems"))
def systems(work: Work, seen: Seen) -> Page:
    """List the systems that the reader may know of."""
    state = seen.query.get("state") if seen.query.get("state") in STATES else None
    found = list_clients(work, state, PAGE, seen.query.get("cursor"))
    rows = client_rows(work, found.rows)
    context = {"rows": rows, "next_cursor": found.next_cursor, "states": STATES, "state": state}
    return Page("gateway/systems.html", context)


@pages.show("/systems/new", who=CONSUMER, summary=Text("登记业务系统", "Register a system"))
def new_system(work: Work, seen: Seen) -> Page:
    """Show the form of a new system."""
    usual = chosen(work.settings, {})
    context = {**_choices(work), "seen": _by_field(seen), "usual": usual}
    return Page("gateway/system_new.html", context)


@pages.form("/systems/new", who=CONSUMER, summary=Text("登记业务系统", "Register a system"), again=new_system)
def register_on_page(work: Work, seen: Seen) -> Go:
    """Register a system."""
    draft = read_system(seen.form)
    validate("request/client", draft)
    made = register_system(work, draft)
    return Go(
        f"/systems/{made.id}", Text("已登记，等待平台管理部门审核", "Registered; it waits for approval")
    )


@pages.show("/systems/<id>", who=READERS, summary=Text("查看业务系统", "System"))
def system(work: Work, seen: Seen, id: str, action: str = "") -> Page:
    """Show a system, how it authenticates, and its credentials."""
    context = {
        **_choices(work),
        "s": client_view(work, find_client(work, id)),
        "seen": _by_field(seen),
        "changing": any(e.pointer.lstrip("/") in _CHANGING for e in seen.errors),
        "retire": _RETIRE,
    }
    return Page("gateway/system.html", context)


@pages.form(
    "/systems/<id>/actions/<action>",
    who={"platform_manager"},
    summary=Text("审核业务系统", "Decide on a system"),
    again=system,
    step_up=True,
)
def decide_on_system(work: Work, seen: Seen, id: str, action: str) -> Go:
    """Approve or disable a system, or decide on another authentication that it asks for."""
    steps = {
        "approve": approve_client,
        "disable": disable_client,
        "approve_authentication": approve_change,
        "refuse_authentication": refuse_change,
    }
    if action not in steps:
        raise invalid("/action", "没有这个操作", "there is no such action")
    title = STATES[steps[action](work, id).state]
    return Go(f"/systems/{id}", Text(f"已办理，系统{title.zh}", f"Done; the system is {title.en}"))


@pages.form(
    "/systems/<id>/authentication",
    who=CONSUMER,
    summary=Text("申请变更认证方式", "Ask for another way of authentication"),
    again=system,
    step_up=True,
)
def change_authentication(work: Work, seen: Seen, id: str) -> Go:
    """Ask for another way of authentication, or take back what was asked for."""
    draft = read_way(seen.form)
    validate("request/client_authentication", draft)
    changed = ask_for_change(work, id, draft)
    waits = Text("已提交，等待平台管理部门审核", "Asked for; it waits for approval")
    return Go(f"/systems/{id}", waits if changed.change else Text("已办理", "Done"))


@pages.form(
    "/systems/<id>/credentials", who=CONSUMER, summary=Text("签发凭据", "Issue a credential"), step_up=True
)
def issue_secret(work: Work, seen: Seen, id: str) -> Page:
    """Make a secret and show it, this once."""
    credential, secret = issue_credential(work, id)
    owner = client_view(work, find_client(work, id))
    return Page("gateway/secret.html", {"issued": issued_view(work, credential, secret), "s": owner})


@pages.form(
    "/systems/<id>/keys",
    who=CONSUMER,
    summary=Text("登记公钥或证书", "Register a public key or a certificate"),
    again=system,
    step_up=True,
)
def register_key_on_page(work: Work, seen: Seen, id: str) -> Go:
    """Register a key or a certificate, and let those in use end when it was said."""
    draft = read_key(seen.form)
    validate("request/client_key", draft)
    register_key(work, id, draft)
    return Go(f"/systems/{id}", Text("已登记", "Registered"))


@pages.form(
    "/systems/<id>/credentials/<credential>/revoke",
    who={"consumer", "platform_manager"},
    summary=Text("吊销凭据", "Revoke a credential"),
    step_up=True,
)
def revoke_on_page(work: Work, seen: Seen, id: str, credential: str) -> Go:
    """Revoke a secret, a key or a certificate."""
    revoke_credential(work, id, credential)
    return Go(f"/systems/{id}", Text("凭据已吊销", "The credential is revoked"))


def _choices(work: Work) -> dict[str, Any]:
    """Return the ways that this deployment takes, by what they are called."""
    return {
        "methods": [(name, METHODS[name].title) for name in methods_of(work.settings)],
        "bindings": [(name, BINDINGS[name]) for name in bindings_of(work.settings)],
    }


def _by_field(seen: Seen) -> Seen:
    return replace(seen, errors=at_fields(seen.errors))
