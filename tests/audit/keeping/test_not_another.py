"""What is deleted is what the log says, whatever columns, database or the file of a deletion say."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.bodies import is_erased, read_bodies
from audit.columns import blocks
from audit.columns.blocks import Block
from audit.columns.footers import footer_of
from audit.columns.index import KEY
from audit.columns.indexing import Indexing
from audit.columns.make import make
from audit.files import Inconsistent, write_file
from audit.keeping import store
from audit.keeping.covered import covered
from audit.keeping.erasing import carry_out
from audit.keeping.keeper import prune_step
from audit.keeping.kinds import KEPT, PRUNED
from audit.keeping.places import erase_body
from audit.keeping.retention import Job, begin_pruning
from audit.proofs import entry_at
from audit.state import load_state
from tests.audit.keeping.test_erasing import granted, look
from tests.audit.keeping.town import RULE, Town
from tests.audit.logs import access

pytestmark = pytest.mark.long


@pytest.fixture
def ids(town: Town) -> list[str]:
    made = [access(town.now, purpose=f"p{i}") for i in range(4)]
    town.put(made)
    town.seal()
    return [record.id for record in made]


def erased(town: Town) -> list[int]:
    lines = read_bodies(town.folder / "bodies", 0, load_state(town.folder).size)
    return [line.at for line in lines if is_erased(line.body)]


def swap_rows(path: Path, one: str, other: str) -> None:
    """Let a block say that each of two records lies where the other does."""
    table, footer = pq.read_table(path), footer_of(path)
    assert footer is not None
    rows = table.to_pylist()
    swapped = {one: other, other: one}
    for row in rows:
        row["id"] = swapped.get(row["id"], row["id"])
    changed, index = pa.Table.from_pylist(rows, schema=table.schema), Indexing(0)
    index.add(changed)
    with path.open("wb") as sink:
        file = pa.PythonFile(sink, "w")
        with pq.ParquetWriter(file, table.schema, store_schema=False) as writer:
            writer.write_table(changed)
            said = {**footer.metadata.metadata, KEY: index.finish(file.tell(), file.write)}
            writer.add_key_value_metadata(said)


def test_columns_that_lie_about_a_place_erase_nobody_else(
    town: Town, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "SIZES", (64, 16, 4))
    make(town.folder, Block(0, 4), load_state(town.folder).size, lambda made: None)
    swap_rows(Block(0, 4).path(town.folder), ids[0], ids[3])
    assert town.read(ids[0]).log_index == 3
    made = granted(town, [ids[0]])
    for _ in range(3):
        town.seal()
        with pytest.raises(Inconsistent, match="not that of the record"):
            carry_out(town.keeping, town.now)
    assert erased(town) == []
    assert look(town, made).state == "granted"  # nothing was stated


@pytest.mark.parametrize("changed", [{"log_index": 2}, {"statement": "another"}])
def test_a_row_of_the_database_that_was_changed_erases_nobody_else(
    town: Town, ids: list[str], changed: dict[str, object]
) -> None:
    made = granted(town, [ids[0]])
    town.seal()
    carry_out(town.keeping, town.now)
    town.seal()
    (target,) = look(town, made).targets
    values = {k: ids[1] if v == "another" else v for k, v in changed.items()}
    with town.database.begin() as tx:
        store.state_targets(tx, made.id, [replace(target, **values)])  # type: ignore[arg-type]
    with pytest.raises(Inconsistent):
        carry_out(town.keeping, town.now)
    assert erased(town) == []


def test_a_body_is_overwritten_only_under_its_own_id_and_never_one_that_explains_the_log(
    town: Town, ids: list[str]
) -> None:
    bodies = town.folder / "bodies"
    with pytest.raises(Inconsistent, match="not that of the record"):
        erase_body(bodies, 1, ids[2], ids[3], entry_at(town.folder, 1))
    for kind in KEPT:
        envelope = orjson.dumps({**orjson.loads(entry_at(town.folder, 1)), "k": kind})
        with pytest.raises(Inconsistent, match="explains the log"):
            erase_body(bodies, 1, ids[1], ids[3], envelope)
    assert erased(town) == []


# --- retention --------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "bodies").iterdir())


def write_job(town: Town, job: Job) -> None:
    write_file(town.folder / "log" / ".state" / "pruning.json", orjson.dumps(asdict(job)))


def test_the_file_of_a_deletion_deletes_nothing_that_no_record_names(old_town: Town) -> None:
    town, before = old_town, names(old_town.folder)
    made = access(town.now)
    town.put([made])
    town.seal()
    write_job(town, Job(0, 3 * 16_384 - 1, town.now.isoformat(), made.id))
    with pytest.raises(Inconsistent, match=PRUNED):
        prune_step(town.keeping, town.now, begin=False)
    assert names(town.folder) == before


def test_the_file_of_a_deletion_deletes_no_more_than_its_record_names(old_town: Town) -> None:
    town = old_town.with_audit(retention=RULE)
    reach, before = covered(town.keeping), names(town.folder)
    assert reach is not None
    job = begin_pruning(town.keeping, reach, town.now)
    assert job is not None
    town.seal()
    write_job(town, replace(job, last=job.last + 16_384))
    with pytest.raises(Inconsistent, match="other bodies"):
        prune_step(town.keeping, town.now, begin=False)
    assert names(town.folder) == before
    write_job(town, job)
    assert prune_step(town.keeping, town.now, begin=False)
    assert len(names(town.folder)) < len(before)
