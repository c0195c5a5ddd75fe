"""An answer says which part of the log it rests on, and whether that is all of it."""

from __future__ import annotations

from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from audit.bodies import bodies_path
from audit.columns.blocks import Block
from audit.columns.coverage import Coverage, coverage_now
from audit.columns.engine import engine_at
from audit.columns.renewal import ask_renewal
from tests.audit.columns.story import grown, make_all, maker, small_blocks
from tests.audit.logs import START, Log, access


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)


def covered(log: Log, **period: object) -> Coverage:
    with log.database.read() as tx:
        return coverage_now(engine_at(log.folder, 256), tx, **period)  # type: ignore[arg-type]


def test_a_whole_log_is_covered_by_its_checkpoint_and_its_blocks(log: Log) -> None:
    grown(log, 85)
    make_all(log)
    found = covered(log)
    assert (found.first, found.last, found.size, found.complete) == (0, 86, 87, True)
    assert found.blocks == ("64/000000000000.parquet", "16/000000000064.parquet")
    assert found.checkpoint == (log.folder / "log" / "checkpoint").read_text()


def test_an_empty_log_is_complete(log: Log) -> None:
    assert covered(log) == Coverage(-1, -1, 0, "", (), (), ())


def test_a_block_whose_record_waits_to_be_sealed_is_as_it_should_be(log: Log) -> None:
    grown(log, 16)
    maker(log).step()
    assert covered(log).complete


def test_an_altered_block_is_named_until_it_has_been_made_again(log: Log) -> None:
    grown(log, 70)
    make_all(log)
    path = Block(0, 64).path(log.folder)
    pq.write_table(pq.read_table(path).replace_schema_metadata(pq.read_metadata(path).metadata), path)
    found = covered(log)
    assert (found.altered, found.complete) == (("64/000000000000.parquet",), False)
    ask_renewal(log.folder, 5, 5)
    make_all(log)
    assert covered(log).complete


def test_bodies_that_are_gone_are_missing_unless_they_lie_outside_of_the_period(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("audit.bodies", "audit.columns.make"):
        monkeypatch.setattr(f"{module}.PER_FILE", 16)
    for day in range(5):
        log.put([access(START + timedelta(days=day)) for _ in range(16)])
        log.seal()
    bodies_path(log.folder / "bodies", 0).unlink()
    bodies_path(log.folder / "bodies", 32).unlink()
    make_all(log)
    found = covered(log)
    assert (found.missing, found.complete) == (((0, 15), (32, 47)), False)
    later = covered(log, since=START + timedelta(days=1, hours=2))
    assert (later.missing, later.complete) == (((32, 47),), False)
    assert covered(log, since=START + timedelta(days=2, hours=2)).complete
    assert covered(log, until=START + timedelta(days=2)).missing == ((0, 15), (32, 47)), "within the margin"
    assert covered(log, until=START + timedelta(days=1)).missing == ((0, 15),)
