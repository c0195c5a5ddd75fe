"""Who may sign in by which identity elsewhere: issuer and subject lead to an account that is there already.

Nobody gets an account by signing in, and an e-mail address proves nothing. People link an identity of their
own by going there and back. An administrator may link one for somebody. It might be the administrator's own:
so it signs nobody in until a security administrator vouches for it, and roles that take two are not given
to an account that has one.
"""

from __future__ import annotations

from collections.abc import Sequence

from accounts import store as accounts_store
from accounts.factors.store import has_factor
from accounts.managing import managed, must_look
from accounts.model import ELSEWHERE, PROVIDER, Account, in_force, is_dormant
from accounts.oidc import store
from accounts.oidc.provider import Proven
from accounts.oidc.store import Identity
from accounts.people import LINKED as TOLD
from accounts.people import account_of, note, tell_department
from accounts.roles.model import LINKED
from accounts.roles.proposing import hold_back
from accounts.sessions import renew_session, session_of, start_session_proven
from accounts.vouching import tell_deciders
from audit.log import record
from core.errors import Conflict, NotFound, invalid
from core.ids import new_id
from core.text import Text
from core.times import millis
from core.work import Work

MOST = 5
"""Identities of one account."""


def sign_in_by(work: Work, proven: Proven) -> str | None:
    """Return the cookie of a new session of whoever has this identity; None when nobody may sign in by it."""
    identity = store.identity_of(work.tx, proven.issuer, proven.subject)
    account = accounts_store.account(work.tx, identity.login, lock=True) if identity else None
    if identity is None or not identity.is_good or account is None or not _is_open(work, account):
        note_refusal(work, account)
        return None
    store.touch_identity(work.tx, identity.id, work.now)
    amr = frozenset({PROVIDER, ELSEWHERE} if proven.two_factors else {PROVIDER})
    return start_session_proven(work, account.login, amr, proven.at)


def confirm_by(work: Work, cookie: str, proven: Proven) -> str | None:
    """Take what a provider just saw as a fresh proof of who is signed in; return the cookie to go on with.

    None where the identity is not the actor's, or where they have a second factor here and the provider asked
    for one.
    """
    identity = store.identity_of(work.tx, proven.issuer, proven.subject)
    account = account_of(work, work.actor.login)
    is_theirs = identity is not None and identity.is_good and identity.login == account.login
    is_enough = proven.two_factors or not has_factor(work.tx, account.login)
    if not is_theirs or not is_enough or session_of(work, cookie) is None:
        note_refusal(work, account)
        return None
    proof = ELSEWHERE if proven.two_factors else PROVIDER
    note(work, "confirmed", account, by=proof)
    return renew_session(work, cookie, proof, proven.at)


def ways_to_confirm(work: Work) -> dict[str, Text]:
    """Return the providers at which the actor may prove anew who they are, by id."""
    good = {i.issuer for i in store.identities(work.tx, work.actor.login) if i.is_good}
    return {p.id: p.name for p in work.settings.security.oidc if p.issuer in good}


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
    account = managed(work, login)
    known = next((p for p in work.settings.security.oidc if p.id == provider), None)
    if known is None:
        raise invalid("/provider", "没有这个身份提供方", "there is no such provider", code="unknown")
    identity = _link(work, account, known.issuer, subject)
    hold_back(work, account, LINKED)
    if not identity.is_good:
        tell_deciders(work, account)
        tell_department(work, account.department, TOLD)
    return identity


def unlink(work: Work, login: str, identity_id: str) -> None:
    """Forget an identity, of oneself or of somebody whose account one keeps; its sessions end.

    Raises NotFound, NotPermitted.
    """
    account = account_of(work, login) if login == work.actor.login else managed(work, login)
    known = {i.id: i for i in store.identities(work.tx, account.login)}
    if identity_id not in known:
        raise NotFound("没有绑定这个身份", "no such identity is linked")
    store.delete_identity(work.tx, identity_id)
    accounts_store.end_sessions(work.tx, account.login, work.now)
    note(work, "identity_unlinked", account, issuer=known[identity_id].issuer)


def identities_of(work: Work, login: str) -> Sequence[Identity]:
    """Return the identities of oneself, or of somebody whose account one sees. Raises NotPermitted."""
    if login != work.actor.login:
        must_look(work)
    return store.identities(work.tx, login)


def named_identities(work: Work, login: str) -> list[tuple[Identity, Text]]:
    """Return the same with what the deployment calls the provider of each."""
    known = {p.issuer: p.name for p in work.settings.security.oidc}
    return [(i, known.get(i.issuer, Text(i.issuer, i.issuer))) for i in identities_of(work, login)]


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
