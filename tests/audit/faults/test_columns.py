"""Whoever alters what searches read is named: rows, footers, names."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.bodies import bodies_path
from audit.columns.blocks import Block
from audit.columns.coverage import coverage_now
from audit.columns.engine import Engine
from audit.columns.footers import footer_of
from audit.columns.make import Made, digest, make
from audit.record import make_record
from audit.verify import verify
from tests.audit.columns.story import asked, grown, in_use, make_all, small_blocks
from tests.audit.logs import START, VKEY, Log

EVIL = "SELECT count(*) AS n FROM records WHERE consumer = 'dept-evil'"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path / "audit")
    grown(made, 10, consumer="dept-evil")
    grown(made, 10)
    return made


def rewritten(path: Path) -> None:
    """Put other rows into a block; all else is as it was."""
    table = pq.read_table(path)
    at = table.schema.get_field_index("consumer")
    table = table.set_column(at, "consumer", pa.array(["dept-carol"] * table.num_rows))
    table = table.replace_schema_metadata(pq.read_metadata(path).metadata)
    pq.write_table(table, path, store_schema=False)


def patched(path: Path, old: bytes, new: bytes) -> None:
    """Put other bytes into a block's footer."""
    raw = path.read_bytes()
    at = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    assert old in raw[at:]
    path.write_bytes(raw[:at] + raw[at:].replace(old, new))


def seal_digest(log: Log, block: Block) -> None:
    """Have the log itself hold the digest of a block, as if its maker had been deceived."""
    said = {"block": block.name, "sha256": digest(block.path(log.folder))}
    log.put([make_record("segment.sealed", START, "sealer", said)])
    log.seal()


def name_of(block: Block) -> str:
    return f"columns/{block.name}"


def test_rows_that_were_altered_in_small_blocks_never_get_into_larger_ones(log: Log) -> None:
    for first in range(0, 16, 4):
        make(log.folder, Block(first, 4), 20, lambda made: None)
        rewritten(Block(first, 4).path(log.folder))
    assert {f.file for f in log.verify().faults} == {name_of(Block(n, 4)) for n in range(0, 16, 4)}
    make_all(log)
    assert (asked(log, EVIL), log.verify().faults) == ([{"n": 10}], [])


def test_altered_rows_are_named_although_the_log_holds_their_digest(log: Log) -> None:
    make_all(log)
    block = Block(0, 16)
    rewritten(block.path(log.folder))
    seal_digest(log, block)
    (fault,) = log.verify().faults
    assert (fault.file, fault.first, fault.last) == (name_of(block), 0, 15)
    assert "not what its bodies give" in fault.what
    assert verify(log.folder, VKEY, columns=False).sound


def test_a_row_too_few_or_too_many_is_named_although_the_log_holds_the_digest(log: Log) -> None:
    make_all(log)
    block = Block(0, 16)
    path = block.path(log.folder)
    whole, keys = pq.read_table(path), pq.read_metadata(path).metadata
    for rows in (whole.slice(0, 15), whole.slice(1), pa.concat_tables([whole, whole.slice(3, 1)]), whole[:0]):
        pq.write_table(rows.replace_schema_metadata(keys), path, store_schema=False)
        seal_digest(log, block)
        assert [f.file for f in log.verify().faults] == [name_of(block)]


LIES: dict[str, Callable[[Path], None]] = {
    "the least and greatest value": lambda path: patched(path, b"dept-evil", b"dept-zzzz"),
    "its own version": lambda path: patched(path, b"shuxiang.columns", b"shuxiang.columnz"),
    "where the next body is": lambda path: patched(
        path,
        str(footer_of(path).next_offset).encode(),  # type: ignore[union-attr]
        str(footer_of(path).next_offset + 1).encode(),  # type: ignore[union-attr]
    ),
}


@pytest.mark.parametrize("what", LIES)
def test_a_footer_that_lies_over_right_rows_is_named(log: Log, what: str) -> None:
    block = Block(0, 4)
    make(log.folder, block, 20, lambda made: None)
    assert log.verify().sound
    LIES[what](block.path(log.folder))
    assert [f.file for f in log.verify().faults] == [name_of(block)]


def test_a_footer_that_lies_of_where_it_ends_hides_nothing_behind_it(log: Log) -> None:
    block, log_end = Block(0, 4), bodies_path(log.folder / "bodies", 0).stat().st_size
    make(log.folder, block, 20, lambda made: None)
    begins = footer_of(block.path(log.folder)).next_offset  # type: ignore[union-attr]
    assert len(str(begins)) == len(str(log_end))
    patched(block.path(log.folder), str(begins).encode(), str(log_end).encode())
    assert asked(log, EVIL) == [{"n": 10}]


# --- right rows that a footer hides ----------------------------------------------------------------


def column_of(path: Path, name: str) -> Any:
    """What the footer says of a column of the first row group."""
    group = pq.read_metadata(path).row_group(0)
    return group.column(pq.read_schema(path).get_field_index(name))


def without_filter(path: Path) -> None:
    """Have the filter of `consumer` hold nothing; its header stays."""
    column, raw = column_of(path, "consumer"), bytearray(path.read_bytes())
    end = column.bloom_filter_offset + column.bloom_filter_length
    raw[end - 32 : end] = bytes(32)
    path.write_bytes(raw)


def without_statistics(path: Path) -> None:
    """Put the same rows there, of which the footer says nothing."""
    rows = pq.read_table(path).replace_schema_metadata(pq.read_metadata(path).metadata)
    pq.write_table(rows, path, store_schema=False, write_statistics=False)


HIDING: dict[str, Callable[[Path], None]] = {
    "the least and greatest value": lambda path: patched(path, b"dept-evil", b"dept-aaaa"),
    "a filter": without_filter,
}


@pytest.fixture
def mixed(tmp_path: Path) -> Log:
    """A log whose first block of sixteen holds several consumers, dept-evil the greatest of them."""
    made = Log(tmp_path / "audit")
    grown(made, 4, consumer="dept-abcd")
    grown(made, 10, consumer="dept-evil")
    grown(made, 6, consumer="dept-carol")
    make_all(made)
    return made


@pytest.mark.parametrize("what", HIDING)
def test_right_rows_that_a_footer_hides_are_named_although_the_log_holds_the_digest(
    mixed: Log, what: str
) -> None:
    block = Block(0, 16)
    assert (asked(mixed, EVIL), mixed.verify().faults) == ([{"n": 10}], [])
    HIDING[what](block.path(mixed.folder))
    seal_digest(mixed, block)
    assert asked(mixed, EVIL) == [{"n": 0}], "a question passes them over"
    (fault,) = mixed.verify().faults
    assert (fault.file, fault.first, fault.last) == (name_of(block), 0, 15)
    assert "not what its bodies give" in fault.what


@pytest.mark.parametrize("what", HIDING)
def test_right_rows_that_the_footer_of_a_small_block_hides_make_an_answer_incomplete(
    mixed: Log, what: str
) -> None:
    grown(mixed, 4, consumer="dept-abcd")
    grown(mixed, 4, consumer="dept-evil")
    make_all(mixed)
    small = next(block for block in in_use(mixed) if not block.is_recorded and holds_evil(mixed, block))
    with closing(Engine(mixed.folder, 64)) as engine:
        assert coverage_now(engine, None).complete
        HIDING[what](small.path(mixed.folder))
        found = coverage_now(engine, None)
    assert (found.altered, found.complete) == ((small.name,), False)


def test_a_small_block_that_cannot_be_read_makes_an_answer_incomplete(mixed: Log) -> None:
    grown(mixed, 8)
    make_all(mixed)
    small = next(block for block in in_use(mixed) if not block.is_recorded)
    path = small.path(mixed.folder)
    with closing(Engine(mixed.folder, 64)) as engine:
        assert coverage_now(engine, None).complete
        raw = path.read_bytes()
        path.write_bytes(raw[:4] + bytes(200) + raw[204:])
        found = coverage_now(engine, None)
    assert (found.altered, found.complete) == ((small.name,), False)


def holds_evil(log: Log, block: Block) -> bool:
    return "dept-evil" in pq.read_table(block.path(log.folder)).column("consumer").to_pylist()


def test_a_footer_that_says_less_than_the_rows_give_is_named_too(mixed: Log) -> None:
    without_statistics(Block(0, 16).path(mixed.folder))
    seal_digest(mixed, Block(0, 16))
    assert [fault.file for fault in mixed.verify().faults] == [name_of(Block(0, 16))]


def test_what_another_version_of_arrow_made_is_measured_by_its_rows(log: Log) -> None:
    make_all(log)
    block = Block(0, 16)
    version = pa.cpp_version.encode()
    patched(block.path(log.folder), b"version " + version, b"version " + b"1" + version[1:])
    seal_digest(log, block)
    assert log.verify().sound
    patched(block.path(log.folder), b"dept-evil", b"dept-aaaa")
    seal_digest(log, block)
    assert [fault.file for fault in log.verify().faults] == [name_of(block)]


def test_rows_of_all_sorts_give_the_footer_that_their_block_has(log: Log) -> None:
    for value in ("部门", "", "x" * 5000, "\x00", "\uffff" * 30):
        grown(log, 3, operation=value, consumer=value)
    make_all(log)
    assert log.verify().sound


# --- names and digests -----------------------------------------------------------------------------


def test_the_digest_of_another_logs_block_does_not_count_for_our_own(log: Log) -> None:
    other = Log(log.folder.with_name("other"))
    grown(other, 16)
    make_all(log)
    block = Block(0, 16)
    theirs = make(other.folder, block, 16, lambda made: None)
    said = {"block": block.name, "sha256": theirs.sha256, "log": "audit.example.cn/log-2025"}
    log.put([make_record("segment.sealed", START, "sealer", said)])
    log.seal()
    assert log.verify().sound
    block.path(log.folder).write_bytes(block.path(other.folder).read_bytes())
    assert [f.file for f in log.verify().faults] == [name_of(block)]


def test_names_that_no_block_and_no_file_of_bodies_has_are_named_and_stop_nothing(log: Log) -> None:
    made: list[Made] = []
    make(log.folder, Block(0, 4), 20, made.append)
    for name in ("²²².parquet", "4.parquet", "000000000003.parquet", "9" * 40 + ".parquet"):
        (log.folder / "columns" / "4" / name).touch()
    for name in ("²²².jsonl", "x.jsonl", "-1.jsonl", "5.jsonl"):
        (log.folder / "bodies" / name).touch()
    assert asked(log, EVIL) == [{"n": 10}]
    named = {fault.file for fault in log.verify().faults}
    assert {"columns/4/²²².parquet", "columns/4/4.parquet", "columns/4/000000000003.parquet"} <= named
    assert {"bodies/²²².jsonl", "bodies/x.jsonl", "bodies/-1.jsonl", "bodies/5.jsonl"} <= named
    assert name_of(Block(0, 4)) not in named
    make_all(log)
