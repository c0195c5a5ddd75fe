"""Tokens that are bound to a key or a certificate open nothing for a thief (RFC 9449, RFC 8705)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from core.settings_security import FAPI2, Security
from gateway import dpop, store
from gateway.dpop import Nonces
from gateway.messages import Request
from gateway.objections import BEARER, PROOFS, Refused
from gateway.possession import Presented, possession_of
from gateway.tokens import token_digest
from tests.gateway.plane_kit import Access, Kit, Response, url
from tests.gateway.proofs import Prover, b64, ec_prover, ed_prover, rsa_prover
from tests.gateway.providers import json_answer

pytestmark = pytest.mark.long

ITEM = {"code": "1", "name": "甲", "level": 3}
PROVER = ec_prover()
ONE = url("api", "call/one?item=a")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A data plane of the strict profile behind a front that hands over certificates; it has two workers."""
    security = Security(security_profile=FAPI2, client_certificate_header="X-Client-Cert")
    made = Kit(
        tmp_path_factory.mktemp("front"), security=security, trusted_proxies=(ip_network("127.0.0.1/32"),)
    )
    made.provider.answers["/base/v1/items/a"] = json_answer(ITEM)
    try:
        yield made.start(2)
    finally:
        made.close()


def bound(kit: Kit, prover: Prover = PROVER, **terms: Any) -> Access:
    return kit.grant("api", cnf=f"jkt:{prover.thumbprint}", **terms)


def prove(
    kit: Kit, access: Access, *, prover: Prover = PROVER, target: str = ONE, **changed: Any
) -> Response:
    """Call with a proof, its nonce learnt from a first refusal."""
    nonce = changed.pop("nonce", None) or kit.call(
        target,
        headers=presented(
            access, prover.proof("GET", address(kit, target), datetime.now(UTC), token=access.token)
        ),
    ).headers.get("dpop-nonce")
    proof = prover.proof(
        "GET", address(kit, target), datetime.now(UTC), nonce=nonce, **{"token": access.token, **changed}
    )
    return kit.call(target, headers=presented(access, proof))


def presented(access: Access, proof: str, scheme: str = "DPoP") -> dict[str, str]:
    return {"Authorization": f"{scheme} {access.token}", "DPoP": proof}


def address(kit: Kit, target: str) -> str:
    return kit.settings.platform.gateway_url + target


# --- a key ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prover", [PROVER, rsa_prover(), ed_prover()], ids=lambda prover: prover.alg)
def test_the_holder_of_the_key_is_served(front: Kit, prover: Prover) -> None:
    answer = prove(front, bound(front, prover), prover=prover)
    assert (answer.status, answer.json) == (200, ITEM)
    assert "dpop-nonce" not in answer.headers  # the one that was used is still the one to use


def test_an_answer_names_the_next_nonce_before_the_present_one_ends(front: Kit) -> None:
    nonces, now = Nonces(front.settings.key("token.key")), datetime.now(UTC)
    older = nonces.current(now - timedelta(seconds=Nonces.SECONDS))
    answer = prove(front, bound(front), nonce=older)
    assert (answer.status, answer.headers["dpop-nonce"]) == (200, nonces.current(now))
    refused = prove(front, bound(front, networks=["192.0.2.0/24"]), nonce=older)
    assert refused.code == "network_not_allowed"


def test_a_first_call_is_told_the_nonce_and_the_record_says_so(front: Kit) -> None:
    access = bound(front)
    proof = PROVER.proof("GET", address(front, ONE), datetime.now(UTC), token=access.token)
    answer = front.call(ONE, headers=presented(access, proof))
    assert (answer.status, answer.code) == (401, "proof_nonce")
    assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
    assert answer.headers["www-authenticate"].startswith("DPoP ")
    assert 'algs="ES256 PS256 Ed25519 EdDSA"' in answer.headers["www-authenticate"]
    assert front.record(answer.record)["reason"] == "proof_nonce"


def test_14_a_stolen_token_opens_nothing_without_its_key(front: Kit) -> None:
    access, asked = bound(front), front.provider.count
    plain = front.call(ONE, access)
    assert (plain.status, plain.code) == (401, "token_scheme")
    assert plain.headers["www-authenticate"].startswith("DPoP ")
    assert 'error="invalid_token"' in plain.headers["www-authenticate"]
    naked = front.call(ONE, headers={"Authorization": f"DPoP {access.token}"})
    assert (naked.status, naked.code) == (401, "proof_missing")
    other = prove(front, access, prover=ec_prover())
    assert (other.status, other.code) == (401, "proof_other_key")
    assert front.provider.count == asked


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"token": "sx_other"}, "proof_token"),
        ({"claims": {"ath": None}}, "proof_token"),
        ({"claims": {"htm": "POST"}}, "proof_method"),
        ({"claims": {"htu": "http://127.0.0.1/share/307001-000002/call/one"}}, "proof_url"),
        ({"claims": {"iat": 1}}, "proof_time"),
        ({"nonce": "stale"}, "proof_nonce"),
        ({"header": {"typ": None}}, "proof_type"),
        ({"header": {"alg": "HS256"}}, "proof_algorithm"),
    ],
)
def test_14_a_proof_of_something_else_is_refused(front: Kit, changed: dict[str, Any], code: str) -> None:
    answer = prove(front, bound(front), **changed)
    assert (answer.status, answer.code) == (401, code)


def test_14_a_proof_for_another_dataset_is_no_proof_for_this_one(front: Kit) -> None:
    access = bound(front)
    proof = PROVER.proof("GET", address(front, url("api", "call/raw")), datetime.now(UTC), token=access.token)
    assert front.call(ONE, headers=presented(access, proof)).code == "proof_url"


def test_14_two_proofs_are_one_too_many(front: Kit) -> None:
    access = bound(front)
    proof = PROVER.proof("GET", address(front, ONE), datetime.now(UTC), token=access.token)
    lines = f"GET {ONE} HTTP/1.1\r\nHost: x\r\nAuthorization: DPoP {access.token}\r\n"
    got = front.raw(f"{lines}DPoP: {proof}\r\nDPoP: {proof}\r\nConnection: close\r\n\r\n".encode())
    assert b"401" in got.split(b"\r\n")[0]
    assert b"several_proofs" in got


def test_14_a_proof_serves_once_however_many_workers_are_asked_at_once(front: Kit) -> None:
    access = bound(front)
    nonce = prove(front, access, nonce="none").headers["dpop-nonce"]
    proof = PROVER.proof("GET", address(front, ONE), datetime.now(UTC), nonce=nonce, token=access.token)
    with ThreadPoolExecutor(20) as threads:
        got = list(threads.map(lambda _: front.call(ONE, headers=presented(access, proof)), range(20)))
    assert sorted(answer.status for answer in got) == [200] + [401] * 19
    assert {answer.code for answer in got if answer.status == 401} == {"proof_replayed"}


def test_a_proof_that_was_refused_later_on_is_spent(front: Kit) -> None:
    access = bound(front, networks=["192.0.2.0/24"])
    nonce = prove(front, access, nonce="none").headers["dpop-nonce"]
    proof = PROVER.proof("GET", address(front, ONE), datetime.now(UTC), nonce=nonce, token=access.token)
    first, again = (front.call(ONE, headers=presented(access, proof)) for _ in range(2))
    assert (first.code, again.code) == ("network_not_allowed", "proof_replayed")
    assert first.headers["www-authenticate"].startswith("DPoP ")


def test_a_token_that_is_bound_to_nothing_does_not_come_under_dpop(front: Kit) -> None:
    access = front.grant("api")
    answer = front.call(ONE, headers={"Authorization": f"DPoP {access.token}"})
    assert (answer.status, answer.code) == (401, "token_scheme")


def test_a_call_without_a_token_is_told_both_schemes(front: Kit) -> None:
    told = front.call(ONE).headers["www-authenticate"]
    assert re.findall(r"(\w+) realm=", told) == ["Bearer", "DPoP"]
    assert "error" not in told


def test_the_strict_profile_takes_no_token_that_is_bound_to_nothing(front: Kit) -> None:
    answer = front.call(ONE, front.grant("api"))
    assert (answer.status, answer.code) == (401, "token_unbound")


# --- a certificate --------------------------------------------------------------------------------


def certificate(name: str) -> tuple[str, str]:
    """A certificate as the front escapes it, and its thumbprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, SHA256())
    return quote(made.public_bytes(Encoding.PEM)), b64(made.fingerprint(SHA256()))


CERTIFICATE, THUMBPRINT = certificate("sys-1")


def shown(front: Kit, field: str, target: str = ONE) -> Response:
    access = front.grant("api", cnf=f"x5t:{THUMBPRINT}")
    return front.call(target, access, headers={"X-Client-Cert": field})


def test_the_holder_of_the_certificate_is_served_and_it_goes_no_further(front: Kit) -> None:
    assert shown(front, CERTIFICATE).status == 200
    assert not {"x-client-cert", "dpop", "authorization"} & set(front.provider.headers_of())


def test_a_stolen_token_opens_nothing_without_its_certificate(front: Kit) -> None:
    assert shown(front, certificate("other")[0]).code == "certificate_other"
    assert shown(front, "").code == "certificate_missing"
    access = front.grant("api", cnf=f"x5t:{THUMBPRINT}")
    answer = front.call(ONE, access)
    assert (answer.status, answer.code) == (401, "certificate_missing")
    assert front.call(ONE, headers={"Authorization": f"DPoP {access.token}"}).code == "token_scheme"


@pytest.mark.parametrize("field", ["junk", CERTIFICATE[:-40], CERTIFICATE * 2, "%ff%00", "-" * 17_000])
def test_a_field_that_holds_no_certificate_is_refused(front: Kit, field: str) -> None:
    answer = shown(front, field)
    assert (answer.status, answer.code) == (400, "certificate_field")


def test_nobody_but_the_front_writes_the_field_of_the_certificate(front: Kit) -> None:
    """The certificate of somebody else is no secret: only the front can vouch that the caller has its key."""
    possession = possession_of(front.settings)
    with front.database.read() as tx:
        permit = store.permit(tx, token_digest(front.grant("api", cnf=f"x5t:{THUMBPRINT}").token))
    assert permit is not None

    def check(peer: str, *fields: str) -> str:
        headers = [(b"x-client-cert", field.encode()) for field in fields]
        request = Request("GET", ONE.encode(), headers, "1.1", True, peer)
        try:
            possession.check(permit, Presented(BEARER, "sx_token"), request, 0.0)
        except Refused as refused:
            return refused.objection.code
        return "served"

    assert check("127.0.0.1", CERTIFICATE) == check("::ffff:127.0.0.1", CERTIFICATE) == "served"
    assert check("127.0.0.2", CERTIFICATE) == check("", CERTIFICATE) == "certificate_field"
    assert check("127.0.0.2", "") == check("127.0.0.1", CERTIFICATE, CERTIFICATE) == "certificate_field"


def test_every_reason_against_a_proof_has_words(front: Kit) -> None:
    source = Path(dpop.__file__).read_text("utf-8")
    reasons = set(
        re.findall(r'_wrong\("(\w+)"|"(proof_missing)" if|else "(\w+)"\)|USE_NONCE, "(\w+)"', source)
    )
    assert {next(filter(None, groups)) for groups in reasons} == PROOFS.keys()
