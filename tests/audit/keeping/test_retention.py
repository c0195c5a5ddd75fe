"""Archive units and retention: what goes when, what must stand before, and what still proves afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from audit.bodies import PER_FILE, is_erased, read_bodies
from audit.columns.renewal import requests
from audit.files import Inconsistent
from audit.keeping import archive, keeper, retention
from audit.keeping.archive import Unit, make_unit
from audit.keeping.covered import covered
from audit.keeping.erasing import carry_out
from audit.keeping.erasure import find_erasure
from audit.keeping.finding import place_of
from audit.keeping.gone import refuse_pruned
from audit.keeping.keeper import Keeper, keeping_lock, prune_step
from audit.keeping.retention import cutoff, old_files, pruning
from audit.keeping.units import member
from audit.proofs import check_inclusion, entry_at, prove_inclusion
from audit.query import Filters, find_records
from audit.record import Record
from audit.store import insert_outbox
from core.errors import Conflict, Gone, NotFound, Unavailable
from core.ids import new_id
from tests.audit.keeping.blocks import make_blocks
from tests.audit.keeping.test_erasing import granted
from tests.audit.keeping.town import FILES, REST, RULE, Town
from tests.audit.logs import LASTING, SIGNER, START
from tests.cast import dave

pytestmark = pytest.mark.long

SIZE = FILES * PER_FILE + REST


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.jsonl"))


def prune(town: Town, rounds: int = 4) -> None:
    """Seal, prune and make blocks by turns, as the running sealer does."""
    for _ in range(rounds):
        prune_step(town.keeping, town.now)
        make_blocks(town.folder, town.database, town.now)
        town.seal()


def unit(town: Town, first: int = 0, to: Path | None = None) -> Unit:
    reach = covered(town.keeping)
    assert reach is not None
    return make_unit(town.keeping, first, reach, to or town.keeping.archive, town.now)


# --- archive units ----------------------------------------------------------------------------------


def test_a_unit_stands_alone_and_its_own_program_proves_it(old_town: Town, tmp_path: Path) -> None:
    made = unit(old_town, PER_FILE)
    assert made.path.name == "audit.example.cn-log-000000016384-000000032767.zip"
    for name, key in (("log", SIGNER), ("mldsa", LASTING)):
        (tmp_path / f"{name}.vkey").write_text(str(key.verifier))
    with zipfile.ZipFile(made.path) as opened:
        opened.extract("verifier.py", tmp_path)
        assert len([n for n in opened.namelist() if n.startswith("tile/entries/")]) == 64
    keys = ["--key", str(tmp_path / "log.vkey"), "--key", str(tmp_path / "mldsa.vkey")]
    command = [sys.executable, "-I", str(tmp_path / "verifier.py"), str(made.path), *keys]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "16384 ... 32767" in told.stdout


@pytest.mark.long
def test_a_unit_made_twice_has_the_same_bytes_though_the_log_grew(old_town: Town) -> None:
    first = unit(old_town)
    bytes_then = first.path.read_bytes()
    old_town.seal()
    again = unit(old_town)
    assert (again.path.read_bytes(), again.sha256) == (bytes_then, first.sha256)
    old_town.seal()
    with old_town.database.read() as tx:
        found = find_records(tx, old_town.folder, Filters(equal={"kind": "archive.made"}), limit=5).items
    assert [(f.body["first"], f.body["last"], f.body["sha256"]) for f in found] == [
        (0, 16383, first.sha256)
    ] * 2


def test_only_whole_ranges_that_a_checkpoint_covers_are_archived(old_town: Town) -> None:
    for first in (FILES * PER_FILE, 5):
        with pytest.raises(Conflict):
            unit(old_town, first)


@pytest.mark.long
def test_a_unit_that_does_not_hold_is_not_put_in_place(old_town: Town) -> None:
    path = old_town.folder / "bodies" / f"{0:012d}.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"p77"', b'"p78"'))
    with pytest.raises(Inconsistent, match="77"):
        unit(old_town)
    assert not list(old_town.keeping.archive.glob("audit*.zip"))


@pytest.mark.long
@pytest.mark.parametrize("step", ["write_file", "check_unit", "insert_outbox"])
def test_an_archive_cut_off_anywhere_is_finished_by_whoever_comes_next(
    old_town: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    town = old_town.with_audit(archive=tmp_path / "units")
    original: Callable[..., object] = getattr(archive, step)

    def cut(*args: object) -> object:
        monkeypatch.undo()
        original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, step, cut)
    with pytest.raises(KeyboardInterrupt):
        keeper.archive_step(town.keeping, town.now)
    assert not list(tmp_path.glob("units/audit*.zip"))
    while keeper.archive_step(town.keeping, town.now):
        pass
    assert len([*(tmp_path / "units").iterdir()]) == FILES


@pytest.mark.long
def test_a_unit_that_holds_an_erased_body_is_named_and_made_anew_without_it(
    old_town: Town, tmp_path: Path
) -> None:
    town = old_town.with_audit(archive=tmp_path / "units", retention=RULE)
    made = unit(town)
    line = next(read_bodies(town.folder / "bodies", 7, 8)).body
    wanted = granted(town, [orjson.loads(line)["id"]])
    for _ in range(3):
        town.seal()
        carry_out(town.keeping, town.now)
        make_blocks(town.folder, town.database, town.now)
    with town.database.read() as tx:
        assert find_erasure(town.work(dave, tx), wanted.id).outcome == {
            "bodies": 1,
            "units": [made.path.name],
        }
    assert not prune_step(town.keeping, town.now)  # the archive holds other bodies than the log
    again = unit(town)
    assert again.sha256 != made.sha256
    bodies = member(again.path, "bodies.jsonl") or b""
    assert (line in bodies, is_erased(bodies.split(b"\n")[7])) == (False, True)
    assert prune_step(town.keeping, town.now)


# --- retention --------------------------------------------------------------------------------------


def test_bodies_go_by_rule_once_the_log_has_said_so_and_proofs_still_hold(old_town: Town) -> None:
    town = old_town.with_audit(retention=RULE)
    old_proof, envelope = prove_inclusion(town.folder, 7), entry_at(town.folder, 7)
    lines = (next(read_bodies(town.folder / "bodies", at, at + 1)) for at in (0, 7, SIZE - REST - 1))
    ids = [orjson.loads(line.body)["id"] for line in lines]
    assert prune_step(town.keeping, town.now)
    assert not prune_step(town.keeping, town.now)  # its record waits in the outbox
    assert len(names(town.folder / "bodies")) == FILES + 1
    town.seal()
    assert prune_step(town.keeping, town.now)
    assert names(town.folder / "bodies") == [f"{FILES * PER_FILE:012d}.jsonl"]
    assert requests(town.folder) == [(0, FILES * PER_FILE - 1)]
    with town.database.read() as tx:
        (said,) = find_records(tx, town.folder, Filters(equal={"kind": "retention.pruned"}), limit=5).items
    told = {k: said.body[k] for k in ("first", "last", "since", "basis")}
    assert told == {"first": 0, "last": FILES * PER_FILE - 1, "since": 0, "basis": RULE.basis._asdict()}
    for proof in (old_proof, prove_inclusion(town.folder, 7)):
        assert check_inclusion(proof, envelope, SIGNER.verifier) == 7
    assert not prune_step(town.keeping, town.now)
    with town.database.read() as tx:
        assert [place_of(tx, town.folder, found) for found in ids] == [
            (town.folder, at) for at in (0, 7, SIZE - REST - 1)
        ]
        with pytest.raises(Gone, match="article 3"):
            refuse_pruned(tx, town.engine, ids[1])
        with pytest.raises(NotFound):
            place_of(tx, town.folder, new_id())
        refuse_pruned(tx, town.engine, new_id())


@pytest.mark.long
def test_what_is_younger_or_not_covered_or_kept_for_ever_stays(old_town: Town) -> None:
    before = names(old_town.folder / "bodies")
    prune(old_town)  # no rule
    young = old_town.with_audit(retention=RULE.__class__(1300, RULE.basis))
    prune(young)
    (old_town.folder / "log" / "checkpoint").rename(old_town.folder / "elsewhere")
    uncovered = old_town.with_audit(retention=RULE)
    assert not prune_step(uncovered.keeping, old_town.now)
    assert names(old_town.folder / "bodies") == before


@pytest.mark.long
def test_a_deletion_is_under_way_until_no_block_holds_what_is_gone(old_town: Town) -> None:
    town = old_town.with_audit(retention=RULE)
    make_blocks(town.folder, town.database, town.now)
    assert prune_step(town.keeping, town.now)
    town.seal()
    assert prune_step(town.keeping, town.now)
    assert names(town.folder / "bodies") == [f"{FILES * PER_FILE:012d}.jsonl"]
    for _ in range(2):  # as after a restart, nothing is done twice
        assert not prune_step(town.keeping, town.now)
        assert pruning(town.keeping) is not None
    make_blocks(town.folder, town.database, town.now)
    assert prune_step(town.keeping, town.now)
    assert (pruning(town.keeping), requests(town.folder)) == (None, [])


def test_rows_that_were_put_aside_go_with_the_bodies_of_their_time(old_town: Town) -> None:
    town = old_town.with_audit(retention=RULE)
    for body in (b"[]", b"{}"):
        with town.database.begin() as tx:
            insert_outbox(tx, Record(new_id(), "none", town.now, b"no envelope", body))
    town.seal()
    old, young = sorted((town.folder / "journal" / "refused").iterdir())
    long_ago = (town.now - timedelta(days=RULE.bodies_days + 1)).timestamp()
    os.utime(old, (long_ago, long_ago))
    os.utime(young, (START.timestamp(), START.timestamp()))
    prune(town)
    assert names(town.folder / "bodies") == [f"{FILES * PER_FILE:012d}.jsonl"]
    assert list((town.folder / "journal" / "refused").iterdir()) == [young]


@pytest.mark.long
def test_the_days_are_counted_from_the_newest_record_of_a_file(old_town: Town) -> None:
    town = old_town.with_audit(retention=RULE)
    reach = covered(town.keeping)
    assert reach is not None
    newest = START - timedelta(days=1200) + timedelta(seconds=PER_FILE - 1)
    assert [f.first for f in old_files(town.keeping, reach, newest)] == []
    just = [f.first for f in old_files(town.keeping, reach, newest + timedelta(seconds=1))]
    assert just == [0]
    assert cutoff(town.keeping, reach, START) == START - timedelta(days=RULE.bodies_days)


@pytest.mark.long
def test_what_is_not_archived_is_not_deleted_where_there_is_an_archive(
    old_town: Town, tmp_path: Path
) -> None:
    town = old_town.with_audit(retention=RULE, archive=tmp_path / "units")
    prune(town)
    assert len(names(town.folder / "bodies")) == FILES + 1
    unit(town)
    prune(town)
    assert names(town.folder / "bodies")[0] == f"{PER_FILE:012d}.jsonl"
    made = unit(town, PER_FILE)
    content = bytearray(made.path.read_bytes())
    content[5000] ^= 1  # somewhere in the compressed bodies
    made.path.write_bytes(content)
    prune(town)
    assert len(names(town.folder / "bodies")) == FILES


@pytest.mark.long
@pytest.mark.parametrize("step", ["write_file", "insert_outbox", "_delete", "_delete_torn", "ask_renewal"])
@pytest.mark.parametrize("after", [False, True])
def test_pruning_cut_off_anywhere_is_finished_by_whoever_comes_next(
    old_town: Town, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    town = old_town.with_audit(retention=RULE)
    original: Callable[..., object] = getattr(retention, step)

    def cut(*args: object) -> object:
        monkeypatch.undo()
        if after:
            original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(retention, step, cut)
    with pytest.raises(KeyboardInterrupt):
        prune(town)
    prune(town)
    assert pruning(town.keeping) is None
    assert names(town.folder / "bodies") == [f"{FILES * PER_FILE:012d}.jsonl"]
    with town.database.read() as tx:
        found = find_records(tx, town.folder, Filters(equal={"kind": "retention.pruned"}), limit=5).items
    assert {f.body["last"] for f in found} == {FILES * PER_FILE - 1}


@pytest.mark.long
def test_the_keeper_archives_then_prunes_once_a_day(old_town: Town, tmp_path: Path) -> None:
    town = old_town.with_audit(retention=RULE, archive=tmp_path / "units")
    one = Keeper(town.keeping)
    turns = 0
    while names(town.folder / "bodies")[0] == f"{0:012d}.jsonl" and turns < 20:
        one.turn(town.now)
        town.seal()
        turns += 1
    assert len(list((tmp_path / "units").glob("audit*.zip"))) == FILES
    assert names(town.folder / "bodies") == [f"{FILES * PER_FILE:012d}.jsonl"]
    with keeping_lock(town.keeping), pytest.raises(Unavailable):
        one.turn(town.now)
