"""The client takes from a witness what its keys signed, and tells a race from a contradiction."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit.note import add_signatures, signatures_of
from audit.witness.client import Contradicted, Refused, Unreachable, WitnessClient
from tests.audit.witness.stories import COSIGNERS, SIGNERS, TREE, Served, Tree, at

SIZE = "text/x.tlog.size"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "w", "w.example.cn", SIGNERS.verifiers)
    yield made
    made.close()


@pytest.fixture
def client(served: Served) -> Iterator[WitnessClient]:
    made = WitnessClient(served.configured.url, [served.cosigners[0].verifier], 5)
    with closing(made):
        yield made


def cosign(client: WitnessClient, size: int, old: int = 0, tree: Tree = TREE) -> tuple[str, ...]:
    return client.cosign(tree.note(size), old, lambda known: tree.proof(known, size))


def test_only_lines_of_known_keys_are_taken(served: Served, client: WitnessClient) -> None:
    lines = cosign(client, 20)
    [signed] = signatures_of(add_signatures(TREE.note(20), lines), [c.verifier for c in served.cosigners])
    assert signed.verifier == served.cosigners[0].verifier


def test_a_size_that_was_believed_wrongly_is_asked_again(served: Served, client: WitnessClient) -> None:
    cosign(client, 20)
    cosign(client, 30, old=5)
    cosign(client, 40, old=400)
    assert served.asked == 5  # what is believed beyond the checkpoint is at most its size: 409, then right


def test_one_connection_serves_many_questions_and_a_closed_one_is_opened_again(
    served: Served, client: WitnessClient
) -> None:
    cosign(client, 20)
    served.stop()
    with pytest.raises(Unreachable):
        cosign(client, 30, old=20)
    served.start()
    assert cosign(client, 30, old=20)


@pytest.mark.parametrize(
    ("size", "old", "tree", "words"),
    [
        (10, 0, TREE, "cosigned 20 entries, the log holds 10"),
        (20, 20, Tree(40, fork=3), "another root of 20 entries"),
        (20, 0, Tree(40, fork=3), "another root of 20 entries"),
        (40, 20, Tree(40, fork=3), "the tree of 20 entries that it cosigned is not the beginning"),
    ],
)
def test_a_witness_that_knows_another_tree_contradicts(
    client: WitnessClient, size: int, old: int, tree: Tree, words: str
) -> None:
    cosign(client, 20)
    with pytest.raises(Contradicted, match=words):
        cosign(client, size, old, tree)


@pytest.mark.parametrize(
    ("status", "content_type", "body", "error"),
    [
        (404, "text/plain", b"no such log\n", Refused),
        (403, "text/plain", b"", Refused),
        (422, "text/plain", b"", Refused),
        (301, "text/plain", b"", Refused),
        (200, "text/plain", b"", Refused),
        (200, "text/plain", b"\xff\n", Refused),
        (200, "text/plain", b"hello\n", Refused),
        (200, "text/plain", COSIGNERS[0].cosign(TREE.checkpoint(20).text, at(0)()).encode(), Refused),
        (409, SIZE, b"5\n", Refused),
        (409, SIZE, b"05\n", Refused),
        (409, SIZE, b"0\n", Refused),
        (409, "text/plain", b"5\n", Refused),
        (429, "text/plain", b"slower\n", Unreachable),
        (503, "text/plain", b"", Unreachable),
        (200, "text/plain", b"x" * 70_000, Unreachable),
    ],
)
def test_an_answer_that_does_not_help_is_an_error_and_no_contradiction(
    served: Served,
    client: WitnessClient,
    status: int,
    content_type: str,
    body: bytes,
    error: type[Exception],
) -> None:
    served.always(status, content_type, body)
    with pytest.raises(error) as refused:
        cosign(client, 20)
    assert not isinstance(refused.value, Contradicted)


def test_a_signature_over_another_checkpoint_is_refused(served: Served, client: WitnessClient) -> None:
    other = served.cosigners[0].cosign(TREE.checkpoint(21).text, at(0)())
    served.always(200, "text/plain", other.encode())
    with pytest.raises(Refused, match="not a cosignature"):
        cosign(client, 20)


def test_a_witness_that_says_nothing_is_not_waited_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = WitnessClient(f"http://127.0.0.1:{silent.getsockname()[1]}", [], 0.2)
        with pytest.raises(Unreachable, match="timed out"):
            cosign(client, 20)


def test_what_is_no_http_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100_000)
                connection.sendall(b"* OK IMAP4rev1\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        client = WitnessClient(f"http://127.0.0.1:{server.getsockname()[1]}", [], 5)
        with pytest.raises(Unreachable):
            cosign(client, 20)
        thread.join()
