"""An alarm of the log reaches the auditors by itself."""

from __future__ import annotations

import json
from datetime import timedelta

from click.testing import CliRunner

import cli
from audit.commands import STATUS
from audit.telling import tell_alarms
from notices.inbox import list_notices
from tests.cast import bob, dave
from tests.conftest import CONFIG, World


def test_an_alarm_is_told_to_the_auditors_once_a_day(world: World) -> None:
    for hours in (0, 1, 24):  # no sealer runs; by then it is the next day
        with world.work(bob) as work:
            told = tell_alarms(work)
            assert told == (0 if hours == 1 else 1)
        world.now += timedelta(hours=1 if hours == 0 else 24)
    with world.work(dave) as work:
        found = list_notices(work, limit=10).lines
    assert [line.notice.link for line in found] == ["/records/log"] * 2
    assert "没有封存" in found[0].notice.body.zh
    with world.work(bob) as work:
        assert not list_notices(work, limit=10).lines


def test_the_terminal_ends_with_one_while_an_alarm_stands_and_names_every_fact(world: World) -> None:
    place = ["--config", str(CONFIG), "--data", str(world.settings.data), "audit", "status"]
    shown, facts = (
        CliRunner(env=world.environment).invoke(cli.main, [*place, *more]) for more in ((), ("--json",))
    )
    assert (shown.exit_code, facts.exit_code) == (1, 1)
    assert "警告 alarm" in shown.stdout
    assert STATUS.keys() == json.loads(facts.stdout).keys() - {"witnesses", "alarms"}
