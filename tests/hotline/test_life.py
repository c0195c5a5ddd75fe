"""A ticket from the call to the archive."""

from __future__ import annotations

import pytest

from app import create_app
from cases.present import case_view
from core.errors import ConfigError, Conflict, Invalid, NotFound
from hotline.callers import INDEX_KEY
from hotline.model import Held
from tests.cast import carol, dave, dora, hans, hugo, otto
from tests.conftest import World
from tests.hotline.kit import (
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


def test_a_ticket_goes_from_the_call_to_the_archive(desk: World) -> None:
    held = rated_ticket(desk)
    assert held.ticket.satisfied is True
    assert held.ticket.closed_at == desk.now
    assert held.ticket.lead == "housing"
    assert held.ticket.handlings == 1
    held = acted(desk, otto, held, step_doing(desk, held, "archive"))
    assert held.case.closed_at == desk.now


def test_a_ticket_has_a_number_and_the_citizen_a_code(desk: World) -> None:
    first, second = taken(desk), taken(desk)
    assert (first.held.ticket.number, second.held.ticket.number) == ("T-2026-000001", "T-2026-000002")
    assert first.code != second.code
    assert len(first.code) == 10


def test_only_who_takes_part_finds_a_ticket(desk: World) -> None:
    held = dispatched_ticket(desk)
    assert seen(desk, hans, held).ticket.number == held.ticket.number
    assert seen(desk, dave, held).ticket.number == held.ticket.number
    for stranger in (hugo, carol):
        with pytest.raises(NotFound):
            seen(desk, stranger, held)


def test_the_dissatisfied_are_asked_again_after_another_handling(desk: World) -> None:
    held = rated_ticket(desk, "dissatisfied")
    assert held.ticket.satisfied is False
    held = acted(desk, dora, held, step_doing(desk, held, "redo"), reason="处理不彻底")
    assert held.ticket.handlings == 2
    assert held.ticket.closed_at is None


def test_a_unit_must_be_one_of_the_hotline(desk: World) -> None:
    with pytest.raises(Invalid) as refused:
        dispatched_ticket(desk, unit="statistics")
    assert [e.pointer for e in refused.value.errors] == ["/unit"]


def test_an_answer_is_noted_beside_the_ticket(desk: World) -> None:
    held = answered_ticket(desk)
    assert held.ticket.fed_back_at == desk.now
    assert held.ticket.due_at is None or held.ticket.due_at > desk.now


def test_an_answer_is_named_after_an_extension_only_where_one_was_asked_for(desk: World) -> None:
    def named(held: Held) -> str:
        with desk.read(hans) as work:
            return str(case_view(work, held.case)["history"][-1]["title"]["zh"])

    assert named(answered_ticket(desk)) == "反馈办理结果"
    held = dispatched_ticket(desk, facts={**classified(desk), "level": "special"})
    held = acted(desk, hans, held, step_emitting(desk, held, "signed_in"))
    held = acted(desk, hans, held, step_emitting(desk, held, "extension_requested"), reason="待料", by=3)
    held = acted(desk, hans, held, step_emitting(desk, held, "fed_back"), reply="路灯已修复。")
    assert named(held) == "反馈结果，延期申请随之了结"


def test_a_control_plane_without_the_key_for_phone_numbers_does_not_start(desk: World) -> None:
    desk.settings.key_file(INDEX_KEY).unlink()
    with pytest.raises(ConfigError) as refused:
        create_app(desk.settings, desk.database)
    assert INDEX_KEY in str(refused.value)


def test_a_step_whose_time_has_not_come_is_refused_in_the_rulebooks_words(desk: World) -> None:
    held = dispatched_ticket(desk)
    held = acted(desk, hans, held, step_emitting(desk, held, "signed_in"))
    with pytest.raises(Conflict) as refused:
        acted(desk, dora, held, step_emitting(desk, held, "extended"), by=3)
    assert refused.value.code == "condition_not_met"
    assert "已申请延期：是" in refused.value.message.zh
    assert "_" not in refused.value.message.en
