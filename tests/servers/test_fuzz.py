"""Schemathesis asks the running control plane whatever its own description allows, and what it forbids.

    make fuzz       5,000 cases and more; a quarter of an hour, so it is no part of the suites

Whoever asks, no answer is a fault of ours.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers.conftest import Deployment
from tests.tools import missing

pytestmark = pytest.mark.fuzz
SCHEMATHESIS = Path(__file__).parents[2] / ".venv" / "checks" / "bin" / "schemathesis"
EXAMPLES = 5
SECONDS = 90 * EXAMPLES
"""The most that one person may take."""
PEOPLE = ("qian.wei", "lin.yue", "zhou.jie", "han.mei")
"""Who asks: what one may not do another may. Manager, operator, consumer and provider, leader."""


def asked(origin: str, token: str, folder: Path) -> dict[str, Any]:
    """Let schemathesis ask as one person and return what it reports."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [
            *(str(SCHEMATHESIS), "run", f"{origin}/openapi.json", "--max-time", str(SECONDS)),
            *("--header", f"Authorization: Bearer {token}", "--checks", "not_a_server_error"),
            *("--phases", "fuzzing", "--max-examples", str(EXAMPLES), "--workers", "1"),
            *("--continue-on-failure", "--no-shrink", "--request-timeout", "30", "--warnings", "off"),
            *("--suppress-health-check", "all", "--report-json-path", str(report), "--seed", "5"),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS + 240,
        check=False,
        cwd=folder,
    )
    assert report.exists(), done.stdout + done.stderr
    return {**json.loads(report.read_text(encoding="utf-8")), "printed": done.stdout}


def test_nothing_that_anybody_asks_is_a_fault_of_ours(deployment: Deployment, tmp_path: Path) -> None:
    if not SCHEMATHESIS.exists():
        missing("schemathesis is missing: make fuzz")
    deployment.serve()
    origin = deployment.settings.platform.control_url
    cases, failures = 0, []
    for login in PEOPLE:
        token = deployment.run("accounts", "token", login).strip()
        found = asked(origin, token, tmp_path)
        cases += found["test_cases"]["generated"]
        failures += [(login, failure) for failure in found["failures"]]
        assert not found["errors"], found["printed"]
    print(f"{cases} cases, {len(failures)} failures")
    assert failures == []
    assert "unhandled error" not in deployment.log()
    assert cases >= 5_000
