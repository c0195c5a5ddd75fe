"""The hot tail: what lies in no block yet, read from bodies, journals and outbox.

A record moves from journal or outbox to the bodies, and from there into a block. These are read in that
order, so that a record on its way is seen in one of them at least; what is seen twice is counted where it
is sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
from sqlalchemy import Connection

from audit import outbox, store
from audit.bodies import Line, read_bodies
from audit.columns.schema import SCHEMA, table_of, unsealed_table
from audit.drain import unsealed_frames
from audit.files import tile_reader
from audit.record import body_digest
from audit.state import load_state
from audit.tiles import ENTRIES, WIDTH, decode_bundle

_OUTBOX_MOST = 1_000_000
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Waiting:
    """Durable records that were not sealed when journals and outbox were read: envelope and body of each.

    `size` is how many were sealed before that. One that was sealed in this instant may be among them still.
    """

    size: int
    journals: tuple[tuple[bytes, bytes], ...]
    outbox: tuple[tuple[bytes, bytes], ...]


def waiting(tx: Connection | None, folder: Path) -> Waiting:
    """Read what is not sealed: the journals, and the outbox that `tx` sees."""
    state = load_state(folder)
    frames = tuple((f.envelope, f.body) for _, f in unsealed_frames(folder / "journal", state.journals))
    rows = [] if tx is None else outbox.sound(store.select_outbox(tx, _OUTBOX_MOST))
    return Waiting(state.size, frames, tuple((r.envelope, r.body) for r in rows))


def sealed_rows(folder: Path, first: int, end: int, size: int, offset: int | None = None) -> pa.Table:
    """Return the rows of the records from `first` up to `end` in a log of `size`, from the bodies.

    Rows of bodies that are gone are left out. `offset` is where the first one is said to begin; when it does
    not, that is found out.
    """
    tables = [SCHEMA.empty_table()]
    if offset and first < end and not _begins(folder, first, size, offset):
        offset = None
    lines = read_bodies(folder / "bodies", first, end, offset)
    while piece := [line for _, line in zip(range(_PIECE), lines, strict=False)]:
        tables.append(table_of(piece, envelopes_of(folder, piece, size)))
    return pa.concat_tables(tables)


def _begins(folder: Path, index: int, size: int, offset: int) -> bool:
    """Tell whether at `offset` there is the body of the record `index`: the log holds its digest."""
    line = next(read_bodies(folder / "bodies", index, index + 1, offset), None)
    envelope = orjson.loads(envelope_at(folder, index, size))
    return line is not None and envelope["b"] == body_digest(line.body)


def envelopes_of(folder: Path, lines: Sequence[Line], size: int) -> list[bytes]:
    """Return the envelopes of bodies in a log of `size` records."""
    read = tile_reader(folder / "log")
    found: dict[int, list[bytes]] = {}
    for bundle in range(lines[0].at // WIDTH, lines[-1].at // WIDTH + 1):
        width = min(WIDTH, size - bundle * WIDTH)
        found[bundle] = decode_bundle(read(ENTRIES, bundle, width))
    return [found[line.at // WIDTH][line.at % WIDTH] for line in lines]


def envelope_at(folder: Path, index: int, size: int) -> bytes:
    """Return the envelope of one record in a log of `size` records."""
    return envelopes_of(folder, [Line(index, 0, b"")], size)[0]


def waiting_rows(found: Waiting) -> pa.Table:
    """Return the rows of the records that wait."""
    return unsealed_table([*found.journals, *found.outbox])
