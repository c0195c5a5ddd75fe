"""What is wrong with the log is said where people and machines look: readiness, metrics, terminal."""

from __future__ import annotations

import math
import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from audit import alarms as alarms_module
from audit.alarms import alarms
from audit.metrics import LogFigures
from audit.sealer import seal_once
from audit.segments import segments_in
from audit.standing import standing, status, waiting
from audit.state import load_state, state_path
from audit.witness.memory import Known, Memory, load_memory, memory_path, save_memory
from core.settings_audit import Audit, Timestamps, Witness, Witnesses
from core.times import millis
from tests.audit.logs import ORIGIN, Log, access, settings_of
from tests.conftest import World

WITNESSED = Audit(Witnesses(1, (Witness("one", "http://127.0.0.1:9", "none"),)), Timestamps("", Path()))


def figures(log: Log, audit: Audit = WITNESSED) -> dict[str, float]:
    registry = CollectorRegistry()
    settings = replace(settings_of(log.folder), audit=audit)
    registry.register(LogFigures(settings, log.database, lambda: log.now))
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, value in (x.split() for x in lines if not x.startswith("#"))}


def test_the_metrics_tell_size_lag_witnesses_and_disk(log: Log) -> None:
    log.journal([access()] * 3)
    log.seal()
    log.put([access()])
    save_memory(
        log.folder,
        Memory(ORIGIN, 2, millis(log.now), millis(log.now) - 5000, stamped_at=millis(log.now) - 7000),
    )
    found = figures(log)
    assert found["shuxiang_audit_size"] == 3
    assert found["shuxiang_audit_outbox_rows"] == 1
    assert found["shuxiang_audit_witnessed_size"] == 2
    assert found["shuxiang_audit_unwitnessed_seconds"] == pytest.approx(5)
    assert found["shuxiang_audit_last_timestamp_age_seconds"] == pytest.approx(7)
    assert found["shuxiang_audit_lag_seconds"] == pytest.approx(0)
    assert found["shuxiang_audit_free_disk_bytes"] > 0
    assert found["shuxiang_audit_journals_bytes"] == 0
    assert found["shuxiang_audit_alarms"] == 0


def test_before_the_first_record_nothing_is_witnessed_and_nothing_sealed(log: Log) -> None:
    found = figures(log)
    assert found["shuxiang_audit_size"] == 0
    assert math.isinf(found["shuxiang_audit_lag_seconds"])
    assert "shuxiang_audit_last_timestamp_age_seconds" not in found
    assert "shuxiang_audit_witnessed_size" not in figures(log, Audit())


def test_a_memory_that_cannot_be_read_is_an_alarm_itself(log: Log) -> None:
    log.seal()
    memory_path(log.folder).write_text("{")
    assert figures(log) == {"shuxiang_audit_alarms": 1, "shuxiang_audit_outbox_rows": 0}
    assert "cannot be read" in alarms(settings_of(log.folder), log.now)[0].en


@pytest.mark.parametrize("copy_to", [None, Path("/nowhere")])
def test_a_state_that_cannot_be_read_is_an_alarm_and_leaves_figures_open(
    log: Log, copy_to: Path | None
) -> None:
    log.put([access()])
    log.seal()
    log.put([access()])
    state_path(log.folder).write_text("{")
    settings = replace(settings_of(log.folder), audit=Audit(copy_to=copy_to))
    (settings.data / "state.sqlite").symlink_to(log.folder / "state.sqlite")
    found = status(settings, log.now)
    assert (found["origin"], found["size"], found["checkpoint_size"]) == (ORIGIN, None, None)
    assert (found["waiting_in_outbox"], found["witnesses"]) == (1, {})
    assert "state.json" in found["trouble"]
    [alarm] = alarms(settings, log.now)
    assert alarm.en.startswith("the log's files cannot be read: state.json")
    assert figures(log)["shuxiang_audit_alarms"] == 1


def test_what_is_remembered_is_read_back(log: Log) -> None:
    log.journal([access()])
    log.seal()
    places, witnesses = load_state(log.folder).journals, {"one": Known(3, 4, "gone", 403, True)}
    with_places = Memory(ORIGIN, 5, 1, 2, places, witnesses, 6, 7, 8, 9, "late")
    save_memory(log.folder, with_places)
    assert load_memory(log.folder) == with_places


def test_a_torn_segment_and_a_short_disk_raise_alarms(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.seal()
    settings = settings_of(log.folder)
    torn = log.journals / "torn"
    torn.mkdir()
    (torn / "w.1.000001.journal").touch()
    reserve = standing(settings, log.now).free // 2 + 1
    short = replace(settings, platform=replace(settings.platform, disk_reserve_bytes=reserve))
    first, second = alarms(short, log.now)
    assert "are free on the log's disk" in first.en
    assert "w.1.000001.journal" in second.en
    (log.journals / "w.1.000001.journal").touch()
    monkeypatch.setattr(alarms_module, "JOURNALS_SHARE", -1)
    assert any("journals take" in alarm.en for alarm in alarms(settings, log.now))


def test_a_torn_segment_is_forgotten_days_after_the_log_has_said_so(log: Log) -> None:
    log.journal([access()] * 3)
    segment = segments_in(log.journals)[0]
    with segment.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(b"cut off")
    settings, later = settings_of(log.folder), datetime.now(UTC) + timedelta(days=8)

    def is_told(now: datetime) -> bool:
        return any("torn tail" in alarm.en for alarm in alarms(settings, now))

    with closing(log.sealer()) as sealer:
        sealer.deletable = lambda state: {}  # witnesses have not seen it yet
        sealer.step(log.now)
    assert is_told(later)
    log.seal()
    assert is_told(later - timedelta(days=2))
    assert not is_told(later)
    assert standing(settings, later).torn == ()


def test_readiness_warns_and_lets_calls_through(world: World) -> None:
    def ready() -> Any:
        return world.app.test_client().get("/readyz")

    world.settings = replace(world.settings, audit=WITNESSED)
    seal_once(replace(world.settings, audit=Audit()), world.database, world.now)
    answer = ready()
    assert answer.status_code == 200
    assert answer.get_json()["warnings"] == []
    since = millis(world.now) - 11 * 60 * 1000
    save_memory(world.settings.data / "audit", Memory(behind_since=since))
    answer = ready()
    assert (answer.status_code, answer.get_json()["status"]) == (200, "pass")
    assert answer.get_json()["checks"]["access_log"]["status"] == "warn"
    [warning] = answer.get_json()["warnings"]
    assert warning["en"].startswith("records of the last 11 minutes lack witnesses")
    assert "11 分钟" in warning["zh"]
    assert status(world.settings, world.now)["witnessed_size"] == 0


def test_what_waits_is_counted_in_journals_and_outbox_until_it_is_sealed(log: Log) -> None:
    settings = settings_of(log.folder)
    log.journal([access()] * 3)
    log.put([access(), access()])
    assert waiting(settings, log.database) == 5
    log.seal()
    log.journal([access()])
    assert waiting(settings, log.database) == 1
