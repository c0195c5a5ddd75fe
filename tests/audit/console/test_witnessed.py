"""What the pages say where a witness cosigns the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.note import Cosigner, add_signatures, split_note
from audit.place import log_folder
from audit.proofs import published_checkpoint
from audit.sealer import seal_once
from audit.witness.anchors import write_anchor
from audit.witness.memory import Known, Memory, save_memory
from core.settings_audit import Witness, Witnesses
from core.times import millis
from tests.audit.console.calls import NOW, Calls, send, text_of, told
from tests.cast import dave
from tests.conftest import World

pytestmark = pytest.mark.long

BUREAU = Cosigner("bureau.example/witness", "ed25519", bytes(range(32)))
LATE = Cosigner("archive.example/witness", "ed25519", bytes(range(32, 64)))


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[Calls]:
    """The same log, of whose witnesses one has cosigned and one has fallen silent; the night call waits."""
    for calls in told(tmp_path_factory.mktemp("witnessed"), template_database):
        world = calls.world
        of = tuple(
            Witness(name, "http://127.0.0.1:9", str(key.verifier))
            for name, key in (("审计局", BUREAU), ("档案馆", LATE))
        )
        policy = replace(world.settings.audit, witnesses=Witnesses(needed=1, of=of))
        again = World(replace(world.settings, audit=policy), world.database)
        again.now = NOW
        cosign(again)
        yield calls._replace(world=again)


def cosign(world: World) -> None:
    """Have the bureau cosign the checkpoint of now, and remember what a sealer would."""
    folder = log_folder(world.settings)
    note, checkpoint = published_checkpoint(folder)
    cosigned = add_signatures(note, [BUREAU.cosign(split_note(note)[0], world.now)])
    (folder / "log" / "cosigned").write_text(cosigned, encoding="utf-8")
    write_anchor(folder, checkpoint.size, cosigned.encode())
    at = millis(world.now)
    known = {"审计局": Known(checkpoint.size, at), "档案馆": Known(0, None, "<b>timed out</b>")}
    remembered = Memory(
        origin=checkpoint.origin,
        witnessed=checkpoint.size,
        witnessed_at=at,
        witnesses=known,
        anchored_at=at,
    )
    save_memory(folder, remembered)


@pytest.fixture(scope="module")
def reader(witnessed: Calls) -> Any:
    return witnessed.world.browser(dave)


def test_the_state_names_who_cosigned_and_who_does_not(witnessed: Calls, reader: Any) -> None:
    html = reader.get("/records/log").text
    shown = text_of(html)
    assert "检查点须有 2 个见证人中的 1 个共签" in shown
    bureau, archive = (
        html.split(f'<th scope="row">{name}</th>')[1].split("</tr>")[0] for name in ("审计局", "档案馆")
    )
    assert "正常" in bureau
    assert "没有共签" in archive
    assert "&lt;b&gt;timed out" in archive
    assert "长期保存的检查点共 1 个" in shown
    assert "/audit/cosigned" in html


def test_verifying_a_record_counts_the_witnesses(witnessed: Calls, reader: Any) -> None:
    page = f"/records/{witnessed.given}"
    shown = text_of(send(reader, page, f"{page}/verify").text)
    assert "各步都通过" in shown
    assert "✓ 见证人" in shown


def test_a_row_says_whether_it_is_witnessed_sealed_or_waits(witnessed: Calls, reader: Any) -> None:
    before = text_of(reader.get("/records?kind=access").text)
    assert "已见证" in before
    world = witnessed.world
    seal_once(world.settings, world.database, world.now)
    after = text_of(reader.get("/records?kind=audit.query").text)
    assert "已封存" in after
