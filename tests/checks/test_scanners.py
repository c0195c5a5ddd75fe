"""The scanners of `make check` can fail, and say of nothing that it passed when nobody looked at it."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.audit_dependencies import of_npm, of_pip, told
from checks.bandit_findings import KNOWN, differences, known
from checks.needed import needed, plain
from tests.tools import missing
from tests.whole.test_layers import LAYERS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "checks" / "semgrep"


# --- bandit -----------------------------------------------------------------------------------------


def finding(file: str, test: str) -> dict[str, Any]:
    return {"filename": file, "test_id": test, "line_number": 7, "issue_text": "bad"}


def test_a_finding_that_nobody_has_looked_at_is_told() -> None:
    found = {"errors": [], "results": [finding("web/auth.py", "B105"), finding("web/auth.py", "B105")]}
    assert list(differences(found, {("web/auth.py", "B105"): 2})) == []
    assert list(differences(found, {("web/auth.py", "B105"): 1})) == ["web/auth.py:7: B105 bad"] * 2
    assert len(list(differences(found, {}))) == 2


def test_a_file_that_could_not_be_read_and_a_reason_for_nothing_are_told() -> None:
    found = {"errors": [{"filename": "app.py", "reason": "syntax error"}], "results": []}
    assert list(differences(found, {("web/auth.py", "B105"): 1})) == [
        "app.py: syntax error",
        "web/auth.py: B105 is there 0 times, bandit_known.toml says 1",
    ]


def test_every_finding_that_stays_has_a_reason() -> None:
    text = KNOWN.read_text(encoding="utf-8")
    assert len(known(text)) == text.count("[[known]]")
    assert all((ROOT / file).exists() for file, _ in known(text))


def test_the_scanners_look_at_every_package_of_the_product() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    product = makefile[makefile.index("PRODUCT := ") :].split("\nSEMGREP")[0].split()
    assert {*LAYERS, "commands", "demo", "$(wildcard", "*.py)"} <= set(product)


# --- semgrep ----------------------------------------------------------------------------------------


def test_every_rule_of_ours_has_a_bad_and_a_good_example() -> None:
    rules = {rule["id"] for rule in yaml.safe_load((RULES / "rules.yaml").read_text())["rules"]}
    examples = "".join(path.read_text() for path in (RULES / "rules.py", RULES / "rules.html"))
    bad, good = (set(re.findall(rf"\b{word}: ([\w-]+)", examples)) for word in ("ruleid", "ok"))
    assert len(rules) >= 10
    assert rules == bad == good


# --- what is known of what we use -------------------------------------------------------------------


def test_where_no_service_answers_nothing_has_passed() -> None:
    skipped = {"dependencies": [{"name": "flask", "skip_reason": "could not be audited"}]}
    for answer in (of_pip(json.dumps(skipped)), of_pip(""), of_npm('{"statusCode": 405}'), of_npm("")):
        assert answer.passed == 0
        assert "SKIPPED" in told("x", answer)
        assert "passed" not in told("x", answer)


def test_what_is_vulnerable_is_named_and_what_was_not_looked_at_is_counted() -> None:
    packages = [
        {"name": "flask", "version": "3.1", "vulns": []},
        {"name": "old", "version": "1", "vulns": [{"id": "CVE-2026-1"}]},
        {"name": "unknown", "skip_reason": "not found"},
    ]
    answer = of_pip(json.dumps({"dependencies": packages}))
    assert (answer.passed, answer.skipped, answer.vulnerable) == (1, 1, ("old 1: CVE-2026-1",))
    assert "1 SKIPPED" in told("x", answer)
    assert "VULNERABLE old 1: CVE-2026-1" in told("x", answer)
    summary = {
        "metadata": {"dependencies": {"total": 3}},
        "vulnerabilities": {"left-pad": {"severity": "high"}},
    }
    assert of_npm(json.dumps(summary)) == (2, 0, ("left-pad: high",))


# --- the bill of materials --------------------------------------------------------------------------


def test_only_what_runs_counts_as_needed() -> None:
    found = needed(["flask>=3.1"])
    assert {"flask", "werkzeug", "jinja2", "markupsafe"} <= set(found)
    assert "python-dotenv" not in found  # an extra of Flask that nobody asked for
    assert "werkzeug" in found["flask"]


@pytest.mark.night
def test_the_bill_of_materials_names_what_is_installed(tmp_path: Path) -> None:
    python = ROOT / ".venv" / "checks" / "bin" / "python"
    if not python.exists():
        missing("the scanners are missing: make sbom")
    made = tmp_path / "sbom.cdx.json"
    subprocess.run([python, "checks/sbom.py", ".venv/bin/python", made], cwd=ROOT, check=True, timeout=120)
    bom = json.loads(made.read_text(encoding="utf-8"))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert bom["metadata"]["component"]["name"] == "shuxiang"
    listed = {plain(part["name"]): part for part in bom["components"]}
    installed = {plain(d.name): d.version for d in distributions() if plain(d.name) != "shuxiang"}
    assert {name: part["version"] for name, part in listed.items()} == installed
    assert all(part["purl"].startswith("pkg:pypi/") for part in listed.values())
    assert {listed[name]["scope"] for name in ("flask", "cryptography", "jinja2")} == {"required"}
    assert {listed[name]["scope"] for name in ("pytest", "mypy", "ruff")} == {"excluded"}
