"""The demo runs the Audit Bureau's witness itself; nothing waits for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import schemas
from audit.witness.place import FOLDER, open_witness
from audit.witness.policy import policy_of
from core.settings import load_settings
from demo.prepare import prepare
from serve import Child, Supervisor, children
from tests.conftest import CONFIG, World


def test_the_demos_witness_starts_when_the_others_are_ready(tmp_path: Path) -> None:
    settings = load_settings(CONFIG, tmp_path, schemas.errors)
    [witness] = [child for child in children(settings) if child.name == "witness"]
    assert witness.late
    assert witness.environment[FOLDER] == str(tmp_path.resolve() / "demo" / "witness")
    assert "8011" in witness.command
    earnest = replace(settings, platform=replace(settings.platform, demo=False))
    assert "witness" not in {child.name for child in children(earnest)}


def test_what_is_late_is_neither_started_with_the_others_nor_looked_after_before() -> None:
    late = Child("late", ["true"], late=True)
    supervisor = Supervisor([late], lambda _: None)
    supervisor.start()
    supervisor.look()
    assert late.process is None
    supervisor.start_late()
    assert late.process is not None
    assert late.process.wait(60) == 0


def test_the_witness_knows_both_keys_of_the_log_and_the_platform_knows_the_witness(world: World) -> None:
    audit = load_settings(CONFIG, world.settings.data, schemas.errors).audit
    settings = replace(world.settings, audit=audit)
    prepare(settings)
    witness = open_witness(settings.data / "demo" / "witness")
    [verifiers] = witness.logs.values()
    assert [v.algorithm for v in verifiers] == ["ed25519", "ml-dsa-44"]
    assert policy_of(settings).verifiers == tuple(c.verifier for c in witness.cosigners)
    witness.database.close()
