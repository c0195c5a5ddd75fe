"""Client assertions, read and checked without any platform around them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.assertions import AssertionRefused, check_assertion, read_assertion
from gateway.client_keys import read_public_key
from tests.gateway.proofs import Prover, ec_prover, ed_prover, rsa_prover

NOW = datetime(2026, 2, 10, 10, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ISSUER = "https://share.example"
EC, RSA, ED = ec_prover(), rsa_prover(), ed_prover()
KEYS = [read_public_key(dict(prover.jwk), "").document for prover in (EC, RSA, ED)]
RIGHT: dict[str, Any] = {"iss": "a", "sub": "a", "aud": ISSUER, "jti": "1", "exp": SECONDS + 60}

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
anything = leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(max_size=5), leaves, max_size=2)


@pytest.mark.parametrize("prover", [EC, RSA, ED], ids=lambda prover: prover.alg)
def test_each_key_signs_for_its_system(prover: Prover) -> None:
    read = read_assertion(prover.signed({"alg": prover.alg}, RIGHT))
    check_assertion(read, KEYS, [ISSUER], NOW)
    assert (read.client_id, read.expires_at > NOW) == ("a", True)


def test_a_bit_more_or_less_is_another_signature() -> None:
    head, _, signature = EC.signed({"alg": "ES256"}, RIGHT).rpartition(".")
    for other in (signature[1:], signature[:-4], "A" + signature[1:], "A" * len(signature), signature * 2):
        if other != signature:
            with pytest.raises(AssertionRefused):
                check_assertion(read_assertion(f"{head}.{other}"), KEYS, [ISSUER], NOW)


@settings(max_examples=60, deadline=None)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jwk", "crit"]), anything, max_size=3),
    claims=st.dictionaries(st.sampled_from([*RIGHT, "iat", "nbf"]), anything, max_size=4),
)
def test_whatever_is_signed_is_refused_or_says_what_it_should(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    text = ED.signed({"alg": "Ed25519", **header}, {**RIGHT, **claims})
    with suppress(AssertionRefused):
        read = read_assertion(text)
        check_assertion(read, KEYS, [ISSUER], NOW)
        assert read.claims["iss"] == read.claims["sub"]
        assert read.claims["aud"] == ISSUER
        assert 0 < read.claims["exp"] - SECONDS <= 310


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[\w-]{0,20}\.[\w-]{0,20}\.[\w-]{0,20}", fullmatch=True))
def test_whatever_is_no_assertion_is_refused(text: str) -> None:
    with pytest.raises(AssertionRefused):
        read_assertion(text)
