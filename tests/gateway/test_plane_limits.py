"""Calls in a second and calls at once under one grant, as its callers meet them."""

from __future__ import annotations

import http.client
import threading

import pytest

from tests.gateway.plane_kit import Access, Kit, until

pytest_plugins = ["tests.gateway.plane_fixtures"]
pytestmark = [pytest.mark.takes(5), pytest.mark.long]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A data plane of two workers."""
    made = Kit(tmp_path_factory.mktemp("pair"))
    try:
        yield made.start(2)
    finally:
        made.close()


def _rows(kit: Kit, access: Access, times: int) -> list[int]:
    """The statuses of calls, each on a connection of its own: the kernel spreads them over the workers."""
    return [kit.call("/share/307001-000001/rows?limit=1", access).status for _ in range(times)]


def test_more_calls_in_a_second_than_granted_are_told_when_to_come_again(pair: Kit) -> None:
    access = pair.grant("table", calls_per_second=2)
    statuses = _rows(pair, access, 30)
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    calls = (pair.call("/share/307001-000001/rows?limit=1", access) for _ in range(90))
    refused = next(answer for answer in calls if answer.status == 429)
    assert refused.code == "too_fast"
    assert refused.headers["retry-after"] == "1"
    assert refused.record in {r["id"] for r in pair.records() if r.get("reason") == "too_fast"}


def test_calls_at_once_are_counted_over_the_workers_and_come_free_when_they_end(pair: Kit) -> None:
    (pair.files / "long.bin").write_bytes(bytes(32 * 1024 * 1024))
    access = pair.grant("file", calls_at_once=2)
    target = "/share/307001-000003/files/long.bin"
    under_way = []
    for _ in range(2):
        line = http.client.HTTPConnection("127.0.0.1", pair.port, timeout=30)
        line.request("GET", target, headers=access.headers)
        under_way.append((line, line.getresponse()))
    refused = pair.call(target, access)
    assert (refused.status, refused.code) == (429, "too_many_at_once")
    for line, _ in under_way:
        line.close()
    until(lambda: pair.call(target, access, "HEAD").status == 200)


def test_a_grant_without_limits_is_not_counted(pair: Kit) -> None:
    access = pair.grant("table")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.extend(_rows(pair, access, 10))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {200}
