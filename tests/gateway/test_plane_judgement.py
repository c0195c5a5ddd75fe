"""The pure parts: tokens, the policy counter, addresses, ranges, masks, row queries."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.db import Database, metadata
from gateway.calls import read_query, read_target, source_of
from gateway.filters import typed
from gateway.masks import mask_json
from gateway.objections import BAD_RANGE, Refused
from gateway.policy import PolicyCounter, change_policy
from gateway.store import policy_version
from gateway.tokens import make_token, token_digest, well_formed

KEY = b"k" * 32


# --- tokens and the policy version ------------------------------------------------------------------


def test_a_token_is_recognised_by_its_key_and_nothing_else() -> None:
    token = make_token(KEY)
    assert len(token) == 51
    assert well_formed(KEY, token)
    assert not well_formed(b"other" * 8, token)
    assert make_token(KEY) != token
    assert len(token_digest(token)) == 64


@given(st.text(max_size=60), st.integers(0, 50), st.characters())
@settings(max_examples=200, deadline=None)
def test_noise_is_never_a_token_and_never_an_error(noise: str, at: int, other: str) -> None:
    token = make_token(KEY)
    assert not well_formed(KEY, noise)
    changed = token[:at] + other + token[at + 1 :]
    assert well_formed(KEY, changed) == (changed == token)


def test_a_token_has_one_spelling() -> None:
    token = next(t for t in iter(lambda: make_token(KEY), "") if "-" in t and t.count("_") > 1)
    assert not well_formed(KEY, token.replace("-", "+"))
    assert not well_formed(KEY, "sx_" + token[3:].replace("_", "/"))


def test_the_counter_is_shared_and_only_grows(tmp_path: Path) -> None:
    one, two = PolicyCounter(tmp_path / "run" / "policy"), PolicyCounter(tmp_path / "run" / "policy")
    one.raise_to(7)
    two.raise_to(3)
    assert (one.read(), two.read()) == (7, 7)
    one.close()
    two.close()


def test_the_counter_follows_the_commit_and_not_the_rollback(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.sqlite'}")
    metadata.create_all(database.engine)
    counter = PolicyCounter(tmp_path / "policy")
    with database.begin() as tx:
        assert change_policy(tx, counter) == 1
        assert counter.read() == 0
    assert counter.read() == 1
    with suppress(ZeroDivisionError), database.begin() as tx:
        change_policy(tx, counter)
        raise ZeroDivisionError
    assert counter.read() == 1
    with database.read() as tx:
        assert policy_version(tx) == 1
    counter.close()
    database.close()


# --- targets and sources ----------------------------------------------------------------------------


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_call_or_a_refusal(tail: bytes) -> None:
    with suppress(Refused):
        call = read_target("GET", b"/share/307001-000001/" + tail)
        assert call.code == "307001/000001"
        assert call.operation in ("rows", "files", "files/{name}", "call/{operation}")
        assert call.name is None or not {"/", "\\", "\0"} & set(call.name)


def test_a_query_is_read_once_and_strictly() -> None:
    assert read_query(b"a=%E5%A5%BD&b=1+2&a=") == (("a", "好"), ("b", "1 2"), ("a", ""))
    for wrong in (b"a", b"=1", b"a=%", b"a=%ff", b"a=%00", b"&", b"a=1&", b"a=\xff", b"a=" + b"x" * 2000):
        with pytest.raises(Refused):
            read_query(wrong)


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("10.0.0.9", [], "10.0.0.9"),
        ("10.0.0.9", [b"10.1.1.1"], "10.0.0.9"),
        ("192.0.2.1", [b"10.1.1.1"], "10.1.1.1"),
        ("192.0.2.1", [b"6.6.6.6, 10.1.1.1"], "10.1.1.1"),
        ("192.0.2.1", [b"6.6.6.6", b"10.1.1.1, 192.0.2.2"], "10.1.1.1"),
        ("192.0.2.1", [b"::ffff:10.1.1.1"], "10.1.1.1"),
        ("::ffff:10.1.1.1", [], "10.1.1.1"),
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", [b"unknown"], None),
        ("192.0.2.1", [b"10.1.1.1:80"], None),
        ("192.0.2.1", [b""], None),
        ("", [], None),
    ],
)
def test_the_source_is_the_last_hop_that_no_trusted_proxy_vouches_for(
    peer: str, forwarded: list[bytes], source: str | None
) -> None:
    found = source_of(peer, forwarded, (ip_network("192.0.2.0/24"),))
    assert found == (ip_address(source) if source else None)


# --- masks ------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(_json, st.sampled_from(["", "/a", "/a/b"]), st.lists(st.text(max_size=5), max_size=3))
@settings(max_examples=300, deadline=None)
def test_nothing_but_granted_fields_ever_passes(document: Any, pointer: str, fields: list[str]) -> None:
    with suppress(Refused):
        masked = mask_json(json.dumps(document).encode(), pointer, fields, 2)
        kept = json.loads(masked.body)
        for part in pointer.split("/")[1:]:
            assert set(kept) == {part}
            kept = kept[part]
        records = kept if isinstance(kept, list) else [kept]
        assert len(records) <= 2
        assert all(set(record) <= set(fields) for record in records)


# --- values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e301", "-1e999999999", "0e-400", "1" * 41, "", "1,0"])
def test_a_number_that_no_database_holds_is_no_number(text: str) -> None:
    with pytest.raises(Refused):
        typed("number", text, BAD_RANGE)


@pytest.mark.parametrize("text", ["0", "-1.50", "1e300", "123456789012345678901234567890"])
def test_a_number_is_kept_exactly(text: str) -> None:
    assert typed("number", text, BAD_RANGE) == Decimal(text)
