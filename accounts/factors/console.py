"""The pages of second factors: showing one at sign-in, proving once more who one is, setting them up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from accounts.console import known_browser, own_address, renew_form_tokens, seen_before
from accounts.factors import totp
from accounts.factors.keeping import (
    NAME_LONGEST,
    add_passkey,
    begin_app,
    codes_left,
    finish_app,
    must_be_possible,
    new_recovery_codes,
    own_factors,
    remove_factor,
    secret_to_show,
)
from accounts.factors.model import KINDS, MOST
from accounts.factors.passkeys import (
    Asking,
    are_possible,
    confirmation_options,
    registration_options,
)
from accounts.factors.proving import Typed, complete_sign_in, confirm, is_password_heard, read_proof
from accounts.model import PASSKEY, TOTP
from accounts.oidc.identities import ways_to_confirm
from accounts.sessions import last_sign_in, renew_session, session_id_of
from core.text import Text
from core.work import Work
from web.auth import ENROLMENT, SECOND_FACTOR, left_to_do, renew_cookie, session_actor, session_cookie
from web.confirming import Carried, Confirming
from web.kit import Kit, kit
from web.pages import Go, Page, Pages, Seen

pages = Pages("factors")

_PENDING = frozenset({"signed_in", SECOND_FACTOR})
_OWN = frozenset({"signed_in", ENROLMENT})

_WRONG = Text(
    "验证未通过，或多次输错后账号暂时锁定（15 分钟后可再试）。每个验证码只能使用一次。",
    "That did not do, or too many wrong tries shut the account for 15 minutes. Each code serves once.",
)


def _typed(k: Kit, form: Mapping[str, str]) -> Typed:
    with k.database.read() as tx:
        work = k.work(tx, session_actor(k, tx, k.clock()))
        is_heard = is_password_heard(work)
    return read_proof(k.database, work.actor.login, form, is_heard=is_heard)


def _proof_page(work: Work, title: Text, action: str, fields: Any, *, wrong: bool) -> Page:
    """Return the page that asks for a proof, in the ways that the person has."""
    known = own_factors(work)
    keys = [f for f in known if f.kind == PASSKEY]
    session = session_id_of(work, session_cookie(kit())) or ""
    asked = Asking(work.settings, session, work.now)
    context = {
        "title": title,
        "action": action,
        "fields": fields,
        "wrong": _WRONG if wrong else None,
        "with_factor": bool(known),
        "with_app": any(f.kind == TOTP for f in known),
        "options": confirmation_options(asked, keys) if keys and are_possible(work.settings) else None,
        "pending": left_to_do(work.actor) == SECOND_FACTOR,
        "ways": {} if known else ways_to_confirm(work),
    }
    return Page("accounts/confirm.html", context, 422 if wrong else 200, scripts=bool(keys))


# --- at sign-in -----------------------------------------------------------------------------------

_SECOND_STEP = Text("双因素登录", "Second factor")


@pages.show("/sign-in/second-factor", who=_PENDING, summary=_SECOND_STEP)
def second_factor_page(work: Work, seen: Seen) -> Page | Go:
    """Ask for the second factor of a sign-in whose password was right."""
    target = own_address(seen.query.get("next"))
    if left_to_do(work.actor) != SECOND_FACTOR:
        return Go(target)
    return _proof_page(work, _SECOND_STEP, "/sign-in/second-factor", [("next", target)], wrong=False)


@pages.form("/sign-in/second-factor", who=_PENDING, summary=_SECOND_STEP, ahead=_typed)
def do_second_factor(work: Work, seen: Seen) -> Page | Go:
    """Complete the sign-in, in a session with another cookie."""
    target = own_address(seen.form.get("next"))
    before = last_sign_in(work, work.actor.login)
    cookie = complete_sign_in(work, session_cookie(kit()), seen.ahead)
    if cookie is None:
        return _proof_page(work, _SECOND_STEP, "/sign-in/second-factor", [("next", target)], wrong=True)
    renew_cookie(cookie)
    renew_form_tokens()
    return Go(target, seen_before(before), (known_browser(work, work.actor.login),))


# --- once more ------------------------------------------------------------------------------------

_CONFIRM = Text("再次验证身份", "Confirm who you are")


@pages.show("/confirm", who=_OWN, summary=_CONFIRM)
def confirm_page(work: Work, seen: Seen) -> Page:
    """Ask for a fresh proof before a page that wants one."""
    target = own_address(seen.query.get("next"))
    return _proof_page(work, _CONFIRM, "/confirm", [("next", target)], wrong=False)


@pages.form("/confirm", who=_OWN, summary=_CONFIRM, ahead=_typed)
def do_confirm(work: Work, seen: Seen) -> Page | Go:
    """Take the proof, and go on to the page that wanted it in a session with another cookie."""
    target = own_address(seen.form.get("next"))
    cookie = confirm(work, session_cookie(kit()), seen.ahead)
    if cookie is None:
        return _proof_page(work, _CONFIRM, "/confirm", [("next", target)], wrong=True)
    renew_cookie(cookie)
    return Go(target)


def _ask(work: Work, carried: Carried) -> Page:
    return _proof_page(work, _CONFIRM, carried.action, carried.fields, wrong=carried.wrong)


def _check(k: Kit, fields: Mapping[str, str]) -> str | None:
    typed = _typed(k, fields)
    with k.database.begin() as tx:
        work = k.work(tx, session_actor(k, tx, k.clock()))
        return confirm(work, session_cookie(k), typed)


CONFIRMATION = Confirming(_ask, _check)
"""How people prove once more who they are, in the middle of a form."""


# --- one's own factors ----------------------------------------------------------------------------


@pages.show("/account/factors", who=_OWN, summary=Text("双因素登录设置", "Second factors"))
def factors_page(work: Work, seen: Seen) -> Page:
    """Show one's own second factors, and what can be added."""
    context = {
        "factors": own_factors(work),
        "kinds": KINDS,
        "most": MOST,
        "codes_left": codes_left(work),
        "must": left_to_do(work.actor) == ENROLMENT,
        "passkeys": are_possible(work.settings),
    }
    return Page("accounts/factors.html", context)


@pages.form(
    "/account/factors/app", who=_OWN, summary=Text("开始设置验证器", "Begin with an app"), step_up=True
)
def do_begin_app(work: Work, seen: Seen) -> Go:
    """Make a secret for an authenticator app."""
    begin_app(work)
    return Go("/account/factors/app")


@pages.show("/account/factors/app", who=_OWN, summary=Text("设置验证器", "Set up an app"), step_up=True)
def app_page(work: Work, seen: Seen) -> Page | Go:
    """Show the secret to scan or to type, and ask for the first code."""
    secret = secret_to_show(work)
    if secret is None:
        return Go("/account/factors")
    address = totp.address(secret, work.actor.login, work.settings.platform.title.zh)
    picture = Markup(totp.picture(address))  # made of digits by the library; nobody's words are in it
    context = {"secret": totp.in_groups(secret), "address": address, "picture": picture}
    return Page("accounts/factor_app.html", context)


@pages.form(
    "/account/factors/app/finish",
    who=_OWN,
    summary=Text("完成设置验证器", "Finish with an app"),
    again=app_page,
    step_up=True,
)
def do_finish_app(work: Work, seen: Seen) -> Page | Go:
    """Let the app count from now on."""
    return _set_up(work, finish_app(work, seen.form.get("code", "")), TOTP)


@pages.show("/account/factors/passkey", who=_OWN, summary=Text("登记通行密钥", "Add a passkey"), step_up=True)
def passkey_page(work: Work, seen: Seen) -> Page:
    """Let the browser make a passkey; this page alone needs a script."""
    must_be_possible(work)
    session = session_id_of(work, session_cookie(kit())) or ""
    asked = Asking(work.settings, session, work.now)
    options = registration_options(asked, work.actor.login, work.actor.pseudonym, own_factors(work))
    return Page("accounts/factor_passkey.html", {"options": options, "longest": NAME_LONGEST}, scripts=True)


@pages.form(
    "/account/factors/passkey",
    who=_OWN,
    summary=Text("登记通行密钥", "Add a passkey"),
    again=passkey_page,
    step_up=True,
)
def do_add_passkey(work: Work, seen: Seen) -> Page | Go:
    """Keep the passkey that the browser made."""
    session = session_id_of(work, session_cookie(kit())) or ""
    codes = add_passkey(work, session, seen.form.get("name", ""), seen.form.get("passkey", ""))
    return _set_up(work, codes, PASSKEY)


@pages.form(
    "/account/factors/recovery", who=_OWN, summary=Text("更换恢复码", "New recovery codes"), step_up=True
)
def do_recovery(work: Work, seen: Seen) -> Page:
    """Make other recovery codes and show them, this once."""
    return _codes_page(new_recovery_codes(work))


@pages.form(
    "/account/factors/<id>/remove", who=_OWN, summary=Text("移除验证方式", "Remove a factor"), step_up=True
)
def do_remove_factor(work: Work, seen: Seen, id: str) -> Go:
    """Take away one of one's own factors."""
    remove_factor(work, id)
    return Go("/account/factors", Text("已移除。", "It is removed."))


def _set_up(work: Work, codes: list[str], proof: str) -> Page | Go:
    """Go on with a session that has the new factor; the first one comes with recovery codes."""
    renew_cookie(renew_session(work, session_cookie(kit()), proof))
    if codes:
        return _codes_page(codes)
    return Go("/account/factors", Text("已设置。", "It is set up."))


def _codes_page(codes: list[str]) -> Page:
    return Page("accounts/recovery_codes.html", {"codes": codes})
