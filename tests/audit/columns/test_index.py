"""The index of a block says what its rows hold, and whoever alters it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.columns import blocks, make, maker
from audit.columns.blocks import Block
from audit.columns.coverage import coverage_now
from audit.columns.engine import engine_at
from audit.columns.footers import VERSION_KEY, footer_of, opened
from audit.columns.index import KEY, Index, checksum
from audit.columns.indexing import checksums
from audit.columns.make import digest
from audit.columns.schema import EARLIER, SCHEMA
from audit.query import Filters, find_records, record_by_id
from audit.record import OWN_FIELDS, make_record
from tests.audit.columns.story import asked, few_checksums, grown, in_use, make_all, small_blocks
from tests.audit.logs import START, Log, access

WHOLE = Block(0, 64)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    monkeypatch.setattr(make, "GROUP", 16)


def found(log: Log, **equal: str) -> list[str]:
    """The ids of the records that a search finds."""
    with log.database.read() as tx:
        page = find_records(tx, log.folder, Filters(equal=equal), limit=100)
    return [one.id for one in page.items]


def path_of(log: Log, block: Block = WHOLE) -> Path:
    return block.path(log.folder)


@contextmanager
def index_of(log: Log) -> Iterator[Index]:
    footer = footer_of(path_of(log))
    assert footer is not None
    assert footer.directory is not None
    with opened(path_of(log), footer) as file:
        yield Index(file, footer.directory)


def seal_digest(log: Log, block: Block = WHOLE) -> None:
    """Have the log itself hold the digest of a block, as if its maker had altered it."""
    said = {"block": block.name, "sha256": digest(path_of(log))}
    log.put([make_record("segment.sealed", START, "sealer", said)])
    log.seal()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path / "audit")
    made.put([access(START, client=f"client-{i % 3}", grant=f"grant-{i}") for i in range(64)])
    made.seal()
    make_all(made)
    return made


def test_a_column_with_few_values_tells_a_value_that_is_nowhere_without_a_look_at_its_rows(log: Log) -> None:
    with index_of(log) as index:
        assert [index.number(name, "x") for name in ("client", "ticket")] == [None, None]
        one = index.number("client", "client-1")
        assert [index.having("client", one, n, n + 16).sum() for n in range(0, 64, 16)] == [5, 6, 5, 5]
        same = index.having("kind", index.number("kind", "access"), 0, 64)
        assert (same.shape, bool(same)) == ((), True), "what is the same in every row takes no space"


@given(st.lists(st.none() | st.text(max_size=9), min_size=1, max_size=20), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_texts_are_summed_up_side_by_side_as_one_by_one(texts: list[str | None], begin: int) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string()), pa.array(["x", None], pa.string())])[begin:]
    assert checksums(column).tolist() == [0 if t is None else checksum(t) for t in column.to_pylist()]


@pytest.mark.parametrize("version", [None, b"2"])
def test_a_block_that_is_replaced_between_its_footer_and_its_rows_is_never_read_by_the_old_footer(
    log: Log, monkeypatch: pytest.MonkeyPatch, version: bytes | None
) -> None:
    if version is not None:
        as_made_by(log, version)
    before, path = found(log, client="client-1"), path_of(log)
    known = footer_of(path)
    make.make(log.folder, WHOLE, 64, lambda made: None)  # as after an erasure
    assert known is not None
    with pytest.raises(FileNotFoundError), opened(path, known):
        pass
    stale = iter([known, known])
    monkeypatch.setattr("audit.columns.search.footer_of", lambda path: next(stale, None) or footer_of(path))
    assert found(log, client="client-1") == before


def test_a_block_stays_a_file_of_parquet_that_others_read(log: Log) -> None:
    assert pq.read_table(path_of(log)).column("grant").to_pylist() == [f"grant-{i}" for i in range(64)]
    assert asked(log, "SELECT count(*) AS n FROM records WHERE client = 'client-0'") == [{"n": 22}]


def test_a_record_of_another_value_with_the_same_checksum_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_checksums(monkeypatch, 1)
    log = Log(tmp_path / "audit")
    log.put([access(START, grant=f"grant-{i}", subject=f"s{i},t{i}") for i in range(64)])
    log.seal()
    make_all(log)
    with index_of(log) as index:
        assert index.having("grant", index.number("grant", "grant-7"), 0, 64).all()
    (one,) = found(log, grant="grant-7")
    assert found(log, subject="t7") == found(log, subject="s7") == [one]
    assert found(log, grant="grant-99") == []


def test_rows_whose_ids_are_none_of_ours_are_found_all_the_same(log: Log, tmp_path: Path) -> None:
    made, odd = Log(tmp_path / "odd"), []
    for i in range(64):
        body = orjson.loads(access(START, grant=f"grant-{i}").body)
        own = {name: value for name, value in body.items() if name not in OWN_FIELDS}
        odd.append(make_record("access", START, "w", own))
    made.put(odd)
    made.seal()
    bodies = made.folder / "bodies" / "000000000000.jsonl"
    own = odd[5].id.encode()
    bodies.write_bytes(bodies.read_bytes().replace(own, own.upper().replace(b"-", b"_")))
    make.make(made.folder, WHOLE, 64, lambda made: None)
    assert footer_of(path_of(made)).directory is None  # type: ignore[union-attr]
    assert len(found(made)) == 64
    assert found(made, grant="grant-7") == [odd[7].id]


def rewritten(path: Path, table: pa.Table, keys: Mapping[bytes, bytes]) -> None:
    """Put other rows into a block, and say this of them in its footer."""
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table, row_group_size=16)
        writer.add_key_value_metadata(dict(keys))


# --- altered -----------------------------------------------------------------------------------------


def altered(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Put other numbers into a part of the index of a block."""
    at, kind, count = footer_of(path).directory.parts[name]  # type: ignore[union-attr]
    raw, size = path.read_bytes(), int(kind[-1]) * count
    path.write_bytes(raw[:at] + change(raw[at : at + size]) + raw[at + size :])


LIES: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a row that has another value": ("code.client", lambda raw: raw[:7] + b"\x00" + raw[8:]),
    "a value that has another name": ("values.client", lambda raw: raw.replace(b"client-0", b"client-9")),
    "a row with another id": ("id.lower", lambda raw: raw[:8] + bytes(8) + raw[16:]),
    "a row that lies elsewhere": ("offset", lambda raw: raw[:2] + b"\x07" + raw[3:]),
}


@pytest.mark.parametrize("what", LIES)
def test_an_index_that_hides_a_record_is_named_although_the_log_holds_its_digest(log: Log, what: str) -> None:
    assert log.verify().sound
    altered(path_of(log), *LIES[what])
    with log.database.read() as tx:
        seen = coverage_now(engine_at(log.folder, 256), tx)
    assert (seen.complete, seen.altered) == (False, (WHOLE.name,))
    seal_digest(log)
    (fault,) = log.verify().faults
    assert (fault.file, fault.what) == (f"columns/{WHOLE.name}", "the block is not what its bodies give")


def test_the_index_of_a_block_that_is_on_record_nowhere_is_compared_too(log: Log) -> None:
    ids = grown(log, 8, client="client-evil")
    make_all(log)
    small = next(block for block in reversed(in_use(log)) if not block.is_recorded)
    altered(path_of(log, small), "values.client", lambda raw: raw.replace(b"client-evil", b"client-good"))
    assert found(log, client="client-evil") != ids[::-1]
    with log.database.read() as tx:
        assert coverage_now(engine_at(log.folder, 256), tx).altered == (small.name,)
    assert [fault.file for fault in log.verify().faults] == [f"columns/{small.name}"]


DAMAGES: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "no groups": lambda said: said.update(groups=[]),
    "a part too few": lambda said: said["parts"].pop("offset"),
    "a column too few": lambda said: [said["parts"].pop(f"{part}.client") for part in ("code", "values")],
    "parts behind the file": lambda said: said["parts"].update({"offset": [10**9, "u1", 64]}),
    "parts that are too short": lambda said: said["parts"].update({"code.client": [4, "u1", 3]}),
    "numbers of no kind": lambda said: said["parts"].update({"code.client": [4, "nonsense", 64]}),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_block_whose_index_cannot_be_is_passed_over_and_made_again(log: Log, what: str) -> None:
    every, path = found(log), path_of(log)
    metadata = pq.read_metadata(path).metadata
    said = orjson.loads(metadata[KEY])
    DAMAGES[what](said)
    rewritten(path, pq.read_table(path), {**metadata, KEY: orjson.dumps(said)})
    assert found(log) == every
    assert WHOLE in make_all(log)


# --- blocks of earlier releases -------------------------------------------------------------------


def as_made_by(log: Log, version: bytes) -> None:
    """Put the block in place as an earlier release made it, on record."""
    path = path_of(log)
    metadata = pq.read_metadata(path).metadata
    keys = {**{k: v for k, v in metadata.items() if k != KEY}, VERSION_KEY: version}
    rewritten(path, pq.read_table(path).select(EARLIER[version]), keys)
    seal_digest(log)


@pytest.mark.parametrize("version", sorted(EARLIER))
def test_a_block_of_an_earlier_release_answers_until_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: bytes
) -> None:
    monkeypatch.setattr("audit.columns.tail.MOST", 32)  # what lies in no block is read from the bodies
    log = Log(tmp_path / "audit")
    log.put([access(START, grant=f"g{i % 9}", subject=f"s{i},t{i}") for i in range(64)])
    log.seal()
    make_all(log)
    before = [found(log, **equal) for equal in ({}, {"grant": "g3"}, {"subject": "t5"}, {"kind": "none"})]
    several = asked(log, "SELECT count(several) AS n FROM records")
    as_made_by(log, version)
    assert (in_use(log)[0], maker.behind(log.folder)) == (WHOLE, 0)
    after = [found(log, **equal) for equal in ({}, {"grant": "g3"}, {"subject": "t5"}, {"kind": "none"})]
    assert (len(after[0]), after[1:]) == (len(before[0]) + 1, before[1:])
    assert asked(log, "SELECT count(several) AS n FROM records") == several == [{"n": 64}]
    with log.database.read() as tx:
        assert record_by_id(tx, log.folder, before[0][-1]).log_index is not None
        assert coverage_now(engine_at(log.folder, 256), tx).complete
    assert log.verify().sound
    assert list(maker.outdated(log.folder)) == [WHOLE]
    assert make_all(log)[0] == WHOLE
    assert footer_of(path_of(log)).is_current  # type: ignore[union-attr]
    assert (log.verify().sound, found(log, subject="t5")) == (True, before[2])


def test_rows_of_an_earlier_release_that_are_not_those_of_the_bodies_are_named(log: Log) -> None:
    path = path_of(log)
    as_made_by(log, b"1")
    table = pq.read_table(path)
    evil = pa.array(["dept-evil"] * table.num_rows)
    changed = table.set_column(table.schema.get_field_index("consumer"), "consumer", evil)
    rewritten(path, changed, pq.read_metadata(path).metadata)
    seal_digest(log)
    assert [fault.file for fault in log.verify().faults] == [f"columns/{WHOLE.name}"]
    assert blocks.SIZES == (64, 16, 4)
    assert SCHEMA.names != EARLIER[b"1"]
