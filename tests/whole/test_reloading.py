"""What `serve` does where something fails while another configuration is put into force."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import schemas
from core.handed import Hearing
from core.settings import Settings, load_settings
from crew import Child, Crew, Nurseries
from listening import Listening
from serve import Supervisor
from tests.conftest import CONFIG

ANYWHERE = ("127.0.0.1", 0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    read = load_settings(CONFIG, tmp_path, schemas.errors)
    platform = replace(
        read.platform,
        gateway_workers=1,
        control_listen=ANYWHERE,
        control_private_listen=ANYWHERE,
        gateway_listen=ANYWHERE,
        private_listen=ANYWHERE,
    )
    return replace(read, platform=platform)


@pytest.fixture
def hearing() -> Iterator[Hearing]:
    made = Hearing()
    yield made
    made.close()


@pytest.fixture
def crew(settings: Settings, hearing: Hearing) -> Iterator[Callable[..., Crew]]:
    """Make crews of nothing but processes that are given."""
    listening, made = Listening(), []

    def make(*processes: Child) -> Crew:
        crew = Crew(settings, Nurseries(settings.folder, settings.data), listening, hearing)
        crew.processes = list(processes)
        made.append(crew)
        return crew

    yield make
    for crew in made:
        crew.close()
    listening.keep(())


def sleeper(name: str = "sweeper", of: str = "") -> Child:
    return Child(name, ["sleep", "60"], environment={"OF": of})


def supervising(crew: Crew, hearing: Hearing, reread: Callable[[], Settings]) -> tuple[Supervisor, list[str]]:
    said: list[str] = []
    return Supervisor(crew.processes, said.append, crew, reread, hearing), said


def test_a_file_that_may_not_be_read_leaves_everything_running(
    crew: Callable[..., Crew], hearing: Hearing
) -> None:
    def reread() -> Settings:
        supervisor.stop()
        raise PermissionError(13, "Permission denied", "platform.yaml")

    [child] = (only := crew(sleeper())).processes
    supervisor, said = supervising(only, hearing, reread)
    child.start()
    supervisor.reload()
    supervisor.watch()
    assert "not reloaded" in said[0]
    assert "PermissionError" in said[0]


def test_processes_that_cannot_begin_leave_everything_running(
    crew: Callable[..., Crew], hearing: Hearing, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor, said = supervising(crew(sleeper()), hearing, lambda: settings)
    [child] = supervisor.processes
    child.start()
    process = child.process
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    supervisor._reload()
    assert "not reloaded" in said[0]
    assert supervisor.processes == [child]
    assert process is not None
    assert process.poll() is None
    supervisor.stop()
    supervisor.watch()


def test_doors_that_cannot_be_started_end_with_what_was_begun_for_them(
    crew: Callable[..., Crew], hearing: Hearing, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(child: Child) -> None:
        begun.append(child.bear.__self__)  # type: ignore[union-attr]
        raise OSError("Too many open files")

    begun: list[Crew] = []
    supervisor, said = supervising(crew(), hearing, lambda: settings)
    monkeypatch.setattr(Child, "start", fail)
    supervisor._reload()
    assert "Too many open files" in said[0]
    assert begun
    for pid in begun[0].pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    supervisor.stop()
    supervisor.watch()


@pytest.mark.parametrize("third", ["b", "c"])
def test_a_second_reload_still_waits_for_who_was_sent_home_by_the_first(
    crew: Callable[..., Crew], hearing: Hearing, settings: Settings, third: str
) -> None:
    first, second, last = (crew(sleeper(of=of)) for of in ("a", "b", third))
    supervisor, _ = supervising(first, hearing, lambda: settings)
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo; sleep 60"], stdout=subprocess.PIPE, process_group=0
    )
    assert stubborn.stdout is not None
    with stubborn.stdout:
        stubborn.stdout.readline()
        first.processes[0].process = stubborn
        supervisor._replace(first, second)
        supervisor._replace(second, last)
        supervisor.look()
        assert last.processes[0].process is None, "the one before it has not gone"
        stubborn.kill()
        stubborn.wait(30)
        supervisor.look()
        assert last.processes[0].process is not None
        supervisor.stop()
        supervisor.watch()


def test_a_worker_that_is_not_born_leaves_no_socket_that_nobody_takes_from(
    crew: Callable[..., Crew], hearing: Hearing, settings: Settings
) -> None:
    worker = Child("gateway-0", [], bear=lambda child: None)
    only = crew(worker)
    supervisor, _ = supervising(only, hearing, lambda: settings)
    assert "gateway" in {place.name for place in only.listening._open}
    supervisor.look()
    assert "gateway" not in {place.name for place in only.listening._open}
    assert worker.again_at > 0
