"""A witness ends when it is told to, whatever it is about."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from audit.witness.place import FOLDER, know_logs, make_keys, serving
from tests.audit.witness.stories import SIGNERS
from tests.ports import free_port

pytestmark = pytest.mark.long


def test_a_witness_that_is_told_to_end_while_it_begins_ends(tmp_path: Path) -> None:
    make_keys(tmp_path, "audit.example.cn/w")
    know_logs(tmp_path, map(str, SIGNERS.verifiers))
    witness = subprocess.Popen(
        serving("127.0.0.1", free_port()), env={**os.environ, FOLDER: str(tmp_path)}, start_new_session=True
    )
    try:
        begun = Path(f"/proc/{witness.pid}/task/{witness.pid}/children")
        while not begun.read_text():  # whoever is born now has not said yet what it does when told to end
            assert witness.poll() is None
            time.sleep(0.001)
        witness.terminate()
        assert witness.wait(30) == 0
    finally:
        if witness.poll() is None:
            os.killpg(witness.pid, 9)
            witness.wait()
