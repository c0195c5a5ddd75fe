"""A way into an account that somebody else opened serves once a security administrator vouches for it.

Whoever makes an account or resets its password knows the password, and whoever links an identity may hold it:
they could act as the person. So the security administrator asks the person first. A password opens nothing
until then, but for a reset of somebody who has a second factor, which a reset leaves alone; an identity that
somebody else linked signs nobody in.
"""

from __future__ import annotations

from accounts import store
from accounts.factors.store import has_factor
from accounts.model import Account
from accounts.oidc import store as identities
from accounts.people import account_of, note
from accounts.roles.proposing import DECIDERS
from core.errors import Conflict, NotPermitted
from core.ids import new_id
from core.text import Text
from core.times import millis
from core.work import Work
from notices.post import Draft, post_notice

WAITING = Text("有一个账号待核实", "An account waits to be vouched for")
WHAT = Text(
    "他人为该账号设置了密码或绑定了身份。请安全管理员向本人核实。",
    "Somebody else set its password or linked an identity. A security administrator asks the person.",
)


def await_vouching(work: Work, account: Account) -> None:
    """Let the password that the actor just set open nothing until somebody has asked the person.

    At the server's terminal there is nobody above, and somebody with a second factor is asked for that.
    """
    if work.actor.has("system") or has_factor(work.tx, account.login):
        return
    store.update_account(work.tx, account.login, opened_by=work.actor.login)
    tell_deciders(work, account)


def opened_by(work: Work, account: Account) -> list[str]:
    """Return who opened ways into an account that nobody has vouched for yet."""
    openers = {i.linked_by for i in identities.identities(work.tx, account.login) if not i.is_good}
    return sorted(openers if account.opened_by is None else {*openers, account.opened_by})


def may_vouch(work: Work, account: Account) -> bool:
    """Tell whether something of an account waits for the actor: never of their own, or their own doing."""
    openers = opened_by(work, account)
    concerned = {account.login, *openers}
    return bool(openers and work.actor.roles & DECIDERS) and work.actor.login not in concerned


def vouch(work: Work, login: str) -> None:
    """Let the ways that others opened into an account serve; the actor has asked the person.

    Raises NotFound; NotPermitted for who may not; Conflict where nothing waits, or while the password is the
    one that somebody else knows.
    """
    account = account_of(work, login)
    if not opened_by(work, account):
        raise Conflict("该账号没有待核实的事项", "nothing of this account waits", code="wrong_state")
    if not may_vouch(work, account):
        raise NotPermitted(
            "由未经手的安全管理员核实",
            "a security administrator who had no part in it vouches for an account",
        )
    if account.must_change:
        raise Conflict(
            "本人尚未更改一次性密码，请在其更改后再核实",
            "the person has still to change a one-time password; vouch after that",
            code="not_taken_over",
        )
    store.update_account(work.tx, account.login, opened_by=None)
    identities.vouch_for_identities(work.tx, account.login, work.actor.login)
    ended = store.end_sessions(work.tx, account.login, work.now)
    note(work, "vouched_for", account, sessions_ended=ended)


def tell_deciders(work: Work, account: Account) -> None:
    """Tell each department with a security administrator that an account waits for one."""
    number = new_id(millis(work.now))
    for department in store.departments_of_admins(work.tx, "security_admin"):
        post_notice(
            work,
            Draft(
                key=f"vouch:{number}:{department}",
                about="",
                link=f"/accounts/{account.login}",
                department=department,
                role="security_admin",
                kind="account",
                subject=WAITING,
                body=WHAT,
            ),
        )
