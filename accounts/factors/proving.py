"""Proving who one is beyond the password: at sign-in, and once more before what matters (step-up).

Somebody with a second factor proves it with that, everybody else with their password. After five failures
nothing is taken for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accounts.factors import store, totp
from accounts.factors.model import Factor
from accounts.factors.passkeys import Asking, credential_of, signed
from accounts.factors.recovery import digest_of
from accounts.guessing import inside, is_shut_inside
from accounts.model import PASSKEY, PASSWORD, RECOVERY, TOTP, Account, Session
from accounts.passwords import one_of_few
from accounts.people import account_of, count_failure, note
from accounts.sessions import Attempt, check_attempt, may_sign_in, renew_session, session_of
from accounts.store import forget_tries
from core.db import Database
from core.envelope import open_sealed
from core.work import Work

CODE, PASSKEY_ANSWER, TYPED_PASSWORD = "confirm_code", "confirm_passkey", "confirm_password"
"""The fields in which a proof comes."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed to prove who they are; a password is checked already, nothing is decided."""

    code: str
    passkey: str
    attempt: Attempt | None


def is_password_heard(work: Work) -> bool:
    """Tell whether the actor's password could prove anything now: for nobody else is one hashed."""
    login = work.actor.login
    return bool(login) and not store.has_factor(work.tx, login) and not is_shut_inside(work, login)


def read_proof(database: Database, login: str, fields: Mapping[str, str], *, is_heard: bool) -> Typed:
    """Read a proof from the fields of a form while no transaction is open; of passwords one that is heard.

    Raises TooMany when busy.
    """
    password = fields.get(TYPED_PASSWORD, "")
    attempt = _attempt(database, login, password) if password and is_heard else None
    return Typed(fields.get(CODE, "").strip(), fields.get(PASSKEY_ANSWER, ""), attempt)


def _attempt(database: Database, login: str, password: str) -> Attempt:
    with one_of_few(inside(login)):
        return check_attempt(database, login, password)


def complete_sign_in(work: Work, cookie: str, typed: Typed) -> str | None:
    """Show the second factor of a sign-in whose password was right; return the cookie to go on with.

    None when it does not do; that counts as a failed sign-in.
    """
    proven = _proven(work, cookie, typed, "second_factor")
    if proven is None:
        return None
    account, proof, fresh = proven
    note(work.acting_as(account.actor), "signed_in", account, amr=sorted({PASSWORD, proof}))
    return fresh


def confirm(work: Work, cookie: str, typed: Typed) -> str | None:
    """Prove once more who one is; return the cookie to go on with, None when the proof does not do."""
    proven = _proven(work, cookie, typed, "confirm")
    if proven is None:
        return None
    account, proof, fresh = proven
    note(work.acting_as(account.actor), "confirmed", account, by=proof)
    return fresh


def _proven(work: Work, cookie: str, typed: Typed, at: str) -> tuple[Account, str, str] | None:
    session = session_of(work, cookie)
    if session is None:
        return None
    account = account_of(work, session.login)
    key = inside(account.login)
    proof = _proof(work, account, session, typed) if may_sign_in(work, account, key) else None
    if proof is None:
        count_failure(work, account, at, key)
        return None
    forget_tries(work.tx, key)
    return account, proof, renew_session(work, cookie, proof)


def _proof(work: Work, account: Account, session: Session, typed: Typed) -> str | None:
    """Return what of all that was typed proves who somebody is, and use it up."""
    factors = store.factors_of(work.tx, account.login)
    if not factors:
        return PASSWORD if _is_password(account, typed) else None
    if typed.passkey:
        return PASSKEY if _is_signed(work, session, factors, typed.passkey) else None
    if any(use_code(work, factor, typed.code) for factor in factors):
        return TOTP
    spent = store.use_code(work.tx, account.login, digest_of(account.login, typed.code), work.now)
    if not spent:
        return None
    note(work, "recovery_code_used", account, left=store.count_codes(work.tx, account.login))
    return RECOVERY


def use_code(work: Work, factor: Factor, code: str) -> bool:
    """Tell whether a code is one that an app makes now and has not been taken before; it is taken by that."""
    if factor.kind != TOTP:
        return False
    secret = open_sealed(work.settings, factor.secret, sealed_place(factor.id))
    step = totp.step_of(secret, code, work.now, factor.counter)
    return step is not None and store.advance(work.tx, factor, step, work.now)


def sealed_place(factor_id: str) -> str:
    """Return the name of the place that the secret of a factor is sealed for."""
    return f"factors|secret|{factor_id}"


def _is_password(account: Account, typed: Typed) -> bool:
    attempt = typed.attempt
    if attempt is None or attempt.login != account.login:
        return False
    return attempt.verified and attempt.checked_against == account.password_hash


def _is_signed(work: Work, session: Session, factors: list[Factor], answer: str) -> bool:
    claimed = credential_of(answer)
    asking = Asking(work.settings, session.id, work.now)
    for factor in (f for f in factors if f.credential is not None and f.credential == claimed):
        count = signed(asking, factor, answer)
        return count is not None and store.advance(work.tx, factor, count, work.now)
    return False
