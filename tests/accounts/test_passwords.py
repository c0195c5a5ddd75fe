"""What a password must be like, and how it is kept."""

from __future__ import annotations

import pytest
from argon2 import Type, extract_parameters

from accounts import store
from accounts.passwords import hash_password, one_time_password, password_faults, verify_password
from accounts.people import create_account
from core.errors import Conflict, Invalid, NotPermitted
from core.work import SYSTEM
from tests.accounts.browser import LOGIN, PASSWORD, Browser, bodies
from tests.warm import PRODUCTS_HASHER


@pytest.mark.parametrize(
    ("current", "new", "again", "pointer"),
    [
        ("old password 1", "too short", "too short", "/new"),
        ("old password 1", "x" * 257, "x" * 257, "/new"),
        ("old password 1", "i am Zhao.Min 2026", "i am Zhao.Min 2026", "/new"),
        ("old password 1", "old password 1", "old password 1", "/new"),
        ("old password 1", "a fine new one", "a fine new oen", "/again"),
    ],
)
def test_a_new_password_that_does_not_do_is_refused_at_its_field(current, new, again, pointer):
    assert [e.pointer for e in password_faults(LOGIN, current, new, again)] == [pointer]


def test_a_long_sentence_does():
    assert password_faults(LOGIN, "old", PASSWORD, PASSWORD) == []


def test_a_hash_is_argon2id_and_fits_its_password_alone():
    made = hash_password(PASSWORD)
    assert made.startswith("$argon2id$")
    assert verify_password(made, PASSWORD)
    assert not verify_password(made, PASSWORD + " ")
    assert not verify_password(None, PASSWORD)
    assert not verify_password("not a hash", PASSWORD)


def test_outside_the_tests_a_hash_costs_what_owasp_advises_at_least():
    made = PRODUCTS_HASHER.hash(PASSWORD)
    used = extract_parameters(made)
    assert used.type is Type.ID
    assert (used.memory_cost, used.time_cost, used.parallelism) == (19 * 1024, 2, 1)
    assert verify_password(made, PASSWORD)


def test_a_password_fits_from_a_keyboard_that_composes_differently():
    assert verify_password(hash_password("caf\u00e9 au lait, s'il"), "cafe\u0301 au lait, s'il")


def test_no_two_one_time_passwords_are_alike():
    made = {one_time_password() for _ in range(100)}
    assert len(made) == 100
    assert all(password_faults(LOGIN, "", p, p) == [] for p in made)


def test_a_form_with_a_bad_password_says_so_beside_the_field_and_echoes_nothing(zhao):
    answer = zhao.send("/password", current=PASSWORD, new="shortsecret", again="shortsecret")
    assert answer.status_code == 422
    assert 'id="f-new-error"' in answer.text
    assert "shortsecret" not in answer.text
    assert PASSWORD not in answer.text


def test_guessing_the_present_password_at_an_open_browser_shuts_the_account(world, zhao):
    for _ in range(5):
        answer = zhao.send("/password", current="wrong", new=PASSWORD * 2, again=PASSWORD * 2)
        assert "原密码不正确" in answer.text
    answer = zhao.send("/password", current=PASSWORD, new=PASSWORD * 2, again=PASSWORD * 2)
    assert "原密码不正确" in answer.text
    assert [b["locked"] for b in bodies(world, "account.sign_in_failed")][-2:] == [True, True]


def test_the_database_keeps_only_a_hash(world, first_password):
    with world.database.read() as tx:
        account = store.account(tx, LOGIN)
    assert account.password_hash.startswith("$argon2id$")
    assert first_password not in str(account)


def test_a_login_is_never_given_to_a_second_person(world, first_password):
    with pytest.raises(Conflict), world.work(SYSTEM) as work:
        create_account(work, LOGIN, "另一个赵敏", "health", {"consumer"})


@pytest.mark.parametrize(
    ("login", "department", "roles"),
    [
        ("Zhao Min", "civil_affairs", {"provider"}),
        ("zhao.min", "no_such_office", {"provider"}),
        ("zhao.min", "civil_affairs", {"emperor"}),
        ("zhao.min", "civil_affairs", set()),
    ],
)
def test_an_account_that_the_deployment_cannot_know_is_refused(world, login, department, roles):
    with pytest.raises(Invalid), world.work(SYSTEM) as work:
        create_account(work, login, "赵敏", department, roles)


def test_only_administrators_make_accounts(world, people):
    with pytest.raises(NotPermitted), world.work(people.bob) as work:
        create_account(work, "my.friend", "朋友", "health", {"consumer"})


def test_a_fresh_database_lets_nobody_in(world):
    stranger = Browser(world.app)
    for login in ("admin", "root", "administrator", LOGIN):
        stranger.sign_in(login, "admin")
    assert not stranger.is_signed_in()
