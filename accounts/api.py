"""Accounts over HTTP, for whoever keeps them."""

from __future__ import annotations

from datetime import date

from flask import request

from accounts.managing import (
    act_on_account,
    allocate_account,
    find_account,
    list_accounts_page,
    set_last_day,
    set_roles,
)
from accounts.present import account_view
from accounts.roles.proposing import open_proposal_for
from core.errors import invalid
from core.text import Text
from core.work import Work
from web.http import Call, Reply, Routes, listing

routes = Routes("accounts")

KEEPERS = {"administrator", "platform_manager"}
"""Whether the platform manager is one of them is for the rulebook to say."""
LOOKERS = KEEPERS | {"security_admin"}
"""Who sees accounts: besides those who keep them whoever decides on their roles."""


@routes.add(
    "GET",
    "/api/accounts",
    who=LOOKERS,
    response="response/accounts",
    query={"department": Text("部门", "department"), "state": Text("状态", "state")},
    paged=True,
    summary=Text("账号列表", "List accounts"),
)
def accounts(work: Work, call: Call) -> Reply:
    """List the accounts of the deployment, by department."""
    page = list_accounts_page(
        work,
        department=call.query.get("department"),
        state=call.query.get("state"),
        limit=call.limit,
        cursor=call.cursor,
    )
    return listing([account_view(work, account) for account in page.rows], page.next_cursor)


@routes.add(
    "POST",
    "/api/accounts",
    who=KEEPERS,
    request="request/account",
    response="response/account",
    status=201,
    summary=Text("分配账号（一次性密码只显示一次）", "Create an account; the password is shown once"),
    step_up=True,
)
def create(work: Work, call: Call) -> Reply:
    """Create an account. The answer is kept nowhere, so it cannot be repeated."""
    _not_repeated()
    body = call.body
    password = allocate_account(work, body["login"], body["name"], body["department"], body["roles"])
    view = account_view(work, find_account(work, body["login"]), password)
    return Reply(view, 201, {"Location": f"/api/accounts/{body['login']}"})


@routes.add(
    "GET",
    "/api/accounts/<login>",
    who=LOOKERS,
    response="response/account",
    summary=Text("查看账号", "Show an account"),
)
def account(work: Work, call: Call, login: str) -> Reply:
    """Show one account."""
    return Reply(account_view(work, find_account(work, login)))


@routes.add(
    "PUT",
    "/api/accounts/<login>/roles",
    who=KEEPERS,
    request="request/account_roles",
    response="response/account",
    summary=Text("更改账号角色", "Change the roles of an account"),
    step_up=True,
)
def roles(work: Work, call: Call, login: str) -> Reply:
    """Give an account other roles; 202 where they are proposed and somebody else decides."""
    view = account_view(work, set_roles(work, login, call.body["roles"]))
    proposal = open_proposal_for(work, login)
    if proposal is None:
        return Reply(view)
    place = f"/api/role-proposals/{proposal.id}"
    return Reply({**view, "proposal": {"id": proposal.id, "href": place}}, 202, {"Location": place})


@routes.add(
    "PUT",
    "/api/accounts/<login>/last-day",
    who=KEEPERS,
    request="request/account_last_day",
    response="response/account",
    summary=Text("设定账号有效期", "Set the last day of an account"),
    step_up=True,
)
def last_day(work: Work, call: Call, login: str) -> Reply:
    """Let an account serve until the end of a day, or without an end."""
    day = call.body["last_day"]
    set_last_day(work, login, date.fromisoformat(day) if day is not None else None)
    return Reply(account_view(work, find_account(work, login)))


@routes.add(
    "POST",
    "/api/accounts/<login>/actions/<action>",
    who=LOOKERS,
    response="response/account",
    summary=Text(
        "停用、启用、核实账号或重置密码", "Disable, enable or vouch for an account, or reset its password"
    ),
    step_up=True,
)
def act(work: Work, call: Call, login: str, action: str) -> Reply:
    """Take one of the account's `actions`; a reset shows the new one-time password, this once."""
    call.must_be_empty()
    if action == "reset":
        _not_repeated()
    password = act_on_account(work, login, action)
    return Reply(account_view(work, find_account(work, login), password))


def _not_repeated() -> None:
    if "Idempotency-Key" in request.headers:
        raise invalid(
            "/Idempotency-Key",
            "一次性密码只显示一次，不能重放",
            "a one-time password is shown once and is never replayed",
        )
