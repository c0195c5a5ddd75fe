"""Who keeps the accounts of a deployment, and what they may do with them (GZ art. 14).

An administrator always may. Where the rulebook gives the allocation of accounts to the platform manager, that
body may as well, but for the roles that would put somebody above it or beside it. Those an administrator does
not give alone either: `accounts.roles` has them decided by a security administrator, who keeps no accounts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from accounts import store
from accounts.model import RESERVED, STATES, Account
from accounts.passwords import hash_password, one_time_password
from accounts.people import CREATED, account_of, add_account, is_reserved, note, reset, shut, tell_department
from accounts.people import open_again as open_account
from accounts.roles.model import RESET
from accounts.roles.proposing import DECIDERS, awaits_roles, hold_back, needs_two, propose_roles
from accounts.vouching import await_vouching, may_vouch, vouch
from core.administrators import APART, are_apart
from core.db import Page
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.times import SHANGHAI
from core.work import Work
from rules.rulebook import Leaf
from schemas import schema

ACTIONS = ("disable", "enable", "reset", "vouch")
OF_PERSONS = frozenset({"administrator", "security_admin"})
"""Roles that are a matter of persons: no department has them as such."""
OF_UNITS = frozenset({"handler"})
"""Roles that people of every department have which takes tickets of the hotline."""


def policy(work: Work) -> Leaf:
    """Return what the rulebook says on who allocates accounts."""
    leaf: Leaf = work.rulebooks.current("sharing").policy("accounts.allocated_by")
    return leaf


def may_manage(work: Work) -> bool:
    """Tell whether the actor keeps accounts."""
    if work.actor.has("administrator") or work.actor.has("system"):
        return True
    manages = work.actor.department == work.settings.platform.manager
    return manages and work.actor.has("platform_manager") and policy(work).value == "platform_manager"


def may_look(work: Work) -> bool:
    """Tell whether the actor may see everybody's accounts."""
    return may_manage(work) or bool(work.actor.roles & DECIDERS)


def roles_to_give(work: Work) -> list[str]:
    """Return the roles that the actor may give or propose, in the order in which the schema names them."""
    known = schema("request/account_roles")["properties"]["roles"]["items"]["enum"]
    return [role for role in known if _is_above(work) or role not in RESERVED]


def list_accounts_page(
    work: Work, *, department: str | None, state: str | None, limit: int, cursor: str | None
) -> Page:
    """Return one page of accounts (`Account`), by department and login. Raises NotPermitted, Invalid."""
    must_look(work)
    if department is not None and department not in work.settings.departments:
        raise invalid("/department", "没有这个部门", "there is no such department", code="unknown")
    if state is not None and state not in STATES:
        raise invalid("/state", f"应为 {'、'.join(STATES)} 之一", f"must be one of {', '.join(STATES)}")
    return store.accounts_page(work.tx, department, state, limit, cursor)


def find_account(work: Work, login: str) -> Account:
    """Return an account to whoever keeps accounts or decides on roles. Raises NotPermitted, NotFound."""
    must_look(work)
    found = store.account(work.tx, login)
    if found is None:
        raise NotFound(f"没有登录名为“{login}”的账号", f"there is no account {login!r}")
    return found


def actions_on(work: Work, account: Account) -> tuple[str, ...]:
    """Return what the actor may do with an account now: nothing with their own, or with one above them."""
    if may_vouch(work, account):
        return ("vouch",)
    if not may_manage(work) or account.login == work.actor.login or is_out_of_reach(work, account):
        return ()
    return ("set_roles", "disable" if account.is_active else "enable", "reset")


def allocate_account(work: Work, login: str, name: str, department: str, roles: Iterable[str]) -> str:
    """Create an account and return its one-time password, which is shown once and kept nowhere.

    Roles that take two are proposed: until a security administrator agrees the account goes without. Nobody
    uses it before a security administrator has vouched for it (`accounts.vouching`).

    Raises NotPermitted, Conflict for a login that is taken, Invalid for a department or a role that is none,
    or for a role that the actor may not give.
    """
    must_manage(work)
    wanted = frozenset(roles)
    _may_give(work, wanted)
    if store.account(work.tx, login) is not None:
        raise Conflict(f"登录名“{login}”已被使用", f"the login {login!r} is taken", code="login_taken")
    _must_fit(work, department, wanted)
    password = one_time_password()
    at_once = wanted - RESERVED if needs_two((), wanted) else wanted
    add_account(work, login, name, department, at_once, hash_password(password), wanted)
    if at_once != wanted:
        propose_roles(work, account_of(work, login), wanted)
    await_vouching(work, account_of(work, login))
    tell_department(work, department, CREATED)
    return password


def set_roles(work: Work, login: str, roles: Iterable[str]) -> Account:
    """Give an account other roles; they count from the next request. Raises as `allocate_account` does.

    A change that gives or takes a role that takes two is proposed as a whole, and nothing changes for now.
    """
    account, wanted = managed(work, login), frozenset(roles)
    _may_give(work, wanted)
    _must_fit(work, account.department, wanted)
    if needs_two(account.roles, wanted):
        propose_roles(work, account, wanted)
    elif wanted != account.roles:
        store.update_account(work.tx, account.login, roles=sorted(wanted), changed_at=work.now)
        ended = store.end_sessions(work.tx, account.login, work.now)
        given = {"before": sorted(account.roles), "with_roles": sorted(wanted), "sessions_ended": ended}
        note(work, "roles_changed", account, **given)
    return account_of(work, login)


def set_last_day(work: Work, login: str, last_day: date | None) -> Account:
    """Let an account serve until the end of a day (Beijing time), or without an end when it is None.

    Raises NotPermitted, NotFound.
    """
    account = managed(work, login)
    end = None if last_day is None else datetime.combine(last_day + timedelta(days=1), time(), SHANGHAI)
    store.update_account(work.tx, account.login, valid_until=end, changed_at=work.now)
    note(work, "last_day_set", account, last_day=last_day.isoformat() if last_day else None)
    return account_of(work, login)


def act_on_account(work: Work, login: str, action: str) -> str | None:
    """Disable, enable, reset or vouch for an account; return the new one-time password of a reset.

    A reset holds back what commands others until a security administrator gives it again (`hold_back`), and
    opens nothing before one has vouched for it, unless the person has a second factor.

    Raises NotFound for an unknown action, Conflict where the account stands already as is wanted.
    """
    if action not in ACTIONS:
        raise NotFound(f"没有“{action}”这个操作", f"there is no action {action!r}")
    if action == "vouch":
        must_look(work)
        vouch(work, login)
        return None
    account = managed(work, login)
    if action == "reset":
        password = reset(work, account)
        await_vouching(work, account)
        hold_back(work, account, RESET)
        return password
    if account.is_active == (action == "enable"):
        word = "启用" if account.is_active else "停用"
        raise Conflict(
            f"该账号已{word}", f"cannot {action} an account that is {account.state}", code="wrong_state"
        )
    open_account(work, account) if action == "enable" else shut(work, account)
    return None


def managed(work: Work, login: str) -> Account:
    """Return an account that the actor keeps, locked against other writers. Raises NotPermitted, NotFound."""
    must_manage(work)
    account = account_of(work, login)
    if account.login == work.actor.login:
        raise NotPermitted("不能管理自己的账号", "nobody manages their own account")
    if is_out_of_reach(work, account):
        raise NotPermitted(
            "该账号的角色只能由系统管理员管理", "only administrators manage an account with these roles"
        )
    return account


def _may_give(work: Work, roles: frozenset[str]) -> None:
    beyond = sorted(roles - set(roles_to_give(work)) if not _is_above(work) else ())
    if beyond:
        raise invalid(
            "/roles",
            f"只有系统管理员可以分配：{'、'.join(beyond)}",
            f"only administrators give: {', '.join(beyond)}",
            code="reserved",
        )


def _must_fit(work: Work, department: str, roles: frozenset[str]) -> None:
    """A person holds no role that the department lacks; being an administrator is a matter of persons."""
    known = work.settings.departments.get(department)
    if known is None:
        raise invalid(
            "/department",
            f"没有“{department}”这个部门",
            f"there is no department {department!r}",
            code="unknown",
        )
    if not are_apart(roles):
        raise invalid("/roles", APART.zh, APART.en, code="not_together")
    of_units = OF_UNITS if known.hotline_unit else frozenset()
    beyond = sorted(roles - known.roles - OF_PERSONS - of_units)
    if beyond:
        raise invalid(
            "/roles",
            f"该部门没有这些角色：{'、'.join(beyond)}",
            f"the department does not have these roles: {', '.join(beyond)}",
            code="not_the_departments",
        )


def is_out_of_reach(work: Work, account: Account) -> bool:
    """Tell whether an account is for administrators alone: it holds a reserved role, or is to get one."""
    return not _is_above(work) and (is_reserved(account) or awaits_roles(work, account))


def _is_above(work: Work) -> bool:
    return work.actor.has("administrator") or work.actor.has("system")


def must_look(work: Work) -> None:
    """Refuse anybody who neither keeps accounts nor decides on roles. Raises NotPermitted."""
    if not may_look(work):
        must_manage(work)


def must_manage(work: Work) -> None:
    """Refuse anybody who does not keep accounts. Raises NotPermitted, with the provision that says who."""
    if not may_manage(work):
        leaf: Any = policy(work)
        raise NotPermitted(
            "账号由系统管理员管理" if leaf.value is None else "账号由平台管理部门和系统管理员管理",
            "accounts are kept by administrators"
            if leaf.value is None
            else "accounts are kept by the platform manager and by administrators",
            cite=str(leaf.cite),
        )
