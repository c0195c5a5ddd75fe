"""No record, no data; and a grant that falls, falls at once: tried by breaking things under load."""

from __future__ import annotations

import http.client
import resource
import shutil
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.beat import beat
from gateway.policy import change_policy
from gateway.records import ASKED_AGAIN
from gateway.store import POLICY_ROW, grants, policy
from tests.gateway.plane_kit import Access, Kit, until, url
from tests.gateway.providers import json_answer

pytestmark = [pytest.mark.long, pytest.mark.takes(22)]

pytest_plugins = ["tests.gateway.plane_fixtures"]

BIG = 48 * 1024 * 1024


class Callers:
    """Threads that call again and again, and note what came of each call."""

    def __init__(self, kit: Kit, target: str, access: Access, threads: int) -> None:
        self._kit, self._target, self._access = kit, target, access
        self._stop = threading.Event()
        self.calls: list[tuple[float, int, str | None]] = []
        """When the call began, the status it got, and its record id."""
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._kit.port, timeout=10)
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                connection.request("GET", self._target, headers=self._access.headers)
                answer = connection.getresponse()
                answer.read()
                self.calls.append((began, answer.status, answer.getheader("Audit-Record")))
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.01)
        connection.close()


class Stream:
    """A large answer of which only the beginning has been read."""

    def __init__(self, kit: Kit, access: Access, target: str) -> None:
        self._kit = kit
        self.client = socket.create_connection(("127.0.0.1", kit.port), timeout=10)
        self.client.sendall(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access.token}\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.client.recv(200)
        assert head.startswith(b"HTTP/1.1 200 ")
        self.got = 0
        self.start = head.split(b"Audit-Record: ")[1].split(b"\r\n")[0].decode()

    def end(self) -> dict[str, Any]:
        """The record of its end, once it is there."""
        found = until(lambda: [r for r in self._kit.records() if r.get("start") == self.start], 5)
        return dict(found[0])

    def read(self) -> int:
        """Read to the end and return how much it was. Raises ConnectionResetError when it was cut off."""
        with self.client:
            while piece := self.client.recv(1 << 20):
                self.got += len(piece)
        return self.got


@pytest.fixture
def big(kit: Kit) -> str:
    """The target of a file that no socket buffer holds."""
    path = kit.files / "huge.bin"
    if not path.exists():
        path.write_bytes(bytes(BIG))
    return url("file", "files/huge.bin")


# --- suspension under load --------------------------------------------------------------------------


def test_no_call_that_starts_after_a_suspension_succeeds(own_kit: Kit) -> None:
    kit = own_kit.start(workers=2)
    access = kit.grant("table")
    with Callers(kit, url("table", "rows?limit=1"), access, threads=4) as callers:
        for _ in range(3):
            until(lambda: len([s for _, s, _ in callers.calls[-40:] if s == 200]) == 40, 15)
            kit.set_state(access.grant_id, "suspended")
            answered = time.monotonic()
            time.sleep(0.2)
            late = [status for began, status, _ in tuple(callers.calls) if began > answered]
            kit.set_state(access.grant_id, "active")
            assert len(late) > 10
            assert set(late) == {403}


@pytest.mark.parametrize(
    ("how", "reason"),
    [("suspend", "grant_suspended"), ("revoke", "token_revoked"), ("narrow", "grant_changed")],
)
def test_a_stream_is_cut_off_when_its_permit_falls(kit: Kit, big: str, how: str, reason: str) -> None:
    """Attack 22: within five seconds, and what was sent is on record."""
    access = kit.grant("file")
    stream = Stream(kit, access, big)
    began = time.monotonic()
    _fell(kit, access, how)
    end = stream.end()
    assert time.monotonic() - began < 5
    assert (end["k"], end["decision"], end["reason"]) == ("access.end", "aborted", reason)
    with pytest.raises(ConnectionResetError):
        stream.read()
    assert stream.got <= end["bytes"] < BIG


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [("suspend", 403, "grant_suspended"), ("revoke", 401, "token_revoked"), ("narrow", 403, "grant_changed")],
)
def test_a_call_parked_in_its_body_is_judged_again_before_the_provider_is_asked(
    kit: Kit, how: str, status: int, reason: str
) -> None:
    access, asked = kit.grant("api"), kit.provider.count
    head = f"POST {url('api', 'call/change')} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access.token}"
    lines = "Content-Type: text/plain\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close"
    with socket.create_connection(("127.0.0.1", kit.port), timeout=5) as client:
        client.sendall(f"{head}\r\n{lines}\r\n\r\n".encode())
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        _fell(kit, access, how)
        client.sendall(b"ab")
        answer = client.recv(4096)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    record = kit.record(answer.split(b"Audit-Record: ")[1].split(b"\r\n")[0].decode())
    assert (record["k"], record["decision"], record["reason"]) == ("access", "refused", reason)
    assert record["policy_version"] == kit.counter.read()
    assert kit.provider.count == asked


def _fell(kit: Kit, access: Access, how: str) -> None:
    if how == "suspend":
        kit.set_state(access.grant_id, "suspended")
    elif how == "revoke":
        kit.revoke(access.token)
    else:
        _narrow(kit, access)


def _narrow(kit: Kit, access: Access) -> None:
    with kit.database.begin() as tx:
        one = grants.c.id == access.grant_id
        terms = tx.execute(grants.select().where(one)).one().terms
        tx.execute(grants.update().where(one).values(terms={**terms, "row_limit": 1}))
        change_policy(tx, kit.counter)


def test_a_stream_is_cut_off_when_its_grant_expires_and_nobody_reads(kit: Kit, big: str) -> None:
    stream = Stream(kit, kit.grant("file", seconds=1.0), big)
    end = stream.end()
    assert (end["decision"], end["reason"]) == ("aborted", "grant_expired")
    with pytest.raises(ConnectionResetError):
        stream.read()


def test_a_change_that_does_not_touch_the_grant_leaves_its_stream_alone(kit: Kit, big: str) -> None:
    stream = Stream(kit, kit.grant("file", token_seconds=1), big)
    kit.set_state(kit.grant("file").grant_id, "suspended")
    time.sleep(1.2)  # and the end of the token does not end what began in time
    stream.client.shutdown(socket.SHUT_WR)
    assert stream.read() > BIG - 1_000_000
    end = stream.end()
    assert (end["decision"], end["bytes"]) == ("permitted", BIG)


def test_a_client_that_goes_away_is_on_record(kit: Kit, big: str) -> None:
    stream = Stream(kit, kit.grant("file"), big)
    stream.client.close()
    assert (stream.end()["decision"], stream.end()["reason"]) == ("aborted", "client_gone")


# --- the journal ------------------------------------------------------------------------------------


def _remove(kit: Kit) -> None:
    shutil.rmtree(kit.settings.data / "audit" / "journal")


def _read_only(kit: Kit) -> None:
    (kit.settings.data / "audit" / "journal").chmod(0o555)


def _sealer_behind(kit: Kit) -> None:
    beat(kit.settings.data / "audit", datetime.now(UTC) - timedelta(seconds=61))


@pytest.mark.parametrize(
    ("fault", "reason"), [(_remove, "removed"), (_read_only, "read-only"), (_sealer_behind, "sealer")]
)
def test_without_a_journal_no_provider_is_asked(
    own_kit: Kit, fault: Callable[[Kit], None], reason: str
) -> None:
    kit = own_kit.start()
    kit.provider.answers["/base/v1/items/a"] = json_answer({"code": "1"})
    access = kit.grant("api")
    assert kit.call(url("api", "call/one?item=a"), access).status == 200
    assert kit.call("/readyz").status == 200
    fault(kit)
    time.sleep(2 * ASKED_AGAIN)
    asked = kit.provider.count
    for target in (url("api", "call/one?item=a"), url("table", "rows")):
        answer = kit.call(target, access)
        assert (answer.status, answer.code) == (503, "journal_unavailable")
        assert "retry-after" in answer.headers
        assert "audit-record" not in answer.headers
        assert "error=proxy_internal_error" in answer.headers["proxy-status"]
    assert kit.provider.count == asked
    ready = kit.call("/readyz")
    assert ready.status == 503
    assert reason in ready.json["reasons"][0]
    assert kit.call("/livez").status == 200


def test_a_worker_that_cannot_open_its_journal_says_so_until_it_can(own_kit: Kit) -> None:
    kit = own_kit
    folder = kit.settings.data / "audit" / "journal"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    kit.start()
    access = kit.grant("table")
    assert kit.call(url("table", "rows"), access).code == "journal_unavailable"
    assert "journal" in kit.call("/readyz").json["reasons"][0]
    folder.unlink()
    until(lambda: kit.call(url("table", "rows"), access).status == 200, 5)


def test_a_journal_that_a_failed_write_poisoned_is_replaced_when_the_disk_works_again(own_kit: Kit) -> None:
    kit = own_kit.start()
    access = kit.grant("table")
    assert kit.call(url("table", "rows"), access).status == 200
    [worker] = kit.workers
    _bound_files_of(worker.pid, 1)
    assert kit.call(url("table", "rows"), access).code == "journal_unavailable"
    assert "write failed" in kit.call("/readyz").json["reasons"][0]
    _bound_files_of(worker.pid, resource.RLIM_INFINITY)
    until(lambda: kit.call(url("table", "rows"), access).status == 200, 10)


def _bound_files_of(pid: int, size: int) -> None:
    """Let a process write no file beyond `size` bytes, as a full disk would."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_database_that_cannot_be_read_closes_the_road(kit: Kit) -> None:
    access, unseen = kit.grant("table"), kit.grant("table")
    assert kit.call(url("table", "rows"), access).status == 200
    with kit.database.begin() as tx:
        policy.drop(tx)
    answer = until(lambda: (a := kit.call(url("table", "rows"), access)).status == 503 and a)
    assert answer.code == "policy_stale"
    assert kit.record(answer.record)["decision"] == "failed"
    assert kit.call(url("table", "rows"), unseen).status == 503
    assert "policy" in kit.call("/readyz").json["reasons"][0]
    with kit.database.begin() as tx:
        policy.create(tx)
        tx.execute(policy.insert().values(id=POLICY_ROW, version=kit.counter.read()))
    until(lambda: kit.call(url("table", "rows"), access).status == 200)


# --- the process ------------------------------------------------------------------------------------


def test_every_answer_that_a_client_received_survives_kill_9(own_kit: Kit) -> None:
    kit = own_kit
    kit.provider.answers["/base/v1/items/a"] = json_answer({"code": "1"})
    kit.start(workers=2)
    with Callers(kit, url("api", "call/one?item=a"), kit.grant("api"), threads=6) as callers:
        until(lambda: len(callers.calls) > 300)
        kit.kill()
    durable = {r["id"] for r in kit.records()}
    received = {record for _, _, record in callers.calls}
    assert len(received) > 300
    assert received <= durable


def test_a_worker_that_is_asked_to_end_finishes_its_calls(own_kit: Kit) -> None:
    kit = own_kit

    def slow(client: socket.socket) -> None:
        time.sleep(0.8)
        client.sendall(json_answer({"code": "1"}))

    kit.provider.answers["/base/v1/items/a"] = slow
    kit.start()
    access = kit.grant("api")
    got: list[int] = []
    caller = threading.Thread(
        target=lambda: got.append(kit.call(url("api", "call/one?item=a"), access).status)
    )
    idle = socket.create_connection(("127.0.0.1", kit.port))
    caller.start()
    until(lambda: kit.provider.count == 1)
    assert kit.stop() == [0]
    caller.join(60)
    assert got == [200]
    assert idle.recv(1) == b""
    idle.close()


def test_metrics_are_told_on_the_private_port_only(kit: Kit) -> None:
    kit.call(url("table", "rows"), kit.grant("table"))
    page = kit.call("/metrics", port=kit.settings.platform.private_listen[1]).body.decode()
    assert 'shuxiang_calls_total{decision="permitted",status="200"} ' in page
    assert "shuxiang_ready 1.0" in page
    assert kit.call("/metrics").status == 404
