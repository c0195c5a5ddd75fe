"""What a step says of a person is kept sealed and shown to the parties of the case alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

import cli
from accounts.keys import add_personal_key
from audit.store import audit_outbox
from cases import store
from cases.model import Case
from cases.present import case_view
from cases.procedure import find_case, open_case
from cases.sealed import rewrap_fields
from cases.store import case_events
from core.errors import Unavailable
from core.work import SYSTEM, Actor
from tests.cast import alice, bob, carol, dave
from tests.conftest import CONFIG, World

DOUBT = "张三的住址有误，电话 13800138000"
RECORD = {"code": "429005", "name": "张三"}
PERSONAL = ("张三", "13800138000", "429005")


def reported(world: World) -> Case:
    with world.work(carol) as work:
        return open_case(
            work,
            kind="matter",
            workflow="correction",
            facts={"number": "C-2026-000001", "dataset": "307001/000001"},
            parties={"consumer": "health", "provider": "civil_affairs", "platform_manager": "bigdata"},
            opened_as="consumer",
            fields={"doubt": DOUBT, "record": RECORD, "items": "name"},
        )


def seen_by(world: World, who: Actor, case: Case) -> dict[str, Any]:
    with world.read(who) as work:
        view = case_view(work, find_case(work, case.id))
        return dict(view["history"][0]["fields"])


@pytest.mark.parametrize("who", [alice, bob, carol], ids=lambda a: a.login)
def test_a_party_reads_what_was_said(world: World, who: Actor) -> None:
    assert seen_by(world, who, reported(world)) == {"doubt": DOUBT, "record": RECORD, "items": "name"}


def test_the_auditor_sees_that_something_was_said_and_not_what(world: World) -> None:
    hidden = "（已加密） / (sealed)"
    assert seen_by(world, dave, reported(world)) == {"doubt": hidden, "record": hidden, "items": "name"}


def test_neither_the_history_nor_the_log_holds_it_in_the_clear(world: World) -> None:
    case = reported(world)
    with world.database.read() as tx:
        fields = tx.execute(case_events.select()).one().fields
        records = json.dumps([list(map(str, row)) for row in tx.execute(audit_outbox.select())])
    assert all(fields[name]["sealed"].startswith("sx1.") for name in ("doubt", "record"))
    assert not [word for word in PERSONAL if word in json.dumps(fields, ensure_ascii=False) + records]
    assert fields["items"] == "name"
    assert case.events[0].fields == fields


def test_what_is_moved_to_another_case_or_field_is_refused_and_not_shown(world: World) -> None:
    one, other = reported(world), reported(world)
    taken = one.events[0].fields["doubt"]
    for fields in ({"doubt": taken}, {"record": taken}):
        with world.database.begin() as tx:
            kept = case_events.update().where(case_events.c.case_id == other.id)
            tx.execute(kept.values(fields=fields))
        with pytest.raises(Unavailable):
            seen_by(world, alice, other)
    assert seen_by(world, alice, one)["doubt"] == DOUBT


def test_a_new_key_of_the_platform_leaves_what_is_kept_readable(world: World) -> None:
    before = reported(world)
    with world.work(SYSTEM) as work:
        add_personal_key(work)
    after = reported(world)
    assert seen_by(world, alice, before) == seen_by(world, alice, after)
    assert [keys_of(world, c) for c in (before, after)] == [{"1"}, {"2"}]


def keys_of(world: World, case: Case) -> set[str]:
    with world.read(SYSTEM) as work:
        kept = store.case(work.tx, case.id)
    assert kept is not None
    return {v["sealed"].split(".")[1] for e in kept.events for v in e.fields.values() if isinstance(v, dict)}


def test_renewing_the_key_on_the_command_line_wraps_everything_anew_and_frees_the_old_one(
    world: World,
) -> None:
    several = [reported(world) for _ in range(3)]
    place = ["--config", str(CONFIG), "--data", str(world.settings.data)]
    done = CliRunner(env=world.environment).invoke(cli.main, [*place, "keys", "renew", "--json"])
    others = dict.fromkeys(("papers", "tickets", "imports", "packets", "factors"), 0)
    assert json.loads(done.output) == {"key": "2", "steps": 3, **others}, done.output
    world.settings.key_file("personal-1.key").unlink()
    assert [keys_of(world, c) for c in several] == [{"2"}] * 3
    assert seen_by(world, alice, several[1])["doubt"] == DOUBT


def test_cases_are_wrapped_anew_in_batches_and_only_once(world: World) -> None:
    several = [reported(world) for _ in range(3)]
    with world.work(SYSTEM) as work:
        add_personal_key(work)
    steps: list[int] = []
    last: str | None = ""
    while last is not None:
        with world.work(SYSTEM) as work:
            written, last = rewrap_fields(work, last, limit=2)
        steps.append(written)
    assert steps == [2, 1, 0]
    with world.work(SYSTEM) as work:
        assert rewrap_fields(work, "") == (0, max(c.id for c in several))
