"""What a worker tells of itself for Prometheus."""

from __future__ import annotations

import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.breaker import MISSES, REST_SECONDS, Breaker
from gateway.metrics import Metrics, Standing
from tests.gateway.plane_kit import Kit, url
from tests.gateway.providers import json_answer

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]


def figures(kit: Kit) -> dict[str, float]:
    page = kit.call("/metrics", port=kit.settings.platform.private_listen[1]).body.decode()
    return {
        sample.name + "".join(sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_connections_calls_and_the_policy_are_told_as_they_are(kit: Kit) -> None:
    access = kit.grant("table")
    before = figures(kit)
    with socket.create_connection(("127.0.0.1", kit.port)):
        kit.call(url("table", "rows"), access)
        kit.revoke(access.token)
        assert kit.call(url("table", "rows"), access).status == 401
        after = figures(kit)
    assert after["shuxiang_connections"] == before["shuxiang_connections"] + 1
    assert after["shuxiang_calls_total200permitted"] == before.get("shuxiang_calls_total200permitted", 0) + 1
    assert after["shuxiang_call_seconds_count"] == before["shuxiang_call_seconds_count"] + 2
    assert after["shuxiang_policy_version"] > before["shuxiang_policy_version"]
    assert 0 <= after["shuxiang_policy_age_seconds"] < 60
    assert after["shuxiang_journal_lag_seconds"] < 0  # these tests put the sealer's beat an hour ahead
    assert after["shuxiang_ready"] == 1


def test_providers_are_told_by_the_connection(kit: Kit) -> None:
    kit.provider.answers["/base/v1/items/a"] = json_answer({"code": "a"})
    assert kit.call(url("api", "call/one?item=a"), kit.grant("api")).status == 200
    found = figures(kit)
    assert found["shuxiang_provider_connectionsapi"] == 1
    assert found["shuxiang_provider_callsapi"] == 0
    assert found["shuxiang_provider_restsapi"] == 0


def test_a_provider_that_is_left_alone_is_told_as_that() -> None:
    breaker = Breaker()
    for _ in range(MISSES):
        assert not breaker.rests(10.0)
        breaker.missed(10.0)
    assert breaker.rests(10.0)
    assert not breaker.rests(10.0 + REST_SECONDS)
    standing = Standing(0, True, 0.0, 1, 0.0, {"api": (breaker.rests(10.0), 2, 3)})
    page = Metrics().page(standing).decode()
    assert 'shuxiang_provider_rests{connection="api"} 1.0' in page
    assert 'shuxiang_provider_calls{connection="api"} 3.0' in page
