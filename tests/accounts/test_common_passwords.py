"""Passwords that everybody thinks of are refused, sentences are not."""

from __future__ import annotations

from time import perf_counter

import pytest

from accounts import passwords
from accounts.common import is_common
from accounts.passwords import password_faults
from tests.accounts.browser import LOGIN, PASSWORD


@pytest.mark.parametrize(
    "password",
    [
        "password123456",
        "Admin@123456",
        "P@ssw0rd2026!",
        "1qaz@WSX3edc",
        "qwertyuiop[]",
        "123456789012",
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabc",
        "woaini520131",
        "Shuxiang@2026",
        "密码密码密码密码1234",
        "zhengwu19900101",
    ],
)
def test_a_password_that_everybody_thinks_of_is_refused(password: str) -> None:
    assert is_common(password)
    assert [e.pointer for e in password_faults(LOGIN, "", password, password)] == ["/new"]


@pytest.mark.parametrize(
    "password", [PASSWORD, "Regen und nichts als Regen", "correct horse battery staple", "k7#vQ-mr.Zt9x"]
)
def test_a_sentence_or_noise_is_not(password: str) -> None:
    assert not is_common(password)


@pytest.mark.parametrize(
    "new", ["我叫赵敏，住在江边的老房子里", "my name is zhaomin and more", "ZHAO.MIN und Regen"]
)
def test_neither_login_nor_name_is_part_of_it(new: str) -> None:
    [fault] = password_faults(LOGIN, "", new, new, "赵敏")
    assert "登录名或姓名" in fault.message.zh


def test_the_longest_password_has_a_kilobyte_and_more_is_refused_quickly() -> None:
    assert len(("龘" * passwords.LONGEST).encode()) <= 1024
    started = perf_counter()
    assert password_faults(LOGIN, "", "a" * 2_000_000, "") != []
    assert not passwords.verify_password(None, "\ufdfa" * 2_000_000)
    assert perf_counter() - started < 1
