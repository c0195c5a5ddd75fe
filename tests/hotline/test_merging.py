"""Several reports of one matter: joined before it is answered, counted, and told apart after."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Invalid
from hotline import store
from hotline.duplicates import repeat_of
from hotline.model import Held
from hotline.progress import progress_of
from hotline.tickets import act_on_ticket, find_ticket
from tests.cast import dora, otto
from tests.conftest import World
from tests.hotline.kit import WANG, acted, answered_ticket, classified, dispatched_ticket, step_doing, taken


def merged(world: World, held: Held, into: str, actor: Any = otto) -> Held:
    return acted(world, actor, held, step_doing(world, held, "merge"), into=into)


def test_a_second_report_joins_the_first_before_it_is_answered(desk: World) -> None:
    first = dispatched_ticket(desk)
    second = taken(desk)
    held = merged(desk, second.held, first.ticket.number.lower())
    assert held.ticket.merged_into == first.ticket.id
    assert held.ticket.matter_id == first.ticket.matter_id
    assert held.case.closed_at == desk.now
    with desk.read(otto) as work:
        assert store.count_matter(work.tx, first.ticket.matter_id) == 2


def test_whoever_was_merged_follows_the_ticket_that_goes_on(desk: World) -> None:
    first = dispatched_ticket(desk)
    second = taken(desk)
    merged(desk, second.held, first.ticket.number)
    with desk.read(otto) as work:
        found = progress_of(work, second.held.ticket.number, second.code, "10.0.0.1")
    assert found is not None
    assert found.merged is True
    assert found.closed_at is None
    assert found.due is not None


def test_whoever_was_merged_first_follows_to_the_end_and_is_counted_with_all(desk: World) -> None:
    first, second, last = taken(desk), taken(desk), dispatched_ticket(desk)
    again = taken(desk, same_matter=first.held.ticket.number)
    merged(desk, first.held, second.held.ticket.number)
    merged(desk, second.held, last.ticket.number)
    with desk.read(otto) as work:
        found = progress_of(work, first.held.ticket.number, first.code, "10.0.0.1")
        assert found is not None
        assert (found.closed_at, found.due is not None) == (None, True)
        assert store.count_matter(work.tx, last.ticket.matter_id) == 4
        assert find_ticket(work, again.held.ticket.id).ticket.matter_id == last.ticket.matter_id


def test_what_is_answered_is_joined_by_nothing_any_more(desk: World) -> None:
    first = answered_ticket(desk)
    second = taken(desk).held
    with pytest.raises(Conflict) as refused:
        merged(desk, second, first.ticket.number)
    assert refused.value.code == "answered"
    assert "新事实" in refused.value.message.zh
    assert refused.value.cite


def test_what_ended_without_an_answer_is_not_called_answered(desk: World) -> None:
    first, second = taken(desk).held, taken(desk).held
    acted(desk, otto, first, step_doing(desk, first, "withdraw"), reason="来电人撤回")
    with pytest.raises(Conflict) as refused:
        merged(desk, second, first.ticket.number)
    assert refused.value.code == "ended_unanswered"


def test_a_ticket_joins_neither_itself_nor_one_that_was_merged_nor_nothing(desk: World) -> None:
    first, second = dispatched_ticket(desk), taken(desk).held
    third = merged(desk, taken(desk).held, first.ticket.number)
    for number in (second.ticket.number, third.ticket.number, "T-1999-000001"):
        with pytest.raises(Invalid) as refused:
            merged(desk, second, number)
        assert [e.pointer for e in refused.value.errors] == ["/into"]


def test_new_facts_are_a_ticket_of_their_own_in_the_same_matter(desk: World) -> None:
    first = answered_ticket(desk)
    second = taken(desk, same_matter=first.ticket.number).held
    third = taken(desk, same_matter=second.ticket.number).held
    assert second.ticket.id != first.ticket.id
    assert third.ticket.matter_id == first.ticket.id
    assert [second.case.facts["repeat"], third.case.facts["repeat"]] == [2, 3]


def test_a_matter_reported_often_is_flagged_where_the_rulebook_says_so(gz_desk: World) -> None:
    leaf = gz_desk.rulebooks.current("hotline").policy("repeat.flag_at")
    assert leaf.value is not None
    held = taken(gz_desk, facts=classified(gz_desk)).held
    for count in range(2, leaf.value + 1):
        with gz_desk.read(otto) as work:
            told = repeat_of(work, work.rulebooks.current("hotline"), held.ticket)
        assert (told["count"], told["flagged"]) == (count - 1, False)
        held = taken(gz_desk, facts=classified(gz_desk), same_matter=held.ticket.number).held
    with gz_desk.read(otto) as work:
        assert repeat_of(work, work.rulebooks.current("hotline"), held.ticket)["flagged"] is True


def test_a_batch_merges_all_reports_into_one(desk: World) -> None:
    first = dispatched_ticket(desk)
    others = [taken(desk, caller={**WANG, "phone": f"1361111222{i}"}).held for i in range(3)]
    for held in others:
        with desk.work(dora) as work:
            act_on_ticket(
                work, held.ticket.id, step_doing(desk, held, "merge"), {"into": first.ticket.number}
            )
    with desk.read(otto) as work:
        assert store.count_matter(work.tx, first.ticket.matter_id) == 4
