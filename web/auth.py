"""Who is asking: a bearer token for scripts, a session cookie for browsers, or nobody; and who gets in.

A person whose sign-in is not complete yet holds one role alone, which opens the page where it is completed.
Some routes want more than a sign-in: that the person proved who they are a moment ago (step-up).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import g, request
from sqlalchemy import Connection

from core.errors import NotPermitted, Unauthenticated
from core.networks import address_of
from core.settings_security import COMMANDING, Security
from core.text import Text
from core.work import Actor, Work
from web.kit import Kit

NOBODY = Actor("", "", "", frozenset(), "nobody")
"""Somebody who has not signed in."""

PUBLIC = frozenset({"public"})
"""Routes that anybody may use."""
SIGNED_IN = frozenset({"signed_in"})
"""Routes for everybody with an account, whatever the role."""

PASSWORD_CHANGE = "password_change"
"""The one role of somebody with a one-time password, or one that served too long, until it is changed."""
SECOND_FACTOR = "second_factor"
"""The one role of somebody whose password was right and who has yet to show a second factor."""
UNVOUCHED = "unvouched"
"""The one role of somebody whose password another person set, until somebody has vouched for them."""
ENROLMENT = "enrolment"
"""The one role of somebody who must have a second factor and has none, until they set one up."""

UNFINISHED = {
    PASSWORD_CHANGE: Text("请先修改密码", "change the password first"),
    SECOND_FACTOR: Text("请先完成双因素登录", "show the second factor first"),
    UNVOUCHED: Text(
        "账号由他人开通或重置过密码，须经安全管理员向您核实后方可使用",
        "somebody else made your account or reset its password: a security administrator asks you first",
    ),
    ENROLMENT: Text("请先设置双因素登录", "set up a second factor first"),
}
"""What is left to do before a sign-in is complete."""

FRESH = timedelta(minutes=5)
"""How long a proof of who one is serves for decisions, exports, unmasking, keys and accounts."""
STEP_UP = "step_up_required"
"""The code of the refusal of somebody whose last proof is older than that."""


def cookie_name(kit: Kit) -> str:
    """Return the session cookie's name; the prefix makes browsers enforce Secure and no Domain."""
    return "__Host-sid" if kit.settings.secure_cookies else "sid"


def session_cookie(kit: Kit) -> str:
    """Return the cookie of the browser's session: the one that it brought, or the one that replaces it."""
    renewed: str | None = g.get("renewed_cookie")
    return request.cookies.get(cookie_name(kit), "") if renewed is None else renewed


def renew_cookie(cookie: str) -> None:
    """Go on with another session for the rest of this request; `web.pages` hands over its cookie."""
    g.renewed_cookie = cookie


def bearer_actor(kit: Kit, tx: Connection, now: datetime) -> Actor:
    """Return whom the Authorization header stands for. Raises Unauthenticated when it stands for nobody."""
    headers = request.headers.getlist("Authorization")
    if not headers:
        return NOBODY
    scheme, _, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer" or not token.strip() or "," in token:
        raise Unauthenticated(
            "Authorization 头应为一个 Bearer 令牌", "Authorization must hold one bearer token"
        )
    actor = kit.actor_of_token(tx, token.strip(), now)
    if actor is None:
        raise Unauthenticated("令牌无效或已过期", "the token is not valid or has expired")
    return actor


def session_actor(kit: Kit, tx: Connection, now: datetime) -> Actor:
    """Return who is signed in with the browser's session, or NOBODY."""
    cookie = session_cookie(kit)
    return (kit.actor_of_session(tx, cookie, now) if cookie else None) or NOBODY


def admits(who: frozenset[str], actor: Actor) -> bool:
    """Tell whether a route for `who` admits an actor."""
    if "public" in who:
        return True
    if actor is NOBODY or (left_to_do(actor) is not None and left_to_do(actor) not in who):
        return False
    return "signed_in" in who or bool(who & actor.roles)


def left_to_do(actor: Actor) -> str | None:
    """Return what somebody must do to complete their sign-in (a key of `UNFINISHED`), None when nothing."""
    return next((step for step in UNFINISHED if actor.has(step)), None)


def enter(work: Work, who: frozenset[str], *, step_up: bool) -> None:
    """Refuse an actor whom a route for `who` does not let in here and now.

    Raises Unauthenticated or NotPermitted; with `step_up` also when the last proof of who it is is too old.
    """
    admit(work.actor, who)
    if "public" not in who and not work.actor.roles.isdisjoint(COMMANDING):
        _refuse_from_afar(work.settings.security)
    if step_up:
        demand_fresh(work.actor, work.now)


def admit(actor: Actor, who: frozenset[str]) -> None:
    """Refuse an actor whose roles do not open a route. Raises Unauthenticated or NotPermitted."""
    if admits(who, actor):
        return
    step = left_to_do(actor)
    if actor is NOBODY:
        raise Unauthenticated("请先登录", "sign in first")
    if step == UNVOUCHED:  # there is nothing that the person could do about it
        raise NotPermitted(*UNFINISHED[step], code=step)
    if step is not None:
        raise Unauthenticated(*UNFINISHED[step], code=step)
    raise NotPermitted("您的角色不能使用此功能", "your role may not use this")


def _refuse_from_afar(security: Security) -> None:
    """Let those who manage and review come from the networks alone that the deployment names, if it does."""
    address = address_of(request.remote_addr or "")
    if security.admin_networks and not any(address in n for n in security.admin_networks if address):
        raise NotPermitted(
            "管理和审计账号只能从指定网段使用",
            "accounts that manage or review are used from the networks named for them alone",
            code="admin_address",
        )


def is_fresh(actor: Actor, now: datetime) -> bool:
    """Tell whether somebody proved who they are within the last five minutes."""
    return actor.confirmed_at is not None and now - actor.confirmed_at < FRESH


def demand_fresh(actor: Actor, now: datetime) -> None:
    """Refuse somebody whose last proof of who they are is too old. Raises Unauthenticated."""
    if not is_fresh(actor, now):
        raise Unauthenticated(
            "此操作须先再次验证身份", "this wants a fresh proof of who you are", code=STEP_UP
        )
