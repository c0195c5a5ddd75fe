"""The rows of the outbox: which the log holds already, and which can never be a record of it.

A row is known by its envelope, not by its number: a database that was restored gives its numbers out again.
Since the same transaction deletes what is sealed and moves the anchor, what a crash or a restore left in the
outbox though it is sealed stands among the entries behind the database's own anchor.

Every process with access to the database can write rows. One that is no record of ours would stop the sealer
or, once sealed, every reader; it is put aside as it is, and a record says so in its place.

journal/refused/<seq>-<digest>.json    a row that was put aside, and the envelope of the record that says so
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from audit import store
from audit.bodies import is_erased
from audit.files import Inconsistent, tile_reader, write_file
from audit.frames import ENVELOPE_MAX
from audit.record import VERSION, Record, body_digest, canonical, make_record
from audit.segments import sync_folder
from audit.tiles import ENTRIES, WIDTH, decode_bundle, tiles_of
from core.times import instant_of

REFUSED = "outbox.refused"
"""Kind of the record by which the log states that a row of the outbox was no record."""
BODY_MAX = 16 * 1024 * 1024
_PAGE = 10_000


# --- what is no record ----------------------------------------------------------------------------


def fault_of(envelope: bytes, body: bytes) -> str | None:
    """Return why an envelope and a body are no record that `make_record` made; None when they are one."""
    if len(envelope) > ENVELOPE_MAX or len(body) > BODY_MAX:
        return "too long"
    try:
        outer, inner = orjson.loads(envelope), orjson.loads(body)
    except ValueError:
        return "not JSON"
    if not _is_envelope(outer) or canonical(outer) != envelope or not envelope.isascii():
        return "not an envelope"
    if outer["b"] != body_digest(body):
        return "body of another digest"
    if b"\n" in body or is_erased(body) or not _fits(inner, outer):
        return "not the body of its envelope"
    return None


def _is_envelope(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and document.keys() == {"b", "k", "s", "t"}
        and all(isinstance(document[name], str) for name in "bks")
        and bool(document["k"])
        and _is_instant(document["t"])
    )


def _is_instant(ms: Any) -> bool:
    try:
        return type(ms) is int and ms >= 0 and bool(instant_of(ms))
    except (ValueError, OverflowError, OSError):
        return False


def _fits(body: Any, envelope: dict[str, Any]) -> bool:
    if not isinstance(body, dict) or body.get("v") != VERSION:
        return False
    return (body.get("k"), body.get("t")) == (envelope["k"], envelope["t"]) and _is_id(body.get("id"))


def _is_id(text: Any) -> bool:
    try:
        return isinstance(text, str) and str(UUID(text)) == text
    except ValueError:
        return False


def sound(rows: Iterable[store.OutboxRow]) -> list[store.OutboxRow]:
    """Return those rows that are records; the sealer puts the others aside."""
    return [row for row in rows if fault_of(row.envelope, row.body) is None]


def put_aside(journals: Path, row: store.OutboxRow, reason: str, now: datetime) -> Record:
    """Keep a row that is no record, durably, and return the record that says so in its place."""
    digest = hashlib.sha256(row.envelope + row.body).hexdigest()
    path = journals / "refused" / f"{row.seq:012d}-{digest[:16]}.json"
    said = make_record(REFUSED, now, "sealer", {"seq": row.seq, "reason": reason, "sha256": digest})
    kept = {"envelope": row.envelope, "body": row.body, "said": said.envelope}
    texts = {name: base64.b64encode(value).decode() for name, value in kept.items()}
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
        sync_folder(journals)
    write_file(path, orjson.dumps({"seq": row.seq, **texts}), 0o600)
    return said


def delete_refused(journals: Path, before: datetime) -> None:
    """Delete what was put aside before an instant; the log keeps the record that says so.

    Call it for times long past: a row that still waits is known by its file.
    """
    for path in (journals / "refused").glob("*.json"):
        if instant_of(int(path.stat().st_mtime * 1000)) < before:
            path.unlink()


# --- what is sealed -------------------------------------------------------------------------------


def sealed_behind(tx: Connection, folder: Path, anchored: int, size: int) -> Sequence[int]:
    """Return the numbers of the rows that the log of `size` records took in behind the first `anchored`.

    Raises Inconsistent when its entries cannot be read.
    """
    waits = {} if anchored == size else dict(_waiting(tx, folder / "journal"))
    if not waits:
        return ()
    try:
        return [waits[entry] for entry in _entries(folder, anchored, size) if entry in waits]
    except (OSError, ValueError) as wrong:
        raise Inconsistent(f"the entries behind {anchored} cannot be read: {wrong}") from wrong


def _waiting(tx: Connection, journals: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the envelope by which each row is known in the log, and its number."""
    aside = dict(_aside(journals / "refused"))
    after = 0
    while rows := store.select_envelopes(tx, after, _PAGE):
        for seq, envelope in rows:
            yield aside.get((seq, envelope), envelope), seq
        after = rows[-1].seq


def _aside(folder: Path) -> Iterator[tuple[tuple[int, bytes], bytes]]:
    for path in sorted(folder.glob("*.json")):
        kept = orjson.loads(path.read_bytes())
        yield (kept["seq"], base64.b64decode(kept["envelope"])), base64.b64decode(kept["said"])


def _entries(folder: Path, first: int, size: int) -> Iterator[bytes]:
    read = tile_reader(folder / "log")
    for index, width in tiles_of(ENTRIES, size, first // WIDTH):
        skip = max(0, first - index * WIDTH)
        yield from decode_bundle(read(ENTRIES, index, width))[skip:]
