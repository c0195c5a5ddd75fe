"""The one table `records` that searches and questions see: a row for each entry of the log.

Kind, time and source come from the envelope, which is kept for ever; the rest from the body. So a record
whose body cannot be read keeps its row, one whose body was erased its id as well, and a count over the log's
indexes shows that none is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from audit.bodies import Line, is_erased

VERSION = b"3"
"""Counts up when blocks change; those of an earlier version are read, and made again one by one."""

TEXTS = (
    *("consumer", "provider", "department", "actor", "client", "grant", "dataset", "operation", "method"),
    *("purpose", "decision", "reason", "case", "ticket", "trace", "address", "subject", "intent"),
)
"""Columns that are taken from the body as they stand, where they hold a text."""
NUMBERS: Mapping[str, pa.DataType] = {
    "status": pa.int32(),
    "rows": pa.int64(),
    "bytes": pa.int64(),
    "ms": pa.float64(),
}

SCHEMA = pa.schema(
    [
        ("log_index", pa.int64()),  # null while the record is not sealed
        ("id", pa.string()),  # a UUID of version 7, so that ids sort by time
        ("kind", pa.string()),
        ("at", pa.timestamp("us")),  # UTC, without a zone
        ("source", pa.string()),
        *((name, pa.string()) for name in TEXTS),
        ("several", pa.string()),  # `subject` where it names several people: see `several_of`
        *NUMBERS.items(),
        ("erased", pa.bool_()),
        ("offset", pa.int64()),  # where the body lies in its file
        ("length", pa.int32()),
    ]
)

EARLIER: Mapping[bytes, Sequence[str]] = {
    b"1": [name for name in SCHEMA.names if name != "several"],
    b"2": SCHEMA.names,
}
"""The columns of earlier versions, which had no index."""
DERIVED = {"several": "CASE WHEN contains(subject, ',') THEN subject END"}
"""What an earlier version had no column for, in SQL; in Python that is `completed`."""

_BODY = pa.schema([("id", pa.string()), *((n, pa.string()) for n in TEXTS), *NUMBERS.items()])
_ENVELOPE = pa.schema([("k", pa.string()), ("t", pa.int64()), ("s", pa.string())])


def table_of(lines: Sequence[Line], envelopes: Sequence[bytes]) -> pa.Table:
    """Return the rows of sealed records. Raises ValueError when an envelope is none."""
    places = {
        "log_index": pa.array([line.at for line in lines], pa.int64()),
        "offset": pa.array([line.offset for line in lines], pa.int64()),
        "length": pa.array([len(line.body) for line in lines], pa.int32()),
    }
    return _joined(places, envelopes, [line.body for line in lines])


def unsealed_table(records: Sequence[tuple[bytes, bytes]]) -> pa.Table:
    """Return the rows of records that have no place in the log yet, from envelope and body."""
    nowhere = {name: pa.nulls(len(records), SCHEMA.field(name).type) for name in ("log_index", "offset")}
    places = {**nowhere, "length": pa.nulls(len(records), pa.int32())}
    return _joined(places, [envelope for envelope, _ in records], [body for _, body in records])


def _joined(places: Mapping[str, pa.Array], envelopes: Sequence[bytes], bodies: Sequence[bytes]) -> pa.Table:
    if not bodies:
        return SCHEMA.empty_table()
    stamps, texts = _read(envelopes, _ENVELOPE), _read_bodies(bodies)
    columns = {name: texts.column(name) for name in ("id", *TEXTS, *NUMBERS)}
    erased = pa.array([is_erased(body) for body in bodies], pa.bool_())
    at = pc.cast(pc.multiply(stamps.column("t"), 1000), pa.timestamp("us"))
    whole = {**places, **columns, "kind": stamps.column("k"), "at": at, "source": stamps.column("s")}
    derived = {"erased": erased, "several": several_of(columns["subject"])}
    return pa.table({name: {**whole, **derived}[name] for name in SCHEMA.names}, schema=SCHEMA)


def several_of(subjects: Any) -> Any:
    """Return the texts that name several people, null for the others.

    A person who is named alone is found by equality, for which there are filters; only these few texts have
    to be looked through.
    """
    return pc.if_else(pc.match_substring(subjects, ","), subjects, pa.scalar(None, pa.string()))


def completed(rows: Any) -> Any:
    """Return rows of any version, some of their columns, with those columns that follow from others."""
    if "subject" not in rows.schema.names or "several" in rows.schema.names:
        return rows
    whole = rows.append_column(SCHEMA.field("several"), several_of(rows.column("subject")))
    return whole.select([name for name in SCHEMA.names if name in whole.schema.names])


def _read_bodies(bodies: Sequence[bytes]) -> pa.Table:
    """Read bodies in one pass; where one holds something unforeseen, one by one."""
    try:
        return _read(bodies, _BODY)
    except ValueError:
        return pa.Table.from_pylist([_fields(body) for body in bodies], schema=_BODY)


def _read(documents: Sequence[bytes], schema: pa.Schema) -> pa.Table:
    """Read one JSON document a line. Raises ValueError, also when a value is not of its column's type."""
    raw = b"\n".join(documents) + b"\n"
    read = pj.read_json(
        pa.BufferReader(raw),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(raw) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    if read.num_rows != len(documents):
        raise ValueError(f"{len(documents)} lines hold {read.num_rows} documents")
    return read


def _fields(body: bytes) -> dict[str, Any]:
    """Return what the columns take from one body; a value of another type counts as missing."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    texts = {name: document.get(name) for name in ("id", *TEXTS)}
    numbers = {name: _number(document.get(name), kind) for name, kind in NUMBERS.items()}
    return {**{k: v for k, v in texts.items() if isinstance(v, str)}, **numbers}


def _number(value: Any, kind: pa.DataType) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == pa.float64():
        return float(value)
    return (
        value
        if isinstance(value, int) and -(2 ** (kind.bit_width - 1)) <= value < 2 ** (kind.bit_width - 1)
        else None
    )
