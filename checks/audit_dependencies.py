"""Asks the advisory services whether anything that we pin is known to be vulnerable.

    .venv/checks/bin/python checks/audit_dependencies.py

A package about which no service answered is SKIPPED and never counts as passed; what is vulnerable fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PINS = ("constraints.txt", "checks/requirements.txt", "tests/clients/systems/requirements.txt")


class Answer(NamedTuple):
    """How many packages a service knew nothing bad of, how many it said nothing of, and what it found."""

    passed: int
    skipped: int
    vulnerable: tuple[str, ...]


def main() -> int:
    """Print one line a list of pins, and what was found; return 1 when something was."""
    answers = {pins: of_pip(run_pip(pins)) for pins in PINS}
    locks = sorted(p.parent for p in ROOT.glob("tests/**/package-lock.json") if "node_modules" not in p.parts)
    answers |= {str(folder.relative_to(ROOT)): of_npm(run_npm(folder)) for folder in locks}
    for name, answer in answers.items():
        print(told(name, answer))
    return int(any(answer.vulnerable for answer in answers.values()))


def told(name: str, answer: Answer) -> str:
    """Word an answer."""
    if not answer.passed and not answer.vulnerable:
        return f"{name}: SKIPPED, no advisory service answered ({answer.skipped} packages not looked at)"
    line = f"{name}: {answer.passed} packages without a known weakness"
    if answer.skipped:
        line += f", {answer.skipped} SKIPPED"
    return "\n".join((line, *(f"  VULNERABLE {found}" for found in answer.vulnerable)))


def run_pip(pins: str) -> str:
    """Ask about a list of Python packages."""
    options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    return _printed([str(BIN / "pip-audit"), "-r", pins, *options], {})


def of_pip(printed: str) -> Answer:
    """Read what pip-audit printed; nothing that can be read is nothing that was looked at."""
    packages: list[Mapping[str, Any]] = (_read(printed) or {}).get("dependencies", [])
    skipped = [p for p in packages if "skip_reason" in p]
    bad = [p for p in packages if p.get("vulns")]
    found = tuple(f"{p['name']} {p['version']}: {v['id']}" for p in bad for v in p["vulns"])
    return Answer(len(packages) - len(skipped) - len(bad), len(skipped), found)


def run_npm(folder: Path) -> str:
    """Ask about the packages of a lock file."""
    path = os.pathsep.join((str(ROOT / ".venv" / "bin"), os.environ.get("PATH", os.defpath)))
    command = ["npm", "audit", "--json", "--package-lock-only", "--prefix", str(folder)]
    return _printed(command, {"PATH": path})


def of_npm(printed: str) -> Answer:
    """Read what npm printed; without its summary no service has answered."""
    document = _read(printed) or {}
    if "metadata" not in document:
        return Answer(0, 1, ())
    bad = tuple(f"{name}: {v['severity']}" for name, v in document.get("vulnerabilities", {}).items())
    return Answer(document["metadata"]["dependencies"]["total"] - len(bad), 0, bad)


def _printed(command: list[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=300,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _read(printed: str) -> dict[str, Any] | None:
    try:
        document = json.loads(printed)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


if __name__ == "__main__":
    sys.exit(main())
