from __future__ import annotations

import base64
import hashlib

import orjson
import pytest

from audit.record import make_record
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
