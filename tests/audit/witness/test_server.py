"""A witness says what C2SP tlog-witness has it say, to the byte, and cosigns one tree of a log only."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.note import Checkpoint, NoteSigner, add_signatures, open_note, signatures_of
from audit.witness.api import create_app
from audit.witness.protocol import SUBMISSION_MOST, write_submission
from audit.witness.server import Witness
from audit.witness.store import list_conflicts
from tests.audit.witness.stories import COSIGNERS, NOW, ORIGIN, SIGNERS, TREE, Tree, at, told, witness_in

KEYS = [cosigner.verifier for cosigner in COSIGNERS]
SIZE = "text/x.tlog.size"


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    witness = witness_in(tmp_path)
    yield witness
    witness.database.close()


def ask(witness: Witness, body: bytes, seconds: float = 0) -> tuple[int, str, bytes]:
    return told(witness.add_checkpoint(body, at(seconds)))


def test_the_first_checkpoint_is_cosigned_by_every_key_with_the_time(witness: Witness) -> None:
    status, content_type, body = ask(witness, TREE.ask(0, 20), 7)
    assert (status, content_type) == (200, "text/plain; charset=utf-8")
    lines = body.decode().splitlines(keepends=True)
    assert [line.startswith("— audit.example.cn/w ") for line in lines] == [True, True]
    signed = signatures_of(add_signatures(TREE.note(20), lines), KEYS)
    assert [(s.verifier, (s.at - NOW).total_seconds()) for s in signed if s.at] == [(k, 7) for k in KEYS]


@pytest.mark.parametrize("steps", [(1, 2, 3), (0, 8, 256, 300), (5, 5, 17), (255, 257)])
def test_what_continues_the_tree_is_cosigned(witness: Witness, steps: tuple[int, ...]) -> None:
    old = 0
    for size in steps:
        assert ask(witness, TREE.ask(old, size))[0] == 200
        old = size


def test_another_old_size_is_answered_with_the_one_that_is_known(witness: Witness) -> None:
    ask(witness, TREE.ask(0, 20))
    assert ask(witness, TREE.ask(0, 30)) == (409, SIZE, b"20\n")
    assert ask(witness, TREE.ask(10, 30)) == (409, SIZE, b"20\n")
    assert ask(witness, TREE.ask(25, 30)) == (409, SIZE, b"20\n")
    assert ask(witness, TREE.ask(10, 10)) == (409, SIZE, b"20\n")  # a log that was put back
    assert ask(witness, TREE.ask(20, 30))[0] == 200


def test_a_log_never_seen_has_the_size_zero(witness: Witness) -> None:
    assert ask(witness, TREE.ask(10, 30)) == (409, SIZE, b"0\n")


def test_the_same_size_with_another_root_is_refused_and_kept_as_evidence(witness: Witness) -> None:
    ask(witness, TREE.ask(0, 20))
    forked = Tree(40, fork=19)
    assert ask(witness, forked.ask(20, 20))[:2] == (409, SIZE)
    assert ask(witness, forked.ask(20, 40))[0] == 422
    with witness.database.read() as tx:
        [conflict] = list_conflicts(tx)
    kept = [Checkpoint.parse(open_note(n, SIGNERS.verifiers)) for n in (conflict.note, conflict.known)]
    assert kept == [forked.checkpoint(20), TREE.checkpoint(20)]
    assert ask(witness, TREE.ask(20, 30))[0] == 200


def test_an_empty_tree_has_one_root(witness: Witness) -> None:
    other = SIGNERS.sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), NOW)
    assert ask(witness, write_submission(0, [], other))[0] == 409
    assert ask(witness, TREE.ask(0, 0))[0] == 200


def test_a_proof_must_lead_from_what_is_known_to_the_checkpoint(witness: Witness) -> None:
    note = TREE.note(30)
    assert ask(witness, write_submission(0, TREE.proof(20, 30), note))[0] == 422  # none is due from nothing
    ask(witness, TREE.ask(0, 20))
    right = TREE.proof(20, 30)
    for wrong in ([], right[:-1], [*right, bytes(32)], [bytes(32), *right[1:]], TREE.proof(19, 30)):
        assert ask(witness, write_submission(20, wrong, note))[0] == 422
    assert ask(witness, write_submission(20, [bytes(32)], TREE.note(20)))[0] == 422
    assert ask(witness, write_submission(20, right, note))[0] == 200


def test_an_unknown_origin_is_not_found_whoever_signed(witness: Witness) -> None:
    stranger = NoteSigner("log.example.com", b"S" * 32)
    note = stranger.sign_note(TREE.checkpoint(5, stranger.name).text)
    assert ask(witness, write_submission(0, [], note))[0] == 404


def test_a_checkpoint_needs_a_signature_of_the_logs_own_key(witness: Witness) -> None:
    text = TREE.checkpoint(5).text
    stranger = NoteSigner(ORIGIN, b"S" * 32).sign_note(text)
    assert ask(witness, write_submission(0, [], stranger))[0] == 403
    mine = TREE.note(5).split("\n")[4]
    forged = f"{TREE.checkpoint(6).text}\n{mine}\n"
    assert ask(witness, write_submission(0, [], forged))[0] == 403
    assert ask(witness, write_submission(0, [], add_signatures(stranger, [f"{mine}\n"])))[0] == 200


def test_the_old_size_must_not_be_beyond_the_checkpoint(witness: Witness) -> None:
    ask(witness, TREE.ask(0, 20))
    assert ask(witness, write_submission(20, [], TREE.note(10)))[0] == 400


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "old",
        "old ",
        "old -1",
        "old +1",
        "old 01",
        "old 0x1",
        "old 1 ",
        "old  1",
        " old 1",
        "Old 1",
        "size 1",
        "old 1\r",
        "old ١",
        f"old {10**30}",
        f"old 0\n{HASH[:-1]}",
        f"old 0\n{HASH}\r",
        f"old 0\n {HASH}",
        f"old 0\n{HASH}=",
        "old 0\n" + base64.b64encode(bytes(31)).decode(),
        "old 0\n" + "\n".join([HASH] * 64),
    ],
)
def test_a_request_of_another_form_is_a_bad_request(witness: Witness, head: str) -> None:
    assert ask(witness, f"{head}\n\n{TREE.note(20)}".encode())[0] == 400
    assert ask(witness, TREE.ask(0, 20))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"old 0\n",
        b"old 0\n\n",
        b"\xff\xfe" + TREE.ask(0, 20),
        TREE.ask(0, 20)[:-1],
        TREE.ask(0, 20).replace(b"old 0\n\n", b"old 0\n"),
        TREE.ask(0, 20).replace(b"\n", b"\r\n"),
        TREE.ask(0, 20).replace(b"\n20\n", b"\n020\n"),
        TREE.ask(0, 20).replace(b"\n20\n", b"\n99999999999999999999\n"),
        TREE.ask(0, 20) + b"\n",
    ],
)
def test_a_checkpoint_of_another_form_is_a_bad_request(witness: Witness, body: bytes) -> None:
    assert ask(witness, body)[0] == 400


def test_sixty_three_hashes_are_read(witness: Witness) -> None:
    assert ask(witness, write_submission(0, [bytes(32)] * 63, TREE.note(20)))[0] == 422


def test_extension_lines_are_cosigned_by_the_key_that_covers_them(witness: Witness) -> None:
    text = TREE.checkpoint(20).text + "an extension\n"
    note = NoteSigner(ORIGIN, b"L" * 32).sign_note(text)
    status, _, body = ask(witness, write_submission(0, [], note))
    signed = signatures_of(add_signatures(note, body.decode().splitlines(keepends=True)), KEYS)
    assert (status, [s.verifier for s in signed]) == (200, KEYS[:1])


def test_what_was_cosigned_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    first = witness_in(tmp_path)
    ask(first, TREE.ask(0, 20))
    first.database.close()
    second = witness_in(tmp_path)
    assert ask(second, TREE.ask(0, 10)) == (409, SIZE, b"20\n")
    second.database.close()


def test_of_many_who_ask_at_once_one_wins_each_step(tmp_path: Path) -> None:
    """Two logs of one origin that part at entry 10, shown by many at once to two servers on one memory."""
    eyes = [witness_in(tmp_path), witness_in(tmp_path)]
    ask(eyes[0], TREE.ask(0, 10))
    trees = [TREE, Tree(300, fork=10)]
    won: list[tuple[int, int]] = []

    def press(which: int) -> None:
        eye, tree = eyes[which % 2], trees[which // 2]
        won.extend((n, which // 2) for n in range(11, 19) if ask(eye, tree.ask(n - 1, n))[0] == 200)

    threads = [threading.Thread(target=press, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len({size for size, _ in won})
    assert len({tree for _, tree in won}) == 1
    for eye in eyes:
        eye.database.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40)), max_size=12))
def test_whatever_is_asked_only_one_growing_tree_is_cosigned(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int, int]]
) -> None:
    witness = witness_in(tmp_path_factory.mktemp("witness"))
    trees, cosigned = (TREE, Tree(40, fork=7)), [TREE.checkpoint(0)]
    for other, a, b in steps:
        old, size = min(a, b), max(a, b)
        if ask(witness, trees[other].ask(old, size))[0] == 200:
            cosigned.append(trees[other].checkpoint(size))
    sizes = [c.size for c in cosigned]
    assert sizes == sorted(sizes)
    assert any(all(c == tree.checkpoint(c.size) for c in cosigned) for tree in trees)
    witness.database.close()


def test_the_face_adds_nothing(witness: Witness) -> None:
    client = create_app(witness, at(0)).test_client()
    answer = client.post("/add-checkpoint", data=TREE.ask(0, 20))
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    answer = client.post("/add-checkpoint", data=TREE.ask(0, 30))
    assert (answer.status_code, answer.content_type, answer.data) == (409, SIZE, b"20\n")
    assert client.get("/add-checkpoint").status_code == 405
    assert client.post("/add-checkpoint", data=b"x" * (SUBMISSION_MOST + 1)).status_code == 413
    assert client.get("/livez").status_code == 200


def test_a_body_too_long_is_refused_before_it_is_read(witness: Witness) -> None:
    assert ask(witness, b"x" * (SUBMISSION_MOST + 1))[0] == 413
