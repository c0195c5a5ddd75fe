from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.record import OWN_FIELDS, RecordForm, canonical, make_envelope, make_record
from core.times import millis
from tests.audit.logs import START, access


def test_the_envelope_says_when_and_what_and_commits_to_the_body() -> None:
    record = access(source="w.1")
    envelope = orjson.loads(record.envelope)
    assert envelope == {
        "b": base64.b64encode(hashlib.sha256(record.body).digest()).decode(),
        "k": "access",
        "s": "w.1",
        "t": int(START.timestamp() * 1000),
    }
    assert len(record.envelope) < 120
    assert orjson.loads(record.body)["id"] == record.id


def test_two_records_of_the_same_act_have_nothing_to_compare() -> None:
    first, second = access(), access()
    assert orjson.loads(first.envelope)["b"] != orjson.loads(second.envelope)["b"]
    assert len(base64.b64decode(orjson.loads(first.body)["nonce"])) == 16


def test_a_body_cannot_pose_as_another_record() -> None:
    for name in ("id", "k", "t", "v", "nonce"):
        with pytest.raises(ValueError, match=name):
            make_record("access", START, "w", {name: "x"})


@given(
    st.dictionaries(
        st.sampled_from(["a", "c%", "j", "lä", "u", "zz"]), st.none() | st.text() | st.integers(0, 9)
    ),
    st.dictionaries(
        st.sampled_from(["bytes", "i", "idle", "ms", "o", "status", "tt"]),
        st.integers(-(2**63), 2**63 - 1) | st.text(),
    ),
)
def test_a_form_makes_the_record_that_would_be_made_without_it(
    shared: dict[str, Any], more: dict[str, Any]
) -> None:
    form = RecordForm("access", shared, list(more))
    form.fill([b"0"] * len(more), START, "gw1.1")  # what it keeps of one source is nothing to another
    made = form.fill([canonical({"": value})[4:-1] for value in more.values()], START, "gw0.1")
    body = orjson.loads(made.body)
    assert made.body == canonical(body)
    assert {name: body[name] for name in body if name not in OWN_FIELDS} == {**shared, **more}
    assert (body["v"], body["k"], body["t"], body["id"]) == (1, "access", millis(START), made.id)
    assert len(base64.b64decode(body["nonce"])) == 16
    assert made.envelope == make_envelope("access", millis(START), "gw0.1", made.body)
    assert (made.kind, made.at) == ("access", START)


@pytest.mark.parametrize(
    ("shared", "more"),
    [({"id": 1}, []), ({}, ["nonce"]), ({"a": 1}, ["a"]), ({}, ["a", "a"])],
)
def test_a_form_refuses_fields_that_are_ours_or_twice(shared: dict[str, Any], more: list[str]) -> None:
    with pytest.raises(ValueError, match="record"):
        RecordForm("access", shared, more)


def test_two_records_of_one_form_differ_in_id_and_nonce() -> None:
    form = RecordForm("access", {"a": 1}, [])
    one, other = (orjson.loads(form.fill([], START, "s").body) for _ in range(2))
    assert one["id"] < other["id"]
    assert one["nonce"] != other["nonce"]
