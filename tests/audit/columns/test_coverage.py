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
from audit.state import load_state
from tests.audit.columns.story import grown, make_all, maker, small_blocks
from tests.audit.logs import START, Log, access

pytestmark = pytest.mark.long


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


def altered_body(log: Log, index: int) -> None:
    """Write another body of the same length in place of one."""
    path = bodies_path(log.folder / "bodies", index)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[index] = lines[index].replace(b"dept-a", b"dept-b")
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(("index", "altered"), [(17, "4/000000000016.parquet"), (20, "20-")])
def test_small_blocks_and_the_tail_are_compared_with_the_digests_in_the_log(
    log: Log, index: int, altered: str
) -> None:
    grown(log, 21, consumer="dept-a")
    while maker(log).step():
        pass
    log.seal()
    assert covered(log).complete
    altered_body(log, index)
    Block(16, 4).path(log.folder).touch()
    assert any(name.startswith(altered) for name in covered(log).altered)


def test_what_the_log_is_said_to_hold_counts_only_with_the_digest_of_its_entry(log: Log) -> None:
    grown(log, 16)
    make_all(log)
    size = load_state(log.folder).size
    path = bodies_path(log.folder / "bodies", size - 1)
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b"segment.sealed" in line)
    digest = lines[at].split(b'"sha256":"')[1][:64]
    lines[at] = lines[at].replace(digest, b"0" * len(digest))
    path.write_bytes(b"".join(lines))
    assert covered(log).altered[0] == "16/000000000000.parquet"
