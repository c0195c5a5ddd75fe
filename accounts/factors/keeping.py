"""A person's own second factors: set up, shown to work, taken away; every step on record."""

from __future__ import annotations

from accounts.factors import store, totp
from accounts.factors.model import MOST, Factor
from accounts.factors.passkeys import Asking, are_possible, credential_digest, registered
from accounts.factors.proving import sealed_place, use_code
from accounts.factors.recovery import make_codes
from accounts.model import PASSKEY, TOTP, Account
from accounts.people import account_of, note
from accounts.store import end_sessions
from core.envelope import open_sealed, seal
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import new_id
from core.times import local_iso, millis
from core.work import Work

NAME_LONGEST = 40


def own_factors(work: Work) -> list[Factor]:
    """Return the actor's own factors that work, the oldest first."""
    return store.factors_of(work.tx, work.actor.login)


def codes_left(work: Work) -> int:
    """Return how many recovery codes the actor has left."""
    return store.count_codes(work.tx, work.actor.login)


def begin_app(work: Work) -> None:
    """Make a secret for an authenticator app of the actor's; it opens nothing until a code was shown.

    What was begun before and not finished is forgotten. Raises Conflict when there are too many factors.
    """
    account = _with_room(work)
    begun = store.waiting_factor(work.tx, account.login)
    if begun is not None:
        store.delete_factor(work.tx, begun.id)
    id = new_id(millis(work.now))
    secret = seal(work.settings, totp.new_secret(), sealed_place(id))
    store.insert_factor(work.tx, _factor(work, id, TOTP, "", secret, None, 0), None)
    note(work, "second_factor_begun", account, factor=TOTP)


def secret_to_show(work: Work) -> str | None:
    """Return the secret of the app that the actor is setting up, None when none."""
    begun = store.waiting_factor(work.tx, work.actor.login)
    return open_sealed(work.settings, begun.secret, sealed_place(begun.id)) if begun else None


def finish_app(work: Work, code: str) -> list[str]:
    """Let the app that the actor is setting up count, since it made the right code; return recovery codes.

    There are codes with the first factor only. Raises Invalid for a wrong code, NotFound when none was begun.
    """
    account = _with_room(work)
    begun = store.waiting_factor(work.tx, account.login)
    if begun is None:
        raise NotFound("没有待设置的验证器", "no authenticator app is being set up")
    if not use_code(work, begun, code):
        raise invalid(
            "/code",
            "验证码不正确，请核对手机时间后输入新的验证码",
            "The code is wrong; check the clock of your phone and type the next one",
        )
    store.prove_factor(work.tx, begun, work.now)
    return _added(work, account, TOTP)


def add_passkey(work: Work, session_id: str, name: str, answer: str) -> list[str]:
    """Add the passkey that the actor's browser made; return recovery codes when it is the first factor.

    Raises Invalid for an answer that is not sound, Conflict for a passkey that is registered already.
    """
    account = _with_room(work)
    must_be_possible(work)
    name = name.strip()
    if not 1 <= len(name) <= NAME_LONGEST or not name.isprintable():
        words = f"应为 1 到 {NAME_LONGEST} 个字符", f"must have 1 to {NAME_LONGEST} characters"
        raise invalid("/name", *words)
    made = registered(Asking(work.settings, session_id, work.now), answer)
    if made is None:
        raise invalid(
            "/passkey", "浏览器未能登记通行密钥，请重试", "The browser did not make a passkey; try again"
        )
    digest = credential_digest(made.credential)
    if store.is_known_credential(work.tx, digest):
        raise Conflict("该通行密钥已登记", "this passkey is registered already", code="passkey_known")
    id = new_id(millis(work.now))
    new = _factor(work, id, PASSKEY, name, made.public_key, made.credential, made.counter)
    store.insert_factor(work.tx, new, digest)
    store.prove_factor(work.tx, new, work.now)
    return _added(work, account, PASSKEY)


def must_be_possible(work: Work) -> None:
    """Refuse passkeys where browsers would. Raises NotPermitted."""
    if not are_possible(work.settings):
        raise NotPermitted(
            "通行密钥须通过域名和 TLS 使用",
            "passkeys want an address that is a name, reached by TLS",
            code="passkeys_impossible",
        )


def remove_factor(work: Work, factor_id: str) -> None:
    """Take away one of the actor's own factors; the recovery codes go with the last. Raises NotFound."""
    account = account_of(work, work.actor.login)
    found = next((f for f in store.factors_of(work.tx, account.login) if f.id == factor_id), None)
    if found is None:
        raise NotFound("没有这个验证方式", "there is no such second factor")
    store.delete_factor(work.tx, found.id)
    if not store.has_factor(work.tx, account.login):
        store.delete_all(work.tx, account.login)
    note(work, "second_factor_removed", account, factor=found.kind)


def new_recovery_codes(work: Work) -> list[str]:
    """Give the actor other recovery codes and return them, this once. Raises Conflict without a factor."""
    account = account_of(work, work.actor.login)
    if not store.has_factor(work.tx, account.login):
        raise Conflict("请先设置验证器或通行密钥", "set up an app or a passkey first", code="no_factor")
    note(work, "recovery_codes_made", account)
    return make_codes(work.tx, account.login)


def remove_all_factors(work: Work, login: str) -> int:
    """Take away every factor of somebody who lost them, end their sessions; return how many factors.

    Raises NotFound for a login or a factor that does not exist, NotPermitted unless it is done at the
    terminal: whoever resets passwords on a page must not be able to take away what guards against that.
    """
    if not work.actor.has("system"):
        raise NotPermitted("只能在服务器终端办理", "this is done at the server's terminal")
    account = account_of(work, login)
    removed = store.delete_all(work.tx, account.login)
    if not removed:
        raise NotFound("该账号没有双因素验证方式", "the account has no second factor")
    ended = end_sessions(work.tx, account.login, work.now)
    note(work, "second_factor_removed", account, factor="all", sessions_ended=ended)
    return removed


def factors_at_terminal(work: Work, login: str) -> list[tuple[str, str, str, str | None]]:
    """Return kind, name, beginning and last use of somebody's factors. Raises NotFound."""
    found = store.factors_of(work.tx, account_of(work, login).login)
    return [
        (f.kind, f.name, local_iso(f.created_at), local_iso(f.used_at) if f.used_at else None) for f in found
    ]


def _added(work: Work, account: Account, kind: str) -> list[str]:
    note(work, "second_factor_added", account, factor=kind)
    if store.count_codes(work.tx, account.login):
        return []
    note(work, "recovery_codes_made", account)
    return make_codes(work.tx, account.login)


def _with_room(work: Work) -> Account:
    account = account_of(work, work.actor.login)
    if len(store.factors_of(work.tx, account.login)) >= MOST:
        raise Conflict(
            f"最多设置 {MOST} 个验证方式",
            f"nobody has more than {MOST} second factors",
            code="too_many_factors",
        )
    return account


def _factor(
    work: Work, id: str, kind: str, name: str, secret: str, credential: str | None, counter: int
) -> Factor:
    login = work.actor.login
    return Factor(id, login, kind, name, secret, credential, counter, work.now, None, None)
