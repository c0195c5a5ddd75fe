"""Bundles as the platform hands them out, and the verifier of a reader who has the keys by another way."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from audit.checking import verifier
from tests.audit.questions.story import HOUR, call
from tests.audit.questions.test_asking import put
from tests.cast import dave
from tests.conftest import World

pytestmark = pytest.mark.long


def check(world: World, folder: Path, question: str) -> int:
    path = folder / "answer.zip"
    path.write_bytes(bundle(world, question))
    return verified(world, path)


def bundle(world: World, question: str) -> bytes:
    answer = world.client(dave).get(f"/api/audit/export?question={question}&form=zip")
    assert answer.status_code == 200
    return bytes(answer.data)


def verified(world: World, path: Path) -> int:
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


def test_a_flipped_bit_is_a_finding_that_names_its_file(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, call(world.now - HOUR))
    whole = bundle(world, "find_records&kind=access")
    path = tmp_path / "flipped.zip"
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        places = {place.filename: place.header_offset for place in archive.infolist()}
    for name, offset in places.items():
        at = offset + 30 + len(name) + 5  # within what the file's bytes were packed to
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert verified(world, path) == 1, name
        assert name in capsys.readouterr().out
    for at in (0, 5, len(whole) - 20, len(whole) - 10, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert verified(world, path) in ((0, 1) if at else (1,)), at
