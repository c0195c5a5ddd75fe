"""Sign-in with an identity provider: there, back, and only with what it truly said."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwk, jwt

from accounts.oidc.provider import NOT_YET
from accounts.people import disable_account
from core.settings_oidc import IdentityProvider
from core.work import SYSTEM
from tests.accounts.browser import Browser, bodies
from tests.accounts.oidc.conftest import trust
from tests.accounts.oidc.issuer import CLIENT, SECRET, Issuer
from tests.cast import alice

pytestmark = pytest.mark.long


def there(browser: Browser, page: str = "/datasets", name: str = "city") -> str:
    """Go to the provider; return the address there."""
    answer = browser.get(f"/sign-in/with/{name}?next={page}")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def back(browser: Browser, brought: dict[str, str], name: str = "city") -> Any:
    """Come back with what the provider gave along."""
    return browser.get(f"/sign-in/back/{name}?{urlencode(brought)}")


def signed_in(browser: Browser, issuer: Issuer, **changes: str) -> Any:
    return back(browser, {**issuer.authorise(there(browser)), **changes})


@pytest.fixture
def browser(world: Any, provider: IdentityProvider) -> Browser:
    return Browser(world.app)


def test_whoever_the_provider_vouches_for_is_signed_in(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    assert "市统一身份认证" in browser.get("/sign-in").text
    answer = signed_in(browser, issuer)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/datasets")
    assert "Alice" in browser.get("/datasets").text
    (form,) = issuer.forms
    basic = base64.b64decode(form["authorization"].removeprefix("Basic ")).decode()
    assert basic == f"{CLIENT}:{SECRET}"
    assert "client_secret" not in form
    (record,) = bodies(world, "account.signed_in")
    assert record["amr"] == ["oidc"]


def test_the_way_there_says_who_asks_and_proves_nothing(browser: Browser, issuer: Issuer) -> None:
    first, second = (parse_qs(urlsplit(there(browser)).query) for _ in range(2))
    assert first["client_id"] == [CLIENT]
    assert first["redirect_uri"] == ["https://share.example/sign-in/back/city"]
    assert first["scope"] == ["openid"]
    for fresh in ("state", "nonce", "code_challenge"):
        assert len(first[fresh][0]) == 43
        assert first[fresh] != second[fresh]
    assert issuer.asked.count("/.well-known/openid-configuration") == 1


def test_nobody_is_sent_elsewhere_afterwards(
    browser: Browser, linked: IdentityProvider, issuer: Issuer
) -> None:
    for page in ("//evil.example", "https://evil.example", "/\\evil.example"):
        brought = issuer.authorise(there(browser, page))
        assert back(browser, brought).headers["Location"] == "/", page


def test_a_session_from_before_is_worth_nothing_afterwards(
    browser: Browser, linked: IdentityProvider, issuer: Issuer
) -> None:
    signed_in(browser, issuer)
    old = browser.client.get_cookie("__Host-sid")
    signed_in(browser, issuer)
    assert browser.client.get_cookie("__Host-sid").value != old.value
    browser.client.set_cookie("__Host-sid", old.value)
    assert not browser.is_signed_in()


# --- what proves nothing --------------------------------------------------------------------------------


def refused(answer: Any, world: Any, status: int = 400, what: str = "") -> None:
    assert answer.status_code == status, what or answer.text
    assert "登录未完成" in answer.text
    assert bodies(world, "account.signed_in") == []
    assert bodies(world, "account.sign_in_failed")[-1]["at"] == "oidc"


WRONG_ANSWERS: dict[str, dict[str, str]] = {
    "another state": {"state": "x" * 43},
    "no state": {"state": ""},
    "another issuer": {"iss": "https://evil.example"},
    "a code that nobody gave": {"code": "code-7"},
    "no code": {"code": ""},
    "an error": {"error": "access_denied"},
    "an error that is none": {"error": "<script>alert(1)</script>"},
}


def test_a_forged_way_back_is_refused(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    for what, changes in WRONG_ANSWERS.items():
        answer = signed_in(browser, issuer, **changes)
        refused(answer, world, what=what)
        assert "<script>" not in answer.text


def test_an_answer_without_an_issuer_is_refused_where_the_provider_names_itself(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    brought = issuer.authorise(there(browser))
    refused(back(browser, {k: v for k, v in brought.items() if k != "iss"}), world)


def test_a_way_back_works_once_and_in_one_browser(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    brought = issuer.authorise(there(browser))
    refused(back(Browser(world.app), brought), world)
    assert back(browser, brought).status_code == 303
    again = back(browser, brought)
    assert again.status_code == 400


def test_a_way_begun_long_ago_leads_nowhere(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    brought = issuer.authorise(there(browser))
    world.now += timedelta(minutes=11)
    refused(back(browser, brought), world)


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "for another audience": {"aud": "somebody-else"},
    "for us and another": {"aud": [CLIENT, "somebody-else"]},
    "no audience": {"aud": None},
    "for another party": {"azp": "somebody-else"},
    "of another issuer": {"iss": "https://evil.example"},
    "expired": {"exp": 1_700_000_000},
    "no expiry": {"exp": None},
    "an expiry that is a word": {"exp": "never"},
    "issued in the future": {"iat": 4_000_000_000},
    "issued long ago": {"iat": 1_700_000_000},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is a list": {"sub": ["u-1"]},
    "an endless subject": {"sub": "u" * 300},
}


def test_an_id_token_that_says_something_wrong_is_refused(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    for what, claims in WRONG_CLAIMS.items():
        issuer.claims = claims
        refused(signed_in(browser, issuer), world, what=what)


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts) + "."
    )


def by_the_secret(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, claims, jwk.import_key(SECRET, "oct"), algorithms=["HS256"])


def by_a_key_of_its_own(claims: dict[str, Any]) -> str:
    key = jwk.generate_key("EC", "P-256", {"kid": "1"})
    header = {"alg": "ES256", "kid": "1", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key, algorithms=["ES256"])


FORGED: dict[str, Callable[..., str]] = {
    "unsigned": unsigned,
    "by the client secret": by_the_secret,
    "by a key that it brings": by_a_key_of_its_own,
    "noise": lambda claims: "a.b.c",
    "nothing": lambda claims: "",
}


def test_an_id_token_that_the_provider_did_not_sign_is_refused(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    for what, sign in FORGED.items():
        issuer.sign = sign
        refused(signed_in(browser, issuer), world, what=what)


def test_only_the_algorithms_that_the_deployment_names_count(
    world: Any, linked: IdentityProvider, issuer: Issuer
) -> None:
    trust(world, replace(linked, algorithms=("PS256",)))
    refused(signed_in(Browser(world.app), issuer), world)


def test_a_provider_may_change_its_key(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    brought = issuer.authorise(there(browser))
    issuer.key = jwk.generate_key("OKP", "Ed25519", {"kid": "2", "use": "sig"})
    issuer.algorithm = "Ed25519"
    world.now += timedelta(minutes=2)
    assert back(browser, brought).status_code == 303
    assert issuer.asked.count("/jwks") == 2


def test_keys_of_kinds_that_nobody_knows_are_left_out(
    browser: Browser, linked: IdentityProvider, issuer: Issuer
) -> None:
    odd: list[Any] = [{"kty": "X"}, {"kty": "EC"}, "x", {"kty": "oct", "k": "AAAA"}]
    issuer.published = [*odd, issuer.key.as_dict(private=False)]
    assert signed_in(browser, issuer).status_code == 303


def test_an_answer_is_not_taken_to_another_provider(
    world: Any, linked: IdentityProvider, issuer: Issuer
) -> None:
    """The mix-up attack (RFC 9207): begun at one provider, brought back as if of another."""
    other = replace(linked, id="other", issuer=issuer.url + "/other")
    trust(world, linked, other)
    browser = Browser(world.app)
    brought = issuer.authorise(there(browser))
    refused(back(browser, brought, "other"), world)


# --- whom it leads to -----------------------------------------------------------------------------------


def test_nobody_gets_in_by_an_identity_that_no_account_has(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    """The e-mail address that the provider tells along proves nothing."""
    issuer.subject = "u-2"
    issuer.claims = {"email": "alice@example.org", "preferred_username": "alice"}
    refused(signed_in(browser, issuer), world, 403)


def test_a_disabled_person_does_not_get_in(
    browser: Browser, linked: IdentityProvider, issuer: Issuer, world: Any
) -> None:
    with world.work(SYSTEM) as work:
        disable_account(work, alice.login)
    refused(signed_in(browser, issuer), world, 403)


def test_the_providers_word_on_two_factors_counts_where_the_deployment_says_so(
    world: Any, linked: IdentityProvider, issuer: Issuer
) -> None:
    issuer.claims = {"amr": ["pwd", "otp"], "acr": "level-2"}
    trust(world, replace(linked, second_factor=("level-2",)))
    signed_in(Browser(world.app), issuer)
    assert bodies(world, "account.signed_in")[-1]["amr"] == ["mfa", "oidc"]


def test_a_running_session_there_can_be_too_old(world: Any, linked: IdentityProvider, issuer: Issuer) -> None:
    trust(world, replace(linked, max_age=300))
    at = int(world.now.timestamp())
    browser = Browser(world.app)
    assert "max_age=300" in there(browser)
    for auth_time, status in ((None, 400), (at - 400, 400), (at - 300, 303)):
        issuer.claims = {"auth_time": auth_time}
        assert signed_in(browser, issuer).status_code == status


# --- a provider that does not answer as it should -------------------------------------------------------


WRONG_DOCUMENTS: dict[str, dict[str, Any]] = {
    "of another issuer": {"issuer": "https://evil.example"},
    "without a token endpoint": {"token_endpoint": None},
    "with one in the clear": {"token_endpoint": "http://localhost/token"},
    "with keys in another place": {"jwks_uri": "https://169.254.169.254/latest"},
    "without PKCE": {"code_challenge_methods_supported": ["plain"]},
    "with a document without end": {"x": "x" * 300_000},
}


def test_a_document_that_is_wrong_is_not_acted_on(browser: Browser, issuer: Issuer, world: Any) -> None:
    for what, document in WRONG_DOCUMENTS.items():
        issuer.document = document
        world.now += NOT_YET
        answer = browser.get("/sign-in/with/city")
        assert answer.status_code == 503, what
        assert "暂时无法使用" in answer.text


def test_a_token_answer_that_is_none_lets_nobody_in(
    browser: Browser, linked: IdentityProvider, issuer: Issuer
) -> None:
    for said in ((200, b"no json"), (500, b"{}"), (302, b"{}"), (200, b"[]"), (200, b"{}")):
        issuer.token_answer = said
        assert signed_in(browser, issuer).status_code in (400, 503), said
        assert not browser.is_signed_in()


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(world: Any, provider: IdentityProvider) -> None:
    trust(world, replace(provider, ca_file=None))
    assert Browser(world.app).get("/sign-in/with/city").status_code == 503


def test_an_address_of_a_provider_that_is_not_there_is_not_found(browser: Browser) -> None:
    for page in ("/sign-in/with/x", "/sign-in/back/city2", "/sign-out/with/x"):
        assert browser.get(page).status_code in (400, 404)


# --- other ways to authenticate, and out ----------------------------------------------------------------


def test_the_platform_can_sign_in_place_of_a_secret(
    world: Any, linked: IdentityProvider, issuer: Issuer, monkeypatch: Any
) -> None:
    key = jwk.generate_key("EC", "P-256")
    monkeypatch.setenv("OUR_KEY", key.as_pem(private=True).decode())
    trust(world, replace(linked, client_secret=None, private_key="env:OUR_KEY"))
    browser = Browser(world.app)
    for _ in range(2):
        assert signed_in(browser, issuer).status_code == 303
    tokens = [jwt.decode(form["client_assertion"], key, algorithms=["ES256"]) for form in issuer.forms]
    assert [t.claims["aud"] for t in tokens] == [issuer.url] * 2
    assert tokens[0].claims["jti"] != tokens[1].claims["jti"]
    assert issuer.forms[0]["authorization"] == ""


def test_whoever_signs_out_is_offered_to_sign_out_there(
    browser: Browser, linked: IdentityProvider, issuer: Issuer
) -> None:
    signed_in(browser, issuer)
    out = browser.send("/account", "/sign-out")
    assert out.headers["Location"] == "/sign-in?left=city"
    assert 'href="/sign-out/with/city"' in browser.get(out.headers["Location"]).text
    there = urlsplit(browser.get("/sign-out/with/city").headers["Location"])
    assert there.path == "/end"
    assert parse_qs(there.query) == {
        "x": ["1"],
        "client_id": [CLIENT],
        "post_logout_redirect_uri": ["https://share.example/sign-in"],
    }
    assert browser.get("/sign-in?left=<x>").status_code == 200
