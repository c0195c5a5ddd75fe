"""Writes the software bill of materials: what is installed beside the product, as CycloneDX 1.6.

    .venv/checks/bin/python checks/sbom.py .venv/bin/python sbom.cdx.json

What the product needs to run has the scope `required`; what only tests and building need is `excluded`.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from needed import plain

HERE = Path(__file__).parent
PRODUCT = "shuxiang"


def main(python: str, target: str) -> None:
    """Describe the environment of an interpreter in a file; ends with what is wrong with it."""
    version, requirements = declared()
    needed = json.loads(printed(python, str(HERE / "needed.py"), *requirements))
    tool = str(Path(sys.executable).parent / "cyclonedx-py")
    bom = json.loads(
        printed(tool, "environment", "--sv", "1.6", "--of", "JSON", "--output-reproducible", python)
    )
    text = json.dumps(of_product(bom, version, needed), indent=1, ensure_ascii=False)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        sys.exit(f"{target} would not be CycloneDX 1.6: {wrong}")
    Path(target).write_text(f"{text}\n", encoding="utf-8")


def printed(*command: str) -> str:
    """Run a program and return what it printed."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def declared() -> tuple[str, list[str]]:
    """Return the product's version and the requirements that setup.cfg states."""
    config = configparser.ConfigParser()
    config.read(HERE.parent / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].split("\n")
    return config["metadata"]["version"], [line for line in lines if line]


def of_product(bom: dict[str, Any], version: str, needed: Mapping[str, list[str]]) -> dict[str, Any]:
    """Put the product at the top of what is installed, and say of each part whether it runs with it."""
    parts = [part for part in bom["components"] if plain(part["name"]) != PRODUCT]
    refs = {plain(part["name"]): part["bom-ref"] for part in parts}
    for part in parts:
        part["scope"] = "required" if plain(part["name"]) in needed else "excluded"
    return {
        **bom,
        "metadata": {**bom["metadata"], "component": product(version)},
        "components": parts,
        "dependencies": [
            {"ref": PRODUCT, "dependsOn": sorted(refs[name] for name in needed)},
            *({"ref": refs[name], "dependsOn": [refs[n] for n in needs]} for name, needs in needed.items()),
        ],
    }


def product(version: str) -> dict[str, Any]:
    """Describe the product itself."""
    return {
        "type": "application",
        "bom-ref": PRODUCT,
        "name": PRODUCT,
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


if __name__ == "__main__":
    main(*sys.argv[1:3])
