"""The digests of blocks that the logs hold: in their own records, and those of closed logs in later ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from audit.bodies import Line, read_body
from audit.columns.compare import is_in_log, is_that_of
from audit.columns.engine import Engine
from audit.columns.logs import newest_note, origin_of
from audit.columns.maker import SEALED
from audit.columns.tail import Logs, Snapshot

Said = dict[tuple[str | None, str], str]
"""By log, None for the one that says it, and block the digest that was said last."""


@dataclass(slots=True)
class _Known:
    """What the first `size` entries of a log say."""

    size: int
    said: Said


_known: dict[tuple[Path, str], _Known] = {}
"""By audit folder and origin: a rotation puts another log into the folder."""


class Recorded:
    """What some logs say, the newest last."""

    def __init__(self, engine: Engine, logs: Logs) -> None:
        """Read what the logs say since they were read last. Raises as `Engine.select`."""
        self._digests: dict[tuple[str, str], str] = {}
        for log in logs:
            origin = origin_of(newest_note(log.folder))
            said = _said(engine, log, origin)
            self._digests |= {(about or origin, block): digest for (about, block), digest in said.items()}

    def of(self, origin: str) -> dict[str, str]:
        """Return the newest digest of each block of a log."""
        return {block: digest for (about, block), digest in self._digests.items() if about == origin}


def _said(engine: Engine, log: Snapshot, origin: str) -> Said:
    """Return what one log says; what its sealed entries said before is remembered."""
    place = log.folder, origin
    known = _known.get(place, _Known(0, {}))
    if known.size > log.size:
        known = _Known(0, {})
    sealed = known.said | _read(_sealed(engine, log, known.size))
    _known[place] = _Known(log.size, sealed)
    return sealed | _read(_waiting(log))


def _read(bodies: Iterator[bytes]) -> Said:
    documents: Iterator[dict[str, Any]] = (orjson.loads(raw) for raw in bodies)
    return {(b.get("log"), b["block"]): b["sha256"] for b in documents if b.get("k") == SEALED}


def _sealed(engine: Engine, log: Snapshot, least: int) -> Iterator[bytes]:
    """Yield the bodies from entry `least` on that are those which the log holds the digests of."""
    sql = """SELECT log_index, "offset", length FROM records
             WHERE kind = ? AND log_index >= ? ORDER BY log_index"""
    for row in engine.select(sql, (log,), [SEALED, least]).to_pylist():
        try:
            raw = read_body(log.folder / "bodies", row["log_index"], row["offset"], row["length"])
        except FileNotFoundError:  # deleted by rule, its row goes too
            continue
        if is_in_log(log.folder, Line(row["log_index"], row["offset"], raw), log.size):
            yield raw


def _waiting(log: Snapshot) -> Iterator[bytes]:
    for envelope, body in (*log.waiting.journals, *log.waiting.outbox):
        if SEALED.encode() in body and is_that_of(body, envelope):
            yield body
