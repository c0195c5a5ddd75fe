"""What auditors take away: tables that no spreadsheet calculates, and bundles that anybody can check."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from audit.note import NoteVerifier, open_note
from audit.questions.bundle import FIRST_LINE
from tests.audit.questions.story import HOUR, call, event
from tests.audit.questions.test_asking import put, queries
from tests.cast import dave
from tests.conftest import World

pytestmark = pytest.mark.long


def taken(world: World, query: str) -> bytes:
    answer = world.client(dave).get(f"/api/audit/export?{query}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return bytes(answer.data)


def test_a_table_for_a_spreadsheet_holds_no_formula(world: World) -> None:
    put(world, call(world.now - HOUR, consumer="=HYPERLINK(1)"), call(world.now - HOUR, consumer="police"))
    raw = taken(world, "question=top_consumers")
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert rows[0][:2] == ["名称 Name", "调用次数 Calls"]
    assert [row[0] for row in rows[1:3]] == ["'=HYPERLINK(1)", "police"]
    below = {row[0]: row[1] for row in rows[3:] if row}
    assert "完整" in below["依据 based on"]
    assert below["by"] == "consumer"
    (body,) = queries(world)
    assert (body["query"]["form"], body["rows"]) == ("csv", 2)


def test_a_table_for_programs_keeps_its_types_and_says_what_it_is(world: World) -> None:
    put(world, call(world.now - HOUR))
    table = pq.read_table(io.BytesIO(taken(world, "question=find_records&kind=access&form=parquet")))
    assert (table.num_rows, str(table.schema.field("at").type)) == (1, "timestamp[us]")
    facts = json.loads(table.schema.metadata[b"shuxiang.answer"])
    assert (facts["question"], facts["coverage"]["complete"]) == ("find_records", True)


def test_a_bundle_can_be_checked_with_nothing_of_ours(world: World, tmp_path: Path) -> None:
    made = [call(world.now - n * HOUR) for n in range(1, 4)]
    put(world, *made, event(world.now - HOUR, "audit.query"))
    waiting = call(world.now - HOUR / 2)
    put(world, waiting, seal=False)
    raw = taken(world, "question=find_records&kind=access&form=zip")
    with zipfile.ZipFile(io.BytesIO(raw)) as bundle:
        bundle.extractall(tmp_path)
        names = set(bundle.namelist())
    key = NoteVerifier.parse(world.settings.key_file("receipt.vkey").read_text(encoding="utf-8"))
    lines = open_note((tmp_path / "manifest").read_text(encoding="utf-8"), [key]).splitlines()
    assert lines[0] == FIRST_LINE
    listed = {name: (digest, int(size)) for digest, size, name in (line.split(" ") for line in lines[10:])}
    assert listed.keys() | {"manifest"} == names
    for name, (digest, size) in listed.items():
        content = (tmp_path / name).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (digest, size)
    bodies = [orjson.loads(line)["id"] for line in (tmp_path / "bodies.jsonl").read_bytes().splitlines()]
    assert bodies == [waiting.id, *(record.id for record in made)]
    assert len((tmp_path / "envelopes.jsonl").read_bytes().splitlines()) == 3
    for record in made:
        (tmp_path / "body.json").write_bytes(record.body)
        checked = check(tmp_path, f"proofs/{record.id}.tlog-proof", "--body", "body.json")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    (tmp_path / "body.json").write_bytes(made[0].body)
    assert check(tmp_path, f"proofs/{made[1].id}.tlog-proof", "--body", "body.json").returncode == 1


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    key = (folder / "keys.txt").read_text(encoding="utf-8").splitlines()[0]
    command = [sys.executable, "-I", "verifier.py", *arguments, "--key", key]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_bundle_of_sums_has_no_proofs_but_a_checkpoint(world: World) -> None:
    put(world, call(world.now - HOUR))
    with zipfile.ZipFile(io.BytesIO(taken(world, "question=calls_per_day&form=zip"))) as bundle:
        assert bundle.namelist() == ["answer.csv", "checkpoint", "keys.txt", "verifier.py", "manifest"]


def test_an_export_needs_a_question_and_a_known_form(world: World) -> None:
    auditor = world.client(dave)
    for query, pointer in (("", "/question"), ("question=calls_per_day&form=xls", "/form")):
        refused = auditor.get(f"/api/audit/export?{query}")
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (400, pointer)


def test_no_file_of_an_export_is_left_behind(world: World) -> None:
    from audit.questions.exports import forget_answers

    put(world, call(world.now - HOUR))
    taken(world, "question=calls_per_day&form=zip")
    folder = world.settings.data / "run" / "audit-exports"
    assert list(folder.iterdir()) == []
    (folder / "left").write_bytes(b"x")
    forget_answers(world.settings)
    assert not folder.exists()
