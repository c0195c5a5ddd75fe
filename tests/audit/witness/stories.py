"""What the stories of witnesses have in common: a log's tree at any size, and witnesses in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Response
from werkzeug.serving import make_server

from audit.merkle import consistency_proof, leaf_hash, node_hash, root
from audit.note import Checkpoint, Cosigner, NoteSigner, NoteVerifier
from audit.signing import LogSigners
from audit.witness.api import create_app
from audit.witness.protocol import write_submission
from audit.witness.server import Answer, Witness, logs_of
from audit.witness.store import create_tables
from core import settings_audit
from core.db import Database

ORIGIN = "log.example.cn/2026"
SIGNERS = LogSigners(NoteSigner(ORIGIN, b"L" * 32), Cosigner(ORIGIN, "ml-dsa-44", b"M" * 32))
COSIGNERS = (
    Cosigner("audit.example.cn/w", "ed25519", b"W" * 32),
    Cosigner("audit.example.cn/w", "ml-dsa-44", b"X" * 32),
)
NOW = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)


class Tree:
    """The tree over the entries ``<word> 0``, ``<word> 1`` and so on; from `fork` on they differ."""

    def __init__(self, size: int, fork: int | None = None) -> None:
        def entry(i: int) -> bytes:
            return f"entry {i}{'' if fork is None or i < fork else ' of another log'}".encode()

        self._leaves = [leaf_hash(entry(i)) for i in range(size)]

    def _read(self, level: int, index: int) -> bytes:
        if level == 0:
            return self._leaves[index]
        return node_hash(self._read(level - 1, 2 * index), self._read(level - 1, 2 * index + 1))

    def checkpoint(self, size: int, origin: str = ORIGIN) -> Checkpoint:
        """The checkpoint over the first `size` entries."""
        return Checkpoint(origin, size, root(size, self._read))

    def note(self, size: int, signers: LogSigners = SIGNERS) -> str:
        """The same, signed."""
        return signers.sign_checkpoint(self.checkpoint(size), NOW)

    def proof(self, old: int, size: int) -> list[bytes]:
        """The proof that `old` entries are the beginning of `size`."""
        return consistency_proof(old, size, self._read)

    def ask(self, old: int, size: int) -> bytes:
        """What an honest log submits."""
        return write_submission(old, self.proof(old, size), self.note(size))


TREE = Tree(300)


def witness_in(folder: Path, cosigners: Sequence[Cosigner] = COSIGNERS) -> Witness:
    """A witness of the log with its memory in `folder`."""
    database = Database(f"sqlite:///{folder / 'witness.sqlite'}")
    with database.begin() as tx:
        create_tables(tx)
    return Witness(cosigners, logs_of(SIGNERS.verifiers), database)


def at(seconds: float) -> Callable[[], datetime]:
    """A clock that stands."""
    return lambda: NOW + timedelta(seconds=seconds)


def told(answer: Answer) -> tuple[int, str, bytes]:
    """An answer as it goes over the wire."""
    return int(answer.status), answer.content_type, answer.body


class Served:
    """A witness behind a real socket, which can be stopped and started again with what it knows."""

    def __init__(self, folder: Path, name: str, verifiers: Sequence[NoteVerifier]) -> None:
        folder.mkdir()
        seeds = {sort: (name + sort).encode().ljust(32)[:32] for sort in ("ed25519", "ml-dsa-44")}
        self.cosigners = [Cosigner(name, sort, seed) for sort, seed in seeds.items()]
        self.witness = replace(witness_in(folder, self.cosigners), logs=logs_of(verifiers))
        self.name = name
        self.clock: Callable[[], datetime] = at(0)
        self.asked = 0
        self._answer: Answer | None = None
        self.port = 0
        self.start()

    @property
    def configured(self) -> settings_audit.Witness:
        """As audit.yaml names it."""
        vkey = str(self.cosigners[0].verifier)
        return settings_audit.Witness(self.name, f"http://127.0.0.1:{self.port}", vkey)

    def always(self, status: int, content_type: str, body: bytes) -> None:
        """Answer so, whatever is asked."""
        self._answer = Answer(status, content_type, body)

    def as_usual(self) -> None:
        """Answer as a witness does again."""
        self._answer = None

    def start(self) -> None:
        """Listen, at the same port as before."""
        app = create_app(self.witness, lambda: self.clock())

        @app.before_request
        def otherwise() -> Response | None:
            self.asked += 1
            told = self._answer
            return None if told is None else Response(told.body, told.status, content_type=told.content_type)

        self._server = make_server("127.0.0.1", self.port, app, threaded=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def close(self) -> None:
        """End for good."""
        self.stop()
        self.witness.database.close()
