"""A change of the policy is answered when no worker of any host goes by what was true before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from core.db import Database
from core.postgresql import Turn
from gateway.hosts import store
from gateway.hosts.lease import LEASE_SECONDS, SERVE_SECONDS, Lease, wait_for_all
from gateway.store import policy_version, raise_policy_version
from tests import postgresql
from tests.processes import wait_until

pytestmark = pytest.mark.long


class Time:
    """A clock that one sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Host:
    """A worker with the counter of a host of its own."""

    def __init__(self, state: Database, clock: Callable[[], float]) -> None:
        self.known = 0
        self.lease = Lease(state, self.learn, clock)

    def learn(self, version: int) -> None:
        self.known = max(self.known, version)

    def lets_through(self, version: int) -> bool:
        """Whether a call is let through by what was true up to a version."""
        return self.lease.is_good() and self.known <= version


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def hosts(state: Database, clock: Time) -> Iterator[list[Host]]:
    made = [Host(state, clock) for _ in range(3)]
    yield made
    for host in made:
        host.lease.close()


def change(state: Database) -> int:
    with state.begin() as tx:
        return raise_policy_version(tx)


def listed(state: Database) -> set[str]:
    return set(store.behind(state.engine, 10**6))


def test_a_worker_serves_once_it_has_confirmed_the_policy(state: Database, hosts: list[Host]) -> None:
    assert not hosts[0].lease.is_good()
    change(state)
    hosts[0].lease.renew()
    assert hosts[0].lease.is_good()
    assert hosts[0].known == 1


def test_a_lease_that_is_not_renewed_ends_before_anybody_stops_waiting_for_it(
    hosts: list[Host], clock: Time
) -> None:
    hosts[0].lease.renew()
    clock.now += SERVE_SECONDS - 0.01
    assert hosts[0].lease.is_good()
    clock.now += 0.01
    assert not hosts[0].lease.is_good()
    assert SERVE_SECONDS <= 0.8 * LEASE_SECONDS


def test_a_change_waits_for_those_that_have_not_confirmed_it(
    state: Database, hosts: list[Host], clock: Time
) -> None:
    for host in hosts:
        host.lease.renew()
    version = change(state)
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        hosts[looks].lease.renew()
        looks += 1

    wait_for_all(state.engine, version, clock, sleep)
    assert looks == 3
    assert not any(host.lets_through(version - 1) for host in hosts)
    assert all(host.lease.is_good() for host in hosts)


def test_a_host_that_is_cut_off_is_waited_for_until_its_lease_is_over_and_then_no_more(
    state: Database, hosts: list[Host], clock: Time
) -> None:
    for host in hosts:
        host.lease.renew()
    version, began = change(state), clock.now
    hosts[1].lease.renew()
    hosts[2].lease.renew()
    wait_for_all(state.engine, version, clock, clock.sleep)
    assert clock.now - began >= LEASE_SECONDS
    assert not hosts[0].lets_through(version - 1)
    assert listed(state) == {hosts[1].lease.id, hosts[2].lease.id}
    hosts[1].lease.renew()
    hosts[2].lease.renew()
    again, began = change(state), clock.now
    hosts[1].lease.renew()
    hosts[2].lease.renew()
    wait_for_all(state.engine, again, clock, clock.sleep)
    assert clock.now == began


def test_a_worker_who_confirmed_meanwhile_stays_on_the_list(state: Database, hosts: list[Host]) -> None:
    for host in hosts:
        host.lease.renew()
    version = change(state)
    late = store.behind(state.engine, version)
    hosts[0].lease.renew()
    store.drop(state.engine, late, version)
    assert len(listed(state)) == 1


def test_a_host_that_returns_confirms_the_policy_of_then_before_it_serves(
    state: Database, hosts: list[Host], clock: Time
) -> None:
    hosts[0].lease.renew()
    version = change(state)
    wait_for_all(state.engine, version, clock, clock.sleep)
    assert listed(state) == set()
    hosts[0].lease.renew()
    assert hosts[0].lease.is_good()
    assert hosts[0].known == version
    assert listed(state) == {hosts[0].lease.id}


def test_a_version_that_has_been_passed_is_not_confirmed(state: Database, hosts: list[Host]) -> None:
    hosts[0].lease.renew()
    with state.read() as tx:
        seen = policy_version(tx)
    change(state)
    with state.begin(Turn.ANY) as tx:
        assert not store.confirm(tx, hosts[0].lease.id, seen)


def test_a_lease_counts_from_before_the_database_was_asked(state: Database, clock: Time) -> None:
    """What takes long must not lengthen it: the change may have been committed meanwhile."""

    def slowly(version: int) -> None:
        clock.now += SERVE_SECONDS

    lease = Lease(state, slowly, clock)
    lease.renew()
    assert not lease.is_good()
    lease.close()


def test_a_database_that_is_gone_confirms_nothing_so_the_time_tells(
    state: Database, server: postgresql.Server, hosts: list[Host], clock: Time
) -> None:
    hosts[0].lease.renew()
    version, began = change(state), clock.now
    server.stop()
    try:
        wait_for_all(state.engine, version, clock, clock.sleep)
    finally:
        server.start()
    assert clock.now - began >= LEASE_SECONDS
    assert not hosts[0].lease.is_good()


def test_a_worker_that_stops_leaves_nobody_waiting(state: Database, hosts: list[Host], clock: Time) -> None:
    hosts[0].lease.renew()
    hosts[0].lease.close()
    assert not hosts[0].lease.is_good()
    hosts[0].lease.renew()
    assert not hosts[0].lease.is_good()
    wait_for_all(state.engine, change(state), clock, clock.sleep)
    assert clock.now == 1000.0


def test_a_change_is_heard_without_a_poll_and_after_the_line_was_cut(
    state: Database, server: postgresql.Server
) -> None:
    host = Host(state, time.monotonic)
    host.lease.listen()
    host.lease.renew()
    announced(state)
    wait_until(lambda: host.known == 1, "not heard", 5)
    with postgresql.connect(server.url) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    time.sleep(1.2)  # a worker hears again within a second; its poll goes on meanwhile
    announced(state)
    wait_until(lambda: host.known == 2, "not heard again", 5)
    host.lease.close()


def announced(state: Database) -> None:
    with state.begin() as tx:
        raise_policy_version(tx)
        store.announce(tx)


def test_nobody_who_serves_goes_by_what_an_answered_change_ended(state: Database) -> None:
    """Many workers, many changes, no order: real clocks, real threads."""
    hosts = [Host(state, time.monotonic) for _ in range(4)]
    for host in hosts:
        host.lease.listen()
        host.lease.renew()
    stop, answered, faults = threading.Event(), [0], []

    def watch() -> None:
        while not stop.is_set():
            past = answered[0] - 1
            faults.extend(host for host in hosts if host.lets_through(past))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(30):
        announced(state)
        with state.read() as tx:
            version = policy_version(tx)
        wait_for_all(state.engine, version)
        answered[0] = version
    stop.set()
    watcher.join()
    for host in hosts:
        host.lease.close()
    assert faults == []
