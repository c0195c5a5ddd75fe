"""Blocks are made behind the log, on record, and never hold what the bodies no longer do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import orjson
import pyarrow.parquet as pq
import pytest

from audit.bodies import bodies_path, erased_line, read_bodies
from audit.columns import blocks
from audit.columns.blocks import Block, present, wanted
from audit.columns.footers import footer_of
from audit.columns.hot import sealed_rows
from audit.columns.make import Made, Stopped, as_made, digest, make
from audit.columns.maker import SEALED, Maker, behind, making
from audit.columns.renewal import ask_renewal
from audit.state import load_state
from tests.audit.columns.story import asked, grown, in_use, make_all, maker, small_blocks
from tests.audit.logs import START, Log, access

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)


def said_of(log: Log) -> dict[str, dict[str, object]]:
    """The newest record of each block."""
    size = load_state(log.folder).size
    bodies = [orjson.loads(line.body) for line in read_bodies(log.folder / "bodies", 0, size)]
    return {body["block"]: body for body in bodies if body.get("k") == SEALED}


def test_a_log_that_grows_lies_in_the_blocks_that_it_should(log: Log) -> None:
    for count in (3, 1, 11, 1, 47, 1, 70):
        grown(log, count)
        making = maker(log)
        while making.step():
            assert behind(log.folder) == sum(b.rows for b in wanted(load_state(log.folder).size)) - sum(
                b.rows for b in in_use(log) if b in wanted(load_state(log.folder).size)
            )
        size = load_state(log.folder).size
        assert (in_use(log), behind(log.folder)) == (wanted(size), 0)
        assert present(log.folder) == in_use(log), "smaller blocks are gone"


def test_a_block_holds_the_rows_of_its_bodies_and_comes_out_the_same_each_time(log: Log) -> None:
    grown(log, 64)
    for block in (Block(0, 4), Block(16, 16), Block(0, 64)):
        made = make(log.folder, block, 64, lambda made: None)
        path = block.path(log.folder)
        assert pq.read_table(path).equals(sealed_rows(log.folder, block.first, block.end, 64))
        assert made.sha256 == digest(path) == as_made(log.folder, block, 64).sha256
    offset = footer_of(Block(0, 64).path(log.folder)).next_offset  # type: ignore[union-attr]
    assert offset == bodies_path(log.folder / "bodies", 0).stat().st_size


def test_a_block_that_goes_on_record_is_made_of_bodies_never_of_smaller_blocks(log: Log) -> None:
    grown(log, 16, consumer="dept-carol")
    for first in range(0, 16, 4):
        make(log.folder, Block(first, 4), 16, lambda made: None)
        path = Block(first, 4).path(log.folder)
        path.write_bytes(path.read_bytes().replace(b"dept-carol", b"dept-clean"))
    make_all(log)
    assert asked(log, "SELECT count(*) AS n FROM records WHERE consumer = 'dept-carol'") == [{"n": 16}]


def test_small_blocks_of_another_version_of_arrow_are_made_again(log: Log) -> None:
    grown(log, 6)
    make_all(log)
    path = Block(0, 4).path(log.folder)
    path.write_bytes(path.read_bytes().replace(b"parquet-cpp-arrow version ", b"parquet-cpp-arrow version-"))
    assert behind(log.folder) == 4
    assert len(asked(log, "SELECT id FROM records")) == 6
    assert make_all(log) == [Block(0, 4)]


def test_larger_blocks_go_on_record_with_the_digest_of_their_file(log: Log) -> None:
    grown(log, 85)
    made = make_all(log)
    assert made[:3] == [Block(0, 64), Block(64, 16), Block(80, 4)]
    said = said_of(log)
    assert set(said) == {"64/000000000000.parquet", "16/000000000064.parquet"}
    for block in made[:2]:
        body = said[block.name]
        assert (body["first"], body["last"], body["rows"]) == (block.first, block.end - 1, block.rows)
        assert body["sha256"] == digest(block.path(log.folder))


def test_a_block_that_cannot_be_put_on_record_is_not_put_in_place(log: Log) -> None:
    grown(log, 16)

    def fail(made: Made) -> None:
        raise OSError("the database is gone")

    with pytest.raises(OSError):
        Maker(log.folder, fail).step()
    assert not list(log.folder.glob("columns/**/*.parquet"))
    assert make_all(log)[0] == Block(0, 16)


def test_a_block_that_is_stopped_half_way_leaves_nothing(log: Log) -> None:
    grown(log, 16)
    with pytest.raises(Stopped):
        Maker(log.folder, lambda made: None, stop=lambda: True).step()
    assert not list(log.folder.glob("columns/**/*.parquet"))


def test_what_a_killed_process_left_is_removed(log: Log) -> None:
    grown(log, 4)
    left = log.folder / "columns" / "16" / ".part-000000000000.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    make_all(log)
    assert not left.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"x" * 999),
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_lost_or_unreadable_block_is_made_again_and_meanwhile_nothing_is_missing(
    log: Log, damage: Callable[[object], None]
) -> None:
    ids = grown(log, 40)
    make_all(log)
    damage(Block(16, 16).path(log.folder))
    found = asked(log, "SELECT id FROM records WHERE kind = 'access' ORDER BY log_index")
    assert [row["id"] for row in found] == ids
    assert make_all(log)[0] == Block(16, 16)


def test_blocks_that_know_more_than_the_log_are_dropped(log: Log) -> None:
    grown(log, 8)
    make_all(log)
    beyond = Block(16, 16)
    beyond.path(log.folder).parent.mkdir()
    beyond.path(log.folder).write_bytes(Block(0, 4).path(log.folder).read_bytes())
    assert len(asked(log, "SELECT id FROM records")) == 8
    make_all(log)
    assert beyond not in present(log.folder)


def erase(log: Log, index: int) -> None:
    """Overwrite a body as a legal erasure does."""
    line = next(read_bodies(log.folder / "bodies", index, index + 1))
    with bodies_path(log.folder / "bodies", index).open("r+b") as file:
        file.seek(line.offset)
        file.write(erased_line(len(line.body), access().id, orjson.loads(line.body)["id"]))
    ask_renewal(log.folder, index, index)


def test_no_block_keeps_what_was_erased(log: Log) -> None:
    grown(log, 20)
    make_all(log)
    grown(log, 30, actor="somebody")
    making = maker(log, grace=3600)  # smaller blocks stay beside the larger ones
    while making.step():
        pass
    for index in range(load_state(log.folder).size):
        if b'"somebody"' in next(read_bodies(log.folder / "bodies", index, index + 1)).body:
            erase(log, index)
    while making.step():
        pass
    log.seal()
    for path in log.folder.glob("columns/*/*.parquet"):
        assert "somebody" not in pq.read_table(path).column("actor").to_pylist()
        said = said_of(log).get(f"{path.parent.name}/{path.name}")
        assert said is None or said["sha256"] == digest(path)
    rows = asked(log, "SELECT count(*) AS n, sum(erased::INT) AS gone FROM records WHERE kind = 'access'")
    assert rows == [{"n": 50, "gone": 30}]


def test_blocks_of_deleted_bodies_go_too(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.bodies.PER_FILE", 16)
    monkeypatch.setattr("audit.columns.make.PER_FILE", 16)
    grown(log, 85)
    make_all(log)
    size = load_state(log.folder).size
    for first in (0, 16, 32, 48, 64):
        bodies_path(log.folder / "bodies", first).unlink()
    ask_renewal(log.folder, 0, 79)
    make_all(log)
    assert present(log.folder)[0] == Block(80, 4)
    rows = asked(log, f"SELECT min(log_index) AS least, count(*) AS n FROM records WHERE log_index < {size}")
    assert rows == [{"least": 80, "n": size - 80}]


def test_blocks_are_made_beside_the_sealer(log: Log) -> None:
    grown(log, 20)
    with making(log.folder, log.database, lambda: START):
        assert "columns" in [thread.name for thread in threading.enumerate()]
        deadline = time.monotonic() + 60
        while behind(log.folder) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert in_use(log)[0] == Block(0, 16)
    assert blocks.SIZES == (64, 16, 4)
