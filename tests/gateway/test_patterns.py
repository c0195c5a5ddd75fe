"""Patterns of departments: what one may be, and that no value can hold a worker with it."""

from __future__ import annotations

import time

import pytest

import schemas
from core.patterns import LONGEST, fault, matches_whole
from tests.gateway.plane_kit import Kit, url

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]


def test_a_pattern_fits_the_whole_of_a_value() -> None:
    assert matches_whole("^[0-9]{4}-[0-9]{2}$", "2026-02")
    assert matches_whole("[一-龥]{2,4}", "赣州")
    assert not matches_whole("[0-9]+", "12\n")
    assert not matches_whole("[0-9]+", "x12")


def test_a_call_with_a_freezing_pattern_is_judged_at_once(kit: Kit) -> None:
    access = kit.grant("api")
    began = time.monotonic()
    answer = kit.call(url("api", f"call/many?area=42&serial={'1' * 40}x"), access)
    assert (answer.status, answer.code) == (400, "bad_parameter")
    assert time.monotonic() - began < 10


def test_a_value_beyond_the_bound_fits_no_pattern() -> None:
    assert matches_whole("1*", "1" * LONGEST)
    assert not matches_whole("1*", "1" * (LONGEST + 1))


@pytest.mark.parametrize(
    "pattern", ["[", r"(a)\1", "(?=a)b", "(?<!a)b", "|".join([".{0,999}"] * 20), "\ud800"]
)
def test_what_the_engine_cannot_bound_is_refused_at_registration(pattern: str) -> None:
    assert fault(pattern)
    assert not matches_whole(pattern, "a")
    parameter = {"name": "n", "in": "query", "pattern": pattern}
    operation = {"name": "o", "method": "GET", "path": "/v1", "parameters": [parameter], "records": ""}
    found = schemas.errors(
        "request/distribution", {"kind": "api", "connection": "c", "operations": [operation]}
    )
    [wrong] = [e for e in found if e.pointer.endswith("/pattern")]
    assert "正则表达式" in wrong.message.zh
    assert "back-references" in wrong.message.en
