"""Who is asking: a bearer token for scripts, a session cookie for browsers, or nobody."""

from __future__ import annotations

from datetime import datetime

from flask import request
from sqlalchemy import Connection

from core.errors import NotPermitted, Unauthenticated
from core.work import Actor
from web.kit import Kit

NOBODY = Actor("", "", "", frozenset(), "nobody")
"""Somebody who has not signed in."""

PUBLIC = frozenset({"public"})
"""Routes that anybody may use."""
SIGNED_IN = frozenset({"signed_in"})
"""Routes for everybody with an account, whatever the role."""
PASSWORD_CHANGE = "password_change"
"""The one role of somebody who signed in with a one-time password: nothing else opens until it is changed."""


def cookie_name(kit: Kit) -> str:
    """Return the session cookie's name; the prefix makes browsers enforce Secure and no Domain."""
    return "__Host-sid" if kit.settings.secure_cookies else "sid"


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
    cookie = request.cookies.get(cookie_name(kit))
    return (kit.actor_of_session(tx, cookie, now) if cookie else None) or NOBODY


def admits(who: frozenset[str], actor: Actor) -> bool:
    """Tell whether a route for `who` admits an actor."""
    if "public" in who:
        return True
    if actor is NOBODY or (actor.has(PASSWORD_CHANGE) and PASSWORD_CHANGE not in who):
        return False
    return "signed_in" in who or bool(who & actor.roles)


def admit(actor: Actor, who: frozenset[str]) -> None:
    """Refuse an actor whom a route does not admit. Raises Unauthenticated or NotPermitted."""
    if admits(who, actor):
        return
    if actor is NOBODY:
        raise Unauthenticated("请先登录", "sign in first")
    if actor.has(PASSWORD_CHANGE):
        raise Unauthenticated(
            "请先修改一次性密码", "change the one-time password first", code=PASSWORD_CHANGE
        )
    raise NotPermitted("您的角色不能使用此功能", "your role may not use this")
