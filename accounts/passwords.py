"""Passwords: hashed with Argon2id, a few at a time; one-time passwords; what a new one must be like."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from accounts.common import is_common
from core.errors import FieldError, TooMany
from core.text import Text

SHORTEST, LONGEST = 12, 256
"""Characters that a password may have: no more than 1 kB in UTF-8."""
REMEMBERED = 5
"""A new password is none of the last so many (GB/T 22239-2019, 8.1.4.1 a)."""

# Memory, time and lanes as the OWASP Password Storage Cheat Sheet advises for Argon2id.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# Each hash takes 19 MiB and a core: a flood of attempts must not take the machine.
_at_once = threading.BoundedSemaphore(4)
_WAIT_SECONDS = 5
HELD_MOST = 12
"""So many threads hash or wait for it, of those that answer pages: the others are for everybody else."""
_held = threading.BoundedSemaphore(HELD_MOST)
EACH_MOST = 2
"""So many of them are there for one and the same person, who takes no more of the places."""
_of_each: Counter[str] = Counter()
_counting = threading.Lock()

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password. Raises TooMany when the platform is busy with others."""
    with _turn():
        return _hasher.hash(_plain(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Tell whether a password fits a hash; takes as long where there is no hash. Raises TooMany when busy."""
    with _turn():
        try:
            fits = _hasher.verify(password_hash or _nobodys_hash(), _plain(password))
        except (VerificationError, InvalidHashError):
            return False
    return fits and password_hash is not None and len(password) <= LONGEST


@contextmanager
def one_of_few(whose: str) -> Iterator[None]:
    """Look at passwords for `whose` sake while few others do. Raises TooMany at once where enough do."""
    with _counting:
        if _of_each[whose] >= EACH_MOST:
            raise TooMany(
                "该账号正在验证的密码过多，请稍后再试",
                "enough passwords of this account are being checked just now; try again",
                retry_after=5,
            )
        _of_each[whose] += 1
    try:
        yield
    finally:
        _leave(whose)


def _leave(whose: str) -> None:
    with _counting:
        _of_each[whose] -= 1
        if not _of_each[whose]:
            del _of_each[whose]


def one_time_password() -> str:
    """Return a password of 20 random characters that can be read aloud, about 99 bits."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return "-".join(letters[i : i + 5] for i in range(0, 20, 5))


def password_faults(login: str, current: str, new: str, again: str, name: str = "") -> list[FieldError]:
    """Return what is wrong with a new password, one entry per field of the form (RFC 6901 pointers)."""
    new = _plain(new)
    fault = _fault(new, login, name)
    if fault is None and new == _plain(current):
        fault = Text("新密码不能与原密码相同", "The new password must differ from the present one")
    if fault is not None:
        return [FieldError("/new", fault)]
    if new != _plain(again):
        return [FieldError("/again", Text("两次输入的新密码不一致", "The two new passwords differ"))]
    return []


def _fault(new: str, login: str, name: str) -> Text | None:
    if len(new) < SHORTEST or len(new) > LONGEST:
        return Text(
            f"新密码应为 {SHORTEST} 到 {LONGEST} 个字符",
            f"The new password must have {SHORTEST} to {LONGEST} characters",
        )
    if _letters(login) in _letters(new) or (len(_letters(name)) > 1 and _letters(name) in _letters(new)):
        return Text(
            "新密码不能包含登录名或姓名", "The new password must contain neither the login nor the name"
        )
    if is_common(new):
        return Text(
            "新密码太常见：不要只用常用词、键盘顺序、日期和重复字符",
            "The new password is a common one: more than everyday words, runs of keys, dates and repetitions",
        )
    return None


def _letters(text: str) -> str:
    return "".join(c for c in _plain(text).casefold() if c.isalnum())


def _plain(password: str) -> str:
    """Return the one form of a password, so that it fits from every keyboard (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password[: LONGEST + 1])


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe())


@contextmanager
def _turn() -> Iterator[None]:
    if not _held.acquire(blocking=False):
        raise _busy()
    try:
        if not _at_once.acquire(timeout=_WAIT_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            _at_once.release()
    finally:
        _held.release()


def _busy() -> TooMany:
    return TooMany(
        "当前登录人数过多，请稍后再试", "too many people sign in just now; try again", retry_after=5
    )
