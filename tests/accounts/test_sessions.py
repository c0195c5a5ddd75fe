"""How long a browser stays signed in, and who ends it."""

from __future__ import annotations

from datetime import timedelta

from accounts import store
from tests.accounts.browser import LOGIN, PASSWORD, Browser, bodies


def test_a_session_ends_when_nobody_uses_it_for_a_quarter_of_an_hour(world, zhao):
    world.now += timedelta(minutes=14, seconds=59)
    assert zhao.is_signed_in()
    world.now += timedelta(minutes=15)
    assert not zhao.is_signed_in()


def test_a_session_in_use_goes_on_but_never_beyond_eight_hours(world, zhao):
    for _ in range(47):
        world.now += timedelta(minutes=10)
        assert zhao.is_signed_in()
    world.now += timedelta(minutes=10)
    assert not zhao.is_signed_in()


def test_reading_pages_writes_at_most_once_a_minute(world, zhao):
    def last_seen():
        with world.database.read() as tx:
            return store.open_sessions(tx, LOGIN)[0].last_seen_at

    started = last_seen()
    world.now += timedelta(seconds=59)
    zhao.get("/")
    assert last_seen() == started
    world.now += timedelta(seconds=1)
    zhao.get("/")
    assert last_seen() == world.now


def test_the_database_holds_no_cookie(world, zhao):
    cookie = zhao.client.get_cookie("sid").value
    assert cookie.encode() not in world.written()


def test_the_cookie_is_out_of_reach_of_scripts(world, zhao):
    answer = Browser(world.app).sign_in(LOGIN, PASSWORD)
    [cookie] = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith("sid=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


def test_signing_in_again_ends_the_session_that_the_browser_had(world, zhao):
    old = zhao.client.get_cookie("sid").value
    zhao.client.delete_cookie("sid")
    token = zhao.token("/sign-in")
    zhao.client.set_cookie("sid", old)
    zhao.client.post("/sign-in", data={"csrf_token": token, "login": LOGIN, "password": PASSWORD})
    assert zhao.client.get_cookie("sid").value != old
    thief = Browser(world.app)
    thief.client.set_cookie("sid", old)
    assert not thief.is_signed_in()


def test_signing_out_ends_the_session_for_good(world, zhao):
    cookie = zhao.client.get_cookie("sid").value
    zhao.send("/account", "/sign-out")
    assert not zhao.is_signed_in()
    zhao.client.set_cookie("sid", cookie)
    assert not zhao.is_signed_in()
    assert bodies(world, "account.signed_out")


def test_she_sees_where_she_is_signed_in_and_ends_one_session(world, zhao):
    other = Browser(world.app)
    other.sign_in(LOGIN, PASSWORD)
    page = zhao.get("/account").text
    assert "本浏览器" in page
    with world.database.read() as tx:
        newest = store.open_sessions(tx, LOGIN)
    [elsewhere] = [s.id for s in newest if f"/account/sessions/{s.id}/end" in page]
    assert zhao.send("/account", f"/account/sessions/{elsewhere}/end").status_code == 303
    assert not other.is_signed_in()
    assert zhao.is_signed_in()


def test_she_ends_all_other_sessions_at_once(world, zhao):
    others = [Browser(world.app) for _ in range(3)]
    for other in others:
        other.sign_in(LOGIN, PASSWORD)
    zhao.send("/account", "/account/sessions/end-others")
    assert [o.is_signed_in() for o in others] == [False] * 3
    assert zhao.is_signed_in()


def test_nobody_ends_the_session_of_somebody_else(world, zhao, people):
    carol = Browser(world.app)
    carol.client = world.browser(people.carol)
    with world.database.read() as tx:
        [hers] = store.open_sessions(tx, LOGIN)
    answer = carol.send("/account", f"/account/sessions/{hers.id}/end")
    assert answer.status_code == 404
    assert zhao.is_signed_in()


def test_a_new_password_ends_every_session_but_makes_a_fresh_one_here(world, zhao):
    other = Browser(world.app)
    other.sign_in(LOGIN, PASSWORD)
    before = zhao.client.get_cookie("sid").value
    new = "another good long sentence"
    zhao.send("/password", current=PASSWORD, new=new, again=new)
    assert not other.is_signed_in()
    assert zhao.is_signed_in()
    assert zhao.client.get_cookie("sid").value != before
