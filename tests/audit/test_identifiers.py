"""What auditors ask goes on record, so nothing that could name a person may be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.identifiers import names_person, wrong_in
from audit.record import FIELDS
from audit.sealer import seal_once
from tests.audit.questions.test_asking import queries
from tests.cast import carol, dave
from tests.conftest import World

ID, OLD_ID, PHONE = "110101199003070011", "110101900307001", "13800138000"


def kept(world: World, text: str) -> list[Path]:
    seal_once(world.settings, world.database, world.now)
    files = [path for path in world.settings.data.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


@pytest.mark.parametrize("path", ["/api/audit/records?", "/api/audit/questions/find_records?"])
def test_a_person_in_a_condition_is_refused_and_not_kept(world: World, path: str) -> None:
    auditor = world.client(dave)
    for field in (*FIELDS, "department"):
        for text in (ID, "张三", f"no-{PHONE}"):
            answer = auditor.get(path, query_string={field: text, "asked": "yes"})
            assert answer.status_code in (400, 422), (field, text)
    assert not [query for query in queries(world) if len(query["query"]) > 1]
    for text in (ID, "张三", PHONE):
        assert not kept(world, text)


def test_a_person_in_a_condition_of_a_department_is_refused(world: World) -> None:
    department = world.client(carol)
    for field in ("dataset", "client", "grant"):
        for text in (ID, "张三", f"no-{PHONE}"):
            answer = department.get("/api/audit/usage/records", query_string={field: text})
            assert answer.status_code == 400, (field, text)
    assert not kept(world, "张三")


def test_a_person_in_place_of_a_field_is_refused_and_not_kept(world: World) -> None:
    auditor = world.client(dave)
    for name in (ID, f"{ID} 张三", f"n_{ID}-1", "张 三", f"x-{PHONE}"):
        asked = auditor.post("/api/audit/subjects", json={"name": name, "value": "x"})
        assert asked.status_code == 400
        assert not kept(world, name)


def test_a_field_with_a_chinese_name_can_be_asked_for_and_leaves_only_the_digest(world: World) -> None:
    given = world.client(dave).post("/api/audit/subjects", json={"name": "张三", "value": "x"})
    assert given.status_code == 200
    assert queries(world)[-1]["query"] == {"subject": given.json["subject"]}
    assert not kept(world, "张三")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kind", "decision.dataset"),
        ("consumer", "hr_social"),
        ("dataset", "307001/000001"),
        ("dataset", "3300000000000000-00000001"),
        ("operation", "call/by_card-2"),
        ("operation", "files/{name}"),
        ("grant", "G-2026-000123"),
        ("case", "13800138-1380-7138-8013-138001380001"),
        ("client", "sys-night"),
        ("actor", "0123456789abcdef0123456789abcdef"),
        ("subject", "0" * 32),
        ("subject", ",".join(["a" * 32, "b" * 32])),
    ],
)
def test_codes_and_numbers_of_ours_are_accepted(name: str, text: str) -> None:
    assert wrong_in(name, text) is None


@pytest.mark.parametrize("text", [ID, OLD_ID, ID[:-1] + "X", PHONE, f"a {PHONE}.", f"id_{ID}"])
def test_numbers_of_people_are_known(text: str) -> None:
    assert names_person(text)


@pytest.mark.parametrize("text", ["A" * 32, "0" * 31, "abc", "0" * 32 + ",", "0" * 32 + "\n"])
def test_a_subject_is_a_digest_and_nothing_else(text: str) -> None:
    assert wrong_in("subject", text) is not None
