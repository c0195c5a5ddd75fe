"""Each system call by which the sealer or a journal changes files is the last one, or fails.

`strace` injects a SIGKILL or an error at the n-th call of a name, for every n that an undisturbed run makes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import pytest

from audit.frames import read_journal
from audit.segments import segments_in
from tests.audit.faults.driver import RECORDS
from tests.audit.faults.story import Town, check_log, sealed_ids
from tests.audit.logs import Log
from tests.tools import need

pytestmark = [pytest.mark.long, pytest.mark.takes(28)]

HERE = Path(__file__).parent.parent.parent.parent
CHANGING = (
    *(
        "openat",
        "write",
        "pwrite64",
        "ftruncate",
        "truncate",
        "fdatasync",
        "fsync",
        "syncfs",
        "sync_file_range",
    ),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("utime", "utimensat", "flock", "fallocate"),
)
WRITING = ("write", "pwrite64")
_FORKING = Lock()
"""A process that is being forked holds, for a moment, the locks that this one holds."""
_LINE = re.compile(r"(?P<thread>\d+) +(?P<call>[a-z0-9_]+)\(")


@dataclass(frozen=True)
class Fault:
    """What happens at the `nth` call of a thread."""

    call: str
    nth: int
    what: str

    @property
    def injection(self) -> str:
        return f"inject={self.call}:{self.what}:when={self.nth}"


class Driver:
    """The process that forks the broken ones."""

    def __init__(self) -> None:
        self._strace = need("strace")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.audit.faults.driver"], cwd=HERE, stdin=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, story: str, folder: Path, *options: str) -> str:
        """Run a story under strace; return its outcome, empty when it was killed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{story} {folder}\n")
        self._process.stdin.flush()
        pid = _wait_for(folder / "ready")
        command = [self._strace, "-f", "-q", "-o", folder / "calls", *options, "-p", pid]
        with _FORKING:
            tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while _tracer_of(pid) != tracer.pid:
            time.sleep(0.001)
        (folder / "go").touch()
        assert tracer.wait(timeout=60) is not None
        assert tracer.stderr is not None
        tracer.stderr.close()
        outcome = folder / "outcome"
        return os.readlink(outcome) if outcome.is_symlink() else ""

    def calls(self, story: str, folder: Path) -> Counter[str]:
        """Return how often a thread makes each call in an undisturbed run."""
        assert self.run(story, folder, "-e", f"trace=?{',?'.join(CHANGING)}") == "done"
        counts = Counter[tuple[str, str]]()
        for line in (folder / "calls").read_text().splitlines():
            if found := _LINE.match(line):
                counts[found["thread"], found["call"]] += 1
        most = Counter[str]()
        for (_, call), count in counts.items():
            most[call] = max(most[call], count)
        return most


def _wait_for(path: Path) -> str:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.001)
    return path.read_text()


def _tracer_of(pid: str) -> int:
    for line in Path("/proc", pid, "status").read_text().splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    return 0


def _faults(calls: Counter[str]) -> list[Fault]:
    found = [
        Fault(call, nth, what)
        for call, count in sorted(calls.items())
        for nth in range(1, count + 1)
        for what in ("signal=SIGKILL", "error=EIO")
    ]
    full = [Fault(f.call, f.nth, "error=ENOSPC") for f in found if f.call in WRITING and "EIO" in f.what]
    return found + full


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("town") / "audit")


@pytest.mark.parametrize("story", ["seal", "seal_many"])
def test_whichever_call_of_a_step_fails_or_is_the_last_the_log_goes_on(
    driver: Driver, town: Town, tmp_path: Path, story: str
) -> None:
    calls = driver.calls(story, town.copy(tmp_path / "calm"))
    assert {"openat", "write", "fsync", "fdatasync", "rename", "link", "unlink"} <= calls.keys()
    assert ("syncfs" in calls) == (story == "seal_many")
    faults = _faults(calls)
    if story == "seal_many":
        faults = [f for f in faults if f.call in ("syncfs", "rename", "fsync", "write")]

    def break_at(number: int) -> tuple[Fault, str]:
        fault, folder = faults[number], town.copy(tmp_path / str(number))
        outcome = driver.run(story, folder, "-e", f"trace={fault.call}", "-e", fault.injection)
        assert (outcome == "") == ("KILL" in fault.what), (fault, outcome)
        try:
            with _FORKING:
                town.check(folder)
        except BaseException as wrong:
            raise AssertionError(f"after {fault}, {outcome}") from wrong
        return fault, outcome

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(break_at, range(len(faults))))
    assert len(outcomes) >= (150 if story == "seal" else 60)
    print(f"\n{story}: {len(outcomes)} injections at {dict(calls)}")


def test_whichever_call_of_a_journal_fails_or_is_the_last_no_acknowledged_record_is_lost(
    driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "calm").mkdir()
    calls = driver.calls("write", tmp_path / "calm")
    assert {"openat", "pwrite64", "link", "unlink", "fsync", "flock"} <= calls.keys()
    calls["write"] = 3  # they tell the callers; one is as good as the other
    faults = _faults(calls)

    def break_at(number: int) -> int:
        fault, folder = faults[number], tmp_path / str(number)
        folder.mkdir()
        outcome = driver.run("write", folder, "-e", f"trace={fault.call}", "-e", fault.injection)
        try:
            with _FORKING:
                return _check_journals(folder)
        except BaseException as wrong:
            raise AssertionError(f"after {fault}, {outcome}") from wrong

    with ThreadPoolExecutor(2) as pool:
        acknowledged = list(pool.map(break_at, range(len(faults))))
    assert max(acknowledged) == RECORDS  # some faults are survived
    assert min(acknowledged) < 5
    print(f"\nwrite: {len(faults)} injections at {dict(calls)}")


def _check_journals(folder: Path) -> int:
    told = folder / "acknowledged"
    ids = [i for i in told.read_text().split("\n") if len(i) == 36] if told.exists() else []
    journals = folder / "journal"
    frames = [frame for path in segments_in(journals) for frame in read_journal(path)]
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    in_journals = [frame.body.split(b'"id":"')[1][:36].decode() for frame in frames]
    assert set(ids) <= set(in_journals)
    log = Log(folder)
    try:
        log.seal()
    finally:
        log.database.close()
    check_log(folder, [])
    sealed = sealed_ids(folder)
    assert [i for i in sealed if i in set(in_journals)] == in_journals
    return len(ids)
