"""What a script sends is refused in its own words, one entry for each wrong field."""

from __future__ import annotations

import pytest

import schemas
from core.errors import Invalid
from tests.cast import carol
from tests.conftest import World
from web.bodies import parse_object


def faults(name: str, document: object) -> dict[str, str]:
    return {e.pointer: e.code for e in schemas.errors(name, document)}


def test_every_unknown_field_has_an_entry_of_its_own() -> None:
    draft = {"name": "系统", "networks": ["10.0.0.0/8"], "foo": 1, "b/r": 2}
    assert faults("request/client", draft) == {"/foo": "unknown", "/b~1r": "unknown"}


def test_every_missing_field_has_an_entry_of_its_own() -> None:
    assert set(faults("request/client", {})) == {"/name", "/networks"}


def test_what_may_not_be_empty_is_said_to_be_empty_without_counting() -> None:
    (fault,) = schemas.errors("request/ticket", {"channel": "phone", "summary": ""})
    assert (fault.message.zh, fault.message.en) == ("不能为空", "must not be empty")


def test_a_text_of_blanks_is_no_text() -> None:
    assert faults("request/client", {"name": "    ", "networks": ["10.0.0.0/8"]}) == {"/name": "minLength"}


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf{}",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\u0000"}',
        b'{"a": 99999999999999999999999}',
        b"[" * 100_000,
        b'{"a":' * 60 + b"1" + b"}" * 60,
        b"[]",
        b"\xff",
        b"{",
    ],
)
def test_what_is_not_one_plain_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        parse_object(raw)


def test_a_body_of_another_kind_says_so(world: World) -> None:
    answer = world.client(carol).post(
        "/api/clients", data="name=x", content_type="application/x-www-form-urlencoded"
    )
    assert (answer.status_code, answer.get_json()["title_en"]) == (415, "Unsupported media type")


def test_errors_of_the_framework_are_problem_documents_too(world: World) -> None:
    for path, method, status in (
        ("/api/nowhere", "GET", 404),
        ("/livez", "POST", 405),
        ("/api/clients", "PUT", 405),
    ):
        answer = world.app.test_client().open(path, method=method)
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), path
        assert answer.get_json()["detail"]
