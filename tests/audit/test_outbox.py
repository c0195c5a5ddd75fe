"""The outbox may be restored, changed, filled with anything: no act is lost, none is sealed twice."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from audit import sealing, store
from audit.bodies import read_bodies
from audit.outbox import REFUSED
from audit.query import Filters, find_records, record_by_id
from audit.record import Record, canonical, make_envelope
from audit.state import load_state, state_path
from tests.audit.logs import START, Log, access
from tests.warm import opened


def bodies(log: Log) -> list[dict[str, object]]:
    size = load_state(log.folder).size
    return [orjson.loads(line.body) for line in read_bodies(log.folder / "bodies", 0, size)]


def ids(log: Log) -> list[object]:
    return [body["id"] for body in bodies(log)]


def waiting(log: Log) -> int:
    with log.database.read() as tx:
        return store.count_outbox(tx)


def found(log: Log) -> int:
    """How many records a search finds."""
    with log.database.read() as tx:
        return len(find_records(tx, log.folder, Filters(), limit=50).items)


def backed_up(log: Log) -> Path:
    """A backup of the database, as SQLite makes one."""
    backup = log.folder.parent / "backup.sqlite"
    with (
        closing(sqlite3.connect(log.folder / "state.sqlite")) as source,
        closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    return backup


def restore(log: Log, backup: Path) -> None:
    log.database.close()
    for name in ("state.sqlite-wal", "state.sqlite-shm"):
        (log.folder / name).unlink(missing_ok=True)
    shutil.copy(backup, log.folder / "state.sqlite")
    log.database = opened(f"sqlite:///{log.folder / 'state.sqlite'}")


# --- a database that was restored -----------------------------------------------------------------


def test_an_act_after_a_restore_whose_number_was_given_before_is_found_and_sealed(log: Log) -> None:
    log.put([access() for _ in range(3)])
    log.seal()
    backup = backed_up(log)
    log.put([access() for _ in range(2)])
    log.seal()
    restore(log, backup)
    act = access()
    log.put([act])
    with log.database.read() as tx:
        assert record_by_id(tx, log.folder, act.id).id == act.id
    log.seal()
    assert ids(log)[-1:] == [act.id]
    assert (waiting(log), log.verify().sound) == (0, True)


def test_rows_that_a_restore_brought_back_are_not_sealed_twice(log: Log) -> None:
    log.put([access() for _ in range(3)])
    log.seal()
    log.put([access() for _ in range(4)])
    backup = backed_up(log)
    for count in (2, 300):
        log.seal()
        log.put([access() for _ in range(count)])
    log.seal()
    before = ids(log)
    restore(log, backup)
    fresh = access()
    log.put([fresh])
    log.seal()
    assert ids(log) == [*before, fresh.id]
    assert waiting(log) == 0


# --- a state that an older version wrote, or somebody changed -------------------------------------


def put_numbers(log: Log, numbers: list[int]) -> None:
    document = orjson.loads(state_path(log.folder).read_bytes())
    state_path(log.folder).write_bytes(orjson.dumps({**document, "outbox": numbers}))


def test_numbers_in_the_state_hide_and_delete_nothing(log: Log) -> None:
    log.put([access() for _ in range(3)])
    log.seal()
    acts = [access() for _ in range(5)]
    log.put(acts)
    put_numbers(log, list(range(1, 100)))
    assert found(log) == 8
    log.seal()
    assert ids(log)[3:] == [act.id for act in acts]


def test_rows_that_an_older_version_sealed_before_a_crash_are_not_sealed_again(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.put([access() for _ in range(3)])
    log.seal()
    log.put([access() for _ in range(5)])
    crash_while_settling(log, monkeypatch)
    put_numbers(log, list(range(4, 9)))
    assert waiting(log) == 5
    assert found(log) == 8
    log.seal()
    assert (len(set(ids(log))), load_state(log.folder).size, waiting(log)) == (8, 8, 0)


class Crash(BaseException):
    """The end of a process."""


def crash_while_settling(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: object) -> None:
        raise Crash

    with closing(log.sealer()) as sealer, monkeypatch.context() as patch:
        patch.setattr(store, "delete_outbox", crash)
        with pytest.raises(Crash):
            sealer.step(log.now)


# --- rows that are no records ---------------------------------------------------------------------


def changed(record: Record, **fields: object) -> Record:
    """The record with other fields in its body, and the digest of that."""
    body = canonical({**orjson.loads(record.body), **fields})
    return replace(record, body=body, envelope=make_envelope("access", 1, "w", body))


def envelope_with(record: Record, **fields: object) -> Record:
    return replace(record, envelope=canonical({**orjson.loads(record.envelope), **fields}))


GOOD, TORN = access(START), b'{"a":1\n}'
POISON = {
    "long envelope": envelope_with(GOOD, s="x" * 70_000),
    "envelope that is no JSON": replace(GOOD, envelope=b"nonsense"),
    "envelope that is a list": replace(GOOD, envelope=b"[]"),
    "envelope with more": envelope_with(GOOD, p="x"),
    "envelope without a kind": envelope_with(GOOD, k=""),
    "kind that is a number": envelope_with(GOOD, k=1),
    "time beyond all calendars": envelope_with(GOOD, t=10**18),
    "envelope with blanks": replace(GOOD, envelope=GOOD.envelope.replace(b":", b": ")),
    "body of another": replace(GOOD, body=b'{"v":1}'),
    "body with a line end": replace(GOOD, body=TORN, envelope=make_envelope("a", 1, "w", TORN)),
    "body that is no JSON": replace(GOOD, body=b"{", envelope=make_envelope("a", 1, "w", b"{")),
    "body that is a list": replace(GOOD, body=b"[]", envelope=make_envelope("a", 1, "w", b"[]")),
    "body of another time": changed(GOOD, t=2),
    "body without an id": changed(GOOD, t=1, id=None),
    "body whose id is no id": changed(GOOD, t=1, id="x"),
}


@pytest.mark.parametrize("name", POISON)
def test_a_row_that_is_no_record_is_put_aside_on_record_and_stops_nobody(log: Log, name: str) -> None:
    log.put([access() for _ in range(3)])
    log.seal()
    good = access()
    log.put([POISON[name]])
    log.put([good])
    assert found(log) == 4
    log.seal()
    told = bodies(log)
    assert [body["k"] for body in told] == ["access"] * 4 + [REFUSED]
    (kept,) = (log.folder / "journal" / "refused").iterdir()
    assert kept.name.split("-")[1].removesuffix(".json") == str(told[4]["sha256"])[:16]
    assert (told[4]["seq"], waiting(log)) == (4, 0)
    assert found(log) == 5
    assert log.verify().sound


def test_a_step_of_nothing_but_bad_rows_goes_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "STEP_RECORDS", 1)
    log.put([POISON["body of another"]])
    log.put([access()])
    log.seal()
    assert [body["k"] for body in bodies(log)] == [REFUSED, "access"]


def test_a_row_put_aside_is_put_on_record_once_whenever_the_sealer_dies(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.put([access()])
    log.put([POISON["body of another"]])
    crash_while_settling(log, monkeypatch)
    assert waiting(log) == 2
    log.seal()
    assert ([body["k"] for body in bodies(log)], waiting(log)) == (["access", REFUSED], 0)
