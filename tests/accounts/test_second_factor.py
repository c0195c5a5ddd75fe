"""Zhao Min signs in with a second factor; others have her password, or her telephone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

import schemas
from accounts.factors.keeping import factors_at_terminal, remove_all_factors
from accounts.factors.proving import complete_sign_in, read_proof
from accounts.factors.store import factors, recovery_codes
from accounts.people import reset_password
from accounts.sessions import start_session
from core.errors import NotFound, NotPermitted
from core.settings_security import COMMANDING
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, PASSWORD, Browser, bodies
from tests.accounts.factors import App, demanding, signed_in, with_app
from tests.cast import adam, bob
from web.auth import NOBODY

pytestmark = pytest.mark.long

STEP = "/sign-in/second-factor"


@pytest.fixture
def app(world: Any, zhao: Browser) -> App:
    """The app that Zhao Min has set up; a minute has passed since."""
    made, _ = with_app(world, zhao)
    world.now += timedelta(minutes=1)
    return made


def half(world: Any) -> Browser:
    """A browser in which the password was typed, and nothing else yet."""
    other = Browser(world.app)
    assert other.sign_in(LOGIN, PASSWORD).status_code == 303
    return other


def test_the_password_alone_opens_no_page(world: Any, app: App) -> None:
    other = half(world)
    for path in ("/", "/account", "/account/factors", "/password", "/datasets", "/confirm"):
        answer = other.get(path)
        assert answer.status_code == 303, path
        assert answer.location.startswith(STEP), path
    assert other.send(STEP, "/account/sessions/end-others").location == STEP
    assert other.send(STEP, "/account/factors/app").location == STEP


def test_the_code_completes_the_sign_in_under_another_cookie_and_goes_on(world: Any, app: App) -> None:
    other = Browser(world.app)
    other.sign_in(LOGIN, PASSWORD, next="/account?x=1")
    before = other.client.get_cookie("sid").value
    asked = other.get("/account?x=1").location
    answer = other.client.post(
        STEP, data={"csrf_token": other.token(asked), "confirm_code": app.code(), "next": "/account?x=1"}
    )
    assert answer.location == "/account?x=1"
    assert other.is_signed_in()
    thief = Browser(world.app)
    thief.client.set_cookie("sid", before)
    assert not thief.is_signed_in()
    assert other.client.get_cookie("sid").value != before


def test_a_page_for_everybody_shows_no_more_to_half_a_sign_in(world: Any, app: App) -> None:
    assert "潜江市民政局</span>" not in half(world).get("/statistics").text


def test_a_code_serves_once_also_in_another_browser(world: Any, app: App) -> None:
    code = app.code()
    assert half(world).send(STEP, confirm_code=code).status_code == 303
    assert half(world).send(STEP, confirm_code=code).status_code == 422
    world.now += timedelta(seconds=30)
    assert half(world).send(STEP, confirm_code=app.code()).status_code == 303


def test_a_code_shown_side_by_side_is_taken_once(world: Any, app: App) -> None:
    with world.work(SYSTEM) as work:
        cookies = [start_session(work, LOGIN) for _ in range(4)]
    typed = read_proof(world.database, LOGIN, {"confirm_code": app.code()}, is_heard=False)

    def show(cookie: str) -> bool:
        with world.work(NOBODY) as work:
            return complete_sign_in(work, cookie, typed) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(show, cookies)) == 1


def test_five_wrong_codes_lock_the_account_and_the_right_one_does_not_help(world: Any, app: App) -> None:
    other = half(world)
    for _ in range(5):
        assert other.send(STEP, confirm_code="000000").status_code == 422
    assert other.send(STEP, confirm_code=app.code()).status_code == 422
    world.now += timedelta(minutes=14)
    assert other.send(STEP, confirm_code=app.code()).status_code == 422
    world.now += timedelta(minutes=1)
    assert half(world).send(STEP, confirm_code=app.code()).status_code == 303


def test_the_password_typed_again_does_not_buy_more_tries(world: Any, app: App) -> None:
    for _ in range(5):
        half(world).send(STEP, confirm_code="000000")
    assert half(world).send(STEP, confirm_code=app.code()).status_code == 422
    failures = bodies(world, "account.sign_in_failed")
    assert [f["locked"] for f in failures] == [False] * 4 + [True] * 2
    assert {f["at"] for f in failures} == {"second_factor"}


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "１２３４５６", "x" * 5000, "' or 1=1 --", "\0"])
def test_noise_is_no_code(world: Any, app: App, typed: str) -> None:
    other = half(world)
    assert other.send(STEP, confirm_code=typed).status_code == 422
    assert other.send(STEP, confirm_passkey=typed or "{}").status_code == 422
    assert not other.is_signed_in()


def test_the_password_is_no_second_factor(world: Any, app: App) -> None:
    other = half(world)
    assert other.send(STEP, confirm_password=PASSWORD).status_code == 422
    assert not other.is_signed_in()


def test_ten_recovery_codes_are_shown_once_and_each_serves_once(world: Any, zhao: Browser) -> None:
    _, codes = with_app(world, zhao)
    assert len(set(codes)) == 10
    assert not any(code in zhao.get("/account/factors").text for code in codes)
    typed = codes[0].upper().replace("-", " ")
    assert half(world).send(STEP, confirm_code=typed).status_code == 303
    assert half(world).send(STEP, confirm_code=codes[0]).status_code == 422
    [used] = bodies(world, "account.recovery_code_used")
    assert used["left"] == 9
    assert "还剩 9 个" in zhao.get("/account/factors").text


def test_fresh_recovery_codes_end_those_before(world: Any, zhao: Browser) -> None:
    _, codes = with_app(world, zhao)
    shown = zhao.send("/account/factors", "/account/factors/recovery")
    assert shown.text.count("<code>") == 10
    assert half(world).send(STEP, confirm_code=codes[0]).status_code == 422


def test_nothing_that_proves_is_kept_in_the_clear(world: Any, zhao: Browser) -> None:
    app, codes = with_app(world, zhao)
    with world.database.read() as tx:
        kept = str(tx.execute(select(factors)).all()) + str(tx.execute(select(recovery_codes)).all())
    assert app.totp.secret not in kept
    assert not any(code in kept or code.replace("-", "") in kept for code in codes)
    assert app.totp.secret not in str(bodies(world))


def test_an_app_counts_only_once_it_has_made_a_right_code(world: Any, zhao: Browser) -> None:
    zhao.send("/account/factors", "/account/factors/app")
    wrong = zhao.send("/account/factors/app", "/account/factors/app/finish", code="000000")
    assert wrong.status_code == 422
    assert 'href="#f-code"' in wrong.text
    assert Browser(world.app).sign_in(LOGIN, PASSWORD).location == "/"
    with world.read(SYSTEM) as work:
        assert factors_at_terminal(work, LOGIN) == []


def test_other_sessions_must_show_the_factor_that_was_set_up_meanwhile(world: Any, zhao: Browser) -> None:
    other = half(world)
    assert other.is_signed_in()
    with_app(world, zhao)
    assert zhao.is_signed_in()
    assert other.get("/").location == STEP


def test_she_takes_her_factor_away_and_the_codes_with_it(world: Any, zhao: Browser) -> None:
    with_app(world, zhao)
    with world.read(SYSTEM) as work:
        [row] = work.tx.execute(select(factors.c.id)).all()
    assert zhao.send("/account/factors", f"/account/factors/{row.id}/remove").status_code == 303
    assert Browser(world.app).sign_in(LOGIN, PASSWORD).location == "/"
    assert bodies(world, "account.second_factor_removed")
    with world.database.read() as tx:
        assert tx.execute(select(recovery_codes)).all() == []


def test_nobody_takes_away_the_factor_of_somebody_else(world: Any, zhao: Browser) -> None:
    with_app(world, zhao)
    mallory = signed_in(world, "mallory", "consumer", "education")
    with world.read(SYSTEM) as work:
        [row] = work.tx.execute(select(factors.c.id)).all()
    assert mallory.send("/account/factors", f"/account/factors/{row.id}/remove").status_code == 404


def test_a_new_password_does_not_get_around_the_factor(world: Any, app: App) -> None:
    with world.work(SYSTEM) as work:
        first = reset_password(work, LOGIN)
    other = Browser(world.app)
    other.sign_in(LOGIN, first)
    assert other.get("/password").location.startswith(STEP)
    assert other.send(STEP, confirm_code=app.code()).status_code == 303
    assert other.get("/").location == "/password"


def test_a_lost_telephone_is_dealt_with_at_the_terminal_and_on_record(world: Any, zhao: Browser) -> None:
    with_app(world, zhao)
    for person in (bob, adam):
        with pytest.raises(NotPermitted), world.work(person) as work:
            remove_all_factors(work, LOGIN)
    with world.work(SYSTEM) as work:
        assert remove_all_factors(work, LOGIN) == 1
    assert not zhao.is_signed_in()
    assert half(world).is_signed_in()
    [body] = bodies(world, "account.second_factor_removed")
    assert (body["factor"], body["sessions_ended"]) == ("all", 1)
    with pytest.raises(NotFound), world.work(SYSTEM) as work:
        remove_all_factors(work, LOGIN)


# --- who must have one ------------------------------------------------------------------------------


def test_who_manages_or_reviews_reaches_nothing_before_a_factor_is_set_up(world: Any) -> None:
    demanding(world, second_factor=COMMANDING)
    qian = signed_in(world, "qian.wei", "platform_manager", "bigdata")
    for path in ("/", "/account", "/applications", "/password"):
        assert qian.get(path).location == "/account/factors", path
    assert "必须使用双因素登录" in qian.get("/account/factors").text
    with_app(world, qian)
    assert qian.is_signed_in()


def test_others_may_have_one_and_need_not(world: Any) -> None:
    demanding(world, second_factor=COMMANDING)
    assert signed_in(world, "li.na", "consumer", "health").is_signed_in()


def test_the_records_say_how_somebody_signed_in(world: Any, app: App) -> None:
    half(world).send(STEP, confirm_code=app.code())
    assert bodies(world, "account.signed_in")[-1]["amr"] == ["otp", "pwd"]
    assert bodies(world, "account.second_factor_asked")[-1]["amr"] == ["pwd"]


def test_the_last_sign_in_is_told_once_it_is_complete(world: Any, app: App) -> None:
    world.now += timedelta(hours=1)
    other = half(world)
    assert "上次登录" not in other.get(STEP).text
    other.send(STEP, confirm_code=app.code())
    assert "上次登录" in other.get("/").text


def test_a_role_that_nobody_can_have_is_no_role_to_demand_a_factor_of() -> None:
    [fault] = schemas.errors("config/security", {"second_factor": ["platform_manger"]})
    assert fault.pointer == "/second_factor/0"
    known = schemas.schema("config/accounts")["properties"]["accounts"]["items"]["properties"]["roles"]
    demanded = schemas.schema("config/security")["properties"]["second_factor"]
    assert demanded["items"]["enum"] == known["items"]["enum"]
    assert set(demanded["items"]["enum"]) >= COMMANDING
