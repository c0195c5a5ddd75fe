"""Erasing bodies by decision: two people, the log's own word, every copy, and proofs that hold afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from audit.alarms import alarms
from audit.bodies import is_erased, read_bodies
from audit.columns import alarming
from audit.columns.blocks import present
from audit.columns.renewal import requests
from audit.files import Inconsistent
from audit.frames import read_journal
from audit.journal import Journal
from audit.keeping import erasing, store
from audit.keeping.erasing import carry_out
from audit.keeping.erasure import decide_erasure, find_erasure, list_erasures, request_erasure
from audit.keeping.model import DONE, GRANTED, OVERWRITTEN, STATED, Erasure
from audit.proofs import check_inclusion, entry_at, prove_inclusion
from audit.record import make_record
from audit.segments import segment_path
from core.errors import Conflict, Invalid, NotPermitted
from core.ids import new_id
from tests.audit.keeping.blocks import make_blocks
from tests.audit.keeping.town import Town
from tests.audit.logs import SECRET, SIGNER, access
from tests.cast import adam, bob, carol, dave
from tests.conftest import START

pytestmark = pytest.mark.long

BASIS, PAPER = "《个人信息保护法》第四十七条", "审字〔2026〕7号"
dana = replace(dave, login="dana", pseudonym="pseudonym-of-dana")


def asked(town: Town, ids: list[str]) -> Erasure:
    with town.database.begin() as tx:
        return request_erasure(town.work(dave, tx), ids, BASIS, PAPER)


def granted(town: Town, ids: list[str]) -> Erasure:
    made = asked(town, ids)
    with town.database.begin() as tx:
        return decide_erasure(town.work(dana, tx), made.id, True)


def look(town: Town, erasure: Erasure) -> Erasure:
    with town.database.read() as tx:
        found = store.find_erasure(tx, erasure.id)
    assert found is not None
    return found


def keep(town: Town, rounds: int = 3) -> None:
    """Seal, carry out and make blocks by turns, as the running sealer does."""
    for _ in range(rounds):
        town.seal()
        carry_out(town.keeping, town.now)
        make_blocks(town.folder, town.database, town.now)


@pytest.fixture
def records(town: Town) -> list[str]:
    made = [access(START, purpose=f"for-{i}") for i in range(5)]
    town.put(made)
    town.seal()
    return [record.id for record in made]


def body_at(town: Town, index: int) -> bytes:
    return next(read_bodies(town.folder / "bodies", index, index + 1)).body


def test_an_erased_body_is_gone_and_what_proved_its_record_still_does(town: Town, records: list[str]) -> None:
    proof, envelope = prove_inclusion(town.folder, 2), entry_at(town.folder, 2)
    neighbours = [body_at(town, i) for i in (1, 3)]
    wanted = granted(town, [records[2]])
    keep(town)
    assert look(town, wanted).state == DONE
    assert b"for-2" not in b"".join(p.read_bytes() for p in (town.folder / "bodies").iterdir())
    assert is_erased(body_at(town, 2))
    assert [body_at(town, i) for i in (1, 3)] == neighbours
    for shown in (proof, prove_inclusion(town.folder, 2)):
        assert check_inclusion(shown, envelope, SIGNER.verifier) == 2
    assert entry_at(town.folder, 2) == envelope


def test_the_log_says_of_each_body_that_it_goes_and_on_whose_decision(town: Town, records: list[str]) -> None:
    wanted = granted(town, records[:2])
    keep(town)
    bodies = [town.read(str(t.statement)).body for t in look(town, wanted).targets]
    assert {b["index"] for b in bodies} == {0, 1}
    assert {b["record"] for b in bodies} == set(records[:2])
    assert {(b["k"], b["erasure"], b["basis"]) for b in bodies} == {("body.erased", wanted.id, BASIS)}


def test_nothing_is_erased_before_the_log_has_said_so(town: Town, records: list[str]) -> None:
    wanted = granted(town, [records[0]])
    carry_out(town.keeping, town.now)
    assert look(town, wanted).state == STATED
    before = body_at(town, 0)
    carry_out(town.keeping, town.now)  # the statement waits in the outbox
    assert (look(town, wanted).state, body_at(town, 0)) == (STATED, before)
    town.seal()
    carry_out(town.keeping, town.now)
    assert (look(town, wanted).state, is_erased(body_at(town, 0))) == (OVERWRITTEN, True)


def test_a_record_that_is_not_sealed_yet_waits(town: Town, records: list[str]) -> None:
    late = access(START, purpose="late")
    town.put([late])
    wanted = granted(town, [late.id])
    carry_out(town.keeping, town.now)
    assert look(town, wanted).state == GRANTED
    keep(town)
    assert is_erased(town.read(late.id).raw)


def test_the_second_copy_loses_the_body_too(town: Town, records: list[str], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(town.folder / "bodies", tmp_path / "copy" / "bodies")
    town = town.with_audit(copy_to=tmp_path / "copy")
    granted(town, [records[4]])
    keep(town)
    left = b"".join(p.read_bytes() for p in (tmp_path / "copy" / "bodies").iterdir())
    assert b"for-4" not in left
    assert b"for-3" in left


def test_nothing_is_done_while_columns_still_hold_what_was_erased(town: Town, records: list[str]) -> None:
    town.put([access(START) for _ in range(4096)])
    town.seal()
    make_blocks(town.folder, town.database, town.now)
    [block] = present(town.folder)
    wanted = granted(town, [records[3]])
    for _ in range(4):  # nobody makes blocks
        town.seal()
        carry_out(town.keeping, town.now)
    assert is_erased(body_at(town, 3))
    assert pq.read_table(block.path(town.folder))["purpose"][3].as_py() == "for-3"
    assert requests(town.folder) == [(3, 3)]
    assert (look(town, wanted).state, look(town, wanted).done_at) == (OVERWRITTEN, None)
    late = datetime.fromtimestamp(time.time() + 680, UTC)
    assert not any("columns have held" in a.en for a in alarms(town.settings, late - timedelta(seconds=200)))
    assert any("for 11 minutes columns have held" in alarm.en for alarm in alarms(town.settings, late))
    keep(town, 2)
    assert pq.read_table(block.path(town.folder))["purpose"][3].as_py() is None
    assert look(town, wanted).state == DONE
    assert not any("columns have held" in alarm.en for alarm in alarms(town.settings, late))


def test_records_that_lie_in_no_block_are_an_alarm_before_questions_stop(
    town: Town, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    town.put([access(START) for _ in range(4096)])
    town.seal()
    monkeypatch.setattr(alarming, "BEHIND", 4096)
    assert not any("lie in no block" in alarm.en for alarm in alarms(town.settings, town.now))
    monkeypatch.setattr(alarming, "BEHIND", 4095)
    assert any("4096 records lie in no block" in alarm.en for alarm in alarms(town.settings, town.now))
    make_blocks(town.folder, town.database, town.now)
    assert not any("lie in no block" in alarm.en for alarm in alarms(town.settings, town.now))


STEPS = ["insert_outbox", "_erase_one", "ask_renewal", "is_awaited", "units_holding"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_an_erasure_cut_off_anywhere_is_finished_by_whoever_comes_next(
    town: Town, records: list[str], monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    wanted = granted(town, records[1:3])
    original: Callable[..., object] = getattr(erasing, step)

    def cut(*args: object) -> object:
        monkeypatch.undo()
        if after:
            original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(erasing, step, cut)
    with pytest.raises(KeyboardInterrupt):
        keep(town)
    keep(town)
    done = look(town, wanted)
    assert (done.state, done.outcome) == (DONE, {"bodies": 2, "units": []})
    assert [is_erased(body_at(town, i)) for i in range(4)] == [False, True, True, False]
    statements = {t.statement for t in done.targets}
    assert {body_at(town, i)[11:47].decode() for i in (1, 2)} == statements
    assert town.seal().size == town.seal().size


def test_a_body_that_somebody_changed_is_not_erased_but_reported(town: Town, records: list[str]) -> None:
    granted(town, [records[0]])
    path = next((town.folder / "bodies").iterdir())
    path.write_bytes(path.read_bytes().replace(b"for-0", b"for-X"))
    town.seal()
    with pytest.raises(Inconsistent, match="body 0 does not fit"):  # before the log says anything of it
        carry_out(town.keeping, town.now)


def test_a_body_changed_after_the_log_spoke_of_it_is_not_erased(town: Town, records: list[str]) -> None:
    granted(town, [records[0]])
    town.seal()
    carry_out(town.keeping, town.now)
    path = next((town.folder / "bodies").iterdir())
    path.write_bytes(path.read_bytes().replace(b"for-0", b"for-X"))
    town.seal()
    with pytest.raises(Inconsistent, match="body 0 does not fit"):
        carry_out(town.keeping, town.now)


# --- who may ----------------------------------------------------------------------------------------


def test_nobody_decides_on_what_they_asked_for(town: Town, records: list[str]) -> None:
    made = asked(town, [records[0]])
    with town.database.begin() as tx, pytest.raises(NotPermitted):
        decide_erasure(town.work(dave, tx), made.id, True)


@pytest.mark.parametrize("actor", [bob, dana])
def test_the_manager_or_another_auditor_decides_once(town: Town, records: list[str], actor: object) -> None:
    made = asked(town, [records[0]])
    with town.database.begin() as tx:
        assert decide_erasure(town.work(actor, tx), made.id, False, "仍在调查").state == "refused"  # type: ignore[arg-type]
    with town.database.begin() as tx, pytest.raises(Conflict, match="decided"):
        decide_erasure(town.work(dana, tx), made.id, True)
    keep(town)
    assert not is_erased(body_at(town, 0))


@pytest.mark.parametrize("actor", [carol, adam])
def test_others_neither_ask_nor_read_nor_decide(town: Town, records: list[str], actor: object) -> None:
    made = asked(town, [records[0]])
    with town.database.begin() as tx:
        work = town.work(actor, tx)  # type: ignore[arg-type]
        for act in (
            lambda: request_erasure(work, [records[1]], BASIS, PAPER),
            lambda: decide_erasure(work, made.id, True),
            lambda: find_erasure(work, made.id),
            lambda: list_erasures(work, None, 10, None),
        ):
            with pytest.raises(NotPermitted):
                act()


def test_a_request_names_each_record_that_cannot_be_erased(town: Town, records: list[str]) -> None:
    granted(town, [records[0]])
    keep(town)
    asked(town, [records[1]])
    with town.database.read() as tx:
        statement = store.erasures_page(tx, DONE, 1, None).rows[0].targets[0].statement
    with pytest.raises(Invalid) as refused:
        asked(town, [records[0], records[1], str(statement), new_id(), records[2]])
    assert [(e.pointer, e.code) for e in refused.value.errors] == [
        ("/records/0", "erasure_asked"),
        ("/records/1", "erasure_asked"),
        ("/records/2", "never_erased"),
        ("/records/3", "not_found"),
    ]


def test_a_journal_that_is_still_written_loses_the_body_and_goes_on(town: Town) -> None:
    async def story() -> None:
        journal = await Journal.open(
            town.folder / "journal", "w", secret=SECRET, segment_bytes=64 * 1024, reserve_bytes=0, now=START
        )
        first, *rest = [make_record("access", START, journal.name, {"purpose": f"for-{i}"}) for i in range(4)]
        for record in (first, *rest[:2]):
            await journal.append(record)
        town.seal()
        granted(town, [rest[0].id])
        keep(town)
        segment = segment_path(town.folder / "journal", journal.name, 1)
        held = segment.read_bytes()
        assert (b"for-0" in held, b"for-1" in held, b"for-2" in held) == (True, False, True)
        await journal.append(rest[2])
        await journal.close()
        assert [frame.seq for frame in read_journal(segment)] == [1, 2, 3, 4]
        town.seal()
        assert town.read(rest[2].id).log_index is not None

    asyncio.run(story())
    kinds = [orjson.loads(line.body).get("k") for line in read_bodies(town.folder / "bodies", 0, 99)]
    assert "journal.gap" not in kinds
