"""A row says what envelope and body say, whatever a body holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.bodies import Line, erased_line
from audit.columns.schema import NUMBERS, SCHEMA, TEXTS, table_of, unsealed_table
from audit.record import make_envelope
from tests.audit.logs import START, access

pytestmark = pytest.mark.long

BOUNDS = {"status": 2**31, "rows": 2**63, "bytes": 2**63}

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=4,
)
usual = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(TEXTS, text | st.none()),
        "subject": st.sampled_from(["a", "a,b", ",", "", None]),
        "rows": st.integers(0, 10**12),
        "ms": st.floats(0, 9e9),
    },
)
unusual = st.dictionaries(st.sampled_from([*TEXTS, *NUMBERS, "id", "other"]), anything, max_size=6)


def expected(body: dict[str, Any], name: str) -> Any:
    value = body.get(name)
    if name in BOUNDS:
        fits = (
            isinstance(value, int) and not isinstance(value, bool) and -BOUNDS[name] <= value < BOUNDS[name]
        )
        return value if fits else None
    if name == "ms":
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else None


@given(st.lists(usual | unusual, max_size=6))
@settings(max_examples=60, deadline=None)
def test_every_column_holds_what_the_body_says_or_nothing(bodies: list[dict[str, Any]]) -> None:
    raws = [orjson.dumps(body, option=orjson.OPT_SORT_KEYS) for body in bodies]
    envelopes = [make_envelope("access", 1_700_000_000_000 + i, "gw", raw) for i, raw in enumerate(raws)]
    lines = [Line(7 + i, 100 * i, raw) for i, raw in enumerate(raws)]
    sealed = table_of(lines, envelopes)
    assert sealed.schema == SCHEMA
    for i, row in enumerate(sealed.to_pylist()):
        places = {"log_index": 7 + i, "offset": 100 * i, "length": len(raws[i]), "erased": False}
        known = {"kind": "access", "source": "gw", "at": row["at"]}
        read = {name: expected(orjson.loads(raws[i]), name) for name in ("id", *TEXTS, *NUMBERS)}
        people = read["subject"]
        several = people if people is not None and "," in people else None
        assert row == {**places, **known, **read, "several": several}
    waiting = unsealed_table(list(zip(envelopes, raws, strict=True)))
    nowhere = {"log_index", "offset", "length"}
    assert waiting.drop_columns(list(nowhere)).equals(sealed.drop_columns(list(nowhere)))
    assert all(row[name] is None for row in waiting.to_pylist() for name in nowhere)


def test_the_time_of_a_row_is_utc_without_a_zone() -> None:
    made = access(datetime(2026, 2, 10, 2, 0, 1, 5000, tzinfo=UTC))
    row = unsealed_table([(made.envelope, made.body)]).to_pylist()[0]
    assert row["at"] == datetime(2026, 2, 10, 2, 0, 1, 5000, tzinfo=UTC).replace(tzinfo=None)


def test_an_erased_body_leaves_its_id_kind_time_and_source() -> None:
    made = access(START)
    line = Line(3, 0, erased_line(len(made.body), access().id, made.id))
    row = table_of([line], [made.envelope]).to_pylist()[0]
    assert (row["id"], row["kind"], row["source"], row["erased"]) == (made.id, "access", "w", True)
    assert {row[name] for name in (*TEXTS, *NUMBERS)} == {None}


def test_a_body_that_is_no_json_keeps_its_row() -> None:
    made, other = access(START), access(START)
    rows = table_of(
        [Line(0, 0, b"\xff{"), Line(1, 3, other.body)], [made.envelope, other.envelope]
    ).to_pylist()
    assert [(row["id"], row["kind"]) for row in rows] == [(None, "access"), (other.id, "access")]
    assert pa.types.is_timestamp(SCHEMA.field("at").type)
