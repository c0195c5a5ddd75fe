"""Go's packages of the checksum database read our log: signed note, tiles, bundles, proofs of both sorts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from audit import store
from audit.note import Checkpoint, split_note
from audit.sealer import seal_once
from tests.audit.checking.held import Held, hold, serving
from tests.audit.logs import SIGNER, VKEY, Log, access
from tests.conftest import World
from tests.tools import need

pytestmark = pytest.mark.long

SOURCE = Path(__file__).parent / "sumdb" / "main.go"
INDICES = (0, 1, 127, 255, 256, 511, 512, 599)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go, _ = need("go"), need("/usr/share/gocode/src/golang.org/x/mod")
    built = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(built / "c"),
    }
    command = [go, "build", "-o", str(built / "sumdb"), str(SOURCE)]
    subprocess.run(command, check=True, env=environment, timeout=300)
    return built / "sumdb"


def ask(program: Path, source: str | Path, *questions: str, vkey: str = VKEY) -> tuple[bool, str]:
    """Return whether the program found all questions answered, and what it said."""
    given = "".join(f"{question}\n" for question in questions)
    command = [str(program), str(source), vkey]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def everything(held: Held) -> list[str]:
    questions = ["tiles", *(f"record {index}" for index in INDICES)]
    questions += [f"grown {size}" for size in (1, 2, 255, 256, 257, 300, 512, 599, 600)]
    for index in INDICES:
        questions.append(f"proof {held.keep(f'{index}.tlog-proof', held.proof(index))}")
    old = (held.desk / "kept.checkpoint").read_text(encoding="utf-8").split("\n")
    return [*questions, f"consistency {held.keep('c', held.consistency(300))} {old[2]}"]


def test_it_makes_and_checks_proofs_from_our_tiles_and_checks_ours(program: Path, held: Held) -> None:
    assert ask(program, held.log.folder / "log", *everything(held)) == (True, "sound 600\n")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over HTTP as static files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))) as address:
        yield address


def test_it_does_so_where_a_plain_file_server_holds_the_log(program: Path, held: Held) -> None:
    with served(held.log.folder / "log") as address:
        assert ask(program, address, *everything(held)[1:]) == (True, "sound 600\n")


def test_it_does_so_where_the_platform_serves_its_log(program: Path, world: World) -> None:
    with world.database.begin() as tx:
        for _ in range(300):
            store.insert_outbox(tx, access(world.now))
    seal_once(world.settings, world.database, world.now)
    vkey = world.settings.key_file("log.vkey").read_text(encoding="utf-8").strip()
    with serving(make_server("127.0.0.1", 0, world.app, threaded=True)) as address:
        questions = ("record 0", "record 255", "record 299", "grown 1", "grown 256")
        assert ask(program, f"{address}/audit", *questions, vkey=vkey) == (True, "sound 300\n")


@pytest.mark.parametrize(
    ("path", "at", "question", "reason"),
    [
        ("checkpoint", 25, "record 0", "invalid signature"),
        ("tile/0/000", 32, "record 0", "invalid transparency proof"),
        ("tile/0/001", 8191, "tiles", "tile/8/0/001 is another"),
        ("tile/entries/002.p/88", 40, "tiles", "the entries have the root"),
        ("tile/0/002.p/88", 32 * 87, "grown 300", "inconsistent"),
        ("tile/1/000.p/2", 0, "grown 300", "inconsistent"),
        ("tile/entries/001", 30, "record 256", "invalid transparency proof"),
    ],
)
def test_it_refuses_a_log_with_a_byte_changed(
    program: Path, tampered: Path, path: str, at: int, question: str, reason: str
) -> None:
    assert ask(program, tampered, question)[0]
    data = bytearray((tampered / path).read_bytes())
    data[at] ^= 1
    (tampered / path).write_bytes(data)
    sound, said = ask(program, tampered, question)
    assert not sound
    assert reason in said


def test_it_refuses_entries_swapped_proofs_of_others_and_other_keys(
    program: Path, held: Held, tampered: Path
) -> None:
    first, second = tampered / "tile/entries/000", tampered / "tile/entries/001"
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    assert not ask(program, tampered, "record 3")[0]
    proof = held.proof(7).replace("index 7\n", "index 8\n")
    log = held.log.folder / "log"
    assert not ask(program, log, f"proof {held.keep('moved.tlog-proof', proof)}")[0]
    newest = Checkpoint.parse(split_note(held.checkpoint())[0]).text.split("\n")[2]
    assert not ask(program, log, f"consistency {held.keep('c', held.consistency(300))} {newest}")[0]
    assert not ask(program, log, vkey=str(SIGNER.generate("audit.example.cn/log").verifier))[0]


def test_it_refuses_a_log_made_anew_beside_the_checkpoint_that_was_kept(
    program: Path, held: Held, tmp_path: Path
) -> None:
    anew = Log(tmp_path / "audit")
    other = hold(anew, tmp_path / "desk", 600)
    anew.database.close()
    mine, theirs = ((h.desk / "kept.checkpoint").read_text().split("\n")[2] for h in (held, other))
    proof = other.keep("c", other.consistency(300))
    assert ask(program, anew.folder / "log", f"consistency {proof} {theirs}")[0]
    assert not ask(program, anew.folder / "log", f"consistency {proof} {mine}")[0]
