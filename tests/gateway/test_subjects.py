"""Whose record a call asked for can be found again by who knows name and value, and by nobody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from audit.questions.subject import DIGEST_CHARS, subject_digest, subject_key
from gateway.calls import Call, read_query
from gateway.model import Permit
from gateway.subjects import subject_field

KEY = subject_key(b"k" * 32)
ID = "33010119800101001X"
CODE = "307001/000001"


@dataclass
class Granted:
    """As much of a permit as is looked at."""

    dataset_code: str = CODE
    attributes: tuple[dict[str, Any], ...] = field(
        default=(
            {"name": "id_number", "sensitivity": "sensitive_personal"},
            {"name": "phone", "sensitivity": "personal"},
            {"name": "area", "sensitivity": "public"},
            {"name": "level"},
        )
    )


def subjects(query: str, kind: str = "table", code: str = CODE) -> list[str]:
    call = Call("GET", code, kind, "rows", None, read_query(query.encode()))
    found = subject_field(KEY, cast(Permit, Granted()), call)
    assert ID not in str(found)
    return found["subject"].split(",") if found else []


def digest(value: str, name: str = "id_number") -> str:
    return subject_digest(KEY, name, value)


@pytest.mark.parametrize(
    "query",
    [
        f"id_number=eq.{ID}",
        f"id_number=eq.{ID.lower()}",
        f"id_number=eq.%20{ID}",
        f"id_number=in.({ID})",
        f'id_number=in.("{ID}")',
        f"id_number=like.{ID}",
        f"id_number=ilike.*{ID}*",
        f"id_number=gte.{ID}&id_number=lte.{ID}",
        f"area=eq.1&select=phone&id_number=eq.{ID}&limit=1",
        f"or=(area.eq.1,id_number.eq.{ID})",
        f'and=(area.eq.1,or(area.eq.2,and(id_number.in.("{ID}"))))',
        f"and=(id_number.gte.{ID},id_number.lte.{ID})",
        f"id_number=not.neq.{ID}",
        f"not.or=(id_number.neq.{ID})",
        f'not.or=(id_number.neq."{ID}",area.eq.1)',
        f"not.and=(id_number.not.eq.{ID})",
        f"not.or=(id_number.not.in.({ID}))",
        f"and=(not.and(id_number.neq.{ID}))",
        f"not.and=(not.or(id_number.eq.{ID}))",
        f"not.or=(id_number.lt.{ID},id_number.gt.{ID})",
        f"id_number=not.lt.{ID}&id_number=not.gt.{ID}",
    ],
)
def test_however_a_person_is_named_the_digest_is_the_same(query: str) -> None:
    assert subjects(query) == [digest(ID)]


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"area=eq.{ID}",
        f"level=eq.{ID}",
        f"unknown=eq.{ID}",
        f"id_number=gte.{ID}",
        f"id_number=gte.{ID}&id_number=lte.Z",
        f"id_number=neq.{ID}",
        f"id_number=not.eq.{ID}",
        f"not.or=(id_number.eq.{ID})",
        f"not.or=(id_number.not.neq.{ID})",
        f"not.or=(not.and(id_number.neq.{ID}))",
        f"or=(id_number.not.in.({ID}))",
        f"id_number=not.not.neq.{ID}",
        f"or=(id_number.eq.{ID}",
        "id_number=like.3301*001X",
        "id_number=like.*",
        "id_number=in.(a,",
        "id_number=is.null",
        f"select=id_number&order={ID}",
    ],
)
def test_what_names_nobody_has_no_subject(query: str) -> None:
    assert subjects(query) == []


def test_several_people_are_named_each_once_and_in_order() -> None:
    found = subjects(f"id_number=in.({ID},b,{ID})&phone=eq.139")
    assert found == sorted({digest(ID), digest("b"), digest("139", "phone")})
    assert {len(d) for d in found} == {DIGEST_CHARS}


def test_a_parameter_of_an_api_counts_as_it_was_sent() -> None:
    assert subjects(f"id_number={ID}&area=42", "api") == [digest(ID)]
    assert subjects("id_number=eq.x", "api") == [digest("eq.x")]


def test_another_datasets_attributes_mean_nothing() -> None:
    assert subjects(f"id_number=eq.{ID}", code="307001/000009") == []


def test_digests_differ_by_name_and_by_key() -> None:
    assert digest(ID) != digest(ID, "phone")
    assert digest(ID) != subject_digest(subject_key(b"j" * 32), "id_number", ID)
    assert digest("b", "a") != digest("", "ab")
