"""Changes of the catalog in Ganzhou (GZ art. 6): ten working days, twenty in all with consent."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, NotFound, NotPermitted
from core.times import local_iso
from tests.cast import alice, ann, bob, carol
from tests.sharing.beginnings import CLOSED, may, pointers, shown, stepped, wrong
from tests.sharing.telling import (
    at,
    breaches,
    clock,
    due,
    end_of_workday,
    inbox,
    lateness,
    opened,
    records,
    swept,
)
from tests.stories import offered


def changed(world: Any, when: str, changed_on: str | None = None, actor: Any = alice) -> Any:
    """A dataset of which somebody recorded at `when` that what it describes has changed."""
    code = offered(world, "divisions")
    world.now = at(when)
    said = {"changed_on": f"{changed_on}+08:00"} if changed_on else {}
    return stepped(world, actor, code, "report_change", cause="街道合并", **said)


def asked(world: Any, when: str, dataset: Any) -> Any:
    world.now = at(when)
    return stepped(world, alice, dataset.code, "request_extension", reason="历史数据需重新编码")


# --- GZ-S-03: ten working days from the change ---------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "last"),
    [
        ("2026-02-10T10:00", "2026-03-02"),  # over the Spring Festival
        ("2026-02-14T10:00", "2026-03-06"),  # a worked Saturday is no day of its own
        ("2026-02-18T10:00", "2026-03-06"),  # the change lay on a day off
        ("2026-04-28T23:59:59", "2026-05-14"),
        ("2026-09-20T10:00", "2026-10-10"),
    ],
)
def test_ten_working_days_from_the_change(ganzhou: Any, reported: str, last: str) -> None:
    """GZ art. 6, D9."""
    dataset = changed(ganzhou, reported)
    assert due(ganzhou, dataset, "update") == f"{last}T23:59:59+08:00" == end_of_workday(reported, 10)
    assert lateness(ganzhou, dataset, "update") == [False, False, True]


def test_the_days_count_from_the_change_and_not_from_its_record(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-09T10:00", "2026-03-02T09:00:00")
    assert due(ganzhou, dataset, "update") == end_of_workday("2026-03-02T09:00", 10)


def test_a_change_that_lies_ahead_is_refused(ganzhou: Any) -> None:
    refused = wrong(changed, ganzhou, "2026-03-02T10:00", "2026-06-01T09:00:00")
    assert pointers(refused) == ["/changed_on"]


def test_the_manager_may_record_a_change_and_the_provider_learns_of_it(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00", actor=bob)
    assert inbox(ganzhou, alice, dataset)[0] == f"Dataset {dataset.code}: Record a change"
    for other in (ann, carol):
        with pytest.raises((NotPermitted, NotFound)):
            stepped(ganzhou, other, dataset.code, "report_change", cause="变化")
    assert pointers(wrong(stepped, ganzhou, alice, dataset.code, "report_change")) == ["/cause"]


def test_the_update_stops_the_limit_and_keeps_the_wording_before(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    ganzhou.now = at("2026-03-16T23:59:59")
    updated = stepped(ganzhou, alice, dataset.code, "revise", cause="街道合并", title="行政区划（合并后）")
    running = clock(ganzhou, updated, "update")
    assert (running.running, running.breached, updated.revision) == (False, False, 2)


def test_an_update_of_the_resource_alone_is_recorded_without_new_words(ganzhou: Any) -> None:
    """I-G-15: the text speaks of the entry and of the resource."""
    dataset = changed(ganzhou, "2026-03-02T10:00")
    assert pointers(wrong(stepped, ganzhou, alice, dataset.code, "note_update")) == ["/note"]
    with pytest.raises(NotPermitted):
        stepped(ganzhou, bob, dataset.code, "note_update", note="已更新")
    noted = stepped(ganzhou, alice, dataset.code, "note_update", note="库表已按合并后的街道更新")
    assert not clock(ganzhou, noted, "update").running
    last = records(ganzhou, noted)[-1]
    assert (last["action"], "第6条" in last["cite"]) == ("note_update", True)


def test_another_class_is_an_update_too_and_is_reviewed(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    updated = stepped(ganzhou, alice, dataset.code, "revise", cause="有新规定", **CLOSED)
    assert (updated.case.state, clock(ganzhou, updated, "update").running) == ("in_review", False)


def test_going_off_line_and_back_is_no_update(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    taken_offline_now = stepped(ganzhou, alice, dataset.code, "take_offline", reason="停用")
    assert clock(ganzhou, taken_offline_now, "update").running
    assert clock(ganzhou, stepped(ganzhou, alice, dataset.code, "publish"), "update").running


def test_a_late_update_is_flagged_and_nothing_more(ganzhou: Any) -> None:
    """GZ art. 6 has no sanction (D18): on record once, told once, no report, no rectification."""
    dataset = changed(ganzhou, "2026-03-02T10:00")
    swept(ganzhou, "2026-03-16T23:59:59")
    assert breaches(ganzhou, dataset) == []
    for when in ("2026-03-17T00:00", "2026-03-18T00:00", "2027-03-18T00:00"):
        swept(ganzhou, when)
    assert breaches(ganzhou, dataset) == ["update"]
    assert sum("is overdue" in line for line in inbox(ganzhou, alice, dataset)) == 1
    [update] = [c for c in shown(ganzhou, alice, dataset)["clocks"] if c["name"] == "update"]
    assert update["breached"]
    for procedure in ("rectification", "breach_report"):
        with pytest.raises(NotFound):
            opened(ganzhou, bob, procedure, dataset=dataset.code)


def test_a_reminder_goes_out_one_working_day_before(ganzhou: Any) -> None:
    """A product default: the text asks for none."""
    dataset = changed(ganzhou, "2026-03-02T10:00")
    reminder = f"Dataset {dataset.code}: catalog update falls due soon"
    swept(ganzhou, "2026-03-12T23:59:58")
    assert reminder not in inbox(ganzhou, alice, dataset)
    swept(ganzhou, "2026-03-13T00:00")  # one whole working day is left before the last
    assert inbox(ganzhou, alice, dataset).count(reminder) == 1
    assert ganzhou.rulebooks.current("sharing").policy("notices.remind_before").cite.kind == "product_default"


# --- GZ-S-04: up to twenty working days with consent -----------------------------------------------------


@pytest.mark.parametrize("reported", ["2026-02-10T10:00", "2026-04-20T09:00", "2026-09-14T09:00"])
def test_consent_makes_it_twenty_days_from_the_change(ganzhou: Any, reported: str) -> None:
    dataset = changed(ganzhou, reported)
    running = clock(ganzhou, dataset, "update")
    assert local_iso(running.extendable_to) == end_of_workday(reported, 20)
    asked(ganzhou, end_of_workday(reported, 9)[:19], dataset)
    assert due(ganzhou, dataset, "update") == end_of_workday(reported, 10)  # asking changes nothing
    consented = stepped(ganzhou, bob, dataset.code, "extend", reason="情况属实")
    assert due(ganzhou, consented, "update") == end_of_workday(reported, 20)
    assert lateness(ganzhou, consented, "update") == [False, False, True]


def test_a_worked_example_of_the_extension(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-02-10T10:00")
    asked(ganzhou, "2026-02-26T10:00", dataset)
    consented = stepped(ganzhou, bob, dataset.code, "extend", reason="同意")
    assert due(ganzhou, consented, "update") == "2026-03-16T23:59:59+08:00"


def test_nobody_consents_to_what_nobody_asked_for(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    assert "extend" not in may(ganzhou, bob, dataset)
    with pytest.raises(Conflict):
        stepped(ganzhou, bob, dataset.code, "extend", reason="同意")


def test_asking_takes_a_special_reason_and_consent_is_the_managers(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    assert pointers(wrong(stepped, ganzhou, alice, dataset.code, "request_extension")) == ["/reason"]
    asked(ganzhou, "2026-03-10T10:00", dataset)
    assert inbox(ganzhou, bob, dataset)[0] == f"Dataset {dataset.code}: Ask for more time"
    with pytest.raises(NotPermitted):
        stepped(ganzhou, alice, dataset.code, "extend", reason="自行同意")
    stepped(ganzhou, bob, dataset.code, "extend", reason="同意")
    assert inbox(ganzhou, alice, dataset)[0] == f"Dataset {dataset.code}: Give more time"


def test_consent_may_be_for_less_and_never_for_more(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    asked(ganzhou, "2026-03-10T10:00", dataset)
    assert pointers(wrong(stepped, ganzhou, bob, dataset.code, "extend", reason="同意", by=11)) == ["/by"]
    stepped(ganzhou, bob, dataset.code, "extend", reason="同意五天", by=5)
    assert due(ganzhou, dataset, "update") == end_of_workday("2026-03-02T10:00", 15)


def test_time_is_given_once(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    for expected in ("2026-03-30T23:59:59+08:00", None):
        asked(ganzhou, "2026-03-10T10:00", dataset)
        if expected is None:
            with pytest.raises(Conflict):
                stepped(ganzhou, bob, dataset.code, "extend", reason="再次同意")
        else:
            stepped(ganzhou, bob, dataset.code, "extend", reason="同意")
            assert due(ganzhou, dataset, "update") == expected


def test_a_refused_request_leaves_the_ten_days(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    asked(ganzhou, "2026-03-10T10:00", dataset)
    assert pointers(wrong(stepped, ganzhou, bob, dataset.code, "refuse_extension")) == ["/reason"]
    stepped(ganzhou, bob, dataset.code, "refuse_extension", reason="不属特殊原因")
    assert due(ganzhou, dataset, "update") == end_of_workday("2026-03-02T10:00", 10)
    with pytest.raises(Conflict):
        stepped(ganzhou, bob, dataset.code, "extend", reason="改变主意")


def test_consent_after_the_day_does_not_undo_that_it_was_late(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    asked(ganzhou, "2026-03-13T10:00", dataset)
    swept(ganzhou, "2026-03-17T00:00")
    assert breaches(ganzhou, dataset) == ["update"]
    stepped(ganzhou, bob, dataset.code, "extend", reason="同意")
    assert due(ganzhou, dataset, "update") == end_of_workday("2026-03-02T10:00", 20)
    assert breaches(ganzhou, dataset) == ["update"]


def test_both_announcing_and_taking_off_line_stay_possible_while_a_change_waits(ganzhou: Any) -> None:
    dataset = changed(ganzhou, "2026-03-02T10:00")
    assert "take_offline" in may(ganzhou, alice, dataset)
    assert not stepped(ganzhou, alice, dataset.code, "take_offline", reason="撤并").is_public
