"""Proofs of possession at the token endpoint (RFC 9449), and what tokens are bound to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from core.settings_security import FAPI2
from gateway.dpop import Nonces
from gateway.model import Client
from tests.conftest import World
from tests.gateway.proofs import b64, ec_prover, rsa_prover
from tests.gateway.signing import FRONT, ask, assertion, form_of, fronted, keyed, paper, proven, registered
from tests.gateway.signing import details as named
from tests.stories import System, active_grant

pytestmark = pytest.mark.long

EC, HOLDER = ec_prover(), ec_prover()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[tuple[World, Client]]:
    """A city under FAPI 2.0 with one system that signs and has one grant."""
    made = fronted(tmp_path_factory.mktemp("city"), template_database, security_profile=FAPI2)
    client = keyed(made, EC)
    active_grant(made, system=System(client, ""))
    yield made, client
    made.database.close()


def url_of(world: World) -> str:
    return f"{world.settings.platform.control_url}/oauth/token"


def nonce_of(world: World) -> str:
    return Nonces(world.settings.key("token.key")).current(world.now)


def send(world: World, client: Client, *proofs: str, **more: str) -> Any:
    """Ask for a token with these proofs and a good assertion."""
    form = form_of(assertion(world, EC, client.id), **more)
    answer = ask(world, form, headers=[("DPoP", p) for p in proofs])
    assert answer.status_code < 500, answer.text
    return answer


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json.get("error", "")


def test_14_a_proof_without_a_nonce_or_with_a_stale_one_is_told_the_one_to_use(
    city: tuple[World, Client],
) -> None:
    world, client = city
    stale = Nonces(world.settings.key("token.key")).current(world.now - timedelta(minutes=10))
    foreign = Nonces(b"another key").current(world.now)
    for nonce in (None, "", "x", stale, foreign):
        answer = send(world, client, HOLDER.proof("POST", url_of(world), world.now, nonce=nonce))
        assert error_of(answer) == (400, "use_dpop_nonce"), nonce
        assert answer.headers["DPoP-Nonce"] == nonce_of(world)


def test_14_the_proof_is_for_this_method_and_this_address(city: tuple[World, Client]) -> None:
    world, client = city
    url = url_of(world)
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    good = [
        url,
        f"{url}?x=1",
        f"{url}#y",
        f"{scheme.upper()}://{host.upper()}/{path}",
        f"{scheme}://{host}/x/../{path}",
    ]
    for htu in good:
        proof = HOLDER.proof("POST", htu, world.now, nonce=nonce_of(world))
        assert send(world, client, proof).status_code == 200, htu
    introspect = url.replace("/token", "/introspect")
    for method, htu in (
        ("GET", url),
        ("post", url),
        ("POST", introspect),
        ("POST", f"{url}/"),
        ("POST", url.replace("http", "ftp")),
        ("POST", f"https://evil.example/{path}"),
        ("POST", f"{scheme}://{host}@evil.example/{path}"),
        ("POST", path),
        ("POST", ""),
    ):
        proof = HOLDER.proof(method, htu, world.now, nonce=nonce_of(world))
        assert error_of(send(world, client, proof)) == (400, "invalid_dpop_proof"), (method, htu)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": None},
        {"typ": "JWT"},
        {"alg": "none"},
        {"alg": "RS256"},
        {"alg": "HS256", "jwk": {"kty": "oct", "k": "c2VjcmV0"}},
        {"jwk": None},
        {"jwk": {**HOLDER.jwk, "d": b64(b"x" * 32)}},
        {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
        {"jwk": dict(EC.jwk)},
        {"crit": ["exp"]},
    ],
    ids=[
        "no typ",
        "another typ",
        "no signature",
        "RSA 1.5",
        "shared key",
        "no key",
        "private key",
        "key that is shared",
        "key of somebody else",
        "unknown demand",
    ],
)
def test_14_a_proof_with_another_header_is_refused(
    city: tuple[World, Client], header: dict[str, Any]
) -> None:
    world, client = city
    proof = HOLDER.proof("POST", url_of(world), world.now, nonce=nonce_of(world), header=header)
    assert error_of(send(world, client, proof)) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("prover", [ec_prover(ec.SECP384R1())], ids=["P-384"])
def test_14_a_key_beyond_the_list_is_refused(city: tuple[World, Client], prover: Any) -> None:
    world, client = city
    proof = prover.proof("POST", url_of(world), world.now, nonce=nonce_of(world))
    assert error_of(send(world, client, proof)) == (400, "invalid_dpop_proof")


def test_14_a_long_key_is_taken(city: tuple[World, Client]) -> None:
    world, client = city
    proof = rsa_prover().proof("POST", url_of(world), world.now, nonce=nonce_of(world))
    assert send(world, client, proof).status_code == 200


@pytest.mark.parametrize(("seconds", "taken"), [(-61, False), (-55, True), (9, True), (61, False)])
def test_14_a_proof_is_of_now(city: tuple[World, Client], seconds: int, taken: bool) -> None:
    world, client = city
    at = world.now + timedelta(seconds=seconds)
    proof = HOLDER.proof("POST", url_of(world), at, nonce=nonce_of(world))
    assert (send(world, client, proof).status_code == 200) is taken


def test_14_a_proof_counts_once_and_comes_alone(city: tuple[World, Client]) -> None:
    world, client = city
    one, two = (HOLDER.proof("POST", url_of(world), world.now, nonce=nonce_of(world)) for _ in range(2))
    assert error_of(send(world, client, one, two)) == (400, "invalid_dpop_proof")
    assert error_of(send(world, client, f"{one},{two}")) == (400, "invalid_dpop_proof")
    assert send(world, client, one).status_code == 200
    assert error_of(send(world, client, one)) == (400, "invalid_dpop_proof")
    assert error_of(send(world, client, "")) == (400, "invalid_dpop_proof")


def test_14_nobody_gets_a_bearer_token_by_leaving_the_proof_out(city: tuple[World, Client]) -> None:
    world, client = city
    assert error_of(send(world, client)) == (400, "invalid_dpop_proof")
    answer = proven(world, EC, client, holder=HOLDER)
    assert answer.json["token_type"] == "DPoP"


def test_14_a_proof_is_no_authentication(city: tuple[World, Client]) -> None:
    world, client = city
    proof = EC.proof("POST", url_of(world), world.now, nonce=nonce_of(world))
    answer = ask(
        world,
        urlencode({"grant_type": "client_credentials", "client_id": client.id}),
        headers=[("DPoP", proof)],
    )
    assert error_of(answer) == (401, "invalid_client")


def test_15_a_grant_of_another_system_is_out_of_reach_with_any_proof(city: tuple[World, Client]) -> None:
    world, client = city
    other = keyed(world, HOLDER)
    theirs = active_grant(world, system=System(other, "")).grant.number
    proof = HOLDER.proof("POST", url_of(world), world.now, nonce=nonce_of(world))
    answer = send(world, client, proof, authorization_details=named(theirs))
    assert error_of(answer) == (400, "invalid_authorization_details")


def test_17_with_two_live_grants_no_proof_chooses_one(city: tuple[World, Client]) -> None:
    world, _ = city
    prover = ec_prover()
    client = keyed(world, prover)
    for _ in range(2):
        active_grant(world, system=System(client, ""))
    answer = proven(world, prover, client, holder=HOLDER)
    assert error_of(answer) == (400, "invalid_target")


def test_18_a_system_learns_nothing_of_tokens_that_others_are_bound_to(city: tuple[World, Client]) -> None:
    world, client = city
    prover = ec_prover()
    other = keyed(world, prover)
    active_grant(world, system=System(other, ""))
    token = proven(world, prover, other, holder=prover).json["access_token"]
    form = form_of(assertion(world, EC, client.id), token=token)
    assert ask(world, form, "/oauth/introspect").json == {"active": False}


def test_19_nobody_revokes_a_token_of_another_systems(city: tuple[World, Client]) -> None:
    world, client = city
    prover = ec_prover()
    other = keyed(world, prover)
    active_grant(world, system=System(other, ""))
    token = proven(world, prover, other, holder=prover).json["access_token"]
    foreign = ask(world, form_of(assertion(world, EC, client.id), token=token), "/oauth/revoke")
    assert error_of(foreign) == (400, "invalid_grant")
    own = ask(world, form_of(assertion(world, prover, other.id), token=token), "/oauth/introspect")
    assert own.json["active"] is True
    for _ in range(2):
        form = form_of(assertion(world, prover, other.id), token=token, token_type_hint="refresh_token")
        assert ask(world, form, "/oauth/revoke").status_code == 200
    gone = ask(world, form_of(assertion(world, prover, other.id), token=token), "/oauth/introspect")
    assert gone.json == {"active": False}


def test_38_the_certificate_field_is_the_fronts_alone(city: tuple[World, Client]) -> None:
    world, _ = city
    mine = paper(EC, "CN=forged", world.now)
    client = registered(world, auth_method="self_signed_tls_client_auth", certificate=mine.pem)
    form = urlencode({"grant_type": "client_credentials", "client_id": client.id})
    spoofed = [*mine.shown(), ("X-Forwarded-For", FRONT)]
    assert error_of(ask(world, form, peer="192.0.2.66", headers=spoofed)) == (400, "invalid_request")
    lower = [(name.lower(), value) for name, value in mine.shown()]
    assert error_of(ask(world, form, peer="192.0.2.66", headers=lower)) == (400, "invalid_request")
    twice = [*mine.shown(), mine.shown()[0]]
    assert error_of(ask(world, form, peer=FRONT, headers=twice)) == (400, "invalid_request")
    verdict = [("X-Client-Verify", "SUCCESS")]
    assert error_of(ask(world, form, peer="192.0.2.66", headers=verdict)) == (400, "invalid_request")
