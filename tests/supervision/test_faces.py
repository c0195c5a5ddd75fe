"""Statistics as people and scripts meet them: page, JSON and CSV."""

from __future__ import annotations

from typing import Any

from tests.stories import active_grant


def test_anybody_may_read_the_statistics_where_the_book_makes_them_public(world: Any) -> None:
    active_grant(world)
    answer = world.app.test_client().get("/api/statistics")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    families = {f["family"]: f for f in answer.get_json()["families"]}
    assert families["authorisation"]["total"]["granted"] == 1
    page = world.app.test_client().get("/statistics")
    assert page.status_code == 200
