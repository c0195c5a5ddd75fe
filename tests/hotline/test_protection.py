"""Who sees what of a ticket, and that nothing personal lies anywhere in the clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import Invalid, NotFound, NotPermitted
from hotline import store
from hotline.book import states_with
from hotline.callers import caller_seen, phone_index, plain_phone, unmask
from hotline.present import ticket_row, ticket_view
from hotline.progress import rate_by_citizen
from tests.cast import dave, dora, hans, hugo, lena, otto, sven
from tests.conftest import World
from tests.hotline.kit import (
    WANG,
    acted,
    answered_ticket,
    classified,
    dispatched_ticket,
    rated_ticket,
    seen,
    step_doing,
    step_emitting,
    taken,
)
from tests.hotline.walking import goes_on, stepped

PDF = b"%PDF-1.7 " + "王建国的机密附页".encode()
SAID = ("王建国", "13987654321", "139 8765 4321", "东方路 8 号", "老周", "10.1.2.3")


def view(world: World, actor: Any, held: Any) -> dict[str, Any]:
    with world.read(actor) as work:
        return ticket_view(work, seen(world, actor, held))


# --- the unit complained about (I-H-15) -------------------------------------------------------------


def accusing(world: World, **changes: Any) -> Any:
    """A complaint about the housing bureau and one of its people."""
    told = {"accused": "housing", "accused_person": "老周", "facts": classified(world), **changes}
    return taken(world, **told).held


def test_the_unit_complained_about_does_not_handle_it_with_the_caller_in_sight(desk: World) -> None:
    held = accusing(desk)
    action = step_doing(desk, held, "dispatch")
    with pytest.raises(Invalid) as refused:
        acted(desk, dora, held, action, unit="housing")
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/unit", "accused")]
    assert refused.value.cite
    with pytest.raises(Invalid) as refused:
        acted(desk, dora, held, action, unit="police", co_units=["housing"])
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/co_units", "accused")]


def test_who_masks_the_caller_says_what_the_unit_is_told_and_why(desk: World) -> None:
    held = accusing(desk)
    with pytest.raises(Invalid) as refused:
        acted(desk, dora, held, step_doing(desk, held, "dispatch"), unit="housing", masked=True)
    pointers = {e.pointer for e in refused.value.errors}
    assert pointers == {"/content_for_unit", "/decided_reason"}


def masked_ticket(world: World) -> Any:
    held = accusing(world)
    return acted(
        world,
        dora,
        held,
        step_doing(world, held, "dispatch"),
        unit="housing",
        masked=True,
        content_for_unit="请核查东方路片区物业投诉处理情况。",
        decided_reason="上级无对应科室，经负责人同意遮蔽后派单",
    )


def test_masked_the_unit_sees_its_task_and_nothing_of_the_caller(desk: World) -> None:
    held = masked_ticket(desk)
    shown = view(desk, hans, held)
    raw = str(shown)
    assert not [word for word in (*SAID, "经负责人同意") if word in raw]
    assert "description" not in shown
    assert "caller" not in shown
    assert shown["may_unmask"] is False
    told = [step["fields"].get("content_for_unit") for step in shown["history"]]
    assert "请核查东方路片区物业投诉处理情况。" in told
    with desk.work(hans) as work, pytest.raises(NotPermitted):
        unmask(work, seen(desk, hans, held), "上门核实")


@pytest.mark.parametrize("yes", [True, 1, "true", "TRUE", "是", "有"])
def test_however_yes_is_said_the_ticket_goes_masked(desk: World, yes: Any) -> None:
    held = taken(desk, facts=classified(desk)).held
    more = {"content_for_unit": "路灯不亮", "decided_reason": "来电人顾虑"}
    held = acted(desk, dora, held, step_doing(desk, held, "dispatch"), unit="police", masked=yes, **more)
    assert held.ticket.masked
    assert "caller" not in view(desk, hugo, held)


def test_the_office_still_sees_all_of_a_masked_ticket(desk: World) -> None:
    held = masked_ticket(desk)
    assert "王建国" in view(desk, dora, held)["description"]


def test_the_unit_complained_about_finds_nothing_until_it_is_given_to_it(desk: World) -> None:
    held = accusing(desk)
    with pytest.raises(NotFound):
        seen(desk, hans, held)
    held = acted(desk, dora, held, step_doing(desk, held, "dispatch"), unit="police")
    with pytest.raises(NotFound):
        seen(desk, hans, held)
    assert seen(desk, hugo, held).ticket.lead == "police"


def test_another_unit_masked_by_choice_sees_no_caller_either(desk: World) -> None:
    held = taken(desk, facts=classified(desk)).held
    action = step_doing(desk, held, "dispatch")
    more = {"content_for_unit": "路灯不亮", "decided_reason": "来电人顾虑"}
    held = acted(desk, dora, held, action, unit="police", masked=True, **more)
    assert "caller" not in view(desk, hugo, held)


def test_a_complaint_about_the_office_itself_is_passed_on_without_being_read(desk: World) -> None:
    held = taken(desk, accused="hotline_office", facts=classified(desk)).held
    shown = view(desk, dora, held)
    assert "caller" not in shown
    assert "description" not in shown
    with desk.work(sven) as work, pytest.raises(NotPermitted):
        unmask(work, seen(desk, sven, held), "了解情况")
    held = acted(desk, dora, held, step_doing(desk, held, "dispatch"), unit="police")
    assert "王建国" in view(desk, hugo, held)["description"]


def test_a_unit_that_works_along_sees_the_ticket_and_another_does_not(desk: World) -> None:
    held = dispatched_ticket(desk, unit="housing", co_units=("police",))
    assert seen(desk, hugo, held).case.parties["co_handler"] in ("police", ["police"])
    held = acted(
        desk, hans, held, step_emitting(desk, held, "returned"), reason="不属本单位职责", basis="三定规定"
    )
    book = desk.rulebooks.current("hotline")
    if held.ticket.state not in states_with(book, "intake"):
        held = stepped(desk, held, goes_on(held))
        assert held.ticket.lead is None
    held = acted(desk, dora, held, step_doing(desk, held, "dispatch"), unit="market")
    for former in (hans, hugo):
        with pytest.raises(NotFound):
            seen(desk, former, held)


# --- callers ----------------------------------------------------------------------------------------


def test_a_unit_learns_who_called_masked(desk: World) -> None:
    held = dispatched_ticket(desk)
    with desk.read(hans) as work:
        told = caller_seen(work, seen(desk, hans, held))
    assert told["name"] == "王**"
    assert told["phone"].startswith("1")
    assert "*" in told["phone"]
    assert "ip" not in told


def test_who_asked_for_confidence_stays_unknown_to_the_unit(desk: World) -> None:
    held = dispatched_ticket(desk, confidential=True)
    with desk.read(hans) as work:
        assert caller_seen(work, seen(desk, hans, held)) == {
            "anonymous": False,
            "confidential": True,
            "consent": False,
        }
    with desk.work(hans) as work, pytest.raises(NotPermitted):
        unmask(work, seen(desk, hans, held), "上门核实")
    agreed = dispatched_ticket(desk, confidential=True, consent=True)
    with desk.read(hans) as work:
        assert caller_seen(work, seen(desk, hans, agreed))["name"] == "王**"


def test_who_asked_for_confidence_is_not_named_by_the_words_of_the_ticket(desk: World) -> None:
    said: dict[str, Any] = {"location": "东方路 8 号 3 单元王建国家门口", "recording": "rec-王建国-1"}
    shown = view(desk, hans, dispatched_ticket(desk, confidential=True, **said))
    assert shown["description"] == "来电人***称，东方路路灯三天不亮，晚上出行不便，请联系 ***。"
    assert [word for word in SAID if word in str(shown)] == ["东方路 8 号"]  # where it is, said by the caller
    assert "recording" not in shown
    held = dispatched_ticket(desk, confidential=True, **said)
    assert "王建国" in view(desk, dora, held)["description"]
    agreed = dispatched_ticket(desk, confidential=True, consent=True, **said)
    assert "王建国" in view(desk, hans, agreed)["description"]


def test_an_auditor_sees_what_was_done_and_nobody(desk: World) -> None:
    held = rated_ticket(desk)
    shown = view(desk, dave, held)
    assert not [word for word in SAID if word in str(shown)]
    assert len(shown["history"]) == len(held.case.events)


def test_unmasking_is_kept_with_its_reason_sealed(desk: World) -> None:
    held = dispatched_ticket(desk)
    with desk.work(sven) as work:
        assert unmask(work, held, "核实投诉人身份")["name"] == WANG["name"]
        kept = store.unmaskings_of(work.tx, held.ticket.id)
    assert [(row["login"], row["fields"]) for row in kept] == [("sven", ["address", "name", "phone"])]
    assert "核实" not in kept[0]["reason_sealed"]
    assert [row["reason"] for row in view(desk, sven, held)["unmaskings"]] == ["核实投诉人身份"]
    assert [row["reason"] for row in view(desk, dave, held)["unmaskings"]] == [None]
    assert view(desk, hans, held)["unmaskings"] == []


def test_a_leader_may_not_unmask(desk: World) -> None:
    held = dispatched_ticket(desk)
    with desk.work(lena) as work, pytest.raises(NotPermitted):
        unmask(work, held, "了解情况")


@pytest.mark.parametrize(
    "written", ["139 8765 4321", "+8613987654321", "0086-139-8765-4321", "8613987654321"]
)
def test_a_number_has_one_index_however_it_is_written(desk: World, written: str) -> None:
    assert plain_phone(written) == "13987654321"
    assert phone_index(desk.settings, written) == phone_index(desk.settings, "13987654321")


def test_an_anonymous_report_is_taken_as_the_rulebook_says(desk: World) -> None:
    rule = desk.rulebooks.current("hotline").policy("intake.fields").value["anonymous"]
    nameless: dict[str, Any] = {"anonymous": True, "caller": {"phone": WANG["phone"]}}
    if rule == "refused":
        with pytest.raises(Invalid) as refused:
            taken(desk, **nameless)
        assert "/anonymous" in [e.pointer for e in refused.value.errors]
    else:
        assert taken(desk, **nameless).held.case.facts["anonymous"] is True
    with pytest.raises(Invalid) as refused:
        taken(desk, anonymous=True)
    assert "/caller/name" in [e.pointer for e in refused.value.errors]


# --- at rest ----------------------------------------------------------------------------------------


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_after_a_whole_life_nothing_personal_lies_in_the_clear(desk: World) -> None:
    client = desk.client(otto)
    draft = {
        "channel": "phone",
        "summary": "王建国（13987654321，身份证 429005198001011234）反映路灯不亮",
        "description": "王建国反映东方路路灯三天不亮",
        "category": "street_lights",
        "location": "东方路 8 号门口",
        "caller": WANG,
        "accused": "housing",
        "accused_person": "老周",
        "facts": classified(desk),
    }
    made = client.post("/api/tickets", json=draft, headers={"Idempotency-Key": "王"}).get_json()
    address = f"/api/tickets/{made['id']}"
    client.post(f"{address}/attachments?name=王建国.pdf", data=PDF)
    client.post("/api/tickets/lookup", json={"phone": WANG["phone"]})
    client.post("/api/tickets/hints", json={"phone": WANG["phone"], "summary": "王建国反映路灯"})
    client.post(f"{address}/caller", json={"reason": "回电 13987654321 核实王建国"})
    held = seen(desk, dora, taken(desk).held)
    dispatch = desk.client(dora).post(
        f"{address}/actions/{step_doing(desk, held, 'dispatch')}", json={"unit": "police"}
    )
    assert dispatch.status_code == 200
    with desk.read(hugo) as work:
        held = seen(desk, hugo, _held(work, made["id"]))
    held = acted(desk, hugo, held, step_emitting(desk, held, "signed_in"))
    held = acted(desk, hugo, held, step_emitting(desk, held, "fed_back"), reply="已电告王建国 13987654321。")
    client.get(f"/api/hotline/progress?number={made['number']}&code={made['code']}")
    acted(
        desk, otto, held, step_doing(desk, held, "rate"), satisfaction="satisfied", rating_note="王建国很满意"
    )
    desk.database.close()
    raw = everything_under(desk.settings.data)
    for word in (*SAID, "429005198001011234", made["code"], "机密附页"):
        assert word.encode() not in raw, word
        assert str(word.encode("unicode_escape"), "ascii").encode() not in raw, word


def _held(work: Any, ticket_id: str) -> Any:
    from hotline.tickets import find_ticket

    return find_ticket(work, ticket_id)


def test_a_row_of_a_list_reads_no_sealed_text(desk: World) -> None:
    held = answered_ticket(desk)
    with desk.read(otto) as work:
        assert not [word for word in SAID if word in str(ticket_row(work, held))]


def test_the_citizen_rates_under_nobodys_name(desk: World) -> None:
    made = taken(desk, facts=classified(desk))
    held = acted(desk, dora, made.held, step_doing(desk, made.held, "dispatch"), unit="housing")
    held = acted(desk, hans, held, step_emitting(desk, held, "signed_in"))
    held = acted(desk, hans, held, step_emitting(desk, held, "fed_back"), reply="已修复")
    with desk.work(otto) as work:
        found = rate_by_citizen(work, held.ticket.number, made.code, "satisfied", "谢谢", "10.0.0.1")
    assert found is not None
    assert found.closed_at == desk.now
    with desk.read(otto) as work:
        ratings = store.ratings_of(work.tx, held.ticket.id)
    assert [(r.by, r.satisfied, r.unit) for r in ratings] == [("citizen", True, "housing")]
