"""A worker that must read thousands of permits again asks a few times, and keeps equal parts once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway import store
from gateway.lookups import MOST, Lookups
from gateway.model import Permit
from gateway.objections import DATABASE_UNAVAILABLE, Refused
from gateway.tokens import token_digest
from tests.gateway.plane_kit import Kit

TOKENS = MOST + 20


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A deployment whose worker we are ourselves."""
    made = Kit(tmp_path_factory.mktemp("plane"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def digests(kit: Kit) -> list[str]:
    """Tokens of two grants on the same terms, and one of another grant."""
    several = [kit.grant("table") for _ in range(2)]
    tokens = [kit.token(several[i % 2].grant_id) for i in range(TOKENS - 1)]
    return [token_digest(token) for token in (*tokens, kit.grant("table", purpose="别的").token)]


class Asking:
    """A worker's lookups, and how many transactions they take."""

    def __init__(self, kit: Kit) -> None:
        self.transactions = 0
        self.threads = ThreadPoolExecutor(2)
        self.lookups = Lookups(kit.database, self.threads, "")
        event.listen(kit.database.engine, "begin", self._count)

    def _count(self, _tx: Any) -> None:
        self.transactions += 1

    def all(self, digests: list[str]) -> list[Permit | None]:
        async def ask() -> list[Permit | None]:
            return await asyncio.gather(*map(self.lookups.permit, digests))

        return asyncio.run(ask())


def test_what_is_asked_for_meanwhile_shares_the_next_question(kit: Kit, digests: list[str]) -> None:
    asking = Asking(kit)
    found = asking.all([*digests, "0" * 64, digests[0]])
    assert all(found[: len(digests)])
    assert found[-2] is None
    assert found[-1] == found[0]
    assert asking.transactions == 2
    with kit.database.read() as tx:
        assert found[-1] == store.permit(tx, digests[0])


def test_equal_parts_of_permits_are_one_object(kit: Kit, digests: list[str]) -> None:
    found = [permit for permit in Asking(kit).all(digests) if permit is not None]
    assert len({permit.grant_id for permit in found}) == 3
    assert len({id(permit.terms) for permit in found}) == 2
    for part in ("networks", "attributes", "detail"):
        assert len({id(getattr(permit, part)) for permit in found}) <= 2, part
    assert found[-1].terms.purpose == "别的"


def test_when_the_database_does_not_answer_all_who_wait_are_refused_and_the_next_are_not(
    kit: Kit, digests: list[str], tmp_path: Path
) -> None:
    asking = Asking(kit)
    other = Kit(tmp_path / "broken")
    broken = Lookups(other.database, asking.threads, "")
    with other.database.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE grants RENAME TO gone")

    async def ask() -> list[Any]:
        return await asyncio.gather(*map(broken.permit, digests[:3]), return_exceptions=True)

    refused = asyncio.run(ask())
    assert [type(one) for one in refused] == [Refused] * 3
    assert {one.objection for one in refused} == {DATABASE_UNAVAILABLE}
    other.close()
    assert all(asking.all(digests[:3]))


def test_whoever_waits_no_more_keeps_nobody_waiting(kit: Kit, digests: list[str]) -> None:
    asking = Asking(kit)

    async def ask() -> Permit | None:
        gone = asyncio.ensure_future(asking.lookups.permit(digests[0]))
        stays = asyncio.ensure_future(asking.lookups.permit(digests[1]))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(ask()) is not None
