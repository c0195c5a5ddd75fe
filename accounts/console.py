"""The pages of sign-in, sign-out, password and one's own account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import request, session

from accounts.api import KEEPERS, LOOKERS
from accounts.guessing import KNOWN_DAYS, Client, counted_with, inside, is_shut_inside, new_mark
from accounts.managing import (
    act_on_account,
    allocate_account,
    find_account,
    list_accounts_page,
    may_look,
    may_manage,
    must_manage,
    policy,
    roles_to_give,
    set_last_day,
    set_roles,
)
from accounts.model import STATES
from accounts.oidc.identities import named_identities
from accounts.passwords import LONGEST, REMEMBERED, SHORTEST, one_of_few
from accounts.people import (
    NewPassword,
    change_password,
    has_one_time_password,
    prepare_password,
    unlooked_at,
)
from accounts.present import account_view
from accounts.roles.proposing import open_proposal_for
from accounts.sessions import (
    Attempt,
    check_attempt,
    end_other_sessions,
    end_session,
    last_sign_in,
    live_sessions,
    must_be_heard,
    renew_session,
    session_id_of,
    sign_in,
    sign_out,
)
from accounts.tokens import end_token, live_tokens
from core.errors import FieldError
from core.text import Text
from core.times import SHANGHAI
from core.work import Work
from schemas import validate
from web.auth import (
    NOBODY,
    PASSWORD_CHANGE,
    PUBLIC,
    SIGNED_IN,
    UNFINISHED,
    cookie_name,
    renew_cookie,
    session_actor,
    session_cookie,
)
from web.kit import Kit, kit
from web.pages import Go, Page, Pages, Seen
from web.roles import ROLES

pages = Pages("accounts")
PAGE = 50
CAME_BY = "oidc_by"
"""Where the browser's own cookie keeps the identity provider of its sign-in."""

_ANY_SESSION = frozenset({"signed_in", *UNFINISHED})
_WITH_PASSWORD = frozenset({"signed_in", PASSWORD_CHANGE})

_WRONG = Text(
    "登录名或密码不正确，或账号因多次输错暂时锁定（15 分钟后可再试）。",
    "The login or the password is wrong, or too many wrong passwords shut the account for 15 minutes.",
)
_WRONG_CURRENT = Text("原密码不正确", "The present password is wrong")


@pages.show("/sign-in", who=PUBLIC, summary=Text("登录", "Sign in"))
def sign_in_page(work: Work, seen: Seen) -> Page | Go:
    """Show the sign-in form; somebody signed in already goes where they wanted to go."""
    target = own_address(seen.query.get("next"))
    if work.actor is not NOBODY:
        return Go(target)
    return Page("accounts/sign_in.html", {"next": target, "wrong": None, "left": seen.query.get("left")})


def _attempt(k: Kit, form: Mapping[str, str]) -> Attempt:
    login = form.get("login", "")
    with k.database.read() as tx:
        must_be_heard(k.work(tx, NOBODY), login, _client())
    with one_of_few(counted_with(k.settings, login, _client())):
        return check_attempt(k.database, login, form.get("password", ""))


def _client() -> Client:
    return Client(request.remote_addr or "", request.cookies.get(mark_name(), ""))


@pages.form("/sign-in", who=PUBLIC, summary=Text("登录", "Sign in"), ahead=_attempt)
def do_sign_in(work: Work, seen: Seen) -> Page | Go:
    """Sign in, end the session that the browser had before, and go on to the page asked for."""
    target = own_address(seen.form.get("next"))
    before = last_sign_in(work, seen.ahead.login)
    cookie = sign_in(work, seen.ahead, _client())
    if cookie is None:
        return Page("accounts/sign_in.html", {"next": target, "wrong": _WRONG}, 422)
    sign_out(work, _cookie())
    renew_cookie(cookie)
    renew_form_tokens()
    is_complete = last_sign_in(work, seen.ahead.login) == work.now
    if not is_complete:
        return Go(target)
    return Go(target, seen_before(before), (known_browser(work, seen.ahead.login),))


@pages.form("/sign-out", who=_ANY_SESSION, summary=Text("退出", "Sign out"))
def do_sign_out(work: Work, seen: Seen) -> Go:
    """End this browser's session; who came by way of an identity provider is offered to sign out there."""
    sign_out(work, _cookie())
    left = session.get(CAME_BY)
    renew_form_tokens()
    page = f"/sign-in?left={left}" if left else "/sign-in"
    return Go(page, Text("您已退出。", "You are signed out."), ((cookie_name(kit()), "", 0),))


@pages.show("/password", who=_WITH_PASSWORD, summary=Text("修改密码", "Change the password"))
def password_page(work: Work, seen: Seen) -> Page:
    """Show the form for a new password."""
    return Page("accounts/password.html", _password_context(work))


def _password_context(work: Work) -> dict[str, Any]:
    must = work.actor.has(PASSWORD_CHANGE)
    first = must and has_one_time_password(work)
    return {"must": must, "first": first, "shortest": SHORTEST, "longest": LONGEST, "before": REMEMBERED}


def _new_password(k: Kit, form: Mapping[str, str]) -> NewPassword | None:
    with k.database.read() as tx:
        actor = session_actor(k, tx, k.clock())
        is_shut = is_shut_inside(k.work(tx, actor), actor.login)
    if actor is NOBODY:
        return None
    if is_shut:
        return unlooked_at(actor.login)
    given = (form.get(name, "") for name in ("current", "new", "again"))
    with one_of_few(inside(actor.login)):
        return prepare_password(k.database, actor.login, *given)


@pages.form(
    "/password",
    who=_WITH_PASSWORD,
    summary=Text("修改密码", "Change the password"),
    again=password_page,
    ahead=_new_password,
)
def do_password(work: Work, seen: Seen) -> Page | Go:
    """Set a new password, end every other session and go on in a fresh one here."""
    if not change_password(work, seen.ahead, keep=session_id_of(work, _cookie())):
        wrong = Seen(seen.query, seen.form, (FieldError("/current", _WRONG_CURRENT),))
        return Page("accounts/password.html", {**_password_context(work), "seen": wrong}, 422)
    renew_cookie(renew_session(work, _cookie(), None))
    renew_form_tokens()
    done = Text(
        "密码已修改，其他登录均已退出。", "The password is changed; every other session is signed out."
    )
    return Go("/", done)


@pages.show("/account", who=SIGNED_IN, summary=Text("我的账号", "My account"))
def account_page(work: Work, seen: Seen) -> Page:
    """Show who one is, where one is signed in and which API tokens act as oneself."""
    context: dict[str, Any] = {
        "sessions": live_sessions(work),
        "this_session": session_id_of(work, _cookie()),
        "tokens": live_tokens(work),
        "keeps_accounts": may_look(work),
    }
    return Page("accounts/account.html", context)


@pages.form("/account/sessions/end-others", who=SIGNED_IN, summary=Text("退出其他登录", "End other sessions"))
def do_end_others(work: Work, seen: Seen) -> Go:
    """End every session of one's own but this one."""
    ended = end_other_sessions(work, _cookie())
    return Go("/account", Text(f"已退出其他登录 {ended} 处。", f"Other sessions ended: {ended}."))


@pages.form("/account/sessions/<id>/end", who=SIGNED_IN, summary=Text("退出一处登录", "End a session"))
def do_end_session(work: Work, seen: Seen, id: str) -> Go:
    """End one session of one's own."""
    end_session(work, id)
    return Go("/account", Text("该登录已退出。", "The session is ended."))


@pages.form("/account/tokens/<id>/end", who=SIGNED_IN, summary=Text("作废令牌", "End an API token"))
def do_end_token(work: Work, seen: Seen, id: str) -> Go:
    """End one API token that acts as oneself."""
    end_token(work, id)
    return Go("/account", Text("该令牌已作废。", "The token is ended."))


# --- everybody's accounts, for whoever keeps them -----------------------------------------------------


@pages.show("/accounts", who=LOOKERS, summary=Text("账号管理", "Accounts"))
def accounts_page(work: Work, seen: Seen) -> Page:
    """List the accounts, by department."""
    departments = {d.id: d.name for d in work.settings.departments.values()}
    department = seen.query.get("department") if seen.query.get("department") in departments else None
    state = seen.query.get("state") if seen.query.get("state") in STATES else None
    cursor = seen.query.get("cursor") or None
    found = list_accounts_page(work, department=department, state=state, limit=PAGE, cursor=cursor)
    context = {
        "rows": [account_view(work, account) for account in found.rows],
        "next_cursor": found.next_cursor,
        "departments": departments,
        "department": department,
        "states": STATES,
        "state": state,
        "policy": policy(work),
        "keeps": may_manage(work),
    }
    return Page("accounts/accounts.html", context)


@pages.show("/accounts/new", who=KEEPERS, summary=Text("分配账号", "Create an account"))
def new_account_page(work: Work, seen: Seen) -> Page:
    """Show the form of a new account."""
    must_manage(work)
    departments = {d.id: d.name for d in work.settings.departments.values()}
    context = {"departments": departments, "roles": _role_names(work)}
    return Page("accounts/new.html", context)


@pages.form(
    "/accounts/new",
    who=KEEPERS,
    summary=Text("分配账号", "Create an account"),
    again=new_account_page,
    step_up=True,
)
def do_create_account(work: Work, seen: Seen) -> Page:
    """Create an account and show its one-time password, this once."""
    typed = {name: seen.form.get(name, "").strip() for name in ("login", "name", "department")}
    login, name, department = typed.values()
    password = allocate_account(work, login, name, department, seen.form.getlist("roles"))
    return _with_password(work, login, password)


@pages.show("/accounts/<login>", who=LOOKERS, summary=Text("查看账号", "Account"))
def one_account_page(work: Work, seen: Seen, login: str, action: str = "") -> Page:
    """Show an account and what the reader may do with it."""
    view = account_view(work, find_account(work, login))
    context = {
        "a": view,
        "roles": _role_names(work),
        "proposal": open_proposal_for(work, login),
        "identities": named_identities(work, login),
    }
    return Page("accounts/one.html", context)


@pages.form(
    "/accounts/<login>/roles",
    who=KEEPERS,
    summary=Text("更改账号角色", "Change roles"),
    again=one_account_page,
    step_up=True,
)
def do_roles(work: Work, seen: Seen, login: str) -> Go:
    """Give an account other roles."""
    roles = seen.form.getlist("roles")
    validate("request/account_roles", {"roles": roles})
    set_roles(work, login, roles)
    if open_proposal_for(work, login) is not None:
        return Go(f"/accounts/{login}", Text("已提交安全管理员决定", "A security administrator decides"))
    return Go(f"/accounts/{login}", Text("角色已更改", "The roles are changed"))


@pages.form(
    "/accounts/<login>/last-day",
    who=KEEPERS,
    summary=Text("设定账号有效期", "Set the last day"),
    again=one_account_page,
    step_up=True,
)
def do_last_day(work: Work, seen: Seen, login: str) -> Go:
    """Let an account serve until the end of a day, or without an end when none is typed."""
    typed = seen.given.get("last_day")
    validate("request/account_last_day", {"last_day": typed})
    set_last_day(work, login, date.fromisoformat(typed) if typed else None)
    return Go(f"/accounts/{login}", Text("有效期已设定", "The last day is set"))


@pages.form(
    "/accounts/<login>/actions/<action>",
    who=LOOKERS,
    summary=Text("办理账号", "Act on an account"),
    again=one_account_page,
    step_up=True,
)
def do_act_on_account(work: Work, seen: Seen, login: str, action: str) -> Page | Go:
    """Disable, enable or vouch for an account, or reset its password and show the new one, this once."""
    password = act_on_account(work, login, action)
    if password is not None:
        return _with_password(work, login, password)
    if action == "vouch":
        return Go(f"/accounts/{login}", Text("账号已核实", "The account is vouched for"))
    title = STATES[find_account(work, login).state]
    return Go(f"/accounts/{login}", Text(f"状态为“{title.zh}”", f"The account is {title.en}"))


def _with_password(work: Work, login: str, password: str) -> Page:
    return Page("accounts/password_once.html", {"a": account_view(work, find_account(work, login), password)})


def _role_names(work: Work) -> list[tuple[str, Text]]:
    return [(role, ROLES[role]) for role in roles_to_give(work)]


# --- addresses and cookies --------------------------------------------------------------------------


def own_address(wanted: str | None) -> str:
    """Return `wanted` when it is an address on this site, else the desk: nobody is sent elsewhere."""
    if not wanted or not wanted.startswith("/") or wanted.startswith("//") or len(wanted) > 1000:
        return "/"
    if "\\" in wanted or any(ord(c) < 0x21 or ord(c) == 0x7F for c in wanted):
        return "/"
    path = unquote(urlsplit(wanted).path)
    return wanted if _is_plain(path) and path not in ("/sign-in", "/sign-out") else "/"


def _is_plain(path: str) -> bool:
    """Tell whether a path that was decoded is the same one to whoever tidies it up once more."""
    odd = "//" in path or "\\" in path or not path.isprintable()
    return not odd and {".", ".."}.isdisjoint(path.split("/"))


def mark_name() -> str:
    """Return the name of the cookie with which a browser is known again."""
    return "__Host-known" if kit().settings.secure_cookies else "known"


def known_browser(work: Work, login: str) -> tuple[str, str, int]:
    """Return the cookie that lets a browser be known in which somebody has just signed in."""
    return mark_name(), new_mark(work.settings, login), KNOWN_DAYS * 86400


def _cookie() -> str:
    return session_cookie(kit())


def seen_before(before: datetime | None) -> Text | None:
    """Return the words that tell somebody when they signed in last, so that they notice a stranger."""
    if before is None:
        return None
    at = before.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    return Text(
        f"上次登录：{at}。如非本人登录，请立即修改密码。",
        f"You signed in last on {at}. If that was not you, change your password at once.",
    )


def renew_form_tokens() -> None:
    """Forget what the browser carried before: form tokens of one sign-in are worth nothing in the next."""
    language = session.get("lang")
    session.clear()
    if language:
        session["lang"] = language
