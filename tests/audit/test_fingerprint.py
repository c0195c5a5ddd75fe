"""The fingerprint of a key on the page is the one that the documentation's command line makes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from audit.keys import NoteVerifier
from audit.overview.state import fingerprint
from audit.signing import log_signers
from tests.conftest import World
from tests.whole.test_layers import ROOT


@pytest.mark.parametrize("name", ["log.vkey", "log-mldsa.vkey", "receipt.vkey"])
def test_anybody_can_make_the_fingerprint_of_a_key(world: World, tmp_path: Path, name: str) -> None:
    log_signers(world.settings)
    text = world.settings.key_file(name).read_text(encoding="utf-8")
    (tmp_path / "log.vkey").write_text(text, encoding="utf-8")
    said = re.search(r"^ *(cut .*)$", (ROOT / "docs" / "verifying.md").read_text(encoding="utf-8"), re.M)
    assert said is not None
    made = subprocess.run(said[1], shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert made.stdout.split()[0] == fingerprint(NoteVerifier.parse(text)).replace(" ", "")
