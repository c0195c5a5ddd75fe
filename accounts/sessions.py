"""Sign-in and sessions: 256 random bits in a cookie, their digest in the database, two time limits.

Whoever proves something more - a second factor, or once more who they are - goes on in a session with another
cookie; the one before is at an end (`renew_session`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from accounts import store
from accounts.factors.store import has_factor
from accounts.guessing import Client, count_for_address, key_of, must_not_flood, tries_under
from accounts.model import (
    PASSWORD,
    SECOND_FACTORS,
    SESSIONS_MOST,
    TOUCH_AFTER,
    Account,
    Session,
    in_force,
    is_dormant,
    is_live,
    is_locked,
    is_password_old,
    tidy_login,
)
from accounts.passwords import verify_password
from accounts.people import account_of, count_failure, note
from audit.log import record
from core.db import Database, on_commit
from core.errors import NotFound
from core.ids import digest, new_id, new_secret
from core.settings import Settings
from core.times import millis
from core.work import Actor, Work
from web.auth import ENROLMENT, PASSWORD_CHANGE, SECOND_FACTOR, UNVOUCHED

_log = logging.getLogger(__name__)


SOMEWHERE = Client()
"""A browser of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in whose slow part is done: the password is checked, nothing is decided."""

    login: str
    checked_against: str | None
    verified: bool


def must_be_heard(work: Work, login: str, client: Client) -> None:
    """Refuse an address from which too much failed lately, before a password is hashed for it.

    A browser that is known has a count of its own: nobody else shuts it out, only failing too often itself.
    Raises TooMany.
    """
    key = key_of(work.settings, tidy_login(login), client)
    if key is None or is_locked(store.tries(work.tx, key), work.now):
        must_not_flood(work, client)


def check_attempt(database: Database, login: str, password: str) -> Attempt:
    """Check a password while no transaction is open; takes as long for a login that nobody has.

    It is hashed for an account that is locked or shut as well: an answer that came sooner would tell a
    stranger which logins there are. `must_be_heard` and `one_of_few` bound it; neither looks at an account.
    Raises TooMany when the platform is busy with other attempts.
    """
    tidy = tidy_login(login)
    with database.read() as tx:
        account = store.account(tx, tidy)
    known = account.password_hash if account else None
    return Attempt(tidy, known, verify_password(known, password))


def sign_in(work: Work, attempt: Attempt, client: Client = SOMEWHERE) -> str | None:
    """Decide on an attempt and return the cookie of a new session; None when it fails.

    Whoever asks cannot tell why it failed: no such login, wrong password, locked and shut are one answer.
    Failures are counted in this transaction, so attempts made side by side count one by one. A right password
    does not wipe out those of codes. Raises TooMany for an address from which too much failed.
    """
    must_be_heard(work, attempt.login, client)
    account = store.account(work.tx, attempt.login, lock=True)
    key = None if account is None else key_of(work.settings, account.login, client)
    if account is None:
        count_for_address(work, client)
        record(work, "account.sign_in_failed", {"account": None, "at": "sign_in", "locked": False})
        return None
    fits = attempt.verified and attempt.checked_against == account.password_hash
    if not fits or not may_sign_in(work, account, key):
        count_for_address(work, client)
        count_failure(work, account, "sign_in", key)
        return None
    if key is not None:
        store.forget_tries(work.tx, key)
    return start_session(work, account.login)


def may_sign_in(work: Work, account: Account, key: str | None) -> bool:
    """Tell whether an account is open: in use, not idle for too long, not locked for those under `key`."""
    idle_days = work.settings.security.account_idle_days
    open_now = in_force(account, work.now) and not is_dormant(account, work.now, idle_days)
    return open_now and not is_locked(tries_under(work, account, key), work.now)


def start_session(work: Work, login: str, amr: frozenset[str] = frozenset({PASSWORD})) -> str:
    """Open a session for a person who just proved `amr`; return its cookie, which is kept nowhere.

    The oldest of the person's sessions ends when there are too many. Raises NotFound.
    """
    return start_session_proven(work, login, amr, work.now)


def start_session_proven(work: Work, login: str, amr: frozenset[str], proven_at: datetime | None) -> str:
    """Do what `start_session` does for who proved it at another time; None: nobody knows when."""
    account = account_of(work, login)
    _end_oldest(work, account)
    complete = bool(amr & SECOND_FACTORS) or not has_factor(work.tx, account.login)
    if complete:
        _signed_in(work, account)
    now = work.now
    cookie = _insert(work, Session(new_id(millis(now)), account.login, now, now, None, amr, proven_at))
    kind = "signed_in" if complete else "second_factor_asked"
    note(work.acting_as(account.actor), kind, account, amr=sorted(amr))
    return cookie


def renew_session(work: Work, cookie: str, proof: str | None, proven_at: datetime | None = None) -> str:
    """Go on from the session of `cookie` in a fresh one, to which `proof` was added; return its cookie.

    It was just added unless `proven_at` says when. Without a proof nothing counts as proven anew. Raises
    NotFound when the session is nobody's.
    """
    found = store.session_and_account(work.tx, digest(cookie))
    if found is None:
        raise NotFound("没有这个登录会话", "there is no such session")
    before, account = found
    store.end_session(work.tx, before.id, work.now)
    fresh = replace(before, id=new_id(millis(work.now)), last_seen_at=work.now)
    if proof is not None:
        fresh = replace(fresh, amr=before.amr | {proof}, confirmed_at=proven_at or work.now)
        _signed_in(work, account)
    return _insert(work, fresh)


def _insert(work: Work, session: Session) -> str:
    cookie = new_secret()
    store.insert_session(work.tx, session, digest(cookie))
    return cookie


def _signed_in(work: Work, account: Account) -> None:
    """Note a sign-in that is complete: what failed before does not count any more."""
    seen = {"last_seen_at": work.now, "signed_in_at": work.now}
    store.update_account(work.tx, account.login, failed_count=0, failed_since=None, locked_until=None, **seen)


def _end_oldest(work: Work, account: Account) -> None:
    live = _live(work, account.login)
    for session in live[SESSIONS_MOST - 1 :]:
        store.end_session(work.tx, session.id, work.now)
    if live[SESSIONS_MOST - 1 :]:
        ended = len(live) - SESSIONS_MOST + 1
        note(work.acting_as(account.actor), "session_ended", account, sessions_ended=ended)


def actor_of_session(settings: Settings) -> Callable[[Connection, str, datetime], Actor | None]:
    """Return the look-up of whom a session cookie stands for at an instant; None when for nobody."""
    idle, most = _limits(settings)

    def look_up(tx: Connection, cookie: str, now: datetime) -> Actor | None:
        found = store.session_and_account(tx, digest(cookie))
        if found is None or not in_force(found[1], now) or not is_live(found[0], now, idle, most):
            return None
        session, account = found
        if now - session.last_seen_at >= TOUCH_AFTER:
            on_commit(tx, lambda: _touch(tx, session, now))
        left = _left_to_do(settings, tx, session, account, now)
        actor = account.actor if left is None else account.actor_with(left)
        return replace(actor, confirmed_at=session.confirmed_at)

    return look_up


def _left_to_do(
    settings: Settings, tx: Connection, session: Session, account: Account, now: datetime
) -> str | None:
    """Return what a person must do before their sign-in is complete (`web.auth.UNFINISHED`), or None."""
    security = settings.security
    if not session.has_second_factor and has_factor(tx, account.login):
        return SECOND_FACTOR
    old = is_password_old(account, now, security.password_max_days)
    if PASSWORD in session.amr and (account.must_change or old):
        return PASSWORD_CHANGE
    if PASSWORD in session.amr and account.opened_by is not None:
        return UNVOUCHED
    must = not account.roles.isdisjoint(security.second_factor)
    return ENROLMENT if must and not session.has_second_factor else None


def _limits(settings: Settings) -> tuple[timedelta, timedelta]:
    platform = settings.platform
    return timedelta(minutes=platform.session_idle_minutes), timedelta(hours=platform.session_hours)


def _touch(tx: Connection, session: Session, now: datetime) -> None:
    """Note in a small write of its own that a session is in use; a busy database only makes it look older."""
    try:
        with tx.engine.begin() as own:
            store.touch_session(own, session, now)
    except OperationalError as busy:
        _log.warning("session %s not touched: %s", session.id, busy.orig)


def sign_out(work: Work, cookie: str) -> None:
    """End the session of a cookie."""
    found = store.session_and_account(work.tx, digest(cookie))
    if found is not None and found[0].ended_at is None:
        store.end_session(work.tx, found[0].id, work.now)
        note(work, "signed_out", found[1])


def last_sign_in(work: Work, login: str) -> datetime | None:
    """Return when a person last completed a sign-in."""
    account = store.account(work.tx, tidy_login(login))
    return account.signed_in_at if account else None


def live_sessions(work: Work) -> list[Session]:
    """Return where the actor is signed in now, the newest first."""
    return _live(work, work.actor.login)


def _live(work: Work, login: str) -> list[Session]:
    idle, most = _limits(work.settings)
    return [s for s in store.open_sessions(work.tx, login) if is_live(s, work.now, idle, most)]


def end_session(work: Work, session_id: str) -> None:
    """End one of the actor's own sessions. Raises NotFound."""
    account = account_of(work, work.actor.login)
    if session_id not in {s.id for s in store.open_sessions(work.tx, account.login)}:
        raise NotFound("没有这个登录会话", "there is no such session")
    store.end_session(work.tx, session_id, work.now)
    note(work, "session_ended", account, sessions_ended=1)


def end_other_sessions(work: Work, cookie: str) -> int:
    """End the actor's sessions but the one of `cookie`; return how many."""
    account = account_of(work, work.actor.login)
    ended = store.end_sessions(work.tx, account.login, work.now, keep=session_id_of(work, cookie))
    note(work, "session_ended", account, sessions_ended=ended)
    return ended


def session_of(work: Work, cookie: str) -> Session | None:
    """Return the session that a cookie belongs to, None when it belongs to none that counts now."""
    found = store.session_and_account(work.tx, digest(cookie))
    return found[0] if found and is_live(found[0], work.now, *_limits(work.settings)) else None


def session_id_of(work: Work, cookie: str) -> str | None:
    """Return the id of the session that a cookie belongs to, None when it belongs to none."""
    found = store.session_and_account(work.tx, digest(cookie))
    return found[0].id if found else None
