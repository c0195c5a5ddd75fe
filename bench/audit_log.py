"""A log of many calls for the measurements: the very files that the sealer writes, in a fraction of its time.

Two processes make the records of a year, their bodies, bundles and tiles; the upper levels of the tree and
the state follow, and a sealer takes the log over and signs it. A few values are rare on purpose. What
sealing costs is measured on journals, which `Sealer` takes in as it always does.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from audit import store
from audit.bodies import PER_FILE, bodies_path
from audit.frames import encode_frame, encode_header, journal_key
from audit.keys import Cosigner, NoteSigner
from audit.record import make_envelope
from audit.sealing import Sealer
from audit.segments import segment_path
from audit.signing import LogSigners
from audit.state import State, save_state
from audit.tiles import WIDTH, tile_path
from audit.tree import Edge, grow
from core.db import Database, metadata
from core.times import millis

ORIGIN = "audit.bench.example/log"
SECRET = bytes(32)
"""Of the journals."""
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 365
WORKERS = 2
CHUNK = WIDTH * WIDTH
"""Records that one process makes at a time: a whole tile of the tree's level 1."""
RARE = ("SX-2026-99999", "client-rare", "dept-rare", "GET /rare", hashlib.sha256(b"rare").hexdigest()[:32])
"""Grant, client, consumer, operation and subject of a few records."""
RARE_EVERY = 400_000
"""One record in so many is of these."""
_REASONS = ("grant_expired", "rate_limited", "purpose_mismatch")
_CITIZENS = 200_000

Pair = tuple[bytes, bytes]
"""Envelope and body."""


@lru_cache(maxsize=8_192)
def _grant(which: int) -> tuple[str, str, str]:
    """Return what is the same in all calls under one grant, in three parts of a body."""
    address = f'{{"address":"10.{which % 40}.{which % 250}.7","bytes":'
    who = f'"client":"client-{which % 700:04d}","consumer":"dept-{which % 120:03d}"'
    what = f'"dataset":"{307_000 + which % 90:06d}/{which % 800:06d}"'
    how = f'"method":"GET","operation":"GET /rows/{which % 800}"'
    why = f'"policy_version":12,"provider":"dept-{which * 7 % 60:03d}","purpose":"purpose-{which % 40}"'
    return f"{address}%d,{who},{what}", f'"grant":"SX-2026-{which:05d}"', f"{how},{why}"


@lru_cache(maxsize=_CITIZENS)
def _subject(citizen: int) -> str:
    return hashlib.sha256(b"%d" % citizen).hexdigest()[:32]


def _id_of(ms: int, noise: int) -> str:
    digits = f"{ms:012x}{noise >> 68 & 0xFFF | 0x7000:04x}{noise & (1 << 62) - 1 | 1 << 63:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def record(number: int, total: int, chance: random.Random) -> Pair:
    """Return the `number`th of `total` calls of a year, its keys in order as `audit.record` has them."""
    ms = millis(START) + number * DAYS * 86_400_000 // total
    which = min(2_999, int(chance.paretovariate(0.35)) - 1)
    noise, digests = chance.getrandbits(80), chance.randbytes(96).hex()
    few, grant, call = _grant(which)
    subject, refused = _subject(noise % _CITIZENS), noise % 100 < 3
    if number % RARE_EVERY == 11:
        few = few.replace(f"client-{which % 700:04d}", RARE[1]).replace(f"dept-{which % 120:03d}", RARE[2])
        call = call.replace(f"GET /rows/{which % 800}", RARE[3])
        grant, subject = f'"grant":"{RARE[0]}"', RARE[4]
    nonce = base64.b64encode(bytes.fromhex(digests[160:])).decode()
    ended, status = ("refused", 403) if refused else ("permitted", 200)
    took, reason = noise % 80_000 / 1000 + 1, f',"reason":"{_REASONS[which % 3]}"' if refused else ""
    method, rest = call.split(",", 1)
    text = (
        f'{few % (noise % 90_000)},"decision":"{ended}",{grant},"id":"{_id_of(ms, noise)}","k":"access",'
        f'{method},"ms":{took},"nonce":"{nonce}",{rest}{reason},"request_digest":"{digests[:64]}",'
        f'"response_digest":"{digests[64:128]}","rows":{noise % 200},"status":{status},'
        f'"subject":"{subject}","t":{ms},"trace":"{digests[128:160]}","v":1}}'
    )
    body = text.encode()
    return make_envelope("access", ms, f"gw{number % 2}.1", body), body


def records(first: int, end: int, total: int) -> Iterator[Pair]:
    """Yield records `first` up to `end` of `total`."""
    chance = random.Random(first)
    return (record(number, total, chance) for number in range(first, end))


# --- the files of the log -------------------------------------------------------------------------


def fill(folder: Path, total: int) -> None:
    """Write a log of `total` records, all but its signature."""
    whole = range(0, total - CHUNK + 1, CHUNK)
    if len(whole) >= WIDTH:
        raise ValueError(f"at most {WIDTH * CHUNK} records")
    with ProcessPoolExecutor(WORKERS) as pool:
        roots = tuple(pool.map(_chunk, [folder] * len(whole), whole, [total] * len(whole)))
    first = len(roots) * CHUNK
    envelopes = _bodies(folder, first, total, total)
    edge, files = grow(Edge(first, (), ((), (), roots) if roots else ()), envelopes)
    if roots:
        files[tile_path(2, 0, len(roots))] = b"".join(roots)
    _write(folder, files)
    last = bodies_path(folder / "bodies", total)
    save_state_of(folder, edge, last.stat().st_size if total % PER_FILE else 0)


def save_state_of(folder: Path, edge: Edge, bodies_end: int) -> None:
    """Commit to a log as its sealer would have."""
    (folder / "log" / ".state").mkdir(parents=True, exist_ok=True)
    save_state(folder, State(edge.size, edge.root, bodies_end))


def _chunk(folder: Path, first: int, total: int) -> bytes:
    """Write a chunk's bodies, bundles and tiles; return the hash that stands for it."""
    edge, files = grow(Edge(first, (), ((), ())), _bodies(folder, first, first + CHUNK, total))
    _write(folder, {name: data for name, data in files.items() if not name.startswith("tile/2/")})
    return edge.levels[2][-1]


def _bodies(folder: Path, first: int, end: int, total: int) -> list[bytes]:
    """Write bodies and return the envelopes."""
    (folder / "bodies").mkdir(mode=0o700, parents=True, exist_ok=True)
    envelopes: list[bytes] = []
    for begin in range(first, end, PER_FILE):
        pairs = list(records(begin, min(end, begin + PER_FILE), total))
        bodies_path(folder / "bodies", begin).write_bytes(b"".join(body + b"\n" for _, body in pairs))
        envelopes += [envelope for envelope, _ in pairs]
    return envelopes


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


# --- journals, and the sealer ---------------------------------------------------------------------


def write_journals(folder: Path, total: int, per_segment: int = 65_536) -> None:
    """Write records into journal segments as a gateway worker does, each as large as its records."""
    (folder / "journal").mkdir(parents=True, exist_ok=True)
    for number, first in enumerate(range(0, total, per_segment), 1):
        made = enumerate(records(first, min(total, first + per_segment), total), first + 1)
        frames = [
            encode_frame(seq, envelope, body, journal_key(SECRET, "gw.1")) for seq, (envelope, body) in made
        ]
        data = encode_header(first + 1) + b"".join(frames)
        segment_path(folder / "journal", "gw.1", number).write_bytes(data)


def signers(folder: Path) -> LogSigners:
    """Return the keys of the log for the measurements, made at the first time."""
    path = folder / "log.keys"
    if not path.exists():
        made = NoteSigner.generate(ORIGIN), Cosigner.generate(ORIGIN, "ml-dsa-44")
        path.write_text("\n".join(key.export() for key in made))
    classical, lasting = path.read_text().split()
    return LogSigners(NoteSigner.parse(classical), Cosigner.parse(lasting))


def open_database(folder: Path) -> Database:
    """Return a database with the tables of the outbox and the anchor."""
    folder.mkdir(parents=True, exist_ok=True)
    database = Database(f"sqlite:///{folder / 'state.sqlite'}")
    metadata.create_all(database.engine, tables=[store.audit_outbox, store.audit_anchor])
    return database


def seal(folder: Path, database: Database, keys: LogSigners) -> tuple[int, float, float]:
    """Seal all that the journals hold; return the log's size, the seconds and the CPU seconds it took."""
    began, cpu = time.perf_counter(), time.process_time()
    with closing(Sealer(folder, database, keys, ORIGIN, START, secret=SECRET)) as sealer:
        while sealer.step(START).more:
            pass
        size = sealer.size
    return size, time.perf_counter() - began, time.process_time() - cpu


def disk_bytes(folder: Path) -> int:
    """Return what the files below a folder hold, in bytes."""
    return sum(os.path.getsize(Path(parent, name)) for parent, _, names in os.walk(folder) for name in names)
