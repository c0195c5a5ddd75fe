"""What systems may sign with, held once for assertions and for proofs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import Invalid
from gateway.client_keys import read_public_key
from gateway.dpop import Nonces, ProofRefused, read_proof
from gateway.signatures import ALGORITHMS, WeakKey, holds, key_of, public_part, read_statement, signs_with
from tests.gateway.proofs import Prover, ec_prover, ed_prover, rsa_prover

PROVERS = {"ES256": ec_prover(), "PS256": rsa_prover(), "Ed25519": ed_prover(), "EdDSA": ed_prover("EdDSA")}
NOW = datetime(2026, 2, 10, tzinfo=UTC)
URL = "https://share.example/oauth/token"
NONCES = Nonces(b"k" * 32)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_statement_holds_under_the_key_that_signed_it_and_no_other(algorithm: str) -> None:
    prover = PROVERS[algorithm]
    statement = read_statement(prover.signed({"alg": algorithm}, {"a": 1}), 4000)
    key = key_of(public_part(prover.jwk))
    assert statement.claims == {"a": 1}
    assert holds(statement, algorithm, key)
    assert not holds(statement._replace(signed=statement.signed + b"A"), algorithm, key)
    for other, another in PROVERS.items():
        if {other, algorithm} != {"Ed25519", "EdDSA"}:
            assert signs_with(another.jwk, algorithm) == (other == algorithm)


@pytest.mark.parametrize(
    "text",
    ["", "a.b", "a.b.c.d", "e30.W10.AA", "W10.e30.AA", "e30.e30.A", "e30=.e30.AA", "é.e30.AA", "e30.e30.A A"],
)
def test_what_is_not_in_compact_form_is_no_statement(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_statement(text, 100)


def test_a_long_statement_is_not_read() -> None:
    text = PROVERS["ES256"].signed({}, {"a": "x" * 200})
    assert read_statement(text, len(text)).claims
    with pytest.raises(ValueError, match="too long"):
        read_statement(text, len(text) - 1)


def small(prover: Prover, **members: Any) -> Prover:
    """A prover whose key is told otherwise than it is."""
    return Prover(prover.private, prover.alg, {**prover.jwk, **members})


@pytest.mark.parametrize(
    "prover",
    [
        rsa_prover(1024),
        small(PROVERS["PS256"], e="Aw"),
        small(PROVERS["PS256"], e="AQAAAAE"),
        small(PROVERS["ES256"], crv="P-384"),
    ],
)
def test_what_is_refused_at_registration_is_refused_in_a_proof(prover: Prover) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        key_of(public_part(prover.jwk))
    with pytest.raises(Invalid):
        read_public_key(prover.jwk, "/public_key")
    proof = prover.proof("POST", URL, NOW, nonce=NONCES.current(NOW))
    with pytest.raises(ProofRefused) as refused:
        read_proof([proof], method="POST", url=URL, now=NOW, nonces=NONCES)
    assert refused.value.reason == "proof_key"


@pytest.mark.parametrize("jwk", [{}, {"kty": "oct", "k": "AAAA"}, {"kty": ["EC"]}, {"kty": None}])
def test_a_key_of_another_kind_is_weak(jwk: dict[str, Any]) -> None:
    with pytest.raises(WeakKey):
        public_part(jwk)
