"""The pages of sign-in with an identity provider: there, back, linked, unlinked, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import current_app, request, session

from accounts.api import KEEPERS
from accounts.console import CAME_BY, own_address, renew_form_tokens
from accounts.managing import find_account
from accounts.oidc.fetch import Unreachable
from accounts.oidc.identities import (
    confirm_by,
    link_for,
    link_own,
    named_identities,
    note_refusal,
    sign_in_by,
    unlink,
)
from accounts.oidc.known import EXTENSION
from accounts.oidc.provider import Begun, NotGood, Proven, Provider
from accounts.sessions import sign_out
from core.errors import NotFound, Unavailable
from core.text import Text
from core.work import Actor, Work
from schemas import validate
from web.auth import ENROLMENT, NOBODY, PUBLIC, SIGNED_IN, renew_cookie, session_actor, session_cookie
from web.kit import Kit, kit
from web.pages import Go, Page, Pages, Seen

pages = Pages("oidc")

BEGUN = "oidc"
"""Where the browser's own cookie keeps the way that was begun."""

FORGED = Text(
    "这次登录不是从本浏览器发起的、已超过 10 分钟或已用过。请重新登录。",
    "This sign-in was not begun in this browser, is over ten minutes old, or was used before. Sign in again.",
)
DENIED = Text(
    "身份提供方没有完成登录。请重新登录，或使用密码。",
    "The identity provider did not sign you in. Try again, or use your password.",
)
UNKNOWN = Text(
    "该身份没有绑定可用的账号。请先用密码登录，在“我的账号”中绑定；没有账号的，请联系系统管理员。"
    "他人代为绑定的身份，经安全管理员核实后才能使用。",
    "No account in use is linked to this identity. Sign in with your password and link it under “My account”."
    " If you have none, ask an administrator. An identity that somebody else linked for you serves once a"
    " security administrator has vouched for it.",
)


def provider_called(name: str) -> Provider:
    """Return a provider of the deployment. Raises NotFound."""
    found: Provider | None = current_app.extensions[EXTENSION].get(name)
    if found is None:
        raise NotFound("没有这个身份提供方", "there is no such identity provider")
    return found


def _unavailable() -> Unavailable:
    return Unavailable(
        "身份提供方暂时无法使用，请稍后再试或使用密码登录",
        "the identity provider cannot be used at the moment; try later, or sign in with a password",
    )


def _begin(next_page: str, *, link: str | None = None, confirm: str | None = None) -> str:
    """Begin a way to the provider that the address names, and return where it leads."""
    try:
        address, begun = provider_called(_named()).begin(kit().clock(), next_page, link, confirm)
    except Unreachable as wrong:
        current_app.logger.warning("identity provider %s: %s", _named(), wrong)
        raise _unavailable() from wrong
    session[BEGUN] = asdict(begun)
    return address


def _named() -> str:
    return str((request.view_args or {}).get("provider", ""))


# --- there ------------------------------------------------------------------------------------------


def _way_there(k: Kit, query: Mapping[str, str]) -> str:
    return _begin(own_address(query.get("next")))


@pages.show(
    "/sign-in/with/<provider>",
    who=PUBLIC,
    summary=Text("前往身份提供方", "Sign in elsewhere"),
    ahead=_way_there,
)
def go_there(work: Work, seen: Seen, provider: str) -> Go:
    """Send the browser to the provider."""
    return Go(seen.ahead)


def _way_to_link(k: Kit, form: Mapping[str, str]) -> str | None:
    actor = _signed_in(k)
    return None if actor is NOBODY else _begin("/account/identities", link=actor.login)


def _signed_in(k: Kit) -> Actor:
    with k.database.read() as tx:
        return session_actor(k, tx, k.clock())


def _way_to_confirm(k: Kit, query: Mapping[str, str]) -> str | None:
    actor = _signed_in(k)
    return None if actor is NOBODY else _begin(own_address(query.get("next")), confirm=actor.login)


@pages.show(
    "/confirm/with/<provider>",
    who=SIGNED_IN | {ENROLMENT},
    summary=Text("在身份提供方再次验证", "Confirm elsewhere who you are"),
    ahead=_way_to_confirm,
)
def go_to_confirm(work: Work, seen: Seen, provider: str) -> Go:
    """Send the browser to the provider, which asks the person anew (`prompt=login`, `max_age=0`)."""
    return Go(seen.ahead)


@pages.form(
    "/account/identities/link/<provider>",
    who=SIGNED_IN,
    summary=Text("绑定外部身份", "Link an identity"),
    ahead=_way_to_link,
    step_up=True,
)
def do_begin_link(work: Work, seen: Seen, provider: str) -> Page:
    """Show the way to the provider; a form may not lead to another site by itself (CSP form-action)."""
    name = provider_called(provider).settings.name
    return Page("accounts/identity_go.html", {"address": seen.ahead, "provider": name})


# --- and back ---------------------------------------------------------------------------------------


def _brought_back(k: Kit, query: Mapping[str, str]) -> tuple[Begun, Proven] | NotGood:
    """Return what the browser began and whom the provider vouches for, or why nothing is proven."""
    kept = session.pop(BEGUN, None)
    try:
        begun = Begun(**kept) if kept else None
        if begun is None or begun.provider != _named():
            raise NotGood("not begun here")
        return begun, provider_called(_named()).finish(begun, query, k.clock())
    except NotGood as wrong:
        current_app.logger.warning("sign-in with %s refused: %s", _named(), wrong)
        return wrong
    except Unreachable as wrong:
        current_app.logger.warning("identity provider %s: %s", _named(), wrong)
        raise _unavailable() from wrong


@pages.show(
    "/sign-in/back/<provider>",
    who=PUBLIC,
    summary=Text("从身份提供方返回", "Back from elsewhere"),
    ahead=_brought_back,
    writes=True,
)
def come_back(work: Work, seen: Seen, provider: str) -> Page | Go:
    """Sign in whom the provider vouches for, or link the identity to who is signed in."""
    if isinstance(seen.ahead, NotGood):
        note_refusal(work, None)
        return _failed(DENIED if seen.ahead.denied else FORGED, 400)
    begun, proven = seen.ahead
    if begun.link is not None:
        return _linked(work, begun, proven)
    if begun.confirm is not None:
        return _confirmed(work, begun, proven)
    cookie = sign_in_by(work, proven)
    if cookie is None:
        return _failed(UNKNOWN, 403)
    sign_out(work, session_cookie(kit()))
    renew_form_tokens()
    renew_cookie(cookie)
    session[CAME_BY] = provider
    return Go(own_address(begun.next))


def _linked(work: Work, begun: Begun, proven: Proven) -> Page | Go:
    """Link only where who began it is still signed in: an identity is never pushed onto somebody else."""
    if work.actor.login != begun.link:
        return _failed(FORGED, 400)
    link_own(work, proven)
    return Go("/account/identities", Text("身份已绑定", "The identity is linked"))


def _confirmed(work: Work, begun: Begun, proven: Proven) -> Page | Go:
    cookie = confirm_by(work, session_cookie(kit()), proven) if work.actor.login == begun.confirm else None
    if cookie is None:
        return _failed(FORGED, 400)
    renew_cookie(cookie)
    done = Text("已再次验证身份", "You have confirmed who you are")
    return Go(own_address(begun.next), done)


def _failed(why: Text, status: int) -> Page:
    return Page("accounts/identity_failed.html", {"why": why}, status)


# --- linked identities ------------------------------------------------------------------------------


@pages.show("/account/identities", who=SIGNED_IN, summary=Text("我的外部身份", "My identities elsewhere"))
def own_identities(work: Work, seen: Seen) -> Page:
    """Show by which identities one may sign in."""
    return Page("accounts/identities.html", _listed(work, work.actor.login))


@pages.form(
    "/account/identities/<id>/unlink",
    who=SIGNED_IN,
    summary=Text("解除绑定", "Unlink an identity"),
    step_up=True,
)
def do_unlink_own(work: Work, seen: Seen, id: str) -> Go:
    """Forget an identity of one's own; whoever is signed in anywhere signs in anew."""
    unlink(work, work.actor.login, id)
    return Go("/sign-in", Text("已解除绑定，请重新登录", "The identity is unlinked; sign in again"))


@pages.show("/accounts/<login>/identities", who=KEEPERS, summary=Text("账号的外部身份", "Identities"))
def identities_page(work: Work, seen: Seen, login: str) -> Page:
    """Show by which identities somebody may sign in."""
    find_account(work, login)
    return Page("accounts/identities.html", _listed(work, login))


@pages.form(
    "/accounts/<login>/identities",
    who=KEEPERS,
    summary=Text("为账号绑定身份", "Link an identity for somebody"),
    again=identities_page,
    step_up=True,
)
def do_link(work: Work, seen: Seen, login: str) -> Go:
    """Link an identity to somebody's account."""
    validate("request/account_identity", seen.given)
    link_for(work, login, seen.given["provider"], seen.given["subject"])
    return Go(f"/accounts/{login}/identities", Text("身份已绑定", "The identity is linked"))


@pages.form(
    "/accounts/<login>/identities/<id>/unlink",
    who=KEEPERS,
    summary=Text("解除账号的绑定", "Unlink somebody's identity"),
    step_up=True,
)
def do_unlink(work: Work, seen: Seen, login: str, id: str) -> Go:
    """Forget an identity of somebody."""
    unlink(work, login, id)
    return Go(f"/accounts/{login}/identities", Text("已解除绑定", "The identity is unlinked"))


def _listed(work: Work, login: str) -> dict[str, Any]:
    rows = named_identities(work, login)
    providers = {p.id: p.name for p in work.settings.security.oidc}
    return {"rows": rows, "providers": providers, "login": login, "own": login == work.actor.login}


# --- out --------------------------------------------------------------------------------------------


def _way_out(k: Kit, query: Mapping[str, str]) -> str:
    back = f"{k.settings.platform.control_url}/sign-in"
    try:
        return provider_called(_named()).way_out(k.clock(), back) or "/sign-in"
    except Unreachable as wrong:
        raise _unavailable() from wrong


@pages.show(
    "/sign-out/with/<provider>",
    who=PUBLIC,
    summary=Text("同时退出身份提供方", "Sign out elsewhere"),
    ahead=_way_out,
)
def go_out(work: Work, seen: Seen, provider: str) -> Go:
    """Send the browser to where the provider ends its own session."""
    return Go(seen.ahead)
