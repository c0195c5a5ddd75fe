"""Each way in which a system may show who it is: registered, approved, used, changed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

import schemas
from core.certificates import thumbprint
from core.errors import Conflict, Invalid, NotPermitted
from core.settings_security import FAPI2
from gateway.changing import approve_change, ask_for_change, refuse_change
from gateway.clients import approve_client, client_actions, find_client, register_client
from gateway.credentials import issue_credential, list_credentials, register_key, revoke_credential
from gateway.dpop import Nonces
from gateway.methods import chosen
from gateway.store import clients, insert_credential, permit
from gateway.tokens import token_digest
from tests.cast import bill, bob, carol
from tests.conftest import World
from tests.gateway.proofs import Prover, ec_prover, ed_prover, rsa_prover
from tests.gateway.signing import (
    CERTIFICATE,
    FRONT,
    ask,
    assertion,
    changed_over,
    form_of,
    fronted,
    keyed,
    paper,
    proven,
    registered,
    signed_in,
)
from tests.stories import System, active_client, active_grant

EC, OTHER = ec_prover(), ec_prover()
PROVERS = {"ES256": EC, "PS256": rsa_prover(), "Ed25519": ed_prover(), "EdDSA": ed_prover("EdDSA")}
FLOW = {"grant_type": "client_credentials"}
ALIAS = "https://mtls.share.example"


@pytest.fixture(autouse=True)
def _keys_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each story other keys: no two systems of a city may have the same one."""
    for name in ("EC", "OTHER"):
        monkeypatch.setitem(globals(), name, ec_prover())


def basic(system: System) -> list[tuple[str, str]]:
    pair = base64.b64encode(f"{system.client.id}:{system.secret}".encode()).decode()
    return [("Authorization", f"Basic {pair}")]


def cnf_of(world: World, answer: Any) -> str | None:
    """What the token of an answer is bound to, as the data plane reads it."""
    with world.database.read() as tx:
        found = permit(tx, token_digest(answer.json["access_token"]))
    assert found is not None
    return found.cnf


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[World]:
    """A city of the standard profile behind a front that hands certificates over."""
    made = fronted(tmp_path_factory.mktemp("city"), template_database, client_certificate_url=ALIAS)
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[World]:
    """The same city under FAPI 2.0."""
    made = fronted(tmp_path_factory.mktemp("strict"), template_database, security_profile=FAPI2)
    yield made
    made.database.close()


# --- private_key_jwt --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROVERS)
def test_a_system_signs_with_each_algorithm_and_its_tokens_are_bound(strict: World, name: str) -> None:
    prover = PROVERS[name]
    client = keyed(strict, prover)
    active_grant(strict, system=System(client, ""))
    answer = proven(strict, prover, client, holder=prover)
    assert answer.status_code == 200, answer.text
    schemas.validate("response/token", answer.json)
    assert answer.json["token_type"] == "DPoP"
    assert "refresh_token" not in answer.json
    assert cnf_of(strict, answer) == f"jkt:{prover.thumbprint}"


def test_in_the_standard_profile_a_signature_is_enough_where_nothing_else_was_agreed(city: World) -> None:
    client = keyed(city, EC)
    active_grant(city, system=System(client, ""))
    answer = signed_in(city, EC, client)
    assert (answer.status_code, answer.json["token_type"], cnf_of(city, answer)) == (200, "Bearer", None)
    unasked = proven(city, EC, client, holder=OTHER)
    assert (unasked.json["token_type"], cnf_of(city, unasked)) == ("DPoP", f"jkt:{OTHER.thumbprint}")


def test_a_system_bound_to_keys_gets_no_token_without_a_proof(city: World) -> None:
    client = keyed(city, EC, token_binding="dpop")
    active_grant(city, system=System(client, ""))
    refused = signed_in(city, EC, client)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_dpop_proof")
    assert proven(city, EC, client, holder=EC).status_code == 200


def test_a_client_that_is_told_a_nonce_may_send_the_same_assertion_again(strict: World) -> None:
    client = keyed(strict, EC)
    active_grant(strict, system=System(client, ""))
    form = form_of(assertion(strict, EC, client.id))
    url = f"{strict.settings.platform.control_url}/oauth/token"
    first = ask(strict, form, headers=[("DPoP", EC.proof("POST", url, strict.now))])
    assert (first.status_code, first.json["error"]) == (400, "use_dpop_nonce")
    proof = EC.proof("POST", url, strict.now, nonce=first.headers["DPoP-Nonce"])
    assert ask(strict, form, headers=[("DPoP", proof)]).status_code == 200
    again = form_of(assertion(strict, EC, client.id))
    replayed = ask(strict, again, headers=[("DPoP", proof)])
    assert (replayed.status_code, replayed.json["error"]) == (400, "invalid_dpop_proof")


def test_keys_overlap_while_a_system_changes_over_and_the_old_one_ends_on_time(world: World) -> None:
    old, new = ec_prover(), ed_prover()
    client = keyed(world, old)
    active_grant(world, system=System(client, ""))
    with world.work(carol) as work:
        made = register_key(work, client.id, {"public_key": dict(new.jwk), "retire_after_hours": 24})
    assert made.digest == new.thumbprint
    third = {"public_key": dict(ec_prover().jwk)}
    with pytest.raises(Conflict), world.work(carol) as work:
        register_key(work, client.id, third)
    world.now += timedelta(hours=24) - timedelta(seconds=1)
    assert [signed_in(world, p, client).status_code for p in (old, new)] == [200, 200]
    world.now += timedelta(seconds=1)
    assert [signed_in(world, p, client).status_code for p in (old, new)] == [401, 200]
    with world.work(carol) as work:
        revoke_credential(work, client.id, made.id)
    assert signed_in(world, new, client).status_code == 401
    with pytest.raises(Invalid, match="registered before"), world.work(carol) as work:
        register_key(work, client.id, {"public_key": dict(new.jwk)})


def test_a_token_is_introspected_with_what_it_is_bound_to(strict: World) -> None:
    client = keyed(strict, EC)
    active_grant(strict, system=System(client, ""))
    token = proven(strict, EC, client, holder=EC).json["access_token"]
    answer = ask(strict, form_of(assertion(strict, EC, client.id), token=token), "/oauth/introspect")
    schemas.validate("response/token_introspection", answer.json)
    assert answer.json["token_type"] == "DPoP"
    assert answer.json["cnf"] == {"jkt": EC.thumbprint}


# --- certificates -----------------------------------------------------------------------------------


def test_a_registered_certificate_is_shown_to_the_front(strict: World) -> None:
    mine = paper(EC, "CN=health", strict.now)
    client = registered(strict, auth_method="self_signed_tls_client_auth", certificate=mine.pem)
    active_grant(strict, system=System(client, ""))
    form = urlencode({**FLOW, "client_id": client.id})
    answer = ask(strict, form, peer=FRONT, headers=mine.shown("FAILED:self signed certificate"))
    assert answer.status_code == 200, answer.text
    assert answer.json["token_type"] == "Bearer"
    bound = f"x5t:{thumbprint(mine.certificate)}"
    assert cnf_of(strict, answer) == bound
    told = ask(
        strict,
        urlencode({"token": answer.json["access_token"], "client_id": client.id}),
        "/oauth/introspect",
        peer=FRONT,
        headers=mine.shown(),
    )
    schemas.validate("response/token_introspection", told.json)
    assert told.json["cnf"] == {"x5t#S256": bound[4:]}
    same_name = paper(OTHER, "CN=health", strict.now)
    assert ask(strict, form, peer=FRONT, headers=same_name.shown()).status_code == 401
    assert ask(strict, form, peer=FRONT).status_code == 401


def test_a_certificate_of_an_authority_is_known_by_its_whole_subject(strict: World) -> None:
    subject = "CN=health-archive,O=\u536b\u751f\u5065\u5eb7\u5c40,C=CN"
    client = registered(strict, auth_method="tls_client_auth", tls_subject=subject)
    active_grant(strict, system=System(client, ""))
    form = urlencode({**FLOW, "client_id": client.id})
    mine = paper(EC, subject, strict.now)
    assert ask(strict, form, peer=FRONT, headers=mine.shown()).status_code == 200
    for verdict in ("FAILED:certificate has expired", "NONE", "", "success"):
        assert ask(strict, form, peer=FRONT, headers=mine.shown(verdict)).status_code == 401, verdict
    for other in ("CN=health-archive,C=CN", "CN=health-archive", f"{subject},CN=x", "O=health-archive"):
        shown = paper(EC, other, strict.now).shown()
        assert ask(strict, form, peer=FRONT, headers=shown).status_code == 401, other
    ended = paper(EC, subject, strict.now - timedelta(days=400))
    assert ask(strict, form, peer="127.0.0.9", headers=ended.shown()).status_code in (401, 429)


def test_a_certificate_from_anywhere_but_the_front_is_refused(strict: World) -> None:
    mine = paper(EC, "CN=spoofed", strict.now)
    client = registered(strict, auth_method="self_signed_tls_client_auth", certificate=mine.pem)
    form = urlencode({**FLOW, "client_id": client.id})
    for peer in ("192.0.2.66", "127.0.0.1", "::ffff:192.0.2.66"):
        answer = ask(strict, form, peer=peer, headers=mine.shown())
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    for junk in ("x", mine.pem.split("\n")[1], "%ff" * 50, f"{mine.shown()[0][1]}{mine.shown()[0][1]}"):
        answer = ask(strict, form, peer=FRONT, headers=[(CERTIFICATE, junk)])
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request"), junk[:20]


def test_a_signing_system_may_have_its_tokens_bound_to_a_certificate(strict: World) -> None:
    mine = paper(OTHER, "CN=bound", strict.now)
    client = keyed(strict, EC, token_binding="certificate")
    active_grant(strict, system=System(client, ""))
    assert signed_in(strict, EC, client).json["error"] == "invalid_request"
    answer = signed_in(strict, EC, client, peer=FRONT, headers=mine.shown())
    assert cnf_of(strict, answer) == f"x5t:{thumbprint(mine.certificate)}"
    assert proven(strict, EC, client, holder=EC).json["error"] == "invalid_request"


# --- one way at a time ------------------------------------------------------------------------------


def test_a_secret_opens_nothing_for_a_system_that_signs(city: World) -> None:
    system = active_client(city)
    active_grant(city, system=system)
    with city.work(carol) as work:
        asked = ask_for_change(work, system.client.id, {"auth_method": "private_key_jwt"})
        assert asked.authentication.method == "client_secret"
        register_key(work, system.client.id, {"public_key": dict(EC.jwk)})
    assert ask(city, urlencode(FLOW), headers=basic(system)).status_code == 200
    assert signed_in(city, EC, system.client).status_code == 401
    with city.work(bob) as work:
        approved = approve_change(work, system.client.id)
        credentials = list_credentials(work, approved)
    assert (approved.authentication.method, approved.method_approved_by) == ("private_key_jwt", bob.login)
    assert [c.kind for c in credentials if c.is_active(city.now)] == ["public_key"]
    assert ask(city, urlencode(FLOW), headers=basic(system)).status_code == 401
    assert signed_in(city, EC, system.client).status_code == 200


def test_a_change_needs_a_key_and_somebody_else_to_approve_it(world: World) -> None:
    system = active_client(world)
    wanted = {"auth_method": "private_key_jwt"}
    with world.work(carol) as work:
        ask_for_change(work, system.client.id, wanted)
    with pytest.raises(Conflict, match="no public key"), world.work(bob) as work:
        approve_change(work, system.client.id)
    with pytest.raises(NotPermitted), world.work(carol) as work:
        approve_change(work, system.client.id)
    with world.work(bill) as work:
        assert refuse_change(work, system.client.id).change is None
    with pytest.raises(Conflict), world.work(bob) as work:
        approve_change(work, system.client.id)
    with pytest.raises(Conflict, match="authenticates already"), world.work(carol) as work:
        ask_for_change(work, system.client.id, {"auth_method": "client_secret"})


def test_a_change_is_taken_back_by_asking_for_what_is_in_force(world: World) -> None:
    system = active_client(world)
    with world.work(carol) as work:
        ask_for_change(work, system.client.id, {"auth_method": "private_key_jwt"})
        taken_back = ask_for_change(work, system.client.id, {"auth_method": "client_secret"})
    assert taken_back.change is None


def test_before_its_approval_a_system_changes_at_once(world: World) -> None:
    with world.work(carol) as work:
        made = register_client(work, {"name": "新系统", "networks": ["10.0.0.0/8"]})
        ask_for_change(work, made.id, {"auth_method": "private_key_jwt", "token_binding": "dpop"})
        found = find_client(work, made.id)
    assert (found.authentication.method, found.authentication.binding) == ("private_key_jwt", "dpop")
    assert found.method_approved_at is None


def test_who_registered_or_changed_a_system_does_not_approve_it(world: World) -> None:
    everything = replace(bob, department=carol.department, roles=bob.roles | carol.roles)
    with world.work(carol) as work:
        made = register_client(work, {"name": "新系统", "networks": ["10.0.0.0/8"]})
    with world.work(everything) as work:
        changed = ask_for_change(work, made.id, {"auth_method": "private_key_jwt"})
        assert changed.asked_by == bob.login
        assert "approve" not in client_actions(work, changed)
    with pytest.raises(NotPermitted), world.work(bob) as work:
        approve_client(work, made.id)
    with world.work(bill) as work:
        assert approve_client(work, made.id).approved_by == bill.login
    with world.work(everything) as work:
        ask_for_change(work, made.id, {"auth_method": "client_secret"})
    with world.work(carol) as work:
        issue_credential(work, made.id)
    registrar = replace(bill, login=carol.login)
    with pytest.raises(NotPermitted), world.work(registrar) as work:
        approve_change(work, made.id)
    with world.work(bill) as work:
        assert approve_change(work, made.id).asked_by == bob.login


@pytest.mark.parametrize(
    "columns",
    [
        {"approved_by": carol.login},
        {"method_approved_by": bob.login, "asked_by": bob.login},
    ],
)
def test_the_database_holds_that_somebody_else_approved(world: World, columns: dict[str, str]) -> None:
    system = active_client(world)
    with pytest.raises(IntegrityError), world.database.begin() as tx:
        tx.execute(update(clients).where(clients.c.id == system.client.id).values(**columns))


def test_no_two_systems_have_one_key(world: World) -> None:
    first = keyed(world, EC)
    with pytest.raises(Invalid, match="registered before"):
        keyed(world, EC)
    with world.work(carol) as work:
        revoke_credential(work, first.id, list_credentials(work, first)[0].id)
    with pytest.raises(Invalid, match="registered before"):
        keyed(world, EC)
    with world.work(carol) as work:
        register_key(work, first.id, {"public_key": dict(OTHER.jwk)})
        theirs = list_credentials(work, first)[-1]
    other = active_client(world).client
    with pytest.raises(IntegrityError), world.database.begin() as tx:
        insert_credential(tx, replace(theirs, id="another", client_id=other.id))


def test_credentials_of_another_kind_are_refused(world: World) -> None:
    client = keyed(world, EC)
    with pytest.raises(Conflict, match="takes no secret"), world.work(carol) as work:
        issue_credential(work, client.id)
    system = active_client(world)
    with pytest.raises(Conflict, match="takes no public key"), world.work(carol) as work:
        register_key(work, system.client.id, {"public_key": dict(OTHER.jwk)})


# --- profiles ---------------------------------------------------------------------------------------


def test_fapi2_takes_no_secrets_and_gives_no_bearer_tokens(strict: World) -> None:
    settings = strict.settings
    assert chosen(settings, {}).method == "private_key_jwt"
    assert chosen(settings, {}).binding == "dpop"
    by_certificate = {"auth_method": "tls_client_auth", "tls_subject": "CN=a"}
    assert chosen(settings, by_certificate).binding == "certificate"
    for draft in (
        {"auth_method": "client_secret"},
        {"token_binding": "none"},
        {"auth_method": "tls_client_auth"},
        {"auth_method": "tls_client_auth", "tls_subject": "nonsense"},
        {"tls_subject": "CN=a"},
    ):
        with pytest.raises(Invalid):
            chosen(settings, draft)


def test_basic_is_asked_for_only_where_secrets_are_taken(city: World, strict: World) -> None:
    wrong = urlencode({**FLOW, "client_id": "nobody", "client_secret": "guessed"})
    assert ask(city, wrong).headers["WWW-Authenticate"].startswith("Basic ")
    refused = ask(strict, wrong)
    assert (refused.status_code, "WWW-Authenticate" in refused.headers) == (401, False)


def test_a_deployment_that_turns_strict_shuts_secrets_and_bearer_tokens_out(
    tmp_path: Path, template_database: Path
) -> None:
    world = fronted(tmp_path, template_database)
    system, client = active_client(world), keyed(world, EC)
    active_grant(world, system=System(client, ""))
    strict = fronted(tmp_path / "strict", template_database, security_profile=FAPI2)
    world.settings = strict.settings
    strict.database.close()
    refused = ask(world, urlencode(FLOW), headers=basic(system))
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")
    unbound = signed_in(world, EC, client)
    assert (unbound.status_code, unbound.json["error"]) == (400, "invalid_dpop_proof")
    assert proven(world, EC, client, holder=EC).status_code == 200
    shown = paper(EC, "CN=a", world.now).shown()
    assert signed_in(world, EC, client, peer=FRONT, headers=shown).status_code == 200
    world.database.close()


def test_without_a_front_there_are_no_certificates(world: World) -> None:
    certificate = paper(EC, "CN=a", world.now).pem
    draft = {"auth_method": "self_signed_tls_client_auth", "certificate": certificate}
    with pytest.raises(Invalid, match="this platform takes"):
        registered(world, **draft)
    mine = paper(EC, "CN=a", world.now)
    answer = ask(world, urlencode({**FLOW, "client_id": "x"}), headers=mine.shown())
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_the_metadata_say_what_the_profile_takes(city: World, strict: World) -> None:
    ways = "token_endpoint_auth_methods_supported"
    for world, expected in ((city, True), (strict, False)):
        said = world.app.test_client().get("/.well-known/oauth-authorization-server").json
        schemas.validate("response/token_server", said)
        assert ("client_secret_basic" in said[ways]) is expected
        assert {"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"} <= set(said[ways])
        assert said["token_endpoint_auth_signing_alg_values_supported"] == [*PROVERS]
        assert said["tls_client_certificate_bound_access_tokens"] is True
        plane = world.app.test_client().get("/.well-known/oauth-protected-resource").json
        schemas.validate("response/token_resource", plane)
        assert plane["dpop_bound_access_tokens_required"] is False
    assert "none" not in said[ways]


def test_callers_with_a_certificate_have_an_address_of_their_own(city: World) -> None:
    said = city.app.test_client().get("/.well-known/oauth-authorization-server").json
    token = said["mtls_endpoint_aliases"]["token_endpoint"]
    assert (token, said["token_endpoint"] != token) == (f"{ALIAS}/oauth/token", True)
    client = keyed(city, EC)
    active_grant(city, system=System(client, ""))
    nonce = Nonces(city.settings.key("token.key")).current(city.now)
    for place in (token, said["token_endpoint"]):
        proof = EC.proof("POST", place, city.now, nonce=nonce)
        form = form_of(assertion(city, EC, client.id, aud=place))
        assert ask(city, form, headers=[("DPoP", proof)]).json["token_type"] == "DPoP"
    elsewhere = EC.proof("POST", "https://elsewhere.example/oauth/token", city.now, nonce=nonce)
    form = form_of(assertion(city, EC, client.id))
    assert ask(city, form, headers=[("DPoP", elsewhere)]).json["error"] == "invalid_dpop_proof"


# --- what is registered -----------------------------------------------------------------------------


def jwk(prover: Prover, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**prover.jwk, **changed}.items() if value is not None}


WEAK_RSA = dict(rsa_prover(1024).jwk)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (jwk(EC, d="AAAA"), "private_key"),
        (jwk(PROVERS["PS256"], p="AAAA", q="AAAA"), "private_key"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "weak_key"),
        (WEAK_RSA, "weak_key"),
        (jwk(PROVERS["PS256"], e="Aw"), "weak_key"),
        (jwk(EC, crv="P-384"), "invalid"),
        (jwk(EC, crv="secp256k1"), "invalid"),
        (jwk(EC, y=EC.jwk["x"]), "invalid"),
        (jwk(EC, y=None), "invalid"),
        (jwk(PROVERS["Ed25519"], crv="X25519"), "weak_key"),
        (jwk(PROVERS["Ed25519"], x="AAAA"), "invalid"),
        (jwk(EC, use="enc"), "invalid"),
        (jwk(EC, key_ops=["sign"]), "invalid"),
        (jwk(EC, alg="HS256"), "invalid"),
        (jwk(PROVERS["PS256"], alg="RS256"), "invalid"),
        (jwk(EC, x5c=["AAAA"]), "invalid"),
    ],
)
def test_a_key_that_is_weak_or_no_public_key_is_refused(city: World, key: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        keyed(city, EC, public_key=key)
    assert refused.value.errors[0].pointer.startswith("/public_key")
    assert refused.value.errors[0].code == code


def test_a_certificate_beside_a_key_must_be_of_that_key(city: World) -> None:
    def chain(prover: Prover) -> list[str]:
        from cryptography.hazmat.primitives.serialization import Encoding

        made = paper(prover, "CN=a", city.now).certificate
        return [base64.b64encode(made.public_bytes(Encoding.DER)).decode()]

    assert keyed(city, EC, public_key=jwk(EC, x5c=chain(EC)))
    with pytest.raises(Invalid, match="another key"):
        keyed(city, EC, public_key=jwk(EC, x5c=chain(OTHER)))


def test_two_keys_of_a_system_have_two_names(city: World) -> None:
    client = keyed(city, EC, public_key=jwk(EC, kid="main"))
    with pytest.raises(Invalid, match="has this kid"), city.work(carol) as work:
        register_key(work, client.id, {"public_key": jwk(OTHER, kid="main")})


def test_a_certificate_that_ended_or_came_with_its_key_is_refused(city: World) -> None:
    ended = paper(EC, "CN=a", city.now - timedelta(days=400)).pem
    weak = paper(rsa_prover(1024), "CN=a", city.now).pem
    whole = paper(EC, "CN=a", city.now).pem
    for pem, code in (
        (ended, "ended"),
        (weak, "weak_key"),
        ("nothing", "invalid"),
        (whole + whole, "invalid"),
        (whole + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private_key"),
    ):
        with pytest.raises(Invalid) as refused:
            registered(city, auth_method="self_signed_tls_client_auth", certificate=pem)
        assert refused.value.errors[0].code == code


def test_a_certificate_stops_counting_when_it_ends(
    world: World, tmp_path: Path, template_database: Path
) -> None:
    city = fronted(tmp_path / "front", template_database)
    mine = paper(EC, "CN=a", city.now, days=31)
    client = registered(city, auth_method="self_signed_tls_client_auth", certificate=mine.pem)
    active_grant(city, system=System(client, ""))
    form = urlencode({**FLOW, "client_id": client.id})
    assert ask(city, form, peer=FRONT, headers=mine.shown()).status_code == 200
    city.now = mine.certificate.not_valid_after_utc
    assert ask(city, form, peer=FRONT, headers=mine.shown()).status_code == 401
    city.database.close()


def test_the_way_is_registered_asked_for_and_approved_over_http(world: World) -> None:
    consumer, manager = world.client(carol), world.client(bob)
    draft = {"name": "健康系统", "networks": ["10.0.0.0/8"], "auth_method": "private_key_jwt"}
    burnt = consumer.post("/api/clients", json={**draft, "public_key": jwk(EC, d="AAAA")})
    assert (burnt.status_code, burnt.json["errors"][0]["code"]) == (400, "private_key")
    made = consumer.post("/api/clients", json={**draft, "public_key": jwk(EC, kid="2026-01")})
    assert made.status_code == 201, made.text
    (key,) = made.json["credentials"]
    assert (key["kid"], key["thumbprint"], key["kind"]) == ("2026-01", EC.thumbprint, "public_key")
    place = made.headers["Location"]
    assert manager.post(f"{place}/actions/approve").json["authentication"]["approved_at"]
    added = consumer.post(f"{place}/keys", json={"public_key": jwk(OTHER), "retire_after_hours": 1})
    assert (added.status_code, added.json["kid"]) == (201, OTHER.thumbprint)
    asked = consumer.post(f"{place}/authentication", json={"auth_method": "client_secret"})
    assert asked.json["authentication_asked"]["method"] == "client_secret"
    refused = manager.post(f"{place}/actions/refuse_authentication")
    assert refused.json["authentication_asked"] is None
    consumer.post(f"{place}/authentication", json={"auth_method": "client_secret"})
    assert consumer.post(f"{place}/credentials", json={}).status_code == 201
    approved = manager.post(f"{place}/actions/approve_authentication")
    assert approved.json["authentication"]["method"] == "client_secret"
    assert [c["active"] for c in approved.json["credentials"]] == [False, False, True]


def test_changing_over_to_certificates_takes_one_step(city: World) -> None:
    system = active_client(city)
    active_grant(city, system=system)
    mine = paper(EC, "CN=over", city.now)
    wanted = {"auth_method": "self_signed_tls_client_auth", "token_binding": "certificate"}
    client = changed_over(city, system.client, {"certificate": mine.pem}, **wanted)
    answer = ask(city, urlencode({**FLOW, "client_id": client.id}), peer=FRONT, headers=mine.shown())
    assert cnf_of(city, answer) == f"x5t:{thumbprint(mine.certificate)}"
    assert mine.certificate.fingerprint(SHA256())
