"""Codes of an authenticator app: good for a moment, and once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.factors.totp import STEP_SECONDS, address, in_groups, new_secret, picture, step_of

NOW = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""The shared secret of RFC 6238, appendix B."""
STEP = int(NOW.timestamp()) // STEP_SECONDS


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_the_specification(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert step_of(SECRET, code, now, 0) == seconds // STEP_SECONDS
    assert step_of(SECRET, f"{code[:3]} {code[3:]}", now, 0) == seconds // STEP_SECONDS


@given(st.integers(-5, 5))
def test_a_code_is_good_half_a_minute_early_and_late(steps: int) -> None:
    code = pyotp.TOTP(SECRET).generate_otp(STEP + steps)
    assert (step_of(SECRET, code, NOW, 0) is not None) == (abs(steps) <= 1)


def test_a_code_that_was_taken_is_not_taken_again_nor_one_before_it() -> None:
    maker = pyotp.TOTP(SECRET)
    taken = step_of(SECRET, maker.generate_otp(STEP), NOW, 0)
    assert taken is not None
    assert step_of(SECRET, maker.generate_otp(STEP), NOW, taken) is None
    assert step_of(SECRET, maker.generate_otp(STEP - 1), NOW, taken) is None
    assert step_of(SECRET, maker.generate_otp(STEP + 1), NOW, taken) == taken + 1


@settings(max_examples=30)
@given(st.text(max_size=12) | st.from_regex(r"\A\d{6}\Z"))
def test_nothing_but_six_ascii_digits_is_a_code(typed: str) -> None:
    right = {pyotp.TOTP(SECRET).generate_otp(STEP + d) for d in (-1, 0, 1)}
    assert (step_of(SECRET, typed, NOW, 0) is not None) == (typed.replace(" ", "") in right)


def test_wide_digits_are_no_code() -> None:
    code = pyotp.TOTP(SECRET).generate_otp(STEP)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    assert step_of(SECRET, wide, NOW, 0) is None


def test_a_secret_has_160_bits_and_is_read_by_an_app_from_a_picture_made_here() -> None:
    secret = new_secret()
    assert len(secret) == 32
    assert secret != new_secret()
    assert in_groups(secret).replace(" ", "") == secret
    found = address(secret, "zhao.min", "潜江市政务数据共享平台")
    parsed = pyotp.parse_uri(found)
    assert isinstance(parsed, pyotp.TOTP)
    later = NOW + timedelta(hours=1)
    assert parsed.at(later) == pyotp.TOTP(secret).at(later)
    drawn = picture(found)
    assert drawn.startswith("<svg ")
    assert "style=" not in drawn
    assert "viewBox=" in drawn
    assert secret not in drawn
