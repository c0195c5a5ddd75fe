"""Who may sign in by which identity elsewhere: issuer and subject lead to an account that is there already.

Nobody gets an account by signing in, and an e-mail address proves nothing. People link an identity of their
own by going there and back; an administrator may link one for somebody, which holds back what commands others
until a security administrator agrees: it might be the administrator's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from accounts import store as accounts_store
from accounts.managing import is_out_of_reach, must_manage
from accounts.model import Account, in_force, is_dormant
from accounts.oidc import store
from accounts.oidc.provider import Proven
from accounts.oidc.store import Identity
from accounts.people import account_of, note
from accounts.roles.model import LINKED
from accounts.roles.proposing import hold_back
from accounts.sessions import start_session
from audit.log import record
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import new_id
from core.times import millis
from core.work import Work

MOST = 5
"""Identities of one account."""


def sign_in_by(work: Work, proven: Proven) -> str | None:
    """Return the cookie of a new session of whoever has this identity; None when nobody may sign in by it."""
    identity = store.identity_of(work.tx, proven.issuer, proven.subject)
    account = accounts_store.account(work.tx, identity.login, lock=True) if identity else None
    if identity is None or account is None or not _is_open(work, account):
        note_refusal(work, account)
        return None
    store.touch_identity(work.tx, identity.id, work.now)
    amr = frozenset({"oidc", "mfa"} if proven.two_factors else {"oidc"})
    return start_session(work, account.login, amr)


def _is_open(work: Work, account: Account) -> bool:
    """Tell whether an account is in use. Wrong passwords do not shut this way in: anybody can type them."""
    idle_days = work.settings.security.account_idle_days
    return in_force(account, work.now) and not is_dormant(account, work.now, idle_days)


def note_refusal(work: Work, account: Account | None) -> None:
    """Put on record that somebody came back from a provider and was not let in."""
    known = account.pseudonym if account else None
    record(work, "account.sign_in_failed", {"account": known, "at": "oidc", "locked": False})


def link_own(work: Work, proven: Proven) -> Identity:
    """Link an identity that the actor just proved to be theirs. Raises Conflict where it is somebody's."""
    return _link(work, account_of(work, work.actor.login), proven.issuer, proven.subject)


def link_for(work: Work, login: str, provider: str, subject: str) -> Identity:
    """Link what a provider calls `subject` to somebody else's account.

    Raises NotPermitted, NotFound, Invalid for a provider that the deployment does not know, Conflict.
    """
    account = _managed(work, login)
    known = next((p for p in work.settings.security.oidc if p.id == provider), None)
    if known is None:
        raise invalid("/provider", "没有这个身份提供方", "there is no such provider", code="unknown")
    identity = _link(work, account, known.issuer, subject)
    hold_back(work, account, LINKED)
    return identity


def unlink(work: Work, login: str, identity_id: str) -> None:
    """Forget an identity, of oneself or of somebody whose account one keeps; its sessions end.

    Raises NotFound, NotPermitted.
    """
    account = account_of(work, login) if login == work.actor.login else _managed(work, login)
    known = {i.id: i for i in store.identities(work.tx, account.login)}
    if identity_id not in known:
        raise NotFound("没有绑定这个身份", "no such identity is linked")
    store.delete_identity(work.tx, identity_id)
    accounts_store.end_sessions(work.tx, account.login, work.now)
    note(work, "identity_unlinked", account, issuer=known[identity_id].issuer)


def identities_of(work: Work, login: str) -> Sequence[Identity]:
    """Return the identities of oneself, or of somebody whose account one keeps. Raises NotPermitted."""
    if login != work.actor.login:
        must_manage(work)
    return store.identities(work.tx, login)


def _managed(work: Work, login: str) -> Account:
    must_manage(work)
    account = account_of(work, login)
    if account.login == work.actor.login:
        raise NotPermitted("不能管理自己的账号", "nobody manages their own account")
    if is_out_of_reach(work, account):
        raise NotPermitted(
            "该账号的角色只能由系统管理员管理", "only administrators manage an account with these roles"
        )
    return account


def _link(work: Work, account: Account, issuer: str, subject: str) -> Identity:
    if store.identity_of(work.tx, issuer, subject) is not None:
        raise Conflict("该身份已绑定账号", "this identity is linked already", code="identity_taken")
    if len(store.identities(work.tx, account.login)) >= MOST:
        raise Conflict(
            f"一个账号最多绑定 {MOST} 个身份",
            f"an account has {MOST} identities at most",
            code="too_many_identities",
        )
    new = Identity(new_id(millis(work.now)), issuer, subject, account.login, work.now, work.actor.login)
    store.insert_identity(work.tx, new)
    note(work, "identity_linked", account, issuer=issuer)
    return new
