"""What a reader may hold of a log: proofs, receipts, checkpoints, kept in files beside the keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import HTTPServer
from pathlib import Path
from threading import Thread

from werkzeug.serving import BaseWSGIServer

from audit.bodies import read_bodies
from audit.checking import verifier
from audit.note import Cosigner, NoteSigner, add_signatures
from audit.proofs import consistency_text, prove_inclusion, published_checkpoint
from audit.receipt import make_receipts
from audit.record import Record
from tests.audit.logs import LASTING, ORIGIN, SIGNER, Log, access

RECEIPTS = NoteSigner("audit.example.cn/receipts", bytes(range(64, 96)))
WITNESSES = [
    Cosigner("bureau.example.cn/w", "ed25519", bytes(range(1, 33))),
    Cosigner("court.example.cn/w", "ml-dsa-44", bytes(range(2, 34))),
    Cosigner("bureau.example.cn/w", "ml-dsa-44", bytes(range(3, 35))),
]
"""Two witnesses; the first has a key of each sort."""


@dataclass
class Held:
    """A log of some records, and a folder where its readers keep what they were given."""

    log: Log
    records: list[Record]
    desk: Path

    def keep(self, name: str, data: str | bytes) -> Path:
        """Put a file on the desk."""
        path = self.desk / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def proof(self, index: int) -> str:
        """The proof of a record."""
        return prove_inclusion(self.log.folder, index)

    def checkpoint(self) -> str:
        """The newest checkpoint."""
        return published_checkpoint(self.log.folder)[0]

    def consistency(self, old: int) -> str:
        """The proof that the log of `old` records is the beginning of today's."""
        return consistency_text(self.log.folder, old)

    def body(self, index: int) -> bytes:
        """The body of a record as it is kept."""
        return next(iter(read_bodies(self.log.folder / "bodies", index, index + 1))).body

    def receipt(self, index: int) -> str:
        """The receipt of the call that a record is of."""
        return make_receipts(RECEIPTS, ORIGIN, "w", 1, self.records)[index]

    def cosigned(self, given: str, *witnesses: Cosigner) -> str:
        """A checkpoint, or a proof that ends in one, with the lines of witnesses."""
        head, mark, note = given.rpartition("\n\n")[0].rpartition("\n\n")
        text = f"{note}\n"
        lines = [witness.cosign(text, self.log.now) for witness in witnesses]
        return head + mark + add_signatures(given.removeprefix(head + mark), lines)


def hold(log: Log, desk: Path, count: int) -> Held:
    """Let a log grow to `count` records, in two steps."""
    desk.mkdir(exist_ok=True)
    held = Held(log, [access(log.now, n=n) for n in range(count)], desk)
    held.keep("log.vkey", str(SIGNER.verifier) + "\n")
    held.keep("log-mldsa.vkey", str(LASTING.verifier) + "\n")
    held.keep("receipt.vkey", str(RECEIPTS.verifier) + "\n")
    for number, witness in enumerate(WITNESSES):
        held.keep(f"w{number}.vkey", str(witness.verifier) + "\n")
    log.put(held.records[: count // 2])
    log.seal()
    held.keep("kept.checkpoint", held.checkpoint())
    log.put(held.records[count // 2 :])
    log.seal()
    return held


def trust(*witnesses: Cosigner, needed: int = 0) -> verifier.Trust:
    """Trust in the log's two keys and in some witnesses."""
    keys = [verifier.parse_key(str(signer.verifier)) for signer in (SIGNER, LASTING)]
    seen = tuple(verifier.parse_key(str(witness.verifier)) for witness in witnesses)
    return verifier.Trust(tuple(keys), seen, needed, (verifier.parse_key(str(RECEIPTS.verifier)),))


def envelope_in(proof: str) -> dict[str, object]:
    """The envelope that a proof carries."""
    found: dict[str, object] = json.loads(base64.b64decode(proof.split("\n")[1].removeprefix("extra ")))
    return found


@contextmanager
def serving(server: BaseWSGIServer | HTTPServer) -> Iterator[str]:
    """Let a server answer in a thread; yield its address."""
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
