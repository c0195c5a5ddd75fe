"""Processes that are killed without warning: what was acknowledged is there, what was signed stays true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from audit.bodies import read_bodies
from audit.files import tile_reader
from audit.frames import read_journal
from audit.merkle import consistency_proof, verify_consistency
from audit.note import Checkpoint, open_note
from audit.segments import segments_in
from audit.state import load_state
from audit.tiles import hash_reader
from tests.audit.logs import SIGNER, Log
from tests.processes import wait_until

pytestmark = [pytest.mark.long, pytest.mark.takes(22)]

HERE = Path(__file__).parent.parent.parent

WRITER = """
import asyncio, os, sys
from pathlib import Path
from audit.journal import Journal
from tests.audit.logs import SECRET, access
from core.times import utc_now

async def client(journal):
    while True:
        record = access(utc_now(), journal.name)
        await journal.append(record)
        os.write(1, (record.id + "\\n").encode())  # what a caller has seen
        await asyncio.sleep(0.005)

async def main(folder):
    journal = await Journal.open(folder, "w", secret=SECRET, segment_bytes=1 << 18, reserve_bytes=0)
    await asyncio.gather(*(client(journal) for _ in range(8)))

asyncio.run(main(Path(sys.argv[1])))
"""

SEALER = """
import sys
from pathlib import Path
from audit.sealer import run
from core.db import Database
from tests.audit.logs import settings_of

folder = Path(sys.argv[1])
run(settings_of(folder), Database(f"sqlite:///{folder / 'state.sqlite'}"))
"""


def start(code: str, folder: Path, out: Path | None = None) -> subprocess.Popen[bytes]:
    with open(out or os.devnull, "ab") as file:
        return subprocess.Popen([sys.executable, "-c", code, folder], cwd=HERE, stdout=file)


def wait_for(size: int, path: Path) -> None:
    wait_until(lambda: path.exists() and path.stat().st_size >= size, f"{path} does not grow")


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def acknowledged(path: Path) -> set[str]:
    return {line for line in path.read_text().split("\n") if len(line) == 36}


def test_a_killed_writer_has_every_acknowledged_record_in_its_journal(log: Log, tmp_path: Path) -> None:
    seen = tmp_path / "acknowledged"
    for _ in range(3):
        before = seen.stat().st_size if seen.exists() else 0
        writer = start(WRITER, log.journals, seen)
        wait_for(before + 20_000, seen)
        kill(writer)
    kept = [f.body for path in segments_in(log.journals) for f in read_journal(path)]
    told = acknowledged(seen)
    assert len(told) > 1500
    assert not told - {body.split(b'"id":"')[1][:36].decode() for body in kept}
    log.seal()
    assert log.verify().sound
    assert load_state(log.folder).size >= len(told)


def test_a_sealer_killed_again_and_again_seals_every_record_once(log: Log, tmp_path: Path) -> None:
    seen = tmp_path / "acknowledged"
    writer = start(WRITER, log.journals, seen)
    wait_for(1000, seen)
    checkpoints: list[Checkpoint] = []
    path = log.folder / "log" / "checkpoint"
    for turn in range(4):
        sealer = start(SEALER, log.folder)
        first, deadline = len(checkpoints), time.monotonic() + 60
        while time.monotonic() < deadline and len(checkpoints) < first + 2 + turn:
            time.sleep(0.005)
            if path.exists():
                note = path.read_text(encoding="utf-8")
                checkpoint = Checkpoint.parse(open_note(note, [SIGNER.verifier]))
                if checkpoint not in checkpoints:
                    checkpoints.append(checkpoint)
        kill(sealer)
    kill(writer)
    log.seal()
    state = load_state(log.folder)
    bodies = [line.body for line in read_bodies(log.folder / "bodies", 0, state.size)]
    sealed = [body.split(b'"id":"')[1][:36].decode() for body in bodies if b'"k":"access"' in body]
    assert len(sealed) == len(set(sealed))
    assert not acknowledged(seen) - set(sealed)
    assert log.verify().sound
    read = hash_reader(state.size, tile_reader(log.folder / "log"))
    assert len({c.size for c in checkpoints}) == len(checkpoints) >= 14
    for old in checkpoints:
        proof = consistency_proof(old.size, state.size, read)
        assert verify_consistency(old.size, state.size, old.root, state.root, proof)


def test_a_sealer_that_is_told_to_stop_seals_what_is_there_first(log: Log, tmp_path: Path) -> None:
    seen = tmp_path / "acknowledged"
    sealer = start(SEALER, log.folder)
    wait_for(1, log.folder / "log" / "checkpoint")
    writer = start(WRITER, log.journals, seen)
    wait_for(20_000, seen)
    kill(writer)
    sealer.send_signal(signal.SIGTERM)
    assert sealer.wait(timeout=60) == 0
    assert load_state(log.folder).size >= len(acknowledged(seen))
    with closing(log.sealer()) as later:
        assert later.step(log.now).count == 0
