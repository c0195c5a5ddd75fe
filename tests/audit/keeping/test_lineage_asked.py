"""After a rotation questions and searches go through the closed logs too, and say so."""

from __future__ import annotations

import shutil

import pytest

from audit.columns.coverage import coverage_now
from audit.keeping.finding import find_anywhere
from audit.query import Filters, search_all
from tests.audit.keeping.test_closed import ORIGIN, SLUG, later, records  # noqa: F401
from tests.audit.keeping.town import Town
from tests.audit.logs import START, access

pytestmark = pytest.mark.long


def test_questions_see_the_calls_of_closed_logs(later: Town, records: list[str]) -> None:  # noqa: F811
    with later.database.read() as tx:
        rows = later.engine.run("SELECT id, log FROM records WHERE kind = 'access'", tx).to_pylist()
    assert {row["id"]: row["log"] for row in rows}.items() >= dict.fromkeys(records, SLUG).items()


def test_a_search_goes_on_into_the_closed_log_page_by_page(later: Town, records: list[str]) -> None:  # noqa: F811
    newer = [access(START) for _ in range(3)]
    later.put(newer)
    later.seal()
    found, cursor = [], None
    with later.database.read() as tx:
        while True:
            page = search_all(tx, later.engine, Filters(equal={"kind": "access"}), limit=2, cursor=cursor)
            found += page.items
            if (cursor := page.next_cursor) is None:
                break
        assert find_anywhere(tx, later.folder, records[0])[1].log == SLUG
    assert [one.id for one in found] == sorted({one.id for one in found}, reverse=True)
    assert {one.id: one.log for one in found}.items() >= {
        **dict.fromkeys(records, SLUG),
        **{one.id: None for one in newer},
    }.items()


def test_an_answer_says_which_closed_logs_it_rests_on(later: Town, records: list[str]) -> None:  # noqa: F811
    with later.database.read() as tx:
        seen = coverage_now(later.engine, tx)
        assert (seen.complete, [one.origin for one in seen.closed], seen.lost) == (True, [ORIGIN], ())
        shutil.rmtree(later.folder / "past" / SLUG)
        gone = coverage_now(later.engine, tx)
    assert (gone.complete, gone.lost) == (False, (ORIGIN,))
