"""What docs/systems.md says under "Registering" runs as it stands there, against a demo deployment."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests import leaks
from tests.servers.conftest import Deployment

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]


def written() -> str:
    """The commands of the section, one after the other."""
    page = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    section = page.partition("## Registering")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL))


def test_the_commands_register_and_approve_a_system(deployment: Deployment, tmp_path: Path) -> None:
    deployment.serve()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / ".venv").symlink_to(ROOT / ".venv")
    commands = written().replace("http://127.0.0.1:8001", deployment.settings.platform.control_url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path / "here",
        env={
            **deployment.environment,
            "SHUXIANG_CONFIG": str(deployment.config),
            "SHUXIANG_DATA": str(deployment.data),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a random secret" in (deployment.data.parent / leaks.NOTES).read_text("utf-8")
    approved = json.loads(done.stdout)
    assert (approved["state"], approved["authentication"]["method"]) == ("active", "private_key_jwt")
    assert "PRIVATE KEY" not in deployment.log()
