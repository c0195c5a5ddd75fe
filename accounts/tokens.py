"""A person's API tokens: bearer tokens for scripts that act as that person."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from accounts import store
from accounts.model import PersonToken, in_force
from accounts.people import account_of, note
from core.errors import Conflict, NotFound, invalid
from core.ids import digest, new_id, new_secret
from core.times import millis
from core.work import Actor, Work

PREFIX = "sxp_"
"""Lets a scanner of leaked secrets recognise the tokens."""
HOURS_MOST = 24 * 400


def issue_token(work: Work, login: str, hours: int = 24, *, confirmed: bool = True) -> str:
    """Return a new token that acts as a person for some hours; it is kept nowhere.

    Unless it is `confirmed` it opens nothing that wants a fresh proof of who asks. Raises NotFound, Conflict
    for a disabled account, Invalid for less than one hour or more than 400 days.
    """
    account = account_of(work, login)
    if not in_force(account, work.now):
        raise Conflict("账号已停用", "the account is disabled", code="account_disabled")
    if not 1 <= hours <= HOURS_MOST:
        raise invalid("/hours", f"应为 1 到 {HOURS_MOST} 小时", f"must be 1 to {HOURS_MOST} hours")
    token = PREFIX + new_secret()
    end = work.now + timedelta(hours=hours)
    new = PersonToken(new_id(millis(work.now)), account.login, work.now, end, None, confirmed)
    store.insert_token(work.tx, new, digest(token))
    note(work, "token_issued", account, hours=hours, confirmed=confirmed)
    return token


def actor_of_token(tx: Connection, token: str, now: datetime) -> Actor | None:
    """Return whom a token stands for at an instant, None when for nobody (any more)."""
    found = store.token_and_account(tx, digest(token)) if token.startswith(PREFIX) else None
    if found is None or not in_force(found[1], now):
        return None
    kept, account = found
    live = kept.ended_at is None and now < kept.expires_at
    proven = now if kept.confirmed else None
    return replace(account.actor, confirmed_at=proven) if live else None


def live_tokens(work: Work) -> list[PersonToken]:
    """Return the actor's own tokens that work now, the newest first."""
    return [t for t in store.open_tokens(work.tx, work.actor.login) if work.now < t.expires_at]


def end_token(work: Work, token_id: str) -> None:
    """End one of the actor's own tokens. Raises NotFound."""
    account = account_of(work, work.actor.login)
    if token_id not in {t.id for t in store.open_tokens(work.tx, account.login)}:
        raise NotFound("没有这个令牌", "there is no such token")
    store.end_token(work.tx, token_id, work.now)
    note(work, "token_ended", account)
