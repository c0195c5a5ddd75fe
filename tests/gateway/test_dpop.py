"""Proofs of possession (RFC 9449): which ones hold, and which do not, one claim at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dpop import Nonces, Proof, ProofRefused, normal_url, read_proof
from gateway.prover import Prover as OurProver
from tests.gateway.proofs import Prover, b64, ec_prover, ed_prover, rsa_prover

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
URL = "https://data.example.gov.cn/share/307001-000001/rows"
TOKEN = "sx_token"
NONCES = Nonces(b"k" * 32)
NONCE = NONCES.current(NOW)
PROVER = ec_prover()


def read(*values: str, method: str = "GET", url: str = URL, token: str | None = None) -> Proof:
    return read_proof(values, method=method, url=url, now=NOW, nonces=NONCES, token=token)


def made(prover: Prover = PROVER, **changed: Any) -> str:
    return prover.proof("GET", URL, NOW, nonce=NONCE, **changed)


def reason(*values: str, **how: Any) -> tuple[str, str]:
    with pytest.raises(ProofRefused) as refused:
        read(*values, **how)
    return refused.value.error, refused.value.reason


# --- what holds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prover", [PROVER, rsa_prover(), ed_prover(), ed_prover("EdDSA")], ids=lambda prover: prover.alg
)
def test_a_proof_holds_under_each_algorithm_and_names_its_key(prover: Prover) -> None:
    proof = read(made(prover, token=TOKEN), token=TOKEN)
    assert proof.thumbprint == prover.thumbprint
    assert proof.issued_at == NOW


def test_a_proof_of_our_own_making_holds() -> None:
    prover = OurProver()
    made = prover.proof("GET", URL + "?limit=1", NOW, nonce=NONCE, token=TOKEN)
    assert prover.cnf == f"jkt:{read(made, token=TOKEN).thumbprint}"
    assert OurProver().cnf != prover.cnf


def test_the_proof_of_the_specification_holds_for_its_signature_and_key() -> None:
    """RFC 9449 figure 3: its signature is good, so what is refused first is its time, long ago."""
    example = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpD"
        "a0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6"
        "IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbG"
        "UuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7"
        "NVY-FNyJK70nfbV37xRZT3Lg"
    )
    address = "https://server.example.com/token"
    assert reason(example, method="POST", url=address) == ("invalid_dpop_proof", "proof_time")
    broken = example[:-6] + "AAAAAA"
    assert reason(broken, method="POST", url=address) == ("invalid_dpop_proof", "proof_signature")


@pytest.mark.parametrize(
    "htu",
    [
        URL + "?limit=5",
        URL + "#part",
        "HTTPS://DATA.example.GOV.cn:443/share/307001-000001/rows",
        "https://data.example.gov.cn/share/./x/../307001-000001/rows",
        "https://data.example.gov.cn/share/307001%2D000001/%72ows",
    ],
)
def test_an_address_is_compared_in_its_normal_form(htu: str) -> None:
    assert read(made(claims={"htu": htu})).thumbprint == PROVER.thumbprint


# --- what does not --------------------------------------------------------------------------------


def test_exactly_one_proof_is_needed() -> None:
    assert reason() == ("invalid_dpop_proof", "proof_missing")
    assert reason(made(), made()) == ("invalid_dpop_proof", "several_proofs")
    assert reason(f"{made()},{made()}") == ("invalid_dpop_proof", "proof_malformed")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"typ": None}, "proof_type"),
        ({"typ": "JWT"}, "proof_type"),
        ({"crit": ["b64"], "b64": False}, "proof_type"),
        ({"alg": "none"}, "proof_algorithm"),
        ({"alg": "HS256"}, "proof_algorithm"),
        ({"alg": "RS256"}, "proof_algorithm"),
        ({"alg": None}, "proof_algorithm"),
        ({"alg": ["ES256"]}, "proof_algorithm"),
        ({"alg": "Ed25519"}, "proof_key"),
        ({"jwk": None}, "proof_key"),
        ({"jwk": "key"}, "proof_key"),
        ({"jwk": {**PROVER.jwk, "d": "AQAB"}}, "proof_key"),
        ({"jwk": {"kty": "oct", "k": "AQAB"}}, "proof_key"),
        ({"jwk": {**PROVER.jwk, "crv": "P-384"}}, "proof_key"),
        ({"jwk": {**PROVER.jwk, "x": PROVER.jwk["y"]}}, "proof_key"),
        ({"jwk": {**PROVER.jwk, "x": "A"}}, "proof_key"),
        ({"jwk": {**PROVER.jwk, "kty": "OKP"}}, "proof_key"),
        ({"jwk": ec_prover().jwk}, "proof_signature"),
    ],
)
def test_a_header_that_is_not_right_is_refused(header: dict[str, Any], why: str) -> None:
    assert reason(made(header=header)) == ("invalid_dpop_proof", why)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"jti": None}, "proof_jti"),
        ({"jti": ""}, "proof_jti"),
        ({"jti": ["a"]}, "proof_jti"),
        ({"jti": "a" * 257}, "proof_jti"),
        ({"htm": "POST"}, "proof_method"),
        ({"htm": "get"}, "proof_method"),
        ({"htu": None}, "proof_url"),
        ({"htu": "/share/307001-000001/rows"}, "proof_url"),
        ({"htu": URL.replace("https", "http")}, "proof_url"),
        ({"htu": URL.replace(".cn", ".cn:8443")}, "proof_url"),
        ({"htu": URL.replace(".cn", ".cn:0")}, "proof_url"),
        ({"htu": URL.replace("data", "evil@data")}, "proof_url"),
        ({"htu": URL.replace("rows", "ROWS")}, "proof_url"),
        ({"htu": URL + "/"}, "proof_url"),
        ({"htu": URL.replace("rows", "files%2Frows")}, "proof_url"),
        ({"htu": "https://[::"}, "proof_url"),
        ({"iat": None}, "proof_time"),
        ({"iat": True}, "proof_time"),
        ({"iat": str(int(NOW.timestamp()))}, "proof_time"),
        ({"iat": 1e308}, "proof_time"),
        ({"iat": int(NOW.timestamp()) - 61}, "proof_time"),
        ({"iat": int(NOW.timestamp()) + 11}, "proof_time"),
        ({"ath": None}, "proof_token"),
        ({"ath": "other"}, "proof_token"),
    ],
)
def test_a_claim_that_is_not_right_is_refused(claims: dict[str, Any], why: str) -> None:
    value = made(token=TOKEN, claims=claims)
    assert reason(value, token=TOKEN) == ("invalid_dpop_proof", why)


@pytest.mark.parametrize("seconds", [-60, 10])
def test_a_clock_that_is_a_little_off_is_forgiven(seconds: int) -> None:
    assert read(made(claims={"iat": int(NOW.timestamp()) + seconds}))


def test_an_rsa_key_is_neither_short_nor_slow() -> None:
    short, wide = rsa_prover(1024), rsa_prover()
    assert reason(made(short)) == ("invalid_dpop_proof", "proof_key")
    slow = Prover(wide.private, "PS256", {**wide.jwk, "e": b64(b"\x01" * 9)})
    assert reason(made(slow)) == ("invalid_dpop_proof", "proof_key")


def test_a_curve_of_another_name_is_refused() -> None:
    assert reason(made(ec_prover(ec.SECP384R1()))) == ("invalid_dpop_proof", "proof_key")


def test_deep_json_costs_nothing() -> None:
    deep = b64(b"[" * 1500)
    assert reason(f"{deep}.{deep}.AAAA") == ("invalid_dpop_proof", "proof_malformed")


@settings(max_examples=60, deadline=None)
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", fullmatch=True))
def test_noise_is_refused_and_nothing_else(value: str) -> None:
    assert reason(value)[0] == "invalid_dpop_proof"


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "kid"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=50)
        | st.sampled_from(["EC", "RSA", "OKP"]),
    ),
    st.sampled_from(["ES256", "PS256", "Ed25519", "EdDSA"]),
)
def test_no_key_makes_the_reader_stumble(jwk: dict[str, Any], alg: str) -> None:
    assert reason(made(header={"jwk": jwk, "alg": alg}))[0] == "invalid_dpop_proof"


# --- the nonce and the replay ---------------------------------------------------------------------


@pytest.mark.parametrize("nonce", [None, "", "other", 7, NONCES.current(NOW - timedelta(minutes=10))])
def test_a_proof_without_a_good_nonce_is_told_which_to_use(nonce: Any) -> None:
    with pytest.raises(ProofRefused) as refused:
        read(made(claims={"nonce": nonce}))
    assert refused.value.error == "use_dpop_nonce"
    assert refused.value.nonce is not None
    assert read(made(claims={"nonce": refused.value.nonce}))


def test_a_nonce_is_good_for_a_while_under_one_key_only() -> None:
    assert NONCES.is_good(NONCE, NOW + timedelta(seconds=Nonces.SECONDS))
    assert not NONCES.is_good(NONCE, NOW + timedelta(seconds=2 * Nonces.SECONDS))
    assert not NONCES.is_good(NONCE, NOW - timedelta(seconds=Nonces.SECONDS))
    assert not Nonces(b"o" * 32).is_good(NONCE, NOW)
    assert not NONCES.is_good("é", NOW)


def test_a_proof_is_told_from_others_by_key_and_id_until_it_is_too_old() -> None:
    same: dict[str, Any] = {"claims": {"jti": "one"}}
    first, again, other = read(made(**same)), read(made(**same)), read(made(ed_prover(), **same))
    assert first.digest == again.digest != other.digest
    late = made(claims={"iat": int(NOW.timestamp())})
    with pytest.raises(ProofRefused):
        read_proof([late], method="GET", url=URL, now=first.expires_at, nonces=Nonces(b"k" * 32), token=None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://h", "http://h:80/", True),
        ("https://[::1]/a", "https://[::1]:443/a", True),
        ("http://h/a/b/..", "http://h/a/", True),
        ("http://h/%7euser", "http://h/~user", True),
        ("http://h/%2f", "http://h/%2F", True),
        ("http://h/%2F", "http://h//", False),
        ("http://h/a//b", "http://h/a/b", False),
        ("ftp://h/a", "http://h/a", False),
    ],
)
def test_addresses_are_the_same_in_their_normal_form_only(one: str, other: str, same: bool) -> None:
    assert (normal_url(one) == normal_url(other)) is same


@pytest.mark.parametrize("url", ["", "h/a", "mailto:a@b", "http://", "http://h:99999/"])
def test_what_is_no_http_address_has_no_normal_form(url: str) -> None:
    assert normal_url(url) is None
