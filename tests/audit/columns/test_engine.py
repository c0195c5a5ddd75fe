"""DuckDB answers from the log and opens nothing else, however many ask at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import ibis
import pytest

from audit.columns.blocks import Block
from audit.columns.engine import Engine
from audit.columns.schema import SCHEMA
from core.errors import Unavailable
from tests.audit.columns.story import asked, grown, make_all, maker, small_blocks
from tests.audit.logs import START, Log, access

pytestmark = pytest.mark.long

RECORDS = ibis.table(ibis.Schema.from_pyarrow(SCHEMA), name="records")


def test_an_ibis_expression_is_answered_over_blocks_tail_journal_and_outbox(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    grown(log, 70)
    make_all(log)
    log.journal([access() for _ in range(5)])
    log.put([access(decision="refuse") for _ in range(3)])
    calls = RECORDS.filter(RECORDS.kind == "access")
    question = calls.group_by("decision").agg(calls=calls.count(), newest=calls["at"].max())
    with closing(Engine(log.folder, 64)) as engine, log.database.read() as tx:
        rows = engine.run(question.order_by("decision"), tx).to_pylist()
        assert [(row["decision"], row["calls"]) for row in rows] == [("permit", 75), ("refuse", 3)]
        assert rows[0]["newest"] == START.replace(tzinfo=None)
        assert engine.run("SELECT count(*) AS n FROM records WHERE log_index IS NULL").to_pylist() == [
            {"n": 5}
        ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        "SET memory_limit = '8GB'",
        "SET enable_external_access = true",
    ],
)
def test_no_other_file_address_or_setting_is_within_reach(log: Log, sql: str) -> None:
    grown(log, 1)
    with (
        closing(Engine(log.folder, 64)) as engine,
        pytest.raises(Exception, match=r"(?i)permission|disabled|lock"),
    ):
        engine.run(sql)


def test_a_question_that_takes_too_long_or_too_much_is_ended_in_words(log: Log) -> None:
    grown(log, 1)
    many = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 8"
    large = "SELECT list(repeat(range::VARCHAR, 100)) FROM range(10000000)"
    with closing(Engine(log.folder, 64)) as engine:
        with pytest.raises(Unavailable, match="too long"):
            engine.run(many, seconds=0.2)
        with pytest.raises(Unavailable, match="memory"):
            engine.run(large)
        assert engine.run("SELECT count(*) AS n FROM records").to_pylist() == [{"n": 1}]


def test_every_question_sees_each_record_once_while_blocks_are_made_and_replaced(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    grown(log, 60)
    over = threading.Event()
    whole = "SELECT count(*) AS n, count(DISTINCT log_index) AS d, max(log_index) AS last FROM records"

    def ask() -> int:
        asked_often = 0
        while not over.is_set() or asked_often == 0:
            row = asked(log, f"{whole} WHERE log_index IS NOT NULL")[0]
            assert row["n"] == row["d"] == row["last"] + 1
            asked_often += 1
        return asked_often

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        try:
            making = maker(log)
            for _ in range(8):
                grown(log, 9)
                while making.step():
                    pass
        finally:
            over.set()
        assert all(future.result(30) > 0 for future in asking)


def test_a_block_that_vanishes_under_a_question_is_looked_for_anew(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    grown(log, 20)
    make_all(log)
    with closing(Engine(log.folder, 64)) as engine:
        tries = []

        def work(snapshot: object) -> int:
            tries.append(snapshot)
            if len(tries) == 1:
                Block(0, 16).path(log.folder).unlink()
            return int(engine.select("SELECT count(*) AS n FROM records", snapshot).to_pylist()[0]["n"])  # type: ignore[arg-type]

        assert engine.attempt(None, work) == 21
        assert len(tries) == 2


def test_a_log_without_columns_is_not_read_into_memory(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(log, 20)
    monkeypatch.setattr("audit.columns.tail.MOST", 10)
    with closing(Engine(log.folder, 64)) as engine, pytest.raises(Unavailable):
        engine.run("SELECT 1 FROM records")


def test_a_record_that_the_transaction_still_sees_waiting_is_counted_where_it_is_sealed(log: Log) -> None:
    log.put([access(START + timedelta(seconds=i)) for i in range(5)])
    with log.database.read() as tx, closing(Engine(log.folder, 64)) as engine:
        assert engine.run("SELECT 1 FROM records", tx).num_rows == 5
        log.seal()
        log.put([access()])
        log.seal()
        rows = engine.run("SELECT id, log_index FROM records", tx).to_pylist()
        assert sorted(row["log_index"] for row in rows) == list(range(6))
