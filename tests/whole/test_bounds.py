"""Every body that may be sent is closed and bounded, and every table for people is safe in a spreadsheet."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

import schemas
from core.cells import safe
from tests.whole.test_layers import sources

FREE = {
    "request/dataset_revision": "changed members of an entry: the whole is checked against request/dataset",
    "request/matter/fields": "checked against the step of the rulebook",
    "request/supervision": "checked against the step of the rulebook",
    "request/supervisions/fields": "checked against the step of the rulebook",
    "request/ticket_batch/fields": "checked against the step of the rulebook",
}
"""Objects whose members another check knows, and which."""
INSIDE = ("properties", "$defs", "patternProperties")
ONE = ("items", "additionalProperties", "contains", "propertyNames")
BOUNDS = {"string": ("maxLength", "pattern", "format"), "array": ("maxItems",)}


def parts(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each schema within a schema that describes a value of its own, with its place."""
    if not isinstance(schema, dict):
        return
    yield place, schema
    for word in INSIDE:
        for name, part in schema.get(word, {}).items():
            yield from parts(part, f"{place}/{name}")
    for word in ONE:
        yield from parts(schema.get(word), f"{place}/{word}" if word != "items" else place)


def described() -> list[tuple[str, dict[str, Any]]]:
    """Every part of every body that may be sent."""
    return [p for n in schemas.names() if n.startswith("request/") for p in parts(schemas.schema(n), n)]


def kinds(schema: dict[str, Any]) -> set[str]:
    kind = schema.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind)


def is_closed(schema: dict[str, Any]) -> bool:
    """Whether an object's members are all known, or all described and counted."""
    more = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    return more is False or (isinstance(more, dict) and "maxProperties" in schema)


def test_every_object_that_may_be_sent_is_closed() -> None:
    found = {place for place, s in described() if "object" in kinds(s) and not is_closed(s)}
    assert found == set(FREE)


def test_every_text_and_list_that_may_be_sent_is_bounded() -> None:
    chosen = ("enum", "const")
    loose = [
        f"{place} ({kind})"
        for place, schema in described()
        for kind in kinds(schema) & set(BOUNDS)
        if not any(word in schema for word in (*BOUNDS[kind], *chosen))
        and not (kind == "array" and schema.get("uniqueItems") and "enum" in schema.get("items", {}))
    ]
    assert loose == []


def writes_tables(source: str) -> bool:
    """Whether a file writes CSV or a workbook."""
    called = {ast.unparse(n.func) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)}
    return bool(called & {"csv.writer", "csv.DictWriter", "Workbook"})


FOR_SYSTEMS = {"gateway/formats.py": "what systems fetch is what the provider holds, byte for byte"}


def test_every_table_for_people_goes_through_what_makes_cells_safe() -> None:
    writers = [(p, p.read_text(encoding="utf-8")) for p in sources()]
    unsafe = {
        path.as_posix().split("/main/")[-1]
        for path, source in writers
        if "csv" in source and writes_tables(source) and "safe(" not in source
    }
    assert {name for name in unsafe if not name.endswith(tuple(FOR_SYSTEMS))} == set()
    assert any(name.endswith("gateway/formats.py") for name in unsafe)


@pytest.mark.parametrize("text", ["|cmd", "=1", "\uff1d1", "-1+1", "-1)", "+86 138", "@SUM(A1)", "\tx", "-"])
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "-12.75", "潜江市", "1-1", "a=b", ""])
def test_what_it_would_not_stays_as_it_is(text: str) -> None:
    assert safe(text) == text
