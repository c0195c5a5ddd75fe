"""Who keeps the accounts (GZ art. 14): administrators, and the platform manager where the book says so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from accounts.managing import act_on_account, allocate_account, find_account, list_accounts_page, set_roles
from accounts.people import disable_account_for
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.work import Actor
from notices.inbox import list_notices
from tests.accounts.browser import Browser
from tests.cast import bob, carol

ADMIN = Actor("zheng", "郑浩", "bigdata", frozenset({"administrator"}), "zheng")
LI = {"login": "li.na", "name": "李娜", "department": "health", "roles": ["consumer"]}


def allocated(world: Any, actor: Actor = ADMIN, **changes: Any) -> str:
    with world.work(actor) as work:
        return allocate_account(work, **{**LI, **changes})


def refused_at(world: Any, actor: Actor, **changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        allocated(world, actor, **changes)
    return [(e.pointer, e.code) for e in refused.value.errors]


def test_the_platform_manager_allocates_accounts_in_ganzhou(ganzhou: Any) -> None:
    password = allocated(ganzhou, bob)
    assert Browser(ganzhou.app).sign_in("li.na", password).status_code == 303


def test_in_qianjiang_only_administrators_do(world: Any) -> None:
    with pytest.raises(NotPermitted) as refused:
        allocated(world, bob)
    assert refused.value.cite is not None
    allocated(world, ADMIN)


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_nobody_else_keeps_accounts(city: str, request: Any) -> None:
    world = request.getfixturevalue(city)
    for stranger in (carol, Actor("x", "x", "health", frozenset({"platform_manager"}), "x")):
        with pytest.raises(NotPermitted):
            allocated(world, stranger)
        with pytest.raises(NotPermitted), world.read(stranger) as work:
            list_accounts_page(work, department=None, state=None, limit=5, cursor=None)


@pytest.mark.parametrize("role", ["platform_manager", "administrator", "auditor"])
def test_only_an_administrator_gives_the_roles_that_manage_and_review(ganzhou: Any, role: str) -> None:
    department = "audit" if role == "auditor" else "bigdata"
    wish = {"login": "new.one", "department": department, "roles": [role]}
    assert refused_at(ganzhou, bob, **wish) == [("/roles", "reserved")]
    allocated(ganzhou, ADMIN, **wish)
    with pytest.raises(NotPermitted), ganzhou.work(bob) as work:
        act_on_account(work, "new.one", "reset")
    with pytest.raises(NotPermitted), ganzhou.work(bob) as work:
        set_roles(work, "new.one", ["provider"])


def test_nobody_manages_their_own_account(ganzhou: Any) -> None:
    ganzhou.client(bob)
    ganzhou.client(ADMIN)
    for person in (bob, ADMIN):
        with pytest.raises(NotPermitted), ganzhou.work(person) as work:
            set_roles(work, person.login, ["provider"])
        with pytest.raises(NotPermitted), ganzhou.work(person) as work:
            act_on_account(work, person.login, "disable")


def test_a_person_holds_no_role_that_the_department_lacks(world: Any) -> None:
    assert refused_at(world, ADMIN, roles=["platform_manager"]) == [("/roles", "not_the_departments")]
    assert refused_at(world, ADMIN, department="nowhere") == [("/department", "unknown")]
    assert refused_at(world, ADMIN, login="Li Na") == [("/login", "pattern")]
    assert refused_at(world, ADMIN, name="") == [("/name", "minLength")]
    allocated(world, ADMIN)
    with pytest.raises(Conflict):
        allocated(world, ADMIN)


def test_a_handler_works_for_a_department_that_takes_tickets(world: Any) -> None:
    with world.work(ADMIN) as work:
        allocate_account(work, "new.hand", "新人", "housing", ["handler"])
        assert find_account(work, "new.hand").roles == {"handler"}


def test_roles_count_from_the_next_request(ganzhou: Any) -> None:
    allocated(ganzhou, bob)
    with ganzhou.work(bob) as work:
        assert set_roles(work, "li.na", ["provider"]).roles == {"provider"}
    with ganzhou.read(bob) as work:
        assert find_account(work, "li.na").actor.roles == {"provider"}


def test_an_account_is_shut_opened_and_given_a_new_password(ganzhou: Any) -> None:
    first = allocated(ganzhou, bob)
    with ganzhou.work(bob) as work:
        act_on_account(work, "li.na", "disable")
    assert Browser(ganzhou.app).sign_in("li.na", first).status_code == 422
    with pytest.raises(Conflict), ganzhou.work(bob) as work:
        act_on_account(work, "li.na", "disable")
    with ganzhou.work(bob) as work:
        act_on_account(work, "li.na", "enable")
        second = act_on_account(work, "li.na", "reset")
    assert second is not None
    assert Browser(ganzhou.app).sign_in("li.na", first).status_code == 422
    assert Browser(ganzhou.app).sign_in("li.na", second).status_code == 303
    with pytest.raises(NotFound), ganzhou.work(bob) as work:
        act_on_account(work, "li.na", "delete")


def test_the_account_of_somebody_who_left_is_shut(ganzhou: Any) -> None:
    password = allocated(ganzhou, bob)
    with ganzhou.work(bob) as work:
        disable_account_for(work, "li.na", "H-2026-000001")
    assert Browser(ganzhou.app).sign_in("li.na", password).status_code == 422


def test_a_department_is_told_of_what_another_does_with_its_accounts(ganzhou: Any) -> None:
    def told(actor: Actor) -> list[tuple[str, str]]:
        with ganzhou.read(actor) as work:
            return [(n.notice.kind, n.notice.subject.zh) for n in list_notices(work, limit=9).lines]

    allocated(ganzhou, bob)
    for _ in range(2):
        with ganzhou.work(bob) as work:
            password = act_on_account(work, "li.na", "reset")
    reset = ("account", "重置了本部门一个账号的密码")
    assert told(carol) == [reset, reset, ("account", "为本部门开设了一个账号")]
    allocated(ganzhou, bob, login="own.one", department="bigdata", roles=["provider"])
    assert told(bob) == []
    page = ganzhou.browser(carol).get("/inbox").text
    assert reset[1] in page
    assert str(password) not in page


def test_a_script_keeps_accounts_and_sees_each_password_once(ganzhou: Any) -> None:
    client = ganzhou.client(bob)
    made = client.post("/api/accounts", json=LI)
    assert made.status_code == 201
    assert made.json["password"]
    assert made.json["one_time_password"]
    shown = client.get(made.headers["Location"]).get_json()
    assert "password" not in shown
    assert shown["actions"] == ["set_roles", "disable", "reset"]
    assert client.post("/api/accounts/li.na/actions/reset", json={}).json["password"]
    assert client.post("/api/accounts/li.na/actions/disable", json={}).json["state"] == "disabled"
    assert client.put("/api/accounts/li.na/roles", json={"roles": ["provider"]}).json["roles"] == ["provider"]
    repeated = client.post("/api/accounts", json={**LI, "login": "li.li"}, headers={"Idempotency-Key": "1"})
    assert repeated.status_code == 400


def test_accounts_are_listed_by_department_page_by_page(ganzhou: Any) -> None:
    for number in range(3):
        allocated(ganzhou, bob, login=f"person{number}")
    allocated(ganzhou, bob, login="other", department="education")
    client = ganzhou.client(bob)
    first = client.get("/api/accounts?department=health&limit=2").get_json()
    assert [a["login"] for a in first["items"]] == ["person0", "person1"]
    assert [a["login"] for a in client.get(first["next"]).get_json()["items"]] == ["person2"]
    assert client.get("/api/accounts?department=nowhere").status_code == 400
    assert client.get("/api/accounts?state=gone").status_code == 400


def test_accounts_are_kept_on_pages(ganzhou: Any) -> None:
    browser = ganzhou.browser(bob)
    form = browser.get("/accounts/new").text
    assert "系统管理员" not in form
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token
    sent = {"headers": {"Referer": "http://localhost"}}
    typed = {**LI, "csrf_token": token[1]}
    wrong = browser.post("/accounts/new", data={**typed, "login": "Li"}, **sent)
    assert wrong.status_code == 422
    assert 'href="#f-login"' in wrong.text
    made = browser.post("/accounts/new", data=typed, **sent)
    assert made.status_code == 200
    assert re.search(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", made.text)
    assert "李娜" in browser.get("/accounts?department=health").text
    one = {"csrf_token": token[1], "roles": ["provider"]}
    assert browser.post("/accounts/li.na/roles", data=one, **sent).status_code == 303
    assert browser.post("/accounts/li.na/roles", data={"csrf_token": token[1]}, **sent).status_code == 422
    shut = browser.post("/accounts/li.na/actions/disable", data={"csrf_token": token[1]}, **sent)
    assert shut.status_code == 303
    assert "已停用" in browser.get("/accounts/li.na").text
    assert "/accounts" in browser.get("/account").text


def test_the_pages_stay_shut_where_the_rulebook_gives_them_to_nobody(world: Any) -> None:
    for path in ("/accounts", "/accounts/new"):
        assert world.browser(bob).get(path).status_code == 403
        assert world.browser(ADMIN).get(path).status_code == 200
    assert 'href="/accounts"' not in world.browser(bob).get("/account").text
