"""Passkeys: made and used by an authenticator in software, and misused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.factors.model import Factor
from accounts.factors.passkeys import (
    Asking,
    are_possible,
    confirmation_options,
    registered,
    registration_options,
    signed,
)
from tests.accounts.authenticator import PRESENT, VERIFIED, Authenticator
from tests.accounts.browser import LOGIN, PASSWORD, Browser
from tests.accounts.factors import demanding, options_of, signed_in
from tests.conftest import make_world

NOW = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, template_database: Any) -> Iterator[Asking]:
    """A browser that is asked, at an address where passkeys work."""
    world = make_world(tmp_path_factory.mktemp("city"), template_database, "sharing/qianjiang")
    demanding(world, control_url="http://localhost")
    yield Asking(world.settings, "session-1", NOW)
    world.database.close()


def made(asking: Asking, key: Authenticator) -> Factor:
    """The factor that a registration makes."""
    found = registered(asking, key.register(registration_options(asking, LOGIN, "ab" * 16, [])))
    assert found is not None
    return Factor(
        "1", LOGIN, "passkey", "key", found.public_key, found.credential, found.counter, NOW, NOW, None
    )


def test_a_passkey_is_made_and_signs(asking: Asking) -> None:
    key = Authenticator()
    factor = made(asking, key)
    assert signed(asking, factor, key.sign(confirmation_options(asking, [factor]))) == 1


def test_a_browser_is_asked_to_verify_the_person_under_a_pseudonym(asking: Asking) -> None:
    options = json.loads(registration_options(asking, LOGIN, "ab" * 16, []))
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["rp"]["id"] == "localhost"
    assert options["user"]["id"] == "q6urq6urq6urq6urq6urqw"
    assert options["attestation"] == "none"


def _elsewhere(key: Authenticator) -> None:
    key.origin = "https://evil.example"


def _same_host_other_port(key: Authenticator) -> None:
    key.origin = "http://localhost:8443"


def _other_party(key: Authenticator) -> None:
    key.party = "evil.example"


def _unverified(key: Authenticator) -> None:
    key.flags = PRESENT


def _nobody_there(key: Authenticator) -> None:
    key.flags = VERIFIED


WRONG = [_elsewhere, _same_host_other_port, _other_party, _unverified, _nobody_there]


@pytest.mark.parametrize("spoil", WRONG)
def test_an_answer_from_elsewhere_or_without_the_person_is_refused(
    asking: Asking, spoil: Callable[[Authenticator], None]
) -> None:
    key = Authenticator()
    factor = made(asking, key)
    spoil(key)
    assert registered(asking, key.register(registration_options(asking, LOGIN, "ab" * 16, []))) is None
    assert signed(asking, factor, key.sign(confirmation_options(asking, [factor]))) is None


@pytest.mark.parametrize(
    "other",
    [
        {"session": "session-2"},
        {"now": NOW + timedelta(minutes=10)},
        {"now": NOW - timedelta(minutes=6)},
    ],
)
def test_a_challenge_belongs_to_one_session_and_is_soon_worth_nothing(asking: Asking, other: Any) -> None:
    key = Authenticator()
    factor = made(asking, key)
    answer = key.sign(confirmation_options(asking, [factor]))
    assert signed(replace(asking, **other), factor, answer) is None
    assert signed(replace(asking, now=NOW + timedelta(minutes=4)), factor, answer) is not None


def test_a_challenge_for_signing_registers_nothing(asking: Asking) -> None:
    assert registered(asking, Authenticator().register(confirmation_options(asking, []))) is None


def test_the_signature_of_another_key_is_refused(asking: Asking) -> None:
    key, thief = Authenticator(), Authenticator()
    factor = made(asking, key)
    thief.id = key.id
    assert signed(asking, factor, thief.sign(confirmation_options(asking, [factor]))) is None


def test_a_count_that_does_not_grow_tells_of_a_copy(asking: Asking) -> None:
    key = Authenticator()
    factor = replace(made(asking, key), counter=7)
    key.count = 6
    assert signed(asking, factor, key.sign(confirmation_options(asking, [factor]))) is None
    assert signed(asking, factor, key.sign(confirmation_options(asking, [factor]))) == 8


NOISE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.sampled_from(["id", "rawId", "type", "clientDataJSON", "attestationObject", "authenticatorData"])


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60) | NOISE.map(json.dumps), PARTS, NOISE)
def test_noise_is_refused_and_never_a_fault(asking: Asking, text: str, part: str, noise: Any) -> None:
    key = Authenticator()
    factor = made(asking, key)
    assert registered(asking, text) is None
    assert signed(asking, factor, text) is None
    answer = json.loads(key.sign(confirmation_options(asking, [factor])))
    (answer if part in answer else answer["response"])[part] = noise
    assert signed(asking, factor, json.dumps(answer)) in (None, 1)  # what nobody reads may be anything
    new = json.loads(key.register(registration_options(asking, LOGIN, "ab" * 16, [])))
    (new if part in new else new["response"])[part] = noise
    registered(asking, json.dumps(new))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_byte_anywhere_is_refused_and_never_a_fault(asking: Asking, data: st.DataObject) -> None:
    key = Authenticator()
    answer = json.loads(key.register(registration_options(asking, LOGIN, "ab" * 16, [])))
    part = data.draw(st.sampled_from(["clientDataJSON", "attestationObject"]))
    raw = bytearray(base64.urlsafe_b64decode(answer["response"][part] + "=="))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    answer["response"][part] = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    registered(asking, json.dumps(answer))


@pytest.mark.parametrize(
    ("url", "possible"),
    [
        ("https://share.qianjiang.gov.cn", True),
        ("http://localhost:8001", True),
        ("http://share.qianjiang.gov.cn", False),
        ("https://10.1.2.3", False),
        ("https://[fd00::1]:8443", False),
        ("http://127.0.0.1:8001", False),
    ],
)
def test_passkeys_are_offered_where_browsers_make_them(asking: Asking, url: str, possible: bool) -> None:
    platform = replace(asking.settings.platform, control_url=url)
    assert are_possible(replace(asking.settings, platform=platform)) == possible


# --- on the pages -----------------------------------------------------------------------------------


def test_she_signs_in_with_a_passkey(world: Any) -> None:
    demanding(world, control_url="http://localhost")
    zhao, key = signed_in(world, LOGIN), Authenticator()
    page = zhao.get("/account/factors/passkey").text
    answer = key.register(options_of(page))
    unnamed = zhao.send("/account/factors/passkey", passkey=answer, name=" ")
    assert unnamed.status_code == 422
    shown = zhao.send("/account/factors/passkey", passkey=answer, name="办公电脑")
    assert shown.text.count("<code>") == 10
    assert "办公电脑" in zhao.get("/account/factors").text
    other = Browser(world.app)
    other.sign_in(LOGIN, PASSWORD)
    asked = other.get("/sign-in/second-factor")
    assert "script-src 'self'" in asked.headers["Content-Security-Policy"]
    stolen = key.sign(options_of(asked.text))
    assert other.send("/sign-in/second-factor", confirm_passkey=stolen).status_code == 303
    assert other.is_signed_in()
    thief = Browser(world.app)
    thief.sign_in(LOGIN, PASSWORD)
    assert thief.send("/sign-in/second-factor", confirm_passkey=stolen).status_code == 422


def test_a_passkey_belongs_to_one_person(world: Any) -> None:
    demanding(world, control_url="http://localhost")
    key = Authenticator()
    for login, status in ((LOGIN, 200), ("mallory", 409)):
        browser = signed_in(world, login)
        answer = key.register(options_of(browser.get("/account/factors/passkey").text))
        assert browser.send("/account/factors/passkey", passkey=answer, name="key").status_code == status


def test_no_passkey_is_made_where_the_address_is_a_number(world: Any, zhao: Browser) -> None:
    assert zhao.get("/account/factors/passkey").status_code == 403
    assert "/account/factors/passkey" not in zhao.get("/account/factors").text
