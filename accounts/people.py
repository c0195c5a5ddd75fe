"""Accounts: made with a one-time password, changed, disabled; every step on record under a pseudonym."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace

import schemas
from accounts import store
from accounts.guessing import inside, is_shut_inside, tries_under
from accounts.model import ACTIVE, DISABLED, RESERVED, Account, after_failure, is_locked, tidy_login
from accounts.passwords import (
    REMEMBERED,
    hash_password,
    one_time_password,
    password_faults,
    verify_password,
)
from audit.log import record
from core.administrators import APART, are_apart
from core.db import Database
from core.errors import Conflict, FieldError, Invalid, NotFound, NotPermitted, invalid
from core.ids import new_id
from core.text import Text
from core.times import millis
from core.work import Work
from notices.post import Draft, post_notice


def pseudonym_of(key: bytes, login: str) -> str:
    """Return what stands for a login in the audit log: 128 bits of HMAC-SHA256 under the platform's key."""
    return hmac.new(key, login.encode(), hashlib.sha256).hexdigest()[:32]


def create_account(work: Work, login: str, name: str, department: str, roles: Iterable[str]) -> str:
    """Create an account and return its one-time password, which is shown once and kept nowhere.

    Raises Invalid for a login, department or role that the deployment does not know, Conflict for a login
    that is taken (it is never given to a second person), NotPermitted unless an administrator asks.
    """
    _for_administrators(work)
    if store.account(work.tx, login) is not None:
        raise Conflict(f"登录名“{login}”已被使用", f"the login {login!r} is taken", code="login_taken")
    password = one_time_password()
    add_account(work, login, name, department, frozenset(roles), hash_password(password))
    tell_department(work, department, CREATED)
    return password


def ensure_account(work: Work, login: str, name: str, department: str, roles: Iterable[str]) -> None:
    """Create an account that no password opens, unless the login exists; its tokens and sessions work."""
    if store.account(work.tx, login) is None:
        add_account(work, login, name, department, frozenset(roles), None)


def add_account(
    work: Work,
    login: str,
    name: str,
    department: str,
    roles: frozenset[str],
    password_hash: str | None,
    asked: frozenset[str] = frozenset(),
) -> None:
    """Keep a new account; the caller has checked that the actor may. Raises Invalid, one entry per field.

    `asked` is what was asked for where the account begins with less: some roles take a second person.
    """
    document = {"login": login, "name": name, "department": department, "roles": sorted(asked or roles)}
    wrong = schemas.errors("config/accounts", {"accounts": [document]})
    if not are_apart(document["roles"]):
        wrong.append(FieldError("/accounts/0/roles", APART, "not_together"))
    if wrong:
        raise Invalid(replace(e, pointer=e.pointer.removeprefix("/accounts/0")) for e in wrong)
    if department not in work.settings.departments:
        raise invalid("/department", f"没有“{department}”这个部门", f"there is no department {department!r}")
    account = Account(
        login=login,
        name=name,
        department=department,
        roles=roles,
        pseudonym=pseudonym_of(work.settings.key("pseudonym.key"), login),
        password_hash=password_hash,
        state=ACTIVE,
        must_change=password_hash is not None,
        failed_count=0,
        failed_since=None,
        locked_until=None,
        created_at=work.now,
        changed_at=work.now,
        last_seen_at=None,
        password_set_at=work.now if password_hash is not None else None,
    )
    store.insert_account(work.tx, account)
    note(work, "created", account, with_roles=sorted(roles), in_department=department)


def reset_password(work: Work, login: str) -> str:
    """Give an account a new one-time password, open its lock, end its sessions; return the password.

    Raises NotFound, NotPermitted unless an administrator asks.
    """
    _for_administrators(work)
    return reset(work, account_of(work, login))


def reset(work: Work, account: Account) -> str:
    """Do what `reset_password` does, for a caller who has checked that the actor may."""
    password = one_time_password()
    _set_password(work, account, hash_password(password), must_change=True)
    ended = store.end_sessions(work.tx, account.login, work.now)
    tokens = store.end_tokens(work.tx, account.login, work.now)
    if work.actor.has("system"):  # whoever has the server stands above: nobody is asked
        store.update_account(work.tx, account.login, opened_by=None)
    note(work, "password_reset", account, sessions_ended=ended, tokens_ended=tokens)
    tell_department(work, account.department, RESET)
    return password


CREATED = Text("为本部门开设了一个账号", "An account was created for your department")
RESET = Text("重置了本部门一个账号的密码", "The password of an account of your department was reset")
LINKED = Text(
    "为本部门一个账号绑定了外部身份", "An identity elsewhere was linked to an account of your department"
)


def tell_department(work: Work, department: str, what: Text) -> None:
    """Tell a department what another one did with accounts of its own; who it concerns is on record alone.

    A department is not told of what its own people do.
    """
    if department == work.actor.department:
        return
    by = work.settings.departments.get(work.actor.department)
    who = by.name if by is not None else Text("平台", "the platform")
    post_notice(
        work,
        Draft(
            key=f"account:{new_id(millis(work.now))}",
            about="",
            link="/inbox",
            department=department,
            role="",
            kind="account",
            subject=what,
            body=Text(
                f"由{who.zh}办理。如本部门无人要求，请立即联系该部门和审计部门。",
                f"Done by {who.en}. If nobody of yours asked for it, tell them and the auditor at once.",
            ),
        ),
    )


def disable_account(work: Work, login: str) -> None:
    """Shut an account: its sessions and tokens end with the next request. Raises NotFound, NotPermitted."""
    _for_administrators(work)
    shut(work, account_of(work, login))


def shut(work: Work, account: Account, **why: object) -> None:
    """Do what `disable_account` does, for a caller who has checked that the actor may."""
    store.update_account(work.tx, account.login, state=DISABLED, changed_at=work.now)
    ended = store.end_sessions(work.tx, account.login, work.now)
    tokens = store.end_tokens(work.tx, account.login, work.now)
    note(work, "disabled", account, sessions_ended=ended, tokens_ended=tokens, **why)


def disable_account_for(work: Work, login: str, reason: str) -> None:
    """Shut the account of somebody who left, as the paper `reason` says; the caller checked who asks.

    Raises NotFound, NotPermitted for an account that only an administrator manages.
    """
    account = account_of(work, login)
    if is_reserved(account):
        raise NotPermitted(
            "该账号的角色只能由系统管理员管理", "only administrators manage an account with these roles"
        )
    shut(work, account, reason=reason)


def is_reserved(account: Account) -> bool:
    """Tell whether an account holds a role that only an administrator gives and takes."""
    return not account.roles.isdisjoint(RESERVED)


def enable_account(work: Work, login: str) -> None:
    """Open a shut account again; its old sessions and tokens stay ended. Raises NotFound, NotPermitted."""
    _for_administrators(work)
    open_again(work, account_of(work, login))


def open_again(work: Work, account: Account) -> None:
    """Do what `enable_account` does, for a caller who has checked that the actor may."""
    store.update_account(work.tx, account.login, state=ACTIVE, changed_at=work.now)
    note(work, "enabled", account)


def list_accounts(work: Work) -> list[Account]:
    """Return every account, by department. Raises NotPermitted unless an administrator asks."""
    _for_administrators(work)
    return store.all_accounts(work.tx)


def account_of(work: Work, login: str) -> Account:
    """Return an account, locked against other writers. Raises NotFound."""
    account = store.account(work.tx, tidy_login(login), lock=True)
    if account is None:
        raise NotFound(f"没有登录名为“{login}”的账号", f"there is no account {login!r}")
    return account


def known_account(work: Work, login: str) -> Account:
    """Return an account as it stands, for showing it. Raises NotFound."""
    account = store.account(work.tx, login)
    if account is None:
        raise NotFound(f"没有登录名为“{login}”的账号", f"there is no account {login!r}")
    return account


def has_one_time_password(work: Work) -> bool:
    """Tell whether the actor's password is one that somebody else has set."""
    account = store.account(work.tx, work.actor.login)
    return account is not None and account.must_change


def active_account(work: Work, login: str) -> Account | None:
    """Return the account with this login if it is in use, else None."""
    account = store.account(work.tx, tidy_login(login))
    return account if account is not None and account.state == ACTIVE else None


def note(work: Work, kind: str, account: Account, **more: object) -> str:
    """Put an act on an account on record, under its pseudonym; never a login, a name or a password."""
    return record(work, f"account.{kind}", {"account": account.pseudonym, **more})


def _for_administrators(work: Work) -> None:
    if not (work.actor.has("administrator") or work.actor.has("system")):
        raise NotPermitted("只有系统管理员可以管理账号", "only administrators manage accounts")


# --- the person's own password --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password change whose slow part is done: both passwords are hashed, nothing is stored.

    Without a `password_hash` neither was looked at.
    """

    login: str
    checked_against: str | None
    verified: bool
    password_hash: str | None


def unlooked_at(login: str) -> NewPassword:
    """Return the change of somebody who failed too often: nothing is hashed for it, and it is refused."""
    return NewPassword(login, None, verified=False, password_hash=None)


def prepare_password(database: Database, login: str, current: str, new: str, again: str) -> NewPassword:
    """Check the present password and hash the new one, while no transaction is open.

    Raises Invalid with an entry per field when the new password does not do. Whether it is an old one is told
    only to somebody who knows the present one.
    """
    with database.read() as tx:
        account = store.account(tx, login)
        before = store.last_passwords(tx, login, REMEMBERED - 1)
    faults = password_faults(login, current, new, again, account.name if account else "")
    if faults:
        raise Invalid(faults)
    known = account.password_hash if account else None
    verified = verify_password(known, current)
    if verified and any(verify_password(old, new) for old in before):
        raise invalid(
            "/new",
            f"新密码不能与最近 {REMEMBERED} 次用过的密码相同",
            f"The new password must differ from the last {REMEMBERED}",
            code="used_before",
        )
    return NewPassword(login, known, verified, hash_password(new))


def change_password(work: Work, change: NewPassword, keep: str | None = None) -> bool:
    """Set the new password of the actor and end their sessions but the one with the id `keep`; False when the
    present password was wrong.

    A wrong one counts as a failed sign-in, so that an open browser is no place to guess passwords.
    """
    account = account_of(work, work.actor.login)
    fits = change.verified and change.login == account.login
    stale = change.checked_against != account.password_hash
    if change.password_hash is None or not fits or stale or is_shut_inside(work, account.login):
        count_failure(work, account, "password_change", inside(account.login))
        return False
    _set_password(work, account, change.password_hash, must_change=False)
    ended = store.end_sessions(work.tx, account.login, work.now, keep=keep)
    note(work, "password_changed", account, sessions_ended=ended)
    return True


def count_failure(work: Work, account: Account, at: str, key: str | None = None) -> None:
    """Count a wrong password or code, on the account or under `key`; nothing more is tried after too many.

    Both are on record.
    """
    before = tries_under(work, account, key)
    if is_locked(before, work.now):
        note(work, "sign_in_failed", account, at=at, locked=True)
        return
    after = after_failure(before, work.now)
    if key is not None:
        store.keep_tries(work.tx, key, after)
    else:
        columns = {"failed_count": after.count, "failed_since": after.since, "locked_until": after.until}
        store.update_account(work.tx, account.login, **columns)
    note(work, "sign_in_failed", account, at=at, locked=after.until is not None)


def _set_password(work: Work, account: Account, password_hash: str, *, must_change: bool) -> None:
    store.forget_tries(work.tx, inside(account.login))
    if account.password_hash is not None and not account.must_change:
        store.keep_old_password(work.tx, new_id(millis(work.now)), account.login, account.password_hash)
    store.update_account(
        work.tx,
        account.login,
        password_hash=password_hash,
        must_change=must_change,
        failed_count=0,
        failed_since=None,
        locked_until=None,
        changed_at=work.now,
        password_set_at=work.now,
    )
