"""A large file that was hashed before goes out by sendfile, under the same promises as any other stream."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.digests import SETTLED_SECONDS
from tests.gateway.plane_kit import Access, Kit, until, url

pytest_plugins = ["tests.gateway.plane_fixtures"]
pytestmark = pytest.mark.long

BODY = os.urandom(1024 * 1024) * 48


@pytest.fixture(scope="module")
def access(kit: Kit) -> Access:
    access, names = kit.grant("file"), ("known.bin", "changed.bin")
    for name in names:
        (kit.files / name).write_bytes(BODY)
        kit.call(url("file", f"files/{name}"), access)  # seen in this state
    time.sleep(SETTLED_SECONDS + 0.1)
    for name in names:
        assert kit.call(url("file", f"files/{name}"), access).body == BODY  # hashed for good
    return access


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def end_of(kit: Kit, start: str) -> dict[str, Any]:
    found: dict[str, Any] = until(lambda: next((r for r in kit.records() if r.get("start") == start), None))
    return found


class Slow:
    """A client that has read the head of an answer and lets the rest wait."""

    def __init__(self, kit: Kit, access: Access, name: str) -> None:
        self._client = socket.create_connection(("127.0.0.1", kit.port), timeout=10)
        request = f"GET {url('file', f'files/{name}')} HTTP/1.1\r\nHost: x\r\n"
        self._client.sendall(f"{request}Authorization: Bearer {access.token}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._client.recv(1)
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
        self.record = lines["Audit-Record"]
        self.got = 0

    def close(self) -> None:
        self._client.close()

    def read(self) -> int:
        with self._client:
            while piece := self._client.recv(1 << 20):
                self.got += len(piece)
        return self.got


def test_the_second_answer_is_the_first_and_so_are_its_records(kit: Kit, access: Access) -> None:
    answer = kit.call(url("file", "files/known.bin"), access)
    assert answer.body == BODY
    end = end_of(kit, answer.record)
    assert (end["decision"], end["bytes"], end["response_digest"]) == ("permitted", len(BODY), sha(BODY))


def test_the_connection_serves_the_next_call_as_well(kit: Kit, access: Access) -> None:
    line = http.client.HTTPConnection("127.0.0.1", kit.port, timeout=10)
    for _ in range(3):
        line.request(
            "GET", url("file", "files/known.bin"), headers={"Authorization": f"Bearer {access.token}"}
        )
        assert line.getresponse().read() == BODY
    line.close()


def test_a_revocation_cuts_it_off_and_the_record_says_what_was_sent(kit: Kit, access: Access) -> None:
    own = kit.grant("file")
    slow = Slow(kit, own, "known.bin")
    kit.revoke(own.token)
    end = end_of(kit, slow.record)
    assert (end["decision"], end["reason"]) == ("aborted", "token_revoked")
    assert end["response_digest"] == sha(BODY[: end["bytes"]])
    with pytest.raises(ConnectionResetError):
        slow.read()
    assert slow.got <= end["bytes"]


def test_a_file_that_is_written_to_meanwhile_is_cut_off(kit: Kit, access: Access) -> None:
    slow = Slow(kit, access, "changed.bin")
    _append(kit.files / "changed.bin")
    with pytest.raises(ConnectionResetError):
        slow.read()
    end = end_of(kit, slow.record)
    assert (end["decision"], end["reason"]) == ("aborted", "provider_changed")


def test_a_client_that_goes_away_is_on_record(kit: Kit, access: Access) -> None:
    slow = Slow(kit, access, "known.bin")
    slow.close()
    end = end_of(kit, slow.record)
    assert (end["decision"], end["reason"]) == ("aborted", "client_gone")


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")
