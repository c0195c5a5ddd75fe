"""Forged, aimless, stale and repeated client assertions (RFC 7523): each is refused in the same words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from core.settings_security import FAPI2
from gateway.model import Client
from tests.conftest import World
from tests.gateway.proofs import Prover, b64, ec_prover, ed_prover, rsa_prover
from tests.gateway.signing import ask, assertion, form_of, fronted, keyed, proven
from tests.gateway.test_oauth import records
from tests.stories import System, active_client, active_grant

pytestmark = pytest.mark.long

EC, OTHER, RSA, ED = ec_prover(), ec_prover(), rsa_prover(), ed_prover()
_SOURCES = count(1)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[tuple[World, Client]]:
    """A city under FAPI 2.0 with one system that signs."""
    made = fronted(tmp_path_factory.mktemp("city"), template_database, security_profile=FAPI2)
    client = keyed(made, EC)
    active_grant(made, system=System(client, ""))
    yield made, client
    made.database.close()


@pytest.fixture(scope="module")
def lenient(
    tmp_path_factory: pytest.TempPathFactory, template_database: Path
) -> Iterator[tuple[World, Client]]:
    """The same under the standard profile, where a bearer token is had for an assertion alone."""
    made = fronted(tmp_path_factory.mktemp("lenient"), template_database)
    client = keyed(made, EC)
    active_grant(made, system=System(client, ""))
    yield made, client
    made.database.close()


@pytest.fixture(autouse=True)
def _another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test come from another address, so that failed attempts do not add up."""
    monkeypatch.setattr(Source, "address", f"2001:db8:9:{next(_SOURCES):x}::1")


class Source:
    """Where the requests come from."""

    address = "192.0.2.1"


def send(world: World, text: str, **more: str) -> Any:
    answer = ask(world, form_of(text, **more), peer=Source.address)
    assert answer.status_code < 500, answer.text
    return answer


def refused(world: World, text: str, **more: str) -> str:
    """Send an assertion that must be refused, and return the reason on record."""
    answer = send(world, text, **more)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client"), answer.text
    assert answer.json["error_description"] == "Client authentication failed."
    return str(records(world, "token.refused")[-1]["reason"])


def test_9_an_honest_assertion_passes(city: tuple[World, Client]) -> None:
    world, client = city
    assert proven(world, EC, client, holder=EC).status_code == 200


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "HS512", "RS256", "ES384", "ES256K", "", None, 1])
def test_9_an_algorithm_beyond_the_list_is_refused(city: tuple[World, Client], alg: Any) -> None:
    world, client = city
    text = assertion(world, EC, client.id, {"alg": alg})
    assert refused(world, text) == "assertion_algorithm"
    assert refused(world, text.rpartition(".")[0] + ".") == "assertion_malformed"


def test_9_the_public_key_is_no_secret_to_sign_with(city: tuple[World, Client]) -> None:
    world, client = city
    signed = assertion(world, EC, client.id, {"alg": "HS256"}).rpartition(".")[0]
    for key in (json.dumps(EC.jwk).encode(), EC.jwk["x"].encode(), b""):
        mac = hmac.digest(key, signed.encode(), hashlib.sha256)
        assert refused(world, f"{signed}.{b64(mac)}") == "assertion_algorithm"
        claimed = assertion(world, EC, client.id, {"alg": "ES256"}).rpartition(".")[0]
        assert refused(world, f"{claimed}.{b64(mac * 2)}") == "assertion_signature"


@pytest.mark.parametrize("prover", [OTHER, RSA, ED], ids=["ES256", "PS256", "Ed25519"])
def test_9_another_key_is_refused(city: tuple[World, Client], prover: Prover) -> None:
    world, client = city
    reason = refused(world, assertion(world, prover, client.id))
    assert reason == ("assertion_signature" if prover is OTHER else "assertion_key")


def test_9_a_key_signs_with_its_own_algorithm_only(city: tuple[World, Client]) -> None:
    world, _ = city
    client = keyed(world, RSA)
    assert refused(world, assertion(world, RSA, client.id, {"alg": "ES256"})) == "assertion_key"
    assert refused(world, assertion(world, RSA, client.id, {"alg": "RS256"})) == "assertion_algorithm"


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": dict(OTHER.jwk)},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["AAAA"]},
        {"crit": ["b64"], "b64": False},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_9_a_key_in_the_header_is_not_looked_at_nor_fetched(
    city: tuple[World, Client], header: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, client = city

    def dialled(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", dialled)
    assert refused(world, assertion(world, OTHER, client.id, header)) == "assertion_header"


@pytest.mark.parametrize("kid", ["", "other", "../../keys", "' OR 1=1 --", 7, None])
def test_9_an_unknown_kid_names_no_key(city: tuple[World, Client], kid: Any) -> None:
    world, client = city
    text = assertion(world, EC, client.id, {"kid": kid})
    if kid is None:
        assert send(world, text).json["error"] == "invalid_dpop_proof"
    else:
        assert refused(world, text) in ("assertion_key", "assertion_subject")


@pytest.mark.parametrize("kind", ["dpop+jwt", "at+jwt", "", 1, ["JWT"]])
def test_9_a_token_of_another_type_is_no_assertion(city: tuple[World, Client], kind: Any) -> None:
    world, client = city
    assert refused(world, assertion(world, EC, client.id, {"typ": kind})) == "assertion_type"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "client-authentication+jwt", "application/jwt", None])
def test_9_the_types_that_clients_write_are_taken(lenient: tuple[World, Client], kind: Any) -> None:
    world, client = lenient
    assert send(world, assertion(world, EC, client.id, {"typ": kind})).status_code == 200


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": -1}, "assertion_expiry"),
        ({"exp": 0}, "assertion_expiry"),
        ({"exp": 321}, "assertion_expiry"),
        ({"exp": 10 * 365 * 86400}, "assertion_expiry"),
        ({"iat": 61}, "assertion_time"),
        ({"nbf": 61}, "assertion_time"),
        ({"iat": 9, "nbf": 9}, None),
        ({"iat": -3600, "exp": 299}, None),
    ],
)
def test_10_times_are_bounded_on_both_sides(
    city: tuple[World, Client], claims: dict[str, int], reason: str | None
) -> None:
    world, client = city
    now = int(world.now.timestamp())
    text = assertion(world, EC, client.id, **{name: now + seconds for name, seconds in claims.items()})
    if reason is None:
        assert send(world, text).json["error"] == "invalid_dpop_proof"
    else:
        assert refused(world, text) == reason


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "4102444800"},
        {"exp": True},
        {"exp": 1e308},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": [4102444800]},
        {"iat": "now"},
        {"iat": False},
        {"nbf": {}},
        {"jti": None},
        {"jti": ""},
        {"jti": ["a"]},
        {"jti": 7},
        {"jti": "x" * 300},
        {"aud": None},
        {"aud": []},
        {"aud": 7},
        {"aud": "https://elsewhere.example"},
        {"iss": "somebody-else"},
        {"iss": None},
        {"sub": None},
        {"sub": ["a"]},
    ],
    ids=str,
)
def test_10_a_claim_of_another_kind_is_refused(city: tuple[World, Client], claims: dict[str, Any]) -> None:
    world, client = city
    assert refused(world, assertion(world, EC, client.id, **claims)).startswith("assertion_")


def test_10_under_fapi2_the_audience_is_the_issuer_as_one_text(city: tuple[World, Client]) -> None:
    world, client = city
    issuer = world.settings.platform.control_url
    wrong = [f"{issuer}/oauth/token", f"{issuer}/oauth/introspect", f"{issuer}/", issuer.upper(), [issuer]]
    for aud in (*wrong, [issuer, "https://other.example"], [f"{issuer}/oauth/token"]):
        Source.address = f"2001:db8:a:{next(_SOURCES):x}::1"
        assert refused(world, assertion(world, EC, client.id, aud=aud)) == "assertion_audience", aud


def test_10_the_standard_profile_takes_the_endpoints_address_too(lenient: tuple[World, Client]) -> None:
    world, client = lenient
    issuer = world.settings.platform.control_url
    for aud in (issuer, f"{issuer}/oauth/token"):
        assert send(world, assertion(world, EC, client.id, aud=aud)).status_code == 200
    for aud in (f"{issuer}/oauth/introspect", [f"{issuer}/oauth/token"], f"{issuer}/"):
        assert refused(world, assertion(world, EC, client.id, aud=aud)) == "assertion_audience"
    asked = form_of(assertion(world, EC, client.id, aud=f"{issuer}/oauth/introspect"), token="x")
    assert ask(world, asked, "/oauth/introspect").json == {"active": False}


def test_10_the_client_id_beside_it_must_be_its_own(city: tuple[World, Client]) -> None:
    world, client = city
    other = keyed(world, OTHER)
    assert refused(world, assertion(world, EC, client.id), client_id=other.id) == "assertion_subject"
    assert refused(world, assertion(world, EC, other.id)) == "assertion_signature"
    assert send(world, assertion(world, EC, client.id), client_id=client.id).status_code == 400


def test_10_two_ways_at_once_are_refused(lenient: tuple[World, Client]) -> None:
    world, client = lenient
    pair = base64.b64encode(f"{client.id}:x".encode()).decode()
    form = form_of(assertion(world, EC, client.id))
    for answer in (
        ask(world, form, headers=[("Authorization", f"Basic {pair}")]),
        ask(world, form + "&client_secret=x"),
        ask(world, form.replace("client_assertion_type", "other")),
        ask(world, "grant_type=client_credentials&client_assertion_type=x"),
    ):
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    saml = form.replace("jwt-bearer", "saml2-bearer")
    assert ask(world, saml).json["error"] == "invalid_client"


def test_11_an_assertion_counts_once_at_any_endpoint(lenient: tuple[World, Client]) -> None:
    world, client = lenient
    text = assertion(world, EC, client.id)
    assert send(world, text).status_code == 200
    assert refused(world, text) == "assertion_replayed"
    assert ask(world, form_of(text, token="x"), "/oauth/introspect").status_code == 401
    assert refused(world, assertion(world, EC, client.id, jti=claims_of(text)["jti"])) == "assertion_replayed"


def test_11_of_twenty_copies_at_once_one_passes(lenient: tuple[World, Client]) -> None:
    world, client = lenient
    form = form_of(assertion(world, EC, client.id))
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: ask(world, form, peer=Source.address), range(20)))
    assert sorted(a.status_code for a in answers)[0] == 200
    assert sum(a.status_code == 200 for a in answers) == 1


def test_11_one_system_cannot_use_up_anothers_jti(lenient: tuple[World, Client]) -> None:
    world, client = lenient
    other = keyed(world, OTHER)
    active_grant(world, system=System(other, ""))
    assert send(world, assertion(world, OTHER, other.id, jti="shared-name")).status_code == 200
    assert send(world, assertion(world, EC, client.id, jti="shared-name")).status_code == 200
    forged = assertion(world, OTHER, client.id, jti="taken")
    assert refused(world, forged) == "assertion_signature"
    assert send(world, assertion(world, EC, client.id, jti="taken")).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "a" * 100_000,
        f"{b64(b'[' * 3000)}.{b64(b'[' * 3000)}.AAAA",
        f"{b64(b'{}' + b' ' * 4000)}.{b64(b'{}')}.AAAA",
        "...",
        "a.b",
        "a.b.c.d",
        "a.b.c",
        f"{b64(b'null')}.{b64(b'null')}.AA",
        f"{b64(bytes([255, 254]))}.{b64(b'{}')}.AA",
        "eyJhbGciOiJFUzI1NiJ9==.e30.AA",
        "\u4ee4\u724c.e30.AA",
        "",
    ],
    ids=lambda text: str(len(text)),
)
def test_13_a_deep_or_broken_assertion_is_refused_at_once(lenient: tuple[World, Client], text: str) -> None:
    world, _ = lenient
    begun = time.perf_counter()
    answer = send(world, text)
    assert time.perf_counter() - begun < 0.5
    assert (answer.status_code, answer.json["error"]) in (
        (401, "invalid_client"),
        (400, "invalid_request"),
        (413, "invalid_request"),
    )


def test_13_an_assertion_of_200_kilobytes_is_too_large(lenient: tuple[World, Client]) -> None:
    world, _ = lenient
    assert send(world, "a" * 200_000).status_code == 413


def test_7_wrong_assertions_slow_down_nobody_but_who_sends_them(lenient: tuple[World, Client]) -> None:
    world, client = lenient
    statuses = [send(world, assertion(world, OTHER, client.id)).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert send(world, assertion(world, EC, client.id)).status_code == 200  # even from the same address


def test_7_a_secrets_lock_holds_for_the_secret(lenient: tuple[World, Client]) -> None:
    world, _ = lenient
    system = active_client(world)
    statuses = [send(world, assertion(world, OTHER, system.client.id)).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_7_an_unknown_system_and_a_wrong_signature_get_one_answer(lenient: tuple[World, Client]) -> None:
    world, client = lenient
    unknown = send(world, assertion(world, EC, f"{'0' * 8}-0000-7000-8000-{'0' * 12}"))
    wrong = send(world, assertion(world, OTHER, client.id))
    assert unknown.data == wrong.data
    assert dict(unknown.headers) == dict(wrong.headers)


def claims_of(text: str) -> dict[str, Any]:
    """What an assertion says."""
    part = text.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return said
