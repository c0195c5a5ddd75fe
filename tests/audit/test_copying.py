"""The second copy is a log of its own, journals wait for it, and a broken second disk stops nothing."""

from __future__ import annotations

import errno
import os
import shutil
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from audit import copier as copier_module
from audit import copying, store
from audit.alarms import alarms
from audit.copier import Copier, attached
from audit.files import write_file
from audit.sealer import Heart, seal_once
from audit.sealing import Sealer
from audit.segments import segments_in
from audit.state import load_state
from audit.verify import verify
from core.settings import Settings
from tests.audit.logs import START, VKEY, Log, access, settings_of

pytestmark = pytest.mark.long


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return tmp_path / "second-disk" / "audit"


def with_copy(log: Log, second: Path) -> Settings:
    settings = settings_of(log.folder)
    return replace(settings, audit=replace(settings.audit, copy_to=second))


def copied(log: Log, sealer: Sealer, copier: Copier) -> bool:
    log.now += timedelta(seconds=1)
    while sealer.step(log.now).more:
        pass
    copier.offer(sealer.state)
    return copier.turn(log.now)


def test_the_copy_is_a_log_that_can_be_checked_and_journals_wait_for_it(log: Log, second: Path) -> None:
    settings = with_copy(log, second)
    with closing(log.sealer()) as sealer:
        copier = attached(settings, sealer)
        assert copier is not None
        for count in (10, 300, 1, 700):
            log.journal([access() for _ in range(count)])
            log.put([access() for _ in range(3)])
            sealer.step(log.now)
            assert segments_in(log.journals)  # sealed, but not copied
            assert copied(log, sealer, copier)
            sealer.step(log.now)
            assert not segments_in(log.journals)
            report = verify(second, VKEY)
            assert (report.faults, report.size, report.is_copy) == ([], sealer.size, True)
    assert not log.verify().is_copy
    assert tree(log.folder) == tree(second)


def tree(folder: Path) -> dict[str, bytes]:
    paths = [
        folder / "log" / "checkpoint",
        *(folder / "log" / "tile").rglob("*"),
        *(folder / "bodies").glob("*"),
    ]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths if p.is_file()}


@pytest.mark.parametrize("point", ["_append", "write_files", "save_state", "write_file", "drop_partials"])
def test_copying_goes_on_where_it_was_cut_off(
    log: Log, second: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    with closing(log.sealer()) as sealer:
        copier = Copier(log.folder, second)
        log.put([access() for _ in range(300)])
        assert copied(log, sealer, copier)
        for when in ("before", "after"):
            log.put([access() for _ in range(400)])
            with monkeypatch.context() as patch:
                real = getattr(copying, point)

                def fail(*args: object, real: object = real, when: str = when) -> None:
                    if when == "after":
                        real(*args)  # type: ignore[operator]
                    raise OSError(5, "the disk")

                patch.setattr(copying, point, fail)
                assert not copied(log, sealer, copier)
        assert copied(log, sealer, copier)
    assert verify(second, VKEY).sound
    assert tree(second).items() <= tree(log.folder).items()  # but for partial tiles of older sizes


def test_a_broken_second_disk_is_an_alarm_and_keeps_journals(log: Log, second: Path) -> None:
    settings = with_copy(log, second)
    second.parent.mkdir()
    second.write_text("this is no folder")
    log.journal([access()])
    assert seal_once(settings, log.database, log.now).size == 1
    told = [alarm.en for alarm in alarms(settings, log.now) if "second copy" in alarm.en]
    assert len(told) == 1
    assert "cannot be written" in told[0]
    assert segments_in(log.journals)
    second.unlink()
    assert seal_once(settings, log.database, log.now).size == 1
    assert not [alarm for alarm in alarms(settings, log.now) if "second copy" in alarm.en]
    assert verify(second, VKEY).size == 1
    seal_once(settings, log.database, log.now)
    assert segments_in(log.journals)  # nobody has told this process what is copied before it seals
    assert verify(second, VKEY).sound


def test_a_copy_that_hangs_is_an_alarm_after_minutes(log: Log, second: Path) -> None:
    settings = with_copy(log, second)
    seal_once(settings, log.database, START)
    log.put([access()])
    log.seal()
    later = START + timedelta(minutes=6)
    assert any("stays behind" in alarm.en for alarm in alarms(settings, later))
    assert not any("stays behind" in alarm.en for alarm in alarms(settings, START))


def test_a_copy_that_never_was_finished_is_an_alarm(log: Log, second: Path) -> None:
    """As when the second disk hangs as soon as it is opened."""
    settings = with_copy(log, second)
    assert not any("second copy" in alarm.en for alarm in alarms(settings, log.now))  # nothing to copy yet
    log.put([access()])
    log.seal()
    assert any("was never finished" in alarm.en for alarm in alarms(settings, log.now))


def test_copying_outlives_a_disk_too_full_to_tell(
    log: Log, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, left = with_copy(log, second), [3]
    real = write_file

    def full(path: Path, data: bytes) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ENOSPC, "full")
        real(path, data)

    monkeypatch.setattr(copier_module, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(copier_module, "write_file", full)
    log.put([access() for _ in range(3)])
    with closing(log.sealer()) as sealer, copier_module.copying(settings, sealer, lambda: log.now) as copy:
        sealer.step(log.now)
        copy()
        until = time.monotonic() + 60
        while not copier_module.standing_path(log.folder).exists() and time.monotonic() < until:
            time.sleep(0.01)
    assert left[0] < 0
    assert verify(second, VKEY).size == 3
    assert not any("second copy" in alarm.en for alarm in alarms(settings, log.now))


def test_a_damaged_or_longer_copy_is_not_written_over(log: Log, second: Path) -> None:
    log.put([access() for _ in range(20)])
    with closing(log.sealer()) as sealer:
        assert copied(log, sealer, Copier(log.folder, second))
        bodies = second / "bodies" / "000000000000.jsonl"
        whole = bodies.read_bytes()
        os.truncate(bodies, 10)
        assert not copied(log, sealer, Copier(log.folder, second))
        bodies.write_bytes(whole)
        assert copied(log, sealer, Copier(log.folder, second))
    shutil.rmtree(log.folder / "log")
    other = Log(log.folder.parent / "other")
    with closing(other.sealer()) as sealer:
        assert not copied(other, sealer, Copier(other.folder, second))
    assert load_state(second).size == 20
    other.database.close()


def test_the_running_sealer_beats_into_the_log(log: Log) -> None:
    heart = Heart(log.database, 60)
    for seconds in (0, 1, 59, 60, 61, 121, 30):
        heart.beat(7, START + timedelta(seconds=seconds))
    with log.database.read() as tx:
        rows = store.select_outbox(tx, 10)
    assert [b'"k":"heartbeat"' in row.envelope and b'"size":7' in row.body for row in rows] == [True] * 4
    Heart(log.database, 0).beat(7, START)
    with log.database.read() as tx:
        assert store.count_outbox(tx) == 4
