"""The log that `python -m bench.audit` measures is one as the sealer writes it."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import orjson

from audit.record import OWN_FIELDS, canonical, make_envelope
from audit.verify import verify
from bench.audit_log import RARE, fill, open_database, record, seal, signers


def test_its_records_are_spelled_as_all_records_are() -> None:
    chance = random.Random(1)
    for number in range(200):
        envelope, body = record(number, 1_000_000, chance)
        document = orjson.loads(body)
        assert canonical(document) == body
        assert document.keys() >= OWN_FIELDS
        assert envelope == make_envelope("access", document["t"], orjson.loads(envelope)["s"], body)
        assert (document["grant"] == RARE[0]) == (number == 11)


def test_its_files_are_taken_over_by_the_sealer_and_verified(tmp_path: Path) -> None:
    fill(tmp_path, 600)
    with closing(open_database(tmp_path)) as database:
        assert seal(tmp_path, database, signers(tmp_path))[0] == 600
    report = verify(tmp_path)
    assert (report.sound, report.size) == (True, 600)
