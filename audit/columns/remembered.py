"""The sealed rows of the hot tail, remembered from one question to the next: only new ones are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from audit.bodies import PER_FILE, bodies_path
from audit.columns.hot import sealed_rows
from audit.columns.renewal import last_asked

_MOST = 131_072
"""A longer stretch is read anew each time: it will soon lie in blocks."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows from `first` up to `end`, read from a file with this number when renewal was last asked then."""

    first: int
    end: int
    state: tuple[int, int]
    rows: pa.Table


_remembered: dict[Path, _Stretch] = {}


def tail_rows(folder: Path, first: int, end: int, size: int, offset: int | None) -> pa.Table:
    """Return what `sealed_rows` does. Rows of bodies that were erased since are read again."""
    try:
        state = bodies_path(folder / "bodies", first).stat().st_ino, last_asked(folder)
    except FileNotFoundError:
        return sealed_rows(folder, first, end, size, offset)
    known = _remembered.get(folder)
    if known is None or (known.first, known.state) != (first, state) or known.end > end:
        known = _Stretch(first, first, state, sealed_rows(folder, first, first, size))
    if known.rows.num_rows == known.end - first:  # else bodies are missing and the place is not known
        offset = _next(known.rows) if known.rows.num_rows else offset
        more = sealed_rows(folder, known.end, end, size, offset)
        known = _Stretch(first, end, state, pa.concat_tables([known.rows, more]).combine_chunks())
    else:
        known = _Stretch(first, end, state, sealed_rows(folder, first, end, size, offset))
    if end - first <= _MOST:
        _remembered[folder] = known
    return known.rows


def _next(rows: pa.Table) -> int:
    """Return where the body behind the last of these begins in its file."""
    index, offset, length = (rows.column(name)[-1].as_py() for name in ("log_index", "offset", "length"))
    return 0 if (index + 1) % PER_FILE == 0 else offset + length + 1
