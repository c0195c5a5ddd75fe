"""The process that is broken: it imports once, then forks for every line `<story> <folder>` that it reads.

A child prepares, says so by the file `ready` with its process id, and waits for the file `go`, by which time
it is traced. What came of it is what the link `outcome` points to.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path

from audit import files
from audit.journal import Journal, JournalFailed
from tests.audit.faults.story import NOW
from tests.audit.logs import SECRET, Log, access

RECORDS = 60


def begin(folder: Path, run: Callable[[], object]) -> None:
    """Wait until somebody looks, then run and tell what came of it."""
    (folder / "ready.part").write_text(str(os.getpid()))
    os.rename(folder / "ready.part", folder / "ready")
    while not os.path.exists(folder / "go"):
        time.sleep(0.001)
    try:
        run()
    except (Exception, ExceptionGroup) as wrong:
        outcome = f"failed: {wrong!r}"[:200]
    else:
        outcome = "done"
    os.symlink(outcome, folder / "outcome")  # again one call that nobody injects into


def seal(folder: Path) -> None:
    """One step of the sealer."""
    with closing(Log(folder).sealer()) as sealer:
        begin(folder, lambda: sealer.step(NOW))


def seal_many(folder: Path) -> None:
    """The same, with all files synced at once."""
    files._MANY = 1
    seal(folder)


def write(folder: Path) -> None:
    """A journal from its opening to its end, through several segments."""
    loop = asyncio.new_event_loop()
    begin(folder, lambda: loop.run_until_complete(_write(folder)))


async def _write(folder: Path) -> None:
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = await Journal.open(
        folder / "journal", "w", secret=SECRET, segment_bytes=8192, reserve_bytes=0, now=NOW
    )

    async def append() -> None:
        record = access(NOW, journal.name)
        await journal.append(record)
        os.write(acknowledged, f"{record.id}\n".encode())

    async def client(records: int) -> None:
        for _ in range(records):
            await append()

    tasks: list[Coroutine[None, None, None]] = [client(RECORDS // 3) for _ in range(3)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await journal.close()
    for wrong in answers:
        if isinstance(wrong, JournalFailed):
            assert journal.is_poisoned() or "spare" in wrong.reason
            raise wrong
        if wrong is not None:
            raise wrong


STORIES = {"seal": seal, "seal_many": seal_many, "write": write}


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        story, folder = line.rstrip("\n").split(" ", 1)
        if os.fork() == 0:
            try:
                STORIES[story](Path(folder))
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
