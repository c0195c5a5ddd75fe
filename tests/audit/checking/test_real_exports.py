"""Bundles as the platform hands them out, and the verifier of a reader who has the keys by another way."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.checking import verifier
from tests.audit.questions.story import HOUR, call
from tests.audit.questions.test_asking import put
from tests.cast import dave
from tests.conftest import World


def check(world: World, folder: Path, question: str) -> int:
    answer = world.client(dave).get(f"/api/audit/export?question={question}&form=zip")
    assert answer.status_code == 200
    path = folder / "answer.zip"
    path.write_bytes(answer.data)
    log, lasting, receipts = (world.settings.key_file(f"{n}.vkey") for n in ("log", "log-mldsa", "receipt"))
    keys = ("--key", log, "--key", lasting, "--receipt-key", receipts)
    return verifier.main([str(word) for word in (path, *keys)])


def test_a_bundle_is_proven_once_all_its_records_are_sealed(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, call(world.now - HOUR), call(world.now - 2 * HOUR))
    assert check(world, tmp_path, "find_records&kind=access") == 0
    assert check(world, tmp_path, "calls_per_day") == 0
    put(world, call(world.now - HOUR / 2), seal=False)
    capsys.readouterr()
    assert check(world, tmp_path, "find_records&kind=access") == 1
    assert "1 / bodies without a proof" in capsys.readouterr().out
