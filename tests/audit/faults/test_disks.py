"""Disks that are full, folders that are taken away, clocks that are put back, and two who want to seal."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from audit.beat import beat_path
from audit.bodies import read_bodies
from audit.files import Inconsistent
from audit.frames import encode_frame, encode_header, journal_key, read_journal
from audit.journal import Journal, JournalFailed
from audit.segments import create_segment, segment_path, segments_in
from audit.state import load_state
from core.errors import Unavailable
from tests.audit.faults.story import check_log, checkpoint_in, sealed_ids
from tests.audit.logs import SECRET, SEGMENT, START, Log, access

HERE = Path(__file__).parent.parent.parent.parent

FULL = """
import os, resource, signal, sys
from contextlib import closing
from pathlib import Path
from tests.audit.logs import Log, access

log = Log(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails, as on a full disk
before = log.seal().size
log.put([access() for _ in range(200)])
with closing(log.sealer()) as sealer:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        sealer.step(log.now)
    except Exception as wrong:
        print(type(wrong).__name__, wrong)
"""


@pytest.mark.long
@pytest.mark.parametrize("limit", [0, 3000, 40_000])
def test_a_disk_that_is_full_in_the_middle_of_a_step_costs_nothing(log: Log, limit: int) -> None:
    log.put([access() for _ in range(10)])
    log.seal()
    before = checkpoint_in(log.folder)
    command = [sys.executable, "-c", FULL, log.folder, str(limit)]
    out = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout
    assert "File too large" in out or "disk" in out or "Error" in out
    assert checkpoint_in(log.folder).size == 10
    assert log.seal().size == 210
    check_log(log.folder, [before])


def test_a_small_disk_stops_the_journal_before_it_is_full_and_the_sealer_goes_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        log = Log(disk / "audit")
        done = asyncio.run(_until_full(log))
        assert done > 500
        log.seal()
        assert len(sealed_ids(log.folder)) >= done
        check_log(log.folder, [])
        log.database.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


async def _until_full(log: Log) -> int:
    """Write until the disk's reserve is reached; return how many records were acknowledged."""
    reserve = 1_300_000
    journal = await Journal.open(
        log.journals, "w", secret=SECRET, segment_bytes=SEGMENT, reserve_bytes=reserve
    )
    done = 0
    while journal.trouble() is None:
        answers = await asyncio.gather(*(journal.append(access()) for _ in range(20)), return_exceptions=True)
        done += sum(not isinstance(answer, JournalFailed) for answer in answers)
        assert done < 5000
    assert "reserve" in str(journal.trouble())
    await journal.close()
    return done


def test_records_of_a_live_segment_that_was_removed_or_renamed_are_not_lost_silently(log: Log) -> None:
    async def story(damage: str) -> None:
        journal = await Journal.open(
            log.journals, damage, secret=SECRET, segment_bytes=SEGMENT, reserve_bytes=0
        )
        await journal.append(access())
        live = segments_in(log.journals)[0]
        if damage == "removed":
            live.unlink()
        else:
            live.rename(live.with_name("elsewhere"))
        assert "removed or replaced" in str(journal.trouble())
        if damage == "removed":
            with pytest.raises(JournalFailed, match="removed"):
                await journal.append(access())
        await journal.close()

    for damage in ("removed", "renamed"):
        asyncio.run(story(damage))
        log.seal()
        bodies = [line.body for line in read_bodies(log.folder / "bodies", 0, load_state(log.folder).size)]
        assert orjson.loads(bodies[-1])["reason"] == "segment missing"
    assert log.verify().gaps == [0, 1]


def test_segments_that_changed_places_lose_nothing_and_the_log_says_so(log: Log) -> None:
    records = [access() for _ in range(250)]
    log.journal(records)
    first, second, *_ = segments_in(log.journals)
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    log.seal()
    assert {record.id for record in records} <= set(sealed_ids(log.folder))
    report = log.verify()
    assert (report.sound, len(report.gaps)) == (True, 2)


def test_a_spare_that_failed_half_way_is_no_obstacle_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = segment_path(tmp_path, "w", 1)
    for name in ("unlink", "fsync", "link", "pwrite"):
        with monkeypatch.context() as patch:
            real, left = getattr(os, name), 1

            def once(*args: object, real: object = real, **kwargs: object) -> object:
                nonlocal left
                left -= 1
                if left == 0:
                    raise OSError(errno.EIO, "injected")
                return real(*args, **kwargs)  # type: ignore[operator]

            patch.setattr(os, name, once)
            with pytest.raises(OSError, match="injected"):
                create_segment(path, 4096, 0)
        assert not list(tmp_path.iterdir()), name
        create_segment(path, 4096, 0).close()
        path.unlink()


def test_a_clock_that_steps_back_and_forth_changes_no_order(log: Log) -> None:
    steps = (0, 3600, -7200, 60, -1, 86_400, 0)
    records = [access(START + timedelta(seconds=s)) for s in steps]
    for seconds, record in zip(steps, records, strict=True):
        log.put([record])
        log.now = START + timedelta(seconds=seconds)
        with closing(log.sealer()) as sealer:
            sealer.step(log.now)
        assert beat_path(log.folder).stat().st_mtime == log.now.timestamp()
    assert sealed_ids(log.folder) == [record.id for record in records]
    assert log.verify().sound


def test_two_sealers_at_once_are_one_who_seals_and_one_who_waits(log: Log) -> None:
    log.put([access() for _ in range(10)])
    with closing(log.sealer()) as first:
        for _ in range(3):
            with pytest.raises(Unavailable):
                log.sealer()
            log.put([access()])
            first.step(log.now)
    assert log.seal().size == 13
    check_log(log.folder, [])


def test_a_folder_put_back_under_a_running_sealer_is_noticed(log: Log, tmp_path: Path) -> None:
    log.put([access() for _ in range(10)])
    log.seal()
    seen = [checkpoint_in(log.folder)]
    with closing(log.sealer()) as sealer:
        away = tmp_path / "away"
        shutil.copytree(log.folder, away)
        log.put([access()])
        sealer.step(log.now)
        seen.append(checkpoint_in(log.folder))
        shutil.rmtree(log.folder / "log")
        shutil.rmtree(log.folder / "bodies")
        shutil.copytree(away / "log", log.folder / "log")
        shutil.copytree(away / "bodies", log.folder / "bodies")
        log.put([access()])
        with pytest.raises(Inconsistent, match="bytes instead of"):
            sealer.step(log.now)
    with pytest.raises(Inconsistent, match="anchor knows 11 entries, the log holds 10"):
        log.sealer()
    assert checkpoint_in(log.folder) in seen


def test_torn_tails_cost_no_record_before_them(log: Log) -> None:
    chance = random.Random(11)
    log.journals.mkdir(exist_ok=True)
    expected: list[str] = []
    for number in range(300):
        records = [access() for _ in range(3)]
        frames = [
            encode_frame(i + 1, r.envelope, r.body, journal_key(SECRET, f"w{number:03d}.1"))
            for i, r in enumerate(records)
        ]
        whole = encode_header(1) + b"".join(frames)
        at = chance.randrange(len(whole))
        damaged = bytearray(whole + bytes(200))
        match chance.choice(["cut", "flip", "zero"]):
            case "cut":
                damaged = damaged[:at]
            case "flip":
                damaged[at] ^= 1 << chance.randrange(8)
            case _:
                damaged[at:] = bytes(len(damaged) - at)
        path = segment_path(log.journals, f"w{number:03d}.1", 1)
        path.write_bytes(damaged)
        kept = len(list(read_journal(path)))
        ends = [len(encode_header(1)) + sum(map(len, frames[: i + 1])) for i in range(3)]
        assert kept == sum(end <= at for end in ends)
        expected += [record.id for record in records[:kept]]
    log.seal()
    ids = set(sealed_ids(log.folder))
    assert set(expected) <= ids
    report = log.verify()
    assert report.sound
    torn = {path.name.split(".")[0] for path in (log.journals / "torn").iterdir()}
    assert len(torn) == len(report.gaps) > 150
