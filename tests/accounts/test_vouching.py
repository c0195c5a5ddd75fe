"""Whoever sets somebody's password knows it: the account opens once somebody else has asked the person."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.managing import act_on_account, allocate_account, find_account
from accounts.people import create_account, reset_password
from core.errors import Conflict, NotPermitted
from core.work import SYSTEM, Actor
from notices.inbox import list_notices
from tests.accounts.browser import LOGIN, Browser, bodies
from tests.accounts.factors import with_app
from tests.cast import adam, carol, sally

LI = ("li.na", "李娜", "health", ["consumer"])
NEXT = "八月的江水慢慢流过平原 2026"


def keyed_in(world: Any, login: str, once: str, own: str = NEXT) -> Browser:
    """Whoever has a one-time password, with a password of their own: the person, or whoever made it."""
    browser = Browser(world.app)
    browser.sign_in(login, once)
    browser.send("/password", current=once, new=own, again=own)
    return browser


def act(world: Any, actor: Actor, login: str, action: str) -> str:
    with world.work(actor) as work:
        return str(act_on_account(work, login, action))


@pytest.fixture
def allocated(world: Any) -> str:
    """The one-time password of an account that the system administrator made."""
    world.client(sally)
    with world.work(adam) as work:
        return allocate_account(work, *LI)


def is_held(browser: Browser) -> bool:
    """Tell whether the account opens nothing, and the pages say why."""
    answer = browser.get("/")
    return answer.status_code == 403 and "须经安全管理员向您核实" in answer.text


def test_an_administrator_does_not_act_by_an_account_that_they_made(world: Any, allocated: str) -> None:
    posing = keyed_in(world, "li.na", allocated)
    assert is_held(posing)
    for page in ("/applications", "/account", "/account/factors", "/account/identities"):
        assert posing.get(page).status_code == 403, page
    assert posing.get("/?lang=en").status_code == 403


def test_it_opens_once_a_security_administrator_vouches_for_it(world: Any, allocated: str) -> None:
    keyed_in(world, "li.na", allocated)
    act(world, sally, "li.na", "vouch")
    li = Browser(world.app)
    li.sign_in("li.na", NEXT)
    assert li.is_signed_in()
    assert [b["k"] for b in bodies(world, "account.vouched_for")] == ["account.vouched_for"]
    with world.read(adam) as work:
        assert find_account(work, "li.na").opened_by is None


def test_nobody_vouches_while_the_password_is_the_one_that_others_know(world: Any, allocated: str) -> None:
    with pytest.raises(Conflict) as refused:
        act(world, sally, "li.na", "vouch")
    assert refused.value.code == "not_taken_over"


def test_nobody_else_vouches_and_nobody_twice(world: Any, allocated: str) -> None:
    keyed_in(world, "li.na", allocated)
    same = Actor("adam", "Adam", "bigdata", frozenset({"security_admin"}), "p")
    for actor in (adam, carol, same, Actor("li.na", "李娜", "health", sally.roles, "p")):
        with pytest.raises(NotPermitted):
            act(world, actor, "li.na", "vouch")
    act(world, sally, "li.na", "vouch")
    with pytest.raises(Conflict):
        act(world, sally, "li.na", "vouch")


def test_an_administrator_does_not_act_by_an_account_that_they_reset(world: Any, zhao: Browser) -> None:
    world.client(sally)
    assert is_held(keyed_in(world, LOGIN, act(world, adam, LOGIN, "reset")))
    act(world, sally, LOGIN, "vouch")
    again = Browser(world.app)
    again.sign_in(LOGIN, NEXT)
    assert again.is_signed_in()


def test_a_reset_leaves_the_second_factor_which_the_administrator_does_not_have(
    world: Any, zhao: Browser
) -> None:
    app, _ = with_app(world, zhao)
    once = act(world, adam, LOGIN, "reset")
    posing = Browser(world.app)
    posing.sign_in(LOGIN, once)
    assert posing.get("/").location.startswith("/sign-in/second-factor")
    posing.send("/sign-in/second-factor", confirm_code=app.code(1))
    posing.send("/password", current=once, new=NEXT, again=NEXT)
    assert posing.is_signed_in()


def test_at_the_terminal_nobody_is_asked(world: Any) -> None:
    with world.work(SYSTEM) as work:
        once = create_account(work, *LI)
    assert keyed_in(world, "li.na", once).is_signed_in()
    act(world, adam, "li.na", "reset")
    with world.work(SYSTEM) as work:
        once = reset_password(work, "li.na")
    assert keyed_in(world, "li.na", once, "九月的江水慢慢流过平原 2026").is_signed_in()


def test_the_security_administrator_finds_it_in_the_inbox_and_on_the_page(world: Any, allocated: str) -> None:
    with world.read(sally) as work:
        (line,) = list_notices(work, limit=5).lines
    assert line.notice.subject.zh == "有一个账号待核实"
    desk = Browser(world.app)
    desk.client = world.browser(sally)
    page = line.notice.link
    assert "尚未更改一次性密码" in desk.get(page).text
    keyed_in(world, "li.na", allocated)
    assert "adam" in desk.get(page).text
    assert desk.send(page, f"{page}/actions/vouch").status_code == 303
    assert "vouch" not in desk.get(page).text


def test_a_script_sees_what_waits_and_vouches(world: Any, allocated: str) -> None:
    client = world.client(sally)
    shown = client.get("/api/accounts/li.na").json
    assert (shown["opened_by"], shown["actions"]) == (["adam"], ["vouch"])
    assert client.post("/api/accounts/li.na/actions/vouch", json={}).json["code"] == "not_taken_over"
    keyed_in(world, "li.na", allocated)
    assert client.post("/api/accounts/li.na/actions/vouch", json={}).json["opened_by"] == []
