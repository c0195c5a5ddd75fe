"""What a matter is about is named beside its fields, by texts."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Invalid
from matters.opening import open_matter
from tests.cast import carol
from tests.stories import offered


@pytest.mark.parametrize("named", [{"dataset": ["1/1"]}, {"datasets": 5}, {"grant": {}}, {"client": "x"}])
def test_what_a_matter_is_about_is_no_field_of_it(world: Any, named: dict[str, Any]) -> None:
    (name,) = named
    body = {
        "kind": "correction",
        "dataset": offered(world, "divisions"),
        "fields": {"doubt": "有误", **named},
    }
    answer = world.client(carol).post("/api/matters", json=body)
    assert answer.status_code == 400
    assert [(e["pointer"], e["code"]) for e in answer.get_json()["errors"]] == [
        (f"/fields/{name}", "unknown")
    ]


@pytest.mark.parametrize(
    "named", [{"dataset": ["1/1"]}, {"datasets": "1/1"}, {"datasets": [1]}, {"grant": {}}, {"client": 5}]
)
def test_what_a_matter_is_about_is_named_by_texts(world: Any, named: dict[str, Any]) -> None:
    (name,) = named
    with world.work(carol) as work, pytest.raises(Invalid) as refused:
        open_matter(work, "correction", {"doubt": "有误", **named})
    assert [(e.pointer, e.code) for e in refused.value.errors] == [(f"/{name}", "type")]
