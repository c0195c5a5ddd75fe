"""Forms without JavaScript mean the same documents as the API takes."""

from __future__ import annotations

from typing import Any

from catalog.forms import DISTRIBUTION, ENTRY, read_form, revision_of, write_form
from tests.catalog.entries import OPERATION, TABLE, entry


def typed(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def read_back(document: dict[str, Any], shape: Any) -> dict[str, Any]:
    return read_form(typed(write_form(document, shape)), shape)


def test_an_entry_survives_its_form() -> None:
    whole = entry(
        keywords=["区划", "街道"],
        share_method=["platform", "media"],
        format={"kind": "self_describing", "extensions": ["csv", "ics"]},
        basis={"level": "law", "title": "数据安全法", "article": "21"},
        related=["307001/000001"],
        required_materials=["申请表", "授权书 一份"],
        controlled_params=True,
        attributes=[
            {
                "name": "sex",
                "title": "性别",
                "type": "string",
                "length": 1,
                "code_list": {"1": "男", "2": "女"},
            },
            {"name": "code", "title": "代码", "type": "string", "primary_key": True, "note": "多行\n说明"},
        ],
    )
    assert read_back(whole, ENTRY) == whole


def test_distributions_survive_their_forms() -> None:
    api = {
        "kind": "api",
        "connection": "x",
        "operations": [{**OPERATION, "records": ""}, {**OPERATION, "name": "days", "records": "/days"}],
    }
    for detail in (TABLE, api, {"kind": "file", "connection": "y", "files": ["a b.csv", "c-*.csv"]}):
        assert read_back(detail, DISTRIBUTION) == detail


def test_rows_that_nobody_filled_in_are_left_out() -> None:
    form = {
        "attributes.0.name": [""],
        "attributes.2.name": [" code "],
        "attributes.2.length": ["twelve"],
        "attributes.10.name": ["name"],
        "attributes.10.primary_key": ["true"],
        "attributes.3.type": [""],
        "csrf_token": ["x"],
        "attributes.2.unknown": ["x"],
    }
    assert read_form(form, ENTRY) == {
        "attributes": [{"name": "code", "length": "twelve"}, {"name": "name", "primary_key": True}]
    }


def test_a_revision_takes_away_what_was_blanked_and_keeps_what_the_form_does_not_show() -> None:
    before = entry(
        keywords=["区划"],
        attributes=[{"name": "code", "title": "代码", "type": "string", "length": 12, "pattern": "^[0-9]+$"}],
    )
    now = read_back({**before, "title": "新名称"}, ENTRY)
    del now["keywords"]
    del now["attributes"][0]["length"]

    changes = revision_of(before, now)

    assert changes["title"] == "新名称"
    assert changes["keywords"] is None
    assert changes["attributes"] == [
        {"name": "code", "title": "代码", "type": "string", "pattern": "^[0-9]+$"}
    ]
