"""Checking the blocks of columns, in which searches look: by the hash that the log holds of each of them."""

from __future__ import annotations

from pathlib import Path

from audit.columns.blocks import FOLDER, Block, present
from audit.verify_progress import Known
from audit.verify_report import Report


def check_columns(folder: Path, report: Report, known: Known) -> None:
    """Check each block against the newest `segment.sealed`, and one of which there is none against bodies.

    A block that is missing is no fault: it can be made again. One that is not sealed and whose own bodies are
    gone or wrong cannot be judged.
    """
    for block in present(folder):
        name = f"{FOLDER}/{block.name}"
        if block.end > report.size:
            continue
        if block.name not in known.blocks and _is_in_doubt(report, known, block):
            continue
        try:
            if not _fits(folder, block, known, report.size):
                report.wrong.add(name, "the block is not as the log knows it", block.first, block.end - 1)
        except FileNotFoundError:
            continue  # sixteen have become one meanwhile
        except (OSError, ValueError) as wrong:
            report.wrong.add(name, f"cannot be read: {wrong}", block.first, block.end - 1)


def _fits(folder: Path, block: Block, known: Known, size: int) -> bool:
    from audit.columns.make import digest  # loads Arrow, which a log without blocks does without

    sealed = known.blocks.get(block.name)
    if sealed is not None:
        return digest(block.path(folder)) == sealed
    return _holds_its_bodies(folder, block, size)


def _is_in_doubt(report: Report, known: Known, block: Block) -> bool:
    """Tell whether the records of a block are gone or wrong themselves, so that they prove nothing of it."""
    spans = [(f.first, f.last) for f in report.faults if f.first is not None and f.last is not None]
    return block.first < known.pruned or any(a < block.end and b >= block.first for a, b in spans)


def _holds_its_bodies(folder: Path, block: Block, size: int) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from audit.bodies import read_bodies
    from audit.columns.hot import envelopes_of
    from audit.columns.schema import table_of

    with pq.ParquetFile(block.path(folder)) as file:
        at = block.first
        for batch in file.iter_batches(4_096, use_threads=False):
            rows = pa.Table.from_batches([batch])
            lines = list(read_bodies(folder / "bodies", at, at + rows.num_rows))
            if not table_of(lines, envelopes_of(folder, lines, size)).equals(rows):
                return False
            at += rows.num_rows
    return at == block.end
