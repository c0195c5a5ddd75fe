"""What the stories of the audit log have in common: a folder with a log that grows, and its keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import frames, store
from audit.journal import Journal
from audit.note import Cosigner, NoteSigner
from audit.record import Record, make_record
from audit.sealing import Sealed, Sealer
from audit.signing import LogSigners
from audit.verify import Report, verify
from core.db import Database, metadata
from core.settings import Settings
from tests.warm import demo_settings, opened

ORIGIN = "audit.example.cn/log"
SIGNER = NoteSigner(ORIGIN, bytes(range(32)))
LASTING = Cosigner(ORIGIN, "ml-dsa-44", bytes(range(32, 64)))
SIGNERS = LogSigners(SIGNER, LASTING)
VKEY = str(SIGNER.verifier)
START = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)
SEGMENT = 64 * 1024
SECRET = b"0" * 32
"""Of the journals."""


def access(at: datetime = START, source: str = "w", **body: object) -> Record:
    """One call through the gateway, as the data plane records it."""
    usual = {
        "consumer": "dept-carol",
        "provider": "dept-alice",
        "client": "client-1",
        "grant": "grant-1",
        "dataset": "307001/000001",
        "operation": "GET /rows",
        "decision": "permit",
        "status": 200,
    }
    return make_record("access", at, source, {**usual, **body})


def settings_of(folder: Path) -> Settings:
    """The demo deployment around an audit folder, with our keys and a sealer in a hurry."""
    keys = folder.parent / "keys"
    keys.mkdir(exist_ok=True)
    for name, signer in (("log.key", SIGNER), ("log-mldsa.key", LASTING)):
        (keys / name).touch(0o600)
        (keys / name).write_text(signer.export())
    (keys / frames.KEY_FILE).touch(0o600)
    (keys / frames.KEY_FILE).write_bytes(SECRET)
    settings = demo_settings(folder.parent)
    return replace(settings, platform=replace(settings.platform, log_origin=ORIGIN, seal_seconds=0.01))


@dataclass
class Log:
    """An audit folder with its database."""

    folder: Path
    now: datetime = START
    signers: LogSigners = SIGNERS
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.database = opened(f"sqlite:///{self.folder / 'state.sqlite'}")
        tables = [store.audit_outbox, store.audit_anchor]
        metadata.create_all(self.database.engine, tables=tables)

    @property
    def journals(self) -> Path:
        """Where the gateway's workers write."""
        return self.folder / "journal"

    def sealer(self) -> Sealer:
        """The sealer, to be closed."""
        return Sealer(self.folder, self.database, self.signers, ORIGIN, self.now, secret=SECRET)

    def seal(self) -> Sealed:
        """Seal all that is durable."""
        self.now += timedelta(seconds=1)
        with closing(self.sealer()) as sealer:
            sealed = sealer.step(self.now)
            while sealed.more:
                sealed = sealer.step(self.now)
            return sealed

    def journal(self, records: Sequence[Record], name: str = "w") -> None:
        """Write records through a journal that is opened and closed for it."""
        self.now += timedelta(milliseconds=1)

        async def write() -> None:
            journal = await Journal.open(
                self.journals, name, secret=SECRET, segment_bytes=SEGMENT, reserve_bytes=0, now=self.now
            )
            await asyncio.gather(*(journal.append(record) for record in records))
            await journal.close()

        asyncio.run(write())

    def put(self, records: Sequence[Record]) -> None:
        """Write records into the outbox."""
        with self.database.begin() as tx:
            for record in records:
                store.insert_outbox(tx, record)

    def verify(self) -> Report:
        """Check the folder as an auditor would."""
        return verify(self.folder, VKEY)
