"""A record is acknowledged only when it is on the disk, and a journal in trouble says so."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from audit.beat import beat, lag_of
from audit.frames import encode_frame, encode_header, journal_key, read_journal
from audit.journal import Journal, JournalFailed
from audit.record import Record
from audit.segments import Segment, segments_in
from tests.audit.logs import SECRET, SEGMENT, START, access

HERE = Path(__file__).parent.parent.parent
KEY = journal_key(SECRET, "w")


async def begun(folder: Path, **options: object) -> Journal:
    usual = {"secret": SECRET, "segment_bytes": SEGMENT, "reserve_bytes": 0, "now": START}
    return await Journal.open(folder, "w", **{**usual, **options})  # type: ignore[arg-type]


@asynccontextmanager
async def opened(folder: Path, **options: object) -> AsyncIterator[Journal]:
    journal = await begun(folder, **options)
    try:
        yield journal
    finally:
        await journal.close()


def bodies_in(folder: Path) -> list[bytes]:
    return [frame.body for path in segments_in(folder) for frame in read_journal(path)]


def test_what_was_acknowledged_is_in_the_file_in_order(tmp_path: Path) -> None:
    records = [access() for _ in range(500)]

    async def story() -> None:
        async with opened(tmp_path) as journal:
            assert journal.trouble(START) is None
            positions = await asyncio.gather(*(journal.append(r) for r in records))
            assert [p.seq for p in positions] == list(range(1, 501))
            assert positions[4].source == f"{journal.name}/5"
            assert bodies_in(tmp_path) == [r.body for r in records]
            assert journal.trouble(START) is None

    asyncio.run(story())
    assert bodies_in(tmp_path) == [r.body for r in records]
    assert len(segments_in(tmp_path)) >= 4


def test_a_new_worker_never_writes_into_an_old_journal(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as first:
            await first.append(access())
        with pytest.raises(JournalFailed):  # the same name within the same millisecond
            async with opened(tmp_path):
                pass
        async with opened(tmp_path, now=START + timedelta(milliseconds=1)) as second:
            await second.append(access())
            assert second.name != first.name

    asyncio.run(story())
    assert len(bodies_in(tmp_path)) == 2


def test_a_caller_that_gives_up_waiting_has_its_record_all_the_same(tmp_path: Path) -> None:
    record = access()

    async def story() -> None:
        async with opened(tmp_path) as journal:
            task = asyncio.create_task(journal.append(record))
            await asyncio.sleep(0)
            task.cancel()
            await journal.append(access())
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(story())
    assert bodies_in(tmp_path)[0] == record.body


def test_a_record_larger_than_a_segment_is_refused_and_nothing_else(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as journal:
            with pytest.raises(JournalFailed, match="does not fit"):
                await journal.append(access(purpose="x" * SEGMENT))
            await journal.append(access())
            assert journal.trouble(START) is None

    asyncio.run(story())


def test_a_removed_segment_is_noticed_before_and_after_the_next_record(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as journal:
            await journal.append(access())
            segments_in(tmp_path)[0].unlink()
            assert "removed" in str(journal.trouble(START))
            with pytest.raises(JournalFailed, match="removed"):
                await journal.append(access())
            assert "failed" in str(journal.trouble(START))

    asyncio.run(story())


def test_a_segment_that_was_moved_and_replaced_is_noticed(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as journal:
            live = segments_in(tmp_path)[0]
            live.rename(tmp_path / "elsewhere")
            assert "removed or replaced" in str(journal.trouble(START))
            shutil.copy(tmp_path / "elsewhere", live)
            assert "removed or replaced" in str(journal.trouble(START))

    asyncio.run(story())


def test_a_read_only_folder_and_a_disk_below_the_reserve_are_trouble(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as journal:
            tmp_path.chmod(0o555)
            try:
                assert journal.trouble(START) == "the journal folder is read-only"
            finally:
                tmp_path.chmod(0o755)
            assert journal.trouble(START) is None
        free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
        with pytest.raises(JournalFailed, match="reserve"):
            async with opened(tmp_path / "full", reserve_bytes=free):
                pass

    asyncio.run(story())
    assert not segments_in(tmp_path / "full")


def test_a_sealer_that_is_far_behind_and_a_clock_that_went_back_are_trouble(tmp_path: Path) -> None:
    (tmp_path / "log" / ".state").mkdir(parents=True)

    async def story() -> None:
        now = START
        lag = lag_of(tmp_path, lambda: now)
        async with opened(tmp_path / "journal", lag=lag) as journal:
            assert "behind" in str(journal.trouble(now))
            beat(tmp_path, now)
            assert journal.trouble(now) is None
            now += timedelta(seconds=61)
            assert "behind" in str(journal.trouble(now))
            beat(tmp_path, now)
            await journal.append(access(now))
            assert journal.trouble(now) is None
            assert "clock" in str(journal.trouble(now - timedelta(seconds=6)))
            assert journal.trouble(now) is None

    asyncio.run(story())


class Watched:
    """A disk that notes who writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writers: list[str] = []
        really = Segment.write

        def write(segment: Segment, data: bytes) -> None:
            self.writers.append(threading.current_thread().name)
            really(segment, data)

        monkeypatch.setattr(Segment, "write", write)

    def written_by(self) -> set[str]:
        writers, self.writers = set(self.writers), []
        return writers


def test_a_record_alone_is_written_by_the_loop_while_the_disk_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Watched(monkeypatch)
    here, there = {threading.current_thread().name}, {"journal-writer"}
    monkeypatch.setattr("audit.journal.QUICK_SECONDS", 60.0)  # however busy the host is

    async def story() -> None:
        async with opened(tmp_path) as journal:
            await journal.append(access())
            assert disk.written_by() == here
            await asyncio.gather(journal.append(access()), journal.append(access()))
            assert disk.written_by() == there
            await journal.append(access())
            assert disk.written_by() == here
            monkeypatch.setattr("audit.journal.QUICK_SECONDS", 0.0)
            await journal.append(access())
            assert disk.written_by() == here
            for _ in range(3):
                await journal.append(access())
            assert disk.written_by() == there

    asyncio.run(story())
    assert len(bodies_in(tmp_path)) == 8


@pytest.mark.parametrize("at_once", [1, 2])
def test_whoever_writes_a_failure_is_told_and_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    def fail(segment: Segment, data: bytes) -> None:
        raise OSError(5, "input/output error")

    async def story() -> None:
        async with opened(tmp_path) as journal:
            await journal.append(access())
            with monkeypatch.context() as broken:
                broken.setattr(Segment, "write", fail)
                asked = [journal.append(access()) for _ in range(at_once)]
                outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [JournalFailed] * at_once
            assert journal.is_poisoned()
            with pytest.raises(JournalFailed, match="input/output error"):
                await journal.append(access())

    asyncio.run(story())
    assert len(bodies_in(tmp_path)) == 1


@pytest.mark.parametrize("at_once", [1, 2])
def test_who_gets_no_receipt_is_told_so_and_the_journal_ends(tmp_path: Path, at_once: int) -> None:
    def refuse(journal: str, first: int, records: Sequence[Record]) -> list[str]:
        raise RuntimeError("the key is gone")

    async def story() -> None:
        journal = await begun(tmp_path, promise=refuse)  # closed at the end only: it waits for all of them
        asked = [journal.append(access()) for _ in range(at_once)]
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [JournalFailed] * at_once
        assert journal.is_poisoned()
        assert "the key is gone" in str(journal.trouble(START))
        await journal.close()

    asyncio.run(story())


FULL_DISK = """
import asyncio, os, resource, sys
from pathlib import Path
from audit.journal import Journal, JournalFailed
from audit.segments import segments_in
from tests.audit.logs import SECRET, SEGMENT, access

async def story(folder):
    journal = await Journal.open(folder, "w", secret=SECRET, segment_bytes=SEGMENT, reserve_bytes=0)
    done = [await journal.append(access()) for _ in range(10)]
    # From here on nothing beyond the first 8 KiB of any file can be written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    failed = 0
    for _ in range(100):
        try:
            done.append(await journal.append(access()))
        except JournalFailed:
            failed += 1
    assert failed and journal.trouble() is not None, journal.trouble()
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        await journal.append(access())
    except JournalFailed as poisoned:
        print(len(done), failed, poisoned)
    await journal.close()

asyncio.run(story(Path(sys.argv[1])))
"""


def test_after_the_first_failed_write_nothing_is_acknowledged_any_more(tmp_path: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], cwd=HERE, capture_output=True, text=True, check=True
    ).stdout
    done, failed, reason = out.split(" ", 2)
    assert int(done) + int(failed) == 110
    assert "failed" in reason
    assert len(bodies_in(tmp_path)) >= int(done)


def test_a_spare_that_cannot_be_made_is_trouble_and_the_journal_stops_at_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, segment_bytes=8192) as journal:
            journal._reserve = 1 << 62  # the disk is full from now on
            answers = await asyncio.gather(
                *(journal.append(access()) for _ in range(100)), return_exceptions=True
            )
            done = sum(not isinstance(answer, JournalFailed) for answer in answers)
            assert "no spare segment" in str(answers[-1])
            assert "reserve" in str(journal.trouble(START))
            assert len(bodies_in(tmp_path)) == done > 16
            journal._reserve = 0  # somebody made room
            while journal.trouble(START) is not None:
                await asyncio.sleep(0.05)
            await journal.append(access())
            assert len(bodies_in(tmp_path)) == done + 1

    asyncio.run(story())


def test_a_reader_stops_at_exactly_the_right_frame_whatever_happened_to_the_tail(tmp_path: Path) -> None:
    path = tmp_path / "j"
    chance = random.Random(7)
    frames = [encode_frame(i + 1, b"e%d" % i, b"b" * chance.randrange(200), KEY) for i in range(20)]
    ends = [len(encode_header(1))]
    for frame in frames:
        ends.append(ends[-1] + len(frame))
    whole = encode_header(1) + b"".join(frames)
    for _ in range(400):
        at = chance.randrange(len(whole))
        damaged = bytearray(whole + bytes(4096))
        match chance.choice(["cut", "flip", "zero"]):
            case "cut":
                damaged = damaged[:at]
            case "flip":
                damaged[at] ^= 1 << chance.randrange(8)
            case _:
                damaged[at] ^= 0xFF
                damaged[at + 1 :] = bytes(len(damaged) - at - 1)
        path.write_bytes(damaged)
        expected = max((i for i, end in enumerate(ends) if end <= at), default=0)
        got = list(read_journal(path))
        assert [f.seq for f in got] == list(range(1, expected + 1))


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "j"
    frames = [encode_frame(i, b"e", b"%d" % i, KEY) for i in range(40, 50)]
    path.write_bytes(encode_header(40) + b"".join(frames) + bytes(100))
    first = list(read_journal(path))[:4]
    rest = list(read_journal(path, first[-1].end, first[-1].seq))
    assert [f.body for f in [*first, *rest]] == [b"%d" % i for i in range(40, 50)]
    assert not list(read_journal(path, first[-1].end, 99))
