"""Compares what bandit finds in the product with what is known and reasoned in bandit_known.toml.

    .venv/checks/bin/python checks/bandit_findings.py core web ...

No finding is switched off and no file is left out: one more of a known kind in a known file fails as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

KNOWN = Path(__file__).with_name("bandit_known.toml")
Kind = tuple[str, str]
"""A file and the number of a test of bandit."""


def main(places: list[str]) -> int:
    """Print what differs; return how much that is."""
    bandit = str(Path(sys.executable).parent / "bandit")
    command = [bandit, "--quiet", "--exit-zero", "--format", "json", "--recursive", *places]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wrong = list(differences(json.loads(done.stdout), known(KNOWN.read_text(encoding="utf-8"))))
    print(
        "\n".join(wrong) or f"bandit: nothing but the {len(KNOWN.read_text().split('[[known]]')) - 1} known"
    )
    return len(wrong)


def known(text: str) -> dict[Kind, int]:
    """Read the list. Raises KeyError for a line without a reason."""
    entries = tomllib.loads(text)["known"]
    return {(e["file"], e["test"]): e["times"] for e in entries if e["reason"].strip()}


def differences(found: Mapping[str, Any], expected: Mapping[Kind, int]) -> Iterator[str]:
    """Yield what bandit could not read, every finding beyond what is known, and what is known for nothing."""
    yield from (f"{e['filename']}: {e['reason']}" for e in found["errors"])
    results = [(e["filename"].removeprefix("./"), e["test_id"], e) for e in found["results"]]
    count = Counter((file, test) for file, test, _ in results)
    for file, test, e in results:
        if count[file, test] > expected.get((file, test), 0):
            yield f"{file}:{e['line_number']}: {test} {e['issue_text']}"
    for (file, test), times in expected.items():
        if count[file, test] < times:
            yield f"{file}: {test} is there {count[file, test]} times, bandit_known.toml says {times}"


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
