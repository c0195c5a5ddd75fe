"""The calls are summed up from the sealed records: each once, whatever happens in between."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from audit.bodies import Line, append_bodies, bodies_path
from audit.record import Record
from audit.state import State, load_state, save_state
from core.db import Database, metadata
from supervision import rollup, store
from supervision.rollup import last_call, rebuild, roll_up
from tests.supervision.records import START, parties, record, recount, some_records, stream

pytestmark = pytest.mark.long

ORIGIN = "audit.example.cn/log"
TABLES = (store.call_days, store.call_months, store.last_calls, store.call_positions)


class Sealed:
    """An audit folder into which records are sealed, without the tree, and the sums beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "log" / ".state").mkdir(parents=True)
        self.database = Database(f"sqlite:///{folder / 'state.sqlite'}")
        metadata.create_all(self.database.engine, tables=TABLES)

    def seal(self, records: list[Record]) -> None:
        state = load_state(self.folder)
        bodies = [r.body for r in records]
        end = append_bodies(self.folder / "bodies", state.size, state.bodies_end, bodies)
        save_state(self.folder, State(state.size + len(bodies), b"", end))

    def roll_up(self) -> rollup.Tally:
        return roll_up(self.database, self.folder, ORIGIN)

    def days(self) -> Counter[tuple[str, str, str]]:
        found: Counter[tuple[str, str, str]] = Counter()
        with self.database.read() as tx:
            for row in tx.execute(select(store.call_days)):
                found[row.day, row.dataset, row.decision] += row.calls
        return +found

    def rows(self) -> list[tuple[object, ...]]:
        with self.database.read() as tx:
            return sorted(tuple(r) for t in TABLES for r in tx.execute(select(t)))


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Sealed]:
    made = Sealed(tmp_path / "audit")
    yield made
    made.database.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_sums_of_the_days_equal_a_recount_from_the_records(sealed: Sealed, seed: int) -> None:
    records = some_records(seed)
    for at in range(0, len(records), 37):  # sealed piece by piece, as they come
        sealed.seal(records[at : at + 37])
        sealed.roll_up()
    assert sealed.days() == recount(records)


def test_a_month_is_the_sum_of_its_days(sealed: Sealed) -> None:
    sealed.seal(some_records(4))
    sealed.roll_up()
    with sealed.database.read() as tx:
        days: Counter[str] = Counter()
        months: Counter[str] = Counter()
        for row in tx.execute(select(store.call_days)):
            days[row.day[:7]] += row.row_count + row.byte_count + row.milliseconds + row.calls
        for row in tx.execute(select(store.call_months)):
            months[row.month] += row.row_count + row.byte_count + row.milliseconds + row.calls
    assert days == months
    assert len(months) == 2


def test_what_is_summed_up_already_is_not_summed_up_again(sealed: Sealed) -> None:
    sealed.seal(some_records(5))
    assert sealed.roll_up().records == len(some_records(5))
    before = sealed.rows()
    assert sealed.roll_up().records == 0
    assert sealed.rows() == before


def test_a_crash_before_the_commit_loses_and_doubles_nothing(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = some_records(6)
    sealed.seal(records)
    monkeypatch.setattr(rollup, "BATCH", 50)

    def fails(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(store, "put_last_calls", fails)
        with pytest.raises(OSError, match="no space"):
            sealed.roll_up()
    sealed.roll_up()
    assert sealed.days() == recount(records)


def test_two_that_sum_up_at_the_same_time_count_each_record_once(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = some_records(7)
    sealed.seal(records)
    inner, calls = rollup.tally, []

    def meanwhile(lines: Iterator[Line]) -> rollup.Tally:
        calls.append(1)
        if len(calls) == 1:  # while the first has read and not written yet, the second does it all
            sealed.roll_up()
        return inner(lines)

    monkeypatch.setattr(rollup, "tally", meanwhile)
    sealed.roll_up()
    assert len(calls) == 2
    assert sealed.days() == recount(records)


def test_sums_made_anew_are_the_same(sealed: Sealed) -> None:
    sealed.seal(some_records(8))
    sealed.roll_up()
    before = sealed.rows()
    assert rebuild(sealed.database, sealed.folder, ORIGIN).unreadable == 0
    assert sealed.rows() == before


def test_an_erased_body_is_told_and_disturbs_no_other(sealed: Sealed) -> None:
    records = some_records(9, 50)
    sealed.seal(records[:60])
    sealed.roll_up()
    sealed.seal(records[60:])
    erased = next(r for r in records[70:] if b'"k":"access"' in r.body)
    file = bodies_path(sealed.folder / "bodies", 0)
    file.write_bytes(file.read_bytes().replace(erased.body, b""))
    assert sealed.roll_up().unreadable == 1
    assert sealed.days() == recount([r for r in records if r is not erased])


def test_a_file_of_bodies_that_is_gone_is_told(sealed: Sealed) -> None:
    sealed.seal(some_records(10, 20))
    os.unlink(bodies_path(sealed.folder / "bodies", 0))
    assert sealed.roll_up().unreadable == load_state(sealed.folder).size
    assert sealed.days() == Counter()


def test_a_log_that_begins_again_is_summed_up_from_its_beginning(sealed: Sealed) -> None:
    sealed.seal(some_records(11))
    sealed.roll_up()
    save_state(sealed.folder, State())
    again = some_records(12, 20)
    sealed.seal(again)
    sealed.roll_up()
    assert sealed.days() == recount(again)


def test_a_call_belongs_to_the_day_in_shanghai_on_which_it_ended(sealed: Sealed) -> None:
    before_midnight = datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)
    sealed.seal(stream(before_midnight, before_midnight + timedelta(seconds=2), "permitted", **parties()))
    sealed.roll_up()
    assert sealed.days() == Counter({("2027-01-01", "307001/000001", "permitted"): 1})


def test_a_stream_that_a_crash_cut_off_stays_unfinished(sealed: Sealed) -> None:
    whole, broken = stream(START, START, "permitted", **parties()), stream(START, START, "x", **parties())
    sealed.seal([*whole, broken[0]])
    sealed.roll_up()
    dataset = parties()["dataset"]
    assert sealed.days() == Counter(
        {("2026-02-10", dataset, "permitted"): 1, ("2026-02-10", dataset, "unfinished"): 1}
    )


def test_the_last_call_of_a_grant_is_its_last_with_success(sealed: Sealed) -> None:
    later = START + timedelta(days=3)
    sealed.seal([record("access", later, decision="permitted", ms=1, **parties())])
    sealed.roll_up()
    sealed.seal(
        [
            record("access", START, decision="permitted", ms=1, **parties()),
            record("access", later + timedelta(days=1), decision="refused", ms=1, **parties()),
            record("access", later + timedelta(days=1), decision="failed", ms=1, **parties()),
        ]
    )
    sealed.roll_up()
    with sealed.database.read() as tx:
        assert last_call(tx, "SQ-1") == later
        assert last_call(tx, "SQ-2") is None


def test_twenty_thousand_records_a_second_are_summed_up(sealed: Sealed) -> None:
    records = some_records(13, 2_000)
    for _ in range(10):
        sealed.seal(records)
    began = os.times().user
    tally = sealed.roll_up()
    assert tally.records / (os.times().user - began) > 20_000
