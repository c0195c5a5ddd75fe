"""A row that says its body lies elsewhere than it does is not the row of that body."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.columns.blocks import Block
from audit.columns.make import make
from audit.columns.schema import SCHEMA
from audit.verify_rows import rows_fit
from tests.audit.logs import Log, access

SIZE, BLOCK = 96, Block(64, 32)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    made = Log(tmp_path_factory.mktemp("rows") / "audit")
    made.put([access(status=200 + i % 3, consumer=f"dept-{'x' * (i % 5)}") for i in range(SIZE)])
    made.seal()
    made.database.close()
    return made


def fits(log: Log, change: Callable[[Rows], None]) -> bool:
    """Whether a block passes that begins within a file of bodies, and was changed."""
    BLOCK.path(log.folder).parent.mkdir(parents=True, exist_ok=True)
    make(log.folder, BLOCK, SIZE, lambda made: None)
    path: Path = BLOCK.path(log.folder)
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return rows_fit(log.folder, BLOCK, SIZE, 0, frozenset())


def both_in_one(rows: Rows) -> None:
    rows[4]["length"] += rows[5]["length"] + 1
    rows[5].update(offset=rows[6]["offset"], length=-1)


def a_line_on(rows: Rows) -> None:
    for row, behind in zip(rows, [*rows[1:], rows[0]], strict=True):
        row.update(offset=behind["offset"], length=behind["length"])


def from_the_start(rows: Rows) -> None:
    first = rows[0]["offset"]
    for row in rows:
        row["offset"] -= first


def earlier_end(rows: Rows) -> None:
    rows[4]["length"] -= 1
    rows[5]["offset"] -= 1
    rows[5]["length"] += 1


WRONG: dict[str, Callable[[Rows], None]] = {
    "another place": lambda rows: rows[4].update(offset=rows[4]["offset"] + 1),
    "another length": lambda rows: rows[-1].update(length=rows[-1]["length"] - 1),
    "a person among several who is not": lambda rows: rows[4].update(several="a,b"),
    "no place": lambda rows: rows[4].update(offset=None),
    "no length": lambda rows: rows[0].update(length=None),
    "before the file": lambda rows: rows[0].update(offset=-1),
    "behind the file": lambda rows: rows[-1].update(length=2**31 - 1),
    "two bodies in one": both_in_one,
    "each where the next is": a_line_on,
    "all too early": from_the_start,
    "a body that ends too early": earlier_end,
}


@pytest.mark.parametrize("what", WRONG)
def test_rows_that_say_other_places_do_not_fit(log: Log, what: str) -> None:
    assert fits(log, lambda rows: None)
    assert not fits(log, WRONG[what])
