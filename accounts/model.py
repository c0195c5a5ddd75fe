"""People, their sessions and their API tokens, and the pure questions one can ask of them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.administrators import ADMINISTRATORS
from core.text import Text
from core.times import SHANGHAI
from core.work import Actor

ACTIVE, DISABLED = "active", "disabled"
STATES = {ACTIVE: Text("已启用", "active"), DISABLED: Text("已停用", "disabled")}

RESERVED = frozenset(
    {
        *ADMINISTRATORS,
        "platform_manager",
        "steering_office",
        "steering_group",
        "dispute_body",
        "rectifier",
        "offline_approver",
        "operator",
        "dispatcher",
        "supervisor",
        "leader",
        "superior",
        "business_environment",
        "discipline",
        "emergency_office",
    }
)
"""Roles that take two to give or take: an administrator proposes, a security administrator decides."""

FAILURES_MOST = 5
FAILURE_WINDOW = timedelta(minutes=15)
LOCK = timedelta(minutes=15)
"""Five failures within the window lock the account for that long (GB/T 22239-2019, 8.1.4.1 b)."""

SESSIONS_MOST = 5
"""Signing in once more ends the oldest of so many sessions."""

PASSWORD, TOTP, PASSKEY, RECOVERY = "pwd", "otp", "passkey", "recovery"
PROVIDER, ELSEWHERE = "oidc", "mfa"
"""How people prove who they are; the last two to an identity provider: with one factor, with two."""
SECOND_FACTORS = frozenset({TOTP, PASSKEY, RECOVERY, ELSEWHERE})

TOUCH_AFTER = timedelta(minutes=1)
"""A session's `last_seen_at` is this coarse, so that reading a page seldom writes."""


@dataclass(frozen=True, slots=True)
class Tries:
    """How often something was tried in vain, since when, and until when nothing is tried any more."""

    count: int = 0
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in, and how their last attempts went."""

    login: str
    name: str
    department: str
    roles: frozenset[str]
    pseudonym: str
    password_hash: str | None
    """None for an account that nobody can sign in to with a password."""
    state: str
    must_change: bool
    """Whether the password is a one-time password."""
    failed_count: int
    failed_since: datetime | None
    locked_until: datetime | None
    created_at: datetime
    changed_at: datetime
    last_seen_at: datetime | None
    valid_until: datetime | None = None
    """From when on nobody uses the account; None: it has no end."""
    password_set_at: datetime | None = None
    signed_in_at: datetime | None = None
    """When the person last completed a sign-in."""
    opened_by: str | None = None
    """Who else set the password, as long as nobody has vouched for the account (`accounts.vouching`)."""

    @property
    def is_active(self) -> bool:
        """Whether the person may sign in."""
        return self.state == ACTIVE

    @property
    def admin_role(self) -> str | None:
        """Which of the three administrators the person is."""
        return next(iter(self.roles & ADMINISTRATORS), None)

    @property
    def tries(self) -> Tries:
        """How the last tries went in browsers in which the person never signed in."""
        return Tries(self.failed_count, self.failed_since, self.locked_until)

    @property
    def last_day(self) -> date | None:
        """The last day on which the account may be used (Beijing time); None: it has no end."""
        if self.valid_until is None:
            return None
        return (self.valid_until - timedelta(seconds=1)).astimezone(SHANGHAI).date()

    @property
    def actor(self) -> Actor:
        """The person as use cases know them."""
        return Actor(self.login, self.name, self.department, self.roles, self.pseudonym)

    def actor_with(self, role: str) -> Actor:
        """The person with one role alone, such as the one of a sign-in that is not complete.

        They belong to no department meanwhile: pages for everybody show them what everybody sees.
        """
        return Actor(self.login, self.name, "", frozenset({role}), self.pseudonym)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that somebody signed in with."""

    id: str
    login: str
    created_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    amr: frozenset[str] = frozenset({PASSWORD})
    """How the person proved who they are (the word is from RFC 8176)."""
    confirmed_at: datetime | None = None
    """When they last did."""

    @property
    def has_second_factor(self) -> bool:
        """Whether one of the proofs was a second factor."""
        return not self.amr.isdisjoint(SECOND_FACTORS)


@dataclass(frozen=True, slots=True)
class PersonToken:
    """A bearer token that acts as a person, for scripts."""

    id: str
    login: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    confirmed: bool = True
    """Whether it opens what wants a fresh proof of who asks."""


def tidy_login(typed: str) -> str:
    """Return the one form of a login: width, case and outer blanks do not matter, nor for counting."""
    return unicodedata.normalize("NFKC", typed[:200]).strip().casefold()[:80]


def is_locked(tries: Tries, now: datetime) -> bool:
    """Tell whether too many failures keep somebody out at `now`."""
    return tries.until is not None and now < tries.until


def in_force(account: Account, now: datetime) -> bool:
    """Tell whether an account is in use at `now`: nobody shut it, and it has not come to its end."""
    return account.is_active and (account.valid_until is None or now < account.valid_until)


def is_dormant(account: Account, now: datetime, idle_days: int | None) -> bool:
    """Tell whether an account lay idle for too long: not used, and not touched by whoever keeps accounts."""
    last = max(filter(None, (account.changed_at, account.last_seen_at)))
    return idle_days is not None and now - last >= timedelta(days=idle_days)


def is_password_old(account: Account, now: datetime, max_days: int | None) -> bool:
    """Tell whether a password served too long and must be changed."""
    since = account.password_set_at
    return max_days is not None and since is not None and now - since >= timedelta(days=max_days)


def after_failure(tries: Tries, now: datetime) -> Tries:
    """Return how the tries stand after one more failure at `now`."""
    fresh = tries.since is None or now - tries.since > FAILURE_WINDOW
    count = 1 if fresh else tries.count + 1
    since = now if fresh else tries.since
    return Tries(count, since, now + LOCK if count >= FAILURES_MOST else None)


def is_live(session: Session, now: datetime, idle: timedelta, most: timedelta) -> bool:
    """Tell whether a session counts at `now`: not ended, not idle for `idle`, not older than `most`."""
    if session.ended_at is not None:
        return False
    return now < session.last_seen_at + idle and now < session.created_at + most
