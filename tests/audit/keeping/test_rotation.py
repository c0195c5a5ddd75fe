"""A new log each year: the old one closed for good, the next beginning with where that ended."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from audit.files import Inconsistent
from audit.journal import Journal
from audit.keeping import rotation
from audit.keeping.past import past_log, past_logs
from audit.keeping.rotation import rotate
from audit.note import NoteVerifier, open_note
from audit.place import check_name, is_rotating
from audit.proofs import check_inclusion, entry_at, prove_inclusion, published_checkpoint
from audit.query import record_by_id
from audit.record import Record
from audit.sealer import open_sealer
from audit.verify import verify
from core.errors import ConfigError, Conflict, Unavailable
from gateway.plane import Worker
from tests.audit.keeping.town import Town
from tests.audit.logs import LASTING, ORIGIN, SECRET, SIGNER, START, access
from tests.warm import opened

NEXT = "audit.example.cn/log-2027"
SLUG = "audit.example.cn-log"


def renamed(town: Town, origin: str = NEXT) -> Town:
    """The same deployment after its operator gave the log another name."""
    return replace(
        town, settings=replace(town.settings, platform=replace(town.settings.platform, log_origin=origin))
    )


def vkeys(keys: Path) -> list[str]:
    return [(keys / name).read_text().strip() for name in ("log.vkey", "log-mldsa.vkey")]


@pytest.fixture
def records(town: Town) -> list[str]:
    keys = town.settings.key_file("")
    for name, signer in (("log", SIGNER), ("log-mldsa", LASTING)):
        (keys / f"{name}.vkey").write_text(f"{signer.verifier}\n")
    made = [access(START, purpose=f"for-{i}") for i in range(5)]
    town.put(made)
    town.seal()
    return [record.id for record in made]


def check_rotated(town: Town, records: list[str]) -> None:
    """Both logs are whole, and lead from the one to the other."""
    past = past_log(town.folder, SLUG)
    keys = town.settings.key_file("")
    assert (past.origin, past.size) == (ORIGIN, 5)
    assert not (town.folder / "rotating").exists()
    for folder, held in ((past.folder, past.folder / "keys"), (town.folder, keys)):
        report = verify(folder, vkeys(held))
        assert report.sound, str(report)
    entry = orjson.loads(entry_at(town.folder, 0))
    assert entry["k"] == "log.rotated"
    assert entry["p"] == published_checkpoint(past.folder)[0]
    open_note(entry["p"], [SIGNER.verifier])
    assert published_checkpoint(town.folder)[1].origin == NEXT
    assert NoteVerifier.parse(vkeys(keys)[0]).name == NEXT
    with town.database.read() as tx:
        found = record_by_id(tx, past.folder, records[3])
    assert (found.log_index, found.body["purpose"]) == (3, "for-3")
    proof = prove_inclusion(past.folder, 3)
    assert check_inclusion(proof, entry_at(past.folder, 3), SIGNER.verifier) == 3
    assert oct((keys / "past" / SLUG / "log.key").stat().st_mode)[-3:] == "600"


def test_the_next_log_begins_with_where_the_old_one_ended(town: Town, records: list[str]) -> None:
    later = renamed(town)
    done = rotate(later.settings, later.database, later.now)
    assert (done.old, done.new, done.size) == (ORIGIN, NEXT, 5)
    later.seal()
    check_rotated(later, records)
    more = access(START)
    later.put([more])
    later.seal()
    assert later.read(more.id).log_index == 1
    assert [log.slug for log in past_logs(later.folder)] == [SLUG]


def test_what_waited_is_still_sealed_into_the_old_log(town: Town, records: list[str]) -> None:
    late = access(START)
    town.put([late])
    later = renamed(town)
    assert rotate(later.settings, later.database, later.now).size == 6
    with later.database.read() as tx:
        assert record_by_id(tx, past_log(later.folder, SLUG).folder, late.id).log_index == 5


def test_no_sealer_starts_under_another_name_before_the_rotation(town: Town, records: list[str]) -> None:
    later = renamed(town)
    with pytest.raises(Inconsistent, match="shuxiang audit rotate"):
        open_sealer(later.settings, later.database, later.now)


def test_a_log_that_keeps_its_name_or_takes_an_old_one_is_not_rotated(town: Town, records: list[str]) -> None:
    with pytest.raises(Conflict, match="log_origin"):
        rotate(town.settings, town.database, town.now)
    later = renamed(town)
    rotate(later.settings, later.database, later.now)
    later.seal()
    with pytest.raises(Conflict, match="used before"):
        rotate(town.settings, town.database, town.now)


def test_nothing_is_rotated_while_the_deployment_runs(town: Town, records: list[str]) -> None:
    later = renamed(town)
    fd = os.open(town.settings.data / "serve.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(Unavailable, match="stop the platform"):
        rotate(later.settings, later.database, later.now)
    os.close(fd)
    with closing(open_sealer(town.settings, town.database, town.now)), pytest.raises(Unavailable):
        rotate(later.settings, later.database, later.now)


def killed_at(town: Town, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotate and die before that part of the old log is moved; they go in the order of PARTS."""
    real = os.rename

    def move(source: Path, target: Path) -> None:
        if Path(target) == town.folder / "past" / SLUG / part:
            raise Killed
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", move)
        with pytest.raises(Killed):
            rotate(town.settings, town.database, town.now)
    assert is_rotating(town.folder)


def journaled(town: Town) -> Record:
    """A record that a worker left on disk before it answered."""
    made = access(town.now, purpose="in between")

    async def write() -> None:
        journal = await Journal.open(
            town.folder / "journal", "gw0", secret=SECRET, segment_bytes=65_536, reserve_bytes=0
        )
        await journal.append(made)
        await journal.close()

    asyncio.run(write())
    return made


def test_what_was_written_before_the_first_move_is_sealed_into_the_old_log(
    town: Town, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = renamed(town)
    killed_at(later, "log", monkeypatch)
    late = journaled(later)
    assert rotate(later.settings, later.database, later.now).size == 6
    with later.database.read() as tx:
        assert record_by_id(tx, past_log(later.folder, SLUG).folder, late.id).log_index == 5


def test_what_was_written_between_the_moves_is_sealed_into_the_next_log(
    town: Town, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = renamed(town)
    killed_at(later, "bodies", monkeypatch)
    late = journaled(later)
    rotate(later.settings, later.database, later.now)
    later.seal()
    check_rotated(later, records)
    assert later.read(late.id).log_index == 1


def test_nothing_is_written_for_a_log_that_does_not_lie_there(
    town: Town, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt of a worker would name a log that the record never comes to."""
    check_name(town.settings)
    later = renamed(town)
    for _ in range(2):
        with pytest.raises(ConfigError, match="shuxiang audit rotate"):
            Worker(later.settings, 0)
        killed_at(later, "log", monkeypatch)
    with pytest.raises(ConfigError, match="not finished"):
        check_name(town.settings)
    rotate(later.settings, later.database, later.now)
    check_name(later.settings)


class Killed(BaseException):
    """The process ends here."""


def counted(function: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return function(*args, **kwargs)

    return call


@pytest.mark.long
def test_a_rotation_killed_before_any_of_its_writes_is_finished_by_the_next(
    town: Town, records: list[str], tmp_path: Path
) -> None:
    """Each change of names or files is a place to die at; the log goes on from each of them."""
    for steps in range(1, 100):
        with closing(copy_of(town, tmp_path / str(steps))) as copied:
            if dies_at(steps, copied):
                assert steps > 20
                return
            if is_rotating(copied.folder):
                with pytest.raises(Inconsistent, match="shuxiang audit rotate"):
                    open_sealer(copied.settings, copied.database, copied.now)
            rotate(copied.settings, copied.database, copied.now)
            copied.seal()
            check_rotated(copied, records)


def copy_of(town: Town, data: Path) -> Town:
    shutil.copytree(town.settings.data, data)
    settings = replace(town.settings, data=data)
    return renamed(Town(settings, opened(settings.database_url)))


def dies_at(step: int, town: Town) -> bool:
    """Rotate and die before the write number `step`; tell whether there was none."""
    left = [step]
    with pytest.MonkeyPatch.context() as patch:
        for module, names in (
            (rotation, ["write_file", "write_files", "save_state", "append_bodies", "make_log_keys"]),
            (os, ["rename"]),
            (shutil, ["rmtree"]),
        ):
            for name in names:
                patch.setattr(module, name, counted(getattr(module, name), left))
        try:
            rotate(town.settings, town.database, town.now)
        except Killed:
            return False
    return True


@pytest.mark.parametrize("name", [SLUG, "AUDIT.example.cn/log", "audit.example.cn//log"])
def test_a_name_that_would_lie_in_the_folder_of_the_log_before_is_refused(
    town: Town, records: list[str], name: str
) -> None:
    with pytest.raises(Conflict, match="same folder"):
        rotate(renamed(town, name).settings, town.database, town.now)
    assert not is_rotating(town.folder)
    town.seal()


def test_a_log_whose_folder_is_taken_is_not_closed_over_it(town: Town, records: list[str]) -> None:
    """As an older version let it come to: it runs under a name that lies where another was closed."""
    (town.folder / "past" / SLUG / "log").mkdir(parents=True)
    with pytest.raises(Conflict, match="used before"):
        rotate(renamed(town).settings, town.database, town.now)
    assert not is_rotating(town.folder)
    town.seal()
