"""What the stories of the columns have in common."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.columns import blocks
from audit.columns.blocks import Block, chosen, present
from audit.columns.engine import engine_at
from audit.columns.maker import Maker, announcing
from audit.state import load_state
from tests.audit.logs import START, Log, access

SMALL = (64, 16, 4)


def small_blocks(patch: pytest.MonkeyPatch) -> None:
    """Have blocks of four rows, sixteen and sixty-four."""
    patch.setattr(blocks, "SIZES", SMALL)


def few_checksums(patch: pytest.MonkeyPatch, sums: int) -> None:
    """Have columns of more than two values, and so few checksums that values share them."""

    def one(value: str) -> int:
        return 1 + zlib.crc32(value.encode()) % sums

    def each(texts: pa.ChunkedArray) -> Any:
        return np.array([0 if text is None else one(text) for text in texts.to_pylist()], np.uint32)

    patch.setattr("audit.columns.indexing.MANY", 2)
    for place in ("index", "indexing"):
        patch.setattr(f"audit.columns.{place}.checksum", one)
    patch.setattr("audit.columns.indexing.checksums", each)


def maker(log: Log, grace: float = 0) -> Maker:
    """What makes blocks of a log."""
    return Maker(log.folder, announcing(log.database, lambda: START), grace=grace)


def make_all(log: Log) -> list[Block]:
    """Make every block that is due, and put them on record."""
    made = []
    making = maker(log)
    while block := making.step():
        made.append(block)
    log.seal()
    return made


def grown(log: Log, count: int, **body: str) -> list[str]:
    """Seal some records and return their ids."""
    records = [access(START, **body) for _ in range(count)]
    log.put(records)
    log.seal()
    return [record.id for record in records]


def in_use(log: Log) -> list[Block]:
    """The blocks that answer."""
    return chosen(present(log.folder), load_state(log.folder).size)


def asked(log: Log, sql: str) -> list[dict[str, Any]]:
    """Ask the log in SQL."""
    with log.database.read() as tx:
        rows: list[dict[str, Any]] = engine_at(log.folder, 256).run(sql, tx).to_pylist()
    return rows
