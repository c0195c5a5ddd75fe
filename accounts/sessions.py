"""Sign-in and sessions: 256 random bits in a cookie, their digest in the database, two time limits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from accounts import store
from accounts.model import ACTIVE, TOUCH_AFTER, Session, is_live, is_locked, tidy_login
from accounts.passwords import verify_password
from accounts.people import account_of, count_failure, note
from audit.log import record
from core.db import Database, on_commit
from core.errors import NotFound
from core.ids import digest, new_id, new_secret
from core.settings import Settings
from core.times import millis
from core.work import Actor, Work

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in whose slow part is done: the password is checked, nothing is decided."""

    login: str
    checked_against: str | None
    verified: bool


def check_attempt(database: Database, login: str, password: str) -> Attempt:
    """Check a password while no transaction is open; takes as long for a login that nobody has.

    Raises TooMany when the platform is busy with other attempts.
    """
    tidy = tidy_login(login)
    with database.read() as tx:
        account = store.account(tx, tidy)
    known = account.password_hash if account else None
    return Attempt(tidy, known, verify_password(known, password))


def sign_in(work: Work, attempt: Attempt) -> str | None:
    """Decide on an attempt and return the cookie of a new session; None when it fails.

    Whoever asks cannot tell why it failed: no such login, wrong password, locked and disabled are one answer.
    Failures are counted in this transaction, so attempts made side by side count one by one.
    """
    account = store.account(work.tx, attempt.login, lock=True)
    if account is None:
        record(work, "account.sign_in_failed", {"account": None, "at": "sign_in", "locked": False})
        return None
    fits = attempt.verified and attempt.checked_against == account.password_hash
    if not fits or account.state != ACTIVE or is_locked(account, work.now):
        count_failure(work, account, "sign_in")
        return None
    store.update_account(work.tx, account.login, failed_count=0, failed_since=None, locked_until=None)
    return start_session(work, account.login)


def start_session(work: Work, login: str) -> str:
    """Open a session for a person and return its cookie, which is kept nowhere. Raises NotFound."""
    account = account_of(work, login)
    cookie = new_secret()
    session = Session(new_id(millis(work.now)), account.login, work.now, work.now, None)
    store.insert_session(work.tx, session, digest(cookie))
    store.update_account(work.tx, account.login, last_seen_at=work.now)
    note(work.acting_as(account.actor), "signed_in", account)
    return cookie


def actor_of_session(settings: Settings) -> Callable[[Connection, str, datetime], Actor | None]:
    """Return the look-up of whom a session cookie stands for at an instant; None when for nobody."""
    idle, most = _limits(settings)

    def look_up(tx: Connection, cookie: str, now: datetime) -> Actor | None:
        found = store.session_and_account(tx, digest(cookie))
        if found is None or found[1].state != ACTIVE or not is_live(found[0], now, idle, most):
            return None
        if now - found[0].last_seen_at >= TOUCH_AFTER:
            on_commit(tx, lambda: _touch(tx, found[0], now))
        return found[1].session_actor

    return look_up


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


def live_sessions(work: Work) -> list[Session]:
    """Return where the actor is signed in now, the newest first."""
    idle, most = _limits(work.settings)
    found = store.open_sessions(work.tx, work.actor.login)
    return [s for s in found if is_live(s, work.now, idle, most)]


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


def session_id_of(work: Work, cookie: str) -> str | None:
    """Return the id of the session that a cookie belongs to, None when it belongs to none."""
    found = store.session_and_account(work.tx, digest(cookie))
    return found[0].id if found else None
