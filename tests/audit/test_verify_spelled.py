"""A row that is spelled as its body is the row of that body; any other is read, whatever it holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.bodies import Line, erased_line
from audit.columns.schema import NUMBERS, SCHEMA, TEXTS, table_of
from audit.record import canonical, make_envelope
from audit.verify_spelled import Sealed, in_doubt
from bench.audit_log import record
from tests.audit.columns.test_schema import text
from tests.audit.logs import START, access

pytestmark = pytest.mark.long

FIRST = 40
MS = 1_770_000_000_000


def sealed(bodies: Sequence[bytes], envelopes: Sequence[bytes] | None = None) -> Sealed:
    """Bodies as a log holds them, behind those of other records."""
    ahead = b"of others\n"
    lines = [body + b"\n" for body in bodies]
    offsets = pa.array([*accumulate(map(len, lines), initial=len(ahead))], pa.int32())
    made = [make_envelope("access", MS, "gw1.1", body) for body in bodies]
    return Sealed(FIRST, ahead + b"".join(lines), offsets, envelopes or made)


def rows_of(log: Sealed) -> pa.RecordBatch:
    """The rows that are made of records."""
    lines = [log.line(i) for i in range(len(log.entries))]
    return table_of(lines, log.entries).combine_chunks().to_batches()[0]


def doubted(log: Sealed, rows: list[dict[str, Any]]) -> list[int]:
    """Which rows are in doubt."""
    return in_doubt(log, pa.RecordBatch.from_pylist(rows, schema=SCHEMA))


def test_calls_are_spelled_and_not_one_of_them_is_read() -> None:
    chance = random.Random(1)
    made = [record(number, 1_000_000, chance) for number in range(300)]
    log = sealed([body for _, body in made], [envelope for envelope, _ in made])
    assert in_doubt(log, rows_of(log)) == []


BASE: dict[str, Any] = {
    "consumer": "dept-carol",
    "reason": None,
    "status": 200,
    "ms": 12.0,
    "request_digest": "ab" * 32,
    "policy_version": 12,
}
USUAL: dict[str, dict[str, Any]] = {
    "a call": BASE,
    "another policy": {**BASE, "policy_version": 7},
    "no policy": {**BASE, "policy_version": None},
    "a refused call": {**BASE, "reason": "grant_expired", "status": 403, "ms": 0.4},
    "a disputed answer": {**BASE, "disputed": ["C-1", "C-2"], "rows": 3},
    "an act": {"actor": "p1", "department": "dept-a", "roles": ["audit"], "case": "SX-1", "to_state": "done"},
    "Chinese": {**BASE, "operation": "GET /企业", "purpose": "核验"},
    "whole milliseconds": {**BASE, "ms": 12},
}


def test_bodies_of_many_shapes_are_spelled_side_by_side() -> None:
    records = [access(START, "gw1.1", **body) for body in USUAL.values() for _ in range(3)]
    random.Random(2).shuffle(records)
    log = sealed([made.body for made in records], [made.envelope for made in records])
    assert in_doubt(log, rows_of(log)) == []


@pytest.mark.parametrize("name", SCHEMA.names)
def test_a_row_with_another_value_in_any_column_is_in_doubt(name: str) -> None:
    everything = {
        **dict.fromkeys(TEXTS, "x"),
        "subject": "x,y",
        "status": 200,
        "rows": 2,
        "bytes": 3,
        "ms": 4.5,
    }
    made = [access(START, "gw1.1", **everything) for _ in range(4)]
    log = sealed([one.body for one in made], [one.envelope for one in made])
    rows = rows_of(log).to_pylist()
    assert doubted(log, rows) == []
    for value in (None, {str: "y", bool: True, int: 7, float: 4.25}.get(type(rows[2][name]))):
        if name == "log_index" or (name == "at" and value is None):
            continue  # rows are taken by their log indexes
        changed = rows[2][name].replace(microsecond=1) if name == "at" else value
        assert doubted(log, [*rows[:2], {**rows[2], name: changed}, rows[3]]) == [2], changed


@pytest.mark.parametrize("people", [None, "a"])
@pytest.mark.parametrize("several", ["", "a", "a,b"])
def test_whoever_is_not_one_of_several_is_not_said_to_be(people: str | None, several: str) -> None:
    log = sealed([usual_body(subject=people)])
    row = rows_of(log).to_pylist()[0]
    assert doubted(log, [row]) == []
    assert doubted(log, [{**row, "several": several}]) == [0]


def usual_body(**fields: Any) -> bytes:
    """A body with a field that no column holds."""
    return canonical({**BASE, "id": "i", "k": "access", "nonce": "n" * 24, "t": MS, "v": 1, **fields})


ODD: dict[str, Callable[[bytes], bytes]] = {
    "a field twice": lambda raw: raw.replace(b'"status":200', b'"status":201,"status":200'),
    "a field twice, hidden in another": lambda raw: raw.replace(
        b"n" * 24, b'n","status":201,"x":"' + b"n" * 3
    ),
    "an escape": lambda raw: raw.replace(b"dept-carol", b"dept-c\\u0061ol"),
    "blanks": lambda raw: raw.replace(b'"status":200', b'"status": 200'),
    "another order": lambda raw: raw.replace(b'"consumer":"dept-carol",', b"").replace(
        b'"ms":12.0,', b'"ms":12.0,"consumer":"dept-carol",'
    ),
    "a control character": lambda raw: raw.replace(b"dept-carol", b"dept-\x01arol"),
    "no UTF-8": lambda raw: raw.replace(b"dept-carol", b"dept-\xffarol"),
    "a number with a nought": lambda raw: raw.replace(b'"policy_version":12', b'"policy_version":02'),
    "no number": lambda raw: raw.replace(b'"policy_version":12', b'"policy_version":1x'),
    "a number for a text": lambda raw: raw.replace(b'"dept-carol"', b"12"),
    "no JSON": lambda raw: raw[:-1],
    "erased": lambda raw: erased_line(len(raw), access().id),
}


@pytest.mark.parametrize("what", ODD)
def test_a_body_that_is_spelled_otherwise_is_read(what: str) -> None:
    odd = ODD[what](usual_body())
    assert odd != usual_body()
    log, usual = sealed([odd]), rows_of(sealed([usual_body()])).to_pylist()[0]
    assert in_doubt(log, rows_of(log)) == [0]
    assert doubted(log, [{**usual, "length": len(odd)}]) == [0]
    among = sealed([usual_body(), odd, usual_body()])
    places = [(line.offset, len(line.body)) for line in map(among.line, range(3))]
    forged = [{**usual, "offset": offset, "length": length} for offset, length in places]
    assert 1 in doubted(among, forged)


def test_a_text_that_would_end_another_field_is_no_text_of_a_row() -> None:
    log = sealed([usual_body(provider="p")])
    row = rows_of(log).to_pylist()[0]
    assert doubted(log, [row]) == []
    assert doubted(log, [{**row, "provider": None, "policy_version": 12, "ms": None}]) == [0]
    hidden = 'dept-carol","id":"i'
    assert doubted(log, [{**row, "consumer": hidden, "id": None}]) == [0]


@pytest.mark.parametrize(
    ("field", "said"),
    [("source", b'"s":"gw1.\\u0031"'), ("source", b'"s":"gw1.2"'), ("kind", b'"s" :"gw1.1"')],
)
def test_an_envelope_that_is_spelled_otherwise_is_read(field: str, said: bytes) -> None:
    envelope = make_envelope("access", MS, "gw1.1", usual_body()).replace(b'"s":"gw1.1"', said)
    log = sealed([usual_body()], [envelope])
    usual = rows_of(sealed([usual_body()])).to_pylist()[0]
    as_it_stands = said.split(b'"')[-2].decode()
    assert doubted(log, [usual]) == [0]
    if b"\\" in said:
        assert doubted(log, [{**usual, field: as_it_stands}]) == [0]


values: Any = text | st.none() | st.integers(0, 300) | st.floats(0, 99) | st.lists(text, max_size=2)
fields = st.sampled_from(["consumer", "reason", "status", "ms", "disputed", "policy_version", "nonce"])


@given(st.lists(st.dictionaries(fields, values), min_size=1, max_size=6), st.randoms())
@settings(max_examples=50, deadline=None)
def test_what_is_not_in_doubt_is_the_row_of_its_body(
    documents: list[dict[str, Any]], chance: random.Random
) -> None:
    log = sealed([usual_body(**document) for document in documents])
    right = rows_of(log).to_pylist()
    rows = [{**row, **{name: chance.choice(right)[name] for name in (*TEXTS, *NUMBERS)}} for row in right]
    doubtful = doubted(log, rows)
    assert all(row == right[i] for i, row in enumerate(rows) if i not in doubtful)


def test_so_many_shapes_that_it_is_not_worth_while_are_read() -> None:
    bodies = [usual_body(**{f"other_{'x' * i}": 1}) for i in range(12)]
    log = sealed(bodies)
    assert in_doubt(log, rows_of(log)) == [8, 9, 10, 11]
    assert [orjson.loads(log.line(i).body) for i in range(12)] == [orjson.loads(body) for body in bodies]
    assert isinstance(log.line(3), Line)
