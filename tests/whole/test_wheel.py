"""The wheel holds everything that the program reads at run time."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
WANTED = {
    "schemas": "*.json",
    "web/templates": "*.html",
    "web/static": "*",
    "rulebooks": "*.yaml",
    "core/migrations": "*.py",
    "config/demo": "*.yaml",
    "demo/data": "*",
}


def test_the_wheel_contains_every_file_that_is_read_at_run_time(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        p.relative_to(ROOT).as_posix()
        for folder, pattern in WANTED.items()
        for p in (ROOT / folder).rglob(pattern)
        if p.is_file() and "__pycache__" not in p.parts
    }
    modules = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("*.py")}
    assert len(expected) > 50
    assert (expected | modules) - inside == set()
    assert not [name for name in inside if name.startswith(("tests/", "bench/", "var/"))]
    metadata = next(n for n in inside if n.endswith("METADATA"))
    assert "License-Expression: Apache-2.0" in zipfile.ZipFile(wheel).read(metadata).decode()
