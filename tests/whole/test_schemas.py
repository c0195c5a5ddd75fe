"""The checker finds what the plain library finds, though it resolves references and makes validators once."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

import schemas
from core.settings import read_yaml
from rules.rulebook import SHIPPED
from tests.conftest import CONFIG

JUNK: tuple[Any, ...] = (None, True, 1, -5, "x", [], {}, {"a": 1})
STATIC = [(f"config/{path.stem}", path) for path in sorted(CONFIG.glob("*.yaml"))]
STATIC += [("config/dataset", path) for path in sorted((CONFIG / "datasets").glob("*.yaml"))]
STATIC += [("rulebook/sharing", SHIPPED / "sharing" / "ganzhou.yaml")]


@cache
def plain(name: str) -> Any:
    """The library as it comes, with every schema in a registry."""
    known = (
        (schemas.BASE + n, Resource.from_contents(schemas.schema(n), DRAFT202012)) for n in schemas.names()
    )
    registry: Registry[Any] = Registry().with_resources(known).crawl()
    return Draft202012Validator(schemas.schema(name), registry=registry)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything that a document holds."""
    inside = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inside:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def damaged(document: Any, random: Random) -> Any:
    """A copy with one thing left out, one replaced and one too many."""
    document = copy.deepcopy(document)
    for what in random.sample(["drop", "replace", "add"], 3):
        *way, last = random.choice(list(places(document)))
        holder = document
        for key in way:
            holder = holder[key]
        if what == "drop":
            del holder[last]
        elif what == "replace":
            holder[last] = random.choice(JUNK)
        elif isinstance(holder, dict):
            holder["left_over"] = random.choice(JUNK)
    return document


@pytest.mark.parametrize(("name", "path"), STATIC, ids=[path.stem for _, path in STATIC])
def test_what_is_wrong_is_found_as_by_the_plain_library(name: str, path: Any) -> None:
    document, random = read_yaml(path), Random(path.name)
    assert schemas.errors(name, document) == []
    refused = 0
    for _ in range(6):
        wrong = damaged(document, random)
        fits = plain(name).is_valid(wrong)
        assert (schemas.errors(name, wrong) == []) == fits
        refused += not fits
    assert refused


@pytest.mark.parametrize("name", [n for n in schemas.names() if n.startswith(("request/", "response/"))])
def test_junk_fits_a_schema_of_ours_as_it_fits_by_the_plain_library(name: str) -> None:
    for junk in JUNK:
        assert (schemas.errors(name, junk) == []) == plain(name).is_valid(junk)
