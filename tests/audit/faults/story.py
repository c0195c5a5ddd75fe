"""What must hold after any fault: each acknowledged record once, in order, and one tree only."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson

from audit.bodies import read_bodies
from audit.files import tile_reader
from audit.frames import encode_frame, encode_header, journal_key
from audit.merkle import root
from audit.note import Checkpoint, open_note
from audit.record import Record
from audit.segments import segment_path
from audit.state import load_state
from audit.tiles import hash_reader
from audit.verify import verify
from tests.audit.logs import SECRET, SIGNER, START, VKEY, Log, access

SEALED, ACTS, CALLS = 250, 4, 36


class Town:
    """A log with records sealed, and others that wait in the outbox, two journals and a torn tail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = Log(folder)
        log.put([access() for _ in range(SEALED)])
        log.seal()
        self.acts = [access(source="control") for _ in range(ACTS)]
        self.calls = {name: [access(source=name) for _ in range(CALLS)] for name in ("a.1", "b.1")}
        log.put(self.acts)
        half = CALLS // 2
        _segment(log, "a.1", 1, 1, self.calls["a.1"][:half])
        _segment(log, "a.1", 2, half + 1, self.calls["a.1"][half:], b"half a frame")
        _segment(log, "b.1", 1, 1, self.calls["b.1"])
        self.before = checkpoint_in(folder)
        log.database.close()

    def copy(self, folder: Path) -> Path:
        """Return a copy of the town to break."""
        return Path(shutil.copytree(self.folder, folder))

    def check(self, folder: Path) -> None:
        """Recover after a fault and hold the log to its promises."""
        seen = [self.before, checkpoint_in(folder)]
        log = Log(folder)
        try:
            log.sealer().close()
            recovered = checkpoint_in(folder)
            assert recovered.size == load_state(folder).size, "recovery publishes what is committed"
            assert log.seal().size == SEALED + ACTS + 2 * CALLS + 1  # the last one tells of the torn tail
        finally:
            log.database.close()
        check_log(folder, [*seen, recovered])
        sealed = sealed_ids(folder)[SEALED:]
        for records in (self.acts, *self.calls.values()):
            ids = {record.id for record in records}
            assert [i for i in sealed if i in ids] == [record.id for record in records]


def check_log(folder: Path, seen: Sequence[Checkpoint]) -> None:
    """Check that the log is whole, holds nothing twice, and continues each checkpoint that was ever seen."""
    report = verify(folder, VKEY)
    assert report.sound, str(report)
    assert [i for i, n in Counter(sealed_ids(folder)).items() if n > 1] == []
    read = hash_reader(report.size, tile_reader(folder / "log"))
    for old in seen:
        assert root(old.size, read) == old.root, f"another tree was signed at {old.size}"


def seal_calls(log: Log, count: int) -> None:
    """Seal so many calls from one journal."""
    _segment(log, "w.1", 1, 1, [access(source="w.1") for _ in range(count)])
    log.seal()


def checkpoint_in(folder: Path) -> Checkpoint:
    """Return the checkpoint that everybody can see, which must be a whole and signed one at any time."""
    note = (folder / "log" / "checkpoint").read_text(encoding="utf-8")
    return Checkpoint.parse(open_note(note, [SIGNER.verifier]))


def sealed_ids(folder: Path) -> list[str]:
    """Return the ids of the sealed records, in the order of the log."""
    lines = read_bodies(folder / "bodies", 0, load_state(folder).size)
    return [orjson.loads(line.body)["id"] for line in lines]


def _segment(
    log: Log, journal: str, number: int, first: int, records: Sequence[Record], tail: bytes = b""
) -> None:
    log.journals.mkdir(exist_ok=True)
    frames = [
        encode_frame(first + i, r.envelope, r.body, journal_key(SECRET, journal))
        for i, r in enumerate(records)
    ]
    content = encode_header(first) + b"".join(frames) + tail + bytes(500)
    segment_path(log.journals, journal, number).write_bytes(content)


NOW = START.replace(hour=9)
