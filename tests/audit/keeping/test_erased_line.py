"""The line that stands in place of an erased body."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.bodies import erased_line, is_erased
from core.ids import new_id
from tests.audit.logs import START, access


@given(st.text(max_size=40), st.booleans())
@settings(max_examples=30)
def test_an_erased_line_is_as_long_as_the_body_and_no_body_looks_like_it(purpose: str, own: bool) -> None:
    record = access(START, purpose=purpose, erased=new_id())
    line = erased_line(len(record.body), new_id(), record.id if own else None)
    assert len(line) == len(record.body)
    assert is_erased(line)
    assert not is_erased(record.body)
    assert (record.id.encode() in line) == own


def test_the_shortest_body_there_can_be_still_has_room_for_it() -> None:
    from audit.record import make_record

    body = make_record("a", START, "s", {}).body
    assert is_erased(erased_line(len(body), new_id(), new_id()))


def test_a_line_too_short_for_the_names_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be replaced"):
        erased_line(20, new_id())
