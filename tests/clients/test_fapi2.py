"""Other people's clients under `security_profile: fapi2`: no secrets, no token that is bound to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.http import Unexpected
from tests.clients.authority import name_of
from tests.clients.expected import refused, served, spelled
from tests.clients.town import System, Town, running

pytestmark = [pytest.mark.servers, pytest.mark.takes(40)]
PROVEN = served("dpop", bound=True)
CERTIFIED = served("bearer", bound=True)
EXPECTED = {
    "ES256": PROVEN,
    "PS256": PROVEN,
    "Ed25519": PROVEN,
    "EdDSA": PROVEN,
    "signing": CERTIFIED,
    "vouched": CERTIFIED,
    "unproven": refused("invalid_dpop_proof", 400),
    "secret": refused("invalid_client"),
}
"""What comes of each of the tasks below."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The deployment."""
    with running(tmp_path_factory.mktemp("fapi2"), "fapi2") as made:
        yield made


@pytest.fixture(scope="module")
def signing(town: Town) -> System:
    """A system that signs, and whose tokens are bound to its certificate."""
    system = town.with_key("PS256", "certificate")
    shown = town.authority.nobody("signing")
    certificate = {"certificate": str(shown.certificate), "certificate_key": str(shown.key)}
    return System(system.method, {**system.facts, **certificate}, system.number)


@pytest.fixture(scope="module")
def vouched(town: Town) -> System:
    """A system known by the subject of a certificate that the authority issued."""
    shown, subject = town.authority.issue("health-archive"), name_of("health-archive")
    return town.with_certificate(shown, "tls_client_auth", subject=subject.rfc4514_string())


def test_what_the_profile_forbids_cannot_be_registered(town: Town) -> None:
    for draft, field in (
        ({"auth_method": "client_secret"}, "/auth_method"),
        ({"auth_method": "private_key_jwt", "token_binding": "none"}, "/token_binding"),
    ):
        wish = {"name": "居民健康档案系统", "networks": ["127.0.0.1/32"], **draft}
        with pytest.raises(Unexpected, match=f"400.*{field}"):
            town.consumer.call("POST", "/api/clients", wish, expect=201)


@pytest.mark.parametrize("client", ["with_oauth4webapi.mjs", "with_openid_client.mjs"])
def test_strict_clients_get_bound_tokens(town: Town, signing: System, vouched: System, client: str) -> None:
    check(town, client, tasks_of(town, signing, vouched))


def test_requests_oauth2client_gets_bound_tokens(town: Town, signing: System, vouched: System) -> None:
    tasks = [t for t in tasks_of(town, signing, vouched) if t["name"] != "Ed25519"]
    eddsa = town.task(town.with_key("Ed25519", "dpop"), "EdDSA", algorithm="EdDSA", dpop="EdDSA")
    check(town, "with_requests_oauth2client.py", [*tasks, eddsa])


@pytest.mark.parametrize("client", ["with_requests_oauthlib.py", "with_authlib.py"])
def test_clients_without_proofs_get_tokens_that_are_bound_to_certificates(
    town: Town, signing: System, vouched: System, client: str
) -> None:
    can = {"vouched", "secret"} | ({"signing", "unproven"} if client == "with_authlib.py" else set())
    check(town, client, [t for t in tasks_of(town, signing, vouched) if t["name"] in can])


def check(town: Town, client: str, tasks: list[dict[str, Any]]) -> None:
    """Have a client do the tasks, and look at what came of them."""
    outcomes = spelled(town.do(client, tasks))
    for outcome in outcomes.values():
        assert outcome.pop("servers", [town.issuer]) == [town.issuer]
    assert outcomes == {task["name"]: EXPECTED[task["name"]] for task in tasks}


def tasks_of(town: Town, signing: System, vouched: System) -> list[dict[str, Any]]:
    """What a client that knows everything can do under this profile, and what it is refused."""
    proving = {a: town.with_key(a, "dpop") for a in ("ES256", "PS256", "Ed25519")}
    secret = {"client_id": proving["ES256"].facts["client_id"], "secret": "a-secret-of-256-bits-or-so-01234"}
    return [
        town.task(proving["ES256"], "ES256", dpop="ES256"),
        town.task(proving["PS256"], "PS256", by="resource", dpop="PS256"),
        town.task(proving["Ed25519"], "Ed25519", dpop="Ed25519"),
        town.task(signing, "signing"),
        town.task(vouched, "vouched", by="resource"),
        town.task(proving["ES256"], "unproven"),
        town.task(System("client_secret_basic", secret, proving["ES256"].number), "secret"),
    ]


def test_the_metadata_promise_what_the_profile_keeps(town: Town) -> None:
    metadata = town.consumer.call("GET", "/.well-known/oauth-authorization-server").json
    assert metadata["issuer"] == town.issuer
    assert metadata["token_endpoint_auth_methods_supported"] == [
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ]
    aliases = metadata["mtls_endpoint_aliases"]
    assert {url.partition("/oauth/")[0] for url in aliases.values()} == {town.front.url(town.front.systems)}
    assert "client_secret" not in json.dumps(metadata)
