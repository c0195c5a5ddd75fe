"""A sealer that is killed among its witnesses: none of them ever sees a tree that the log does not hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from audit.bodies import read_bodies
from audit.files import tile_reader
from audit.merkle import consistency_proof, verify_consistency
from audit.note import Checkpoint, open_note
from audit.segments import segments_in
from audit.state import load_state
from audit.tiles import hash_reader
from audit.witness import store
from audit.witness.memory import load_memory
from core.times import utc_now
from tests.audit.logs import ORIGIN, SIGNERS, Log, access, settings_of
from tests.audit.witness.stories import Served

pytestmark = pytest.mark.night

HERE = Path(__file__).parents[3]
SEALER = """
import sys
from dataclasses import replace
from pathlib import Path
from audit.sealer import run
from core.db import Database
from core.settings_audit import Audit, Witness, Witnesses
from tests.audit.logs import settings_of

folder, name, url, key = Path(sys.argv[1]), *sys.argv[2:]
policy = Witnesses(1, (Witness(name, url, key),), every_seconds=0.1)
settings = replace(settings_of(folder), audit=Audit(policy, heartbeat_seconds=0))
run(settings, Database(f"sqlite:///{folder / 'state.sqlite'}"))
"""


def sealer(log: Log, served: Served) -> subprocess.Popen[bytes]:
    one = served.configured
    arguments = (str(log.folder), one.name, one.url, one.key)
    return subprocess.Popen([sys.executable, "-c", SEALER, *arguments], cwd=HERE, env=dict(os.environ))


def test_killed_again_and_again_nothing_is_cosigned_that_is_not_sealed(log: Log, tmp_path: Path) -> None:
    settings_of(log.folder)
    seen: list[Checkpoint] = []
    written = 0
    with closing(Served(tmp_path / "w", "w.example.cn", SIGNERS.verifiers)) as served:
        served.clock = utc_now
        for i in range(5):
            process = sealer(log, served)
            patience = time.monotonic() + 60
            while time.monotonic() < patience and len(seen) <= i:
                time.sleep(0.05)
                log.journal([access() for _ in range(30)])
                written += 30
                seen += newly_cosigned(log, seen)
            process.send_signal(signal.SIGKILL)
            process.wait()
            check(log, served)
        served.stop()
        process = sealer(log, served)
        log.journal([access()])
        patience = time.monotonic() + 60
        while load_state(log.folder).size <= written and time.monotonic() < patience:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        check(log, served)
        served.start()
    assert len(seen) >= 5
    reader = hash_reader(load_state(log.folder).size, tile_reader(log.folder / "log"))
    for old, new in pairwise(seen):
        proof = consistency_proof(old.size, new.size, reader)
        assert verify_consistency(old.size, new.size, old.root, new.root, proof)
    assert log.verify().sound
    ids = [body for _, _, body in read_bodies(log.folder / "bodies", 0, load_state(log.folder).size)]
    assert len(ids) == len(set(ids)) == written + 1


def newly_cosigned(log: Log, seen: list[Checkpoint]) -> list[Checkpoint]:
    """What is published as cosigned, if it is more than was seen."""
    path = log.folder / "log" / "cosigned"
    if not path.exists():
        return []
    found = Checkpoint.parse(open_note(path.read_text(), SIGNERS.verifiers))
    return [found] if not seen or found.size > seen[-1].size else []


def check(log: Log, served: Served) -> None:
    """What the witness knows is sealed, and journals are there for what is not witnessed."""
    with served.witness.database.read() as tx:
        known = store.select_known(tx, ORIGIN)
    state, memory = load_state(log.folder), load_memory(log.folder)
    assert memory.witnessed <= known.size <= state.size
    if state.size > memory.witnessed:
        assert segments_in(log.journals)
