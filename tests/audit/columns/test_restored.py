"""A log of which only bodies came back says how far its blocks are, and reads no more than a search may."""

from __future__ import annotations

import shutil
from contextlib import closing

import pytest

from audit import query
from audit.columns import tail
from audit.columns.blocks import FOLDER
from audit.columns.engine import Engine
from audit.columns.maker import Maker
from audit.query import Filters, find_records, record_by_id
from audit.sealer import seal_once
from audit.store import insert_outbox
from core.errors import Unavailable
from tests.audit.columns.story import grown, make_all, maker, small_blocks
from tests.audit.logs import Log, access
from tests.cast import dave
from tests.conftest import World

pytestmark = pytest.mark.long

MOST = 10


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    monkeypatch.setattr(tail, "MOST", MOST)
    monkeypatch.setattr(query, "MOST", MOST)


def refused(log: Log) -> str | None:
    """What a search is refused with, None when it is answered."""
    try:
        find_records(None, log.folder, Filters(), limit=1)
    except Unavailable as wrong:
        return f"{wrong.code}: {wrong.message.en}"
    return None


def test_a_search_says_how_far_the_blocks_are_until_enough_are_there(log: Log) -> None:
    ids = grown(log, 72)
    make_all(log)
    assert refused(log) is None
    shutil.rmtree(log.folder / FOLDER)
    said = str(refused(log))
    assert said.startswith("columns_being_made: ")
    assert "0 of 73 records (0 %)" in said  # one of them says that a block was made
    assert "shuxiang audit columns" in said
    maker(log).step()
    assert refused(log) is None
    assert find_records(None, log.folder, Filters(), limit=100).items[-1].id == ids[0]


def test_the_share_grows_with_each_block(log: Log) -> None:
    grown(log, 63)
    said, making = [], maker(log)
    while (words := refused(log)) is not None:
        said.append(words.partition("(")[2].partition(" %")[0])
        assert making.step() is not None
    assert said == ["0", "25", "50", "76", "82"]


def test_a_record_is_opened_once_its_block_is_there_and_the_rest_is_not_read_for_it(log: Log) -> None:
    ids = grown(log, 40)
    with pytest.raises(Unavailable):
        record_by_id(None, log.folder, ids[0])
    maker(log).step()
    assert record_by_id(None, log.folder, ids[0]).log_index == 0
    with pytest.raises(Unavailable):
        record_by_id(None, log.folder, ids[-1])
    make_all(log)
    assert record_by_id(None, log.folder, ids[-1]).log_index == 39


def test_questions_are_refused_alike(log: Log) -> None:
    grown(log, MOST + 1)
    with closing(Engine(log.folder, 64)) as engine, pytest.raises(Unavailable, match="being made"):
        engine.run("SELECT 1 FROM records")


def test_over_http_it_is_503_with_a_code_of_its_own_until_the_blocks_are_there(world: World) -> None:
    with world.database.begin() as tx:
        for _ in range(MOST + 6):
            insert_outbox(tx, access(world.now))
    seal_once(world.settings, world.database, world.now)
    folder = world.settings.data / "audit"
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    answer = world.client(dave).get("/api/audit/records")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json["type"].endswith("columns_being_made")
    state = world.browser(dave).get("/records/log")
    assert (state.status_code, "日志的列文件正在建立" in state.text) == (200, True)
    Maker(folder, lambda made: None).step()
    assert world.client(dave).get("/api/audit/records").status_code == 200
