"""Data are attached through the department's own connections, after a real look at the provider's side."""

from __future__ import annotations

import socket
import sqlite3
import threading
from ipaddress import ip_network
from typing import Any

import pytest

from catalog.datasets import register_dataset, revise_dataset
from catalog.details import check_distribution
from catalog.distributions import attached_after_check, detach_distribution, plan_mount
from catalog.present import dataset_view
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from schemas import errors as schema_errors
from tests.cast import alice, ann, bob, carol, dave
from tests.catalog.conftest import Cities
from tests.catalog.entries import (
    OPERATION,
    TABLE,
    acted,
    attached,
    connect,
    divisions,
    entry,
    published,
    registered,
    seen_by,
)

pytestmark = pytest.mark.long

DATE = {"name": "date", "in": "path"}
LOCAL = (ip_network("127.0.0.1/32"),)


def refused_detail(world: Any, detail: dict[str, Any], **changes: Any) -> list[str]:
    dataset = registered(world, **changes)
    with pytest.raises(Invalid) as refused, world.read(alice) as work:
        plan_mount(work, dataset.code, detail["kind"], detail)
    return [e.pointer for e in refused.value.errors]


def found(dataset: Any, kind: str) -> dict[str, bool]:
    return {i.name: i.passed for i in dataset.distribution(kind).report.items}


# --- what may be attached -------------------------------------------------------------------------


def test_only_connections_of_the_department_itself_exist(world: Any) -> None:
    foreign = {"kind": "file", "connection": "calendar_files", "files": ["*.csv"]}

    assert refused_detail(world, foreign) == ["/connection"]
    assert refused_detail(world, {**TABLE, "connection": "no_such"}) == ["/connection"]


def test_a_connection_is_used_for_its_own_kind_only(world: Any) -> None:
    files = {"kind": "file", "connection": "divisions_db", "files": ["*.csv"]}

    assert refused_detail(world, files) == ["/connection"]


def test_only_the_provider_attaches(world: Any) -> None:
    dataset = published(world)

    for stranger in (ann, bob, carol):
        with pytest.raises(NotPermitted), world.read(stranger) as work:
            plan_mount(work, dataset.code, "table", TABLE)


def test_the_rows_are_ordered_by_attributes(world: Any) -> None:
    assert refused_detail(world, {**TABLE, "order": ["code", "nothing"]}) == ["/order/1"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"path": "/v1/days/{day}"}, "/operations/0/path"),
        ({"path": "/v1/days"}, "/operations/0/path"),
        ({"path": "/v1/../days/{date}"}, "/operations/0/path"),
        ({"path": "/v1//days/{date}"}, "/operations/0/path"),
        ({"path": "/v1/days-{date}"}, "/operations/0/path"),
        ({"path": "//evil.example/{date}"}, "/operations/0/path"),
        (
            {"parameters": [{"name": "date", "in": "path", "pattern": "["}]},
            "/operations/0/parameters/0/pattern",
        ),
        (
            {"parameters": [{"name": "date", "in": "path", "required": False}]},
            "/operations/0/parameters/0/required",
        ),
        (
            {"parameters": [{"name": "date", "in": "path"}, {"name": "date", "in": "query"}]},
            "/operations/0/parameters/1/name",
        ),
        (
            {"parameters": [{"name": "date", "in": "path", "controlled": True}]},
            "/operations/0/parameters/0/controlled",
        ),
    ],
)
def test_operations_are_well_formed(cities: Cities, change: dict[str, Any], pointer: str) -> None:
    detail = {"kind": "api", "connection": "x", "operations": [{**OPERATION, **change}]}

    found = schema_errors("request/distribution", detail)
    try:
        check_distribution(cities.qianjiang, entry(), detail)
    except Invalid as refused:
        found += refused.errors
    assert {e.pointer for e in found} == {pointer}


def test_a_controlled_parameter_must_be_announced_in_the_entry(world: Any) -> None:
    name = connect(world, kind="api", base_url="http://127.0.0.1:9", networks=LOCAL)
    controlled = {**OPERATION, "parameters": [{**OPERATION["parameters"][0], "controlled": True}]}
    detail = {"kind": "api", "connection": name, "operations": [controlled]}
    dataset = registered(world, controlled_params=True)
    attached(world, dataset, detail)

    with pytest.raises(Invalid) as refused, world.work(alice) as work:
        revise_dataset(work, dataset.code, {"controlled_params": None})
    assert [e.code for e in refused.value.errors] == ["controlled_params"]


def test_ganzhou_wants_each_operation_described(cities: Cities) -> None:
    untitled = {k: v for k, v in OPERATION.items() if k != "title"}
    detail = {"kind": "api", "connection": "x", "operations": [untitled]}

    check_distribution(cities.qianjiang, entry(), detail)
    with pytest.raises(Invalid) as refused:
        check_distribution(cities.ganzhou, entry(), detail)
    assert [e.pointer for e in refused.value.errors] == ["/operations/0/title"]
    assert "第7条" in str(refused.value.cite)


# --- what the look finds --------------------------------------------------------------------------


def test_a_table_with_all_columns_passes(world: Any) -> None:
    divisions(world, "code", "name", "internal_note")
    dataset = attached(world, registered(world))

    assert found(dataset, "table") == {"reachable": True, "table": True, "columns": True, "rows": True}
    assert dataset.distribution("table").report.passed


def test_a_missing_database_a_missing_table_and_a_missing_column_are_told_apart(world: Any) -> None:
    dataset = registered(world)
    assert found(attached(world, dataset), "table") == {"reachable": False}

    divisions(world, "code")
    assert found(attached(world, dataset, {**TABLE, "table": "villages"}), "table") == {
        "reachable": True,
        "table": False,
    }
    assert found(attached(world, dataset), "table") == {"reachable": True, "table": True, "columns": False}


def test_a_look_never_creates_the_database(world: Any) -> None:
    attached(world, registered(world))

    assert not (world.settings.data / "demo" / "divisions.sqlite").exists()


def files(world: Any, *patterns: str) -> tuple[Any, dict[str, Any]]:
    folder = world.settings.data / "reports"
    folder.mkdir()
    name = connect(world, kind="file", folder=folder)
    return folder, {"kind": "file", "connection": name, "files": list(patterns)}


def test_every_pattern_must_match_a_file(world: Any) -> None:
    folder, detail = files(world, "2025-*.csv", "2026-*.csv")
    (folder / "2025-01.csv").write_text("code\n")
    dataset = attached(world, registered(world), detail)

    assert found(dataset, "file") == {"folder": True, "files 2025-*.csv": True, "files 2026-*.csv": False}
    assert not dataset.distribution("file").report.passed


def test_a_link_that_leads_out_of_the_folder_fails_the_check(world: Any) -> None:
    folder, detail = files(world, "*.csv")
    (folder / "inside.csv").write_text("code\n")
    (world.settings.data / "secret.csv").write_text("secret\n")
    (folder / "stolen.csv").symlink_to("../secret.csv")

    assert found(attached(world, registered(world), detail), "file") == {"folder": True, "files *.csv": False}


def test_a_folder_that_is_not_there_fails_the_check(world: Any) -> None:
    name = connect(world, kind="file", folder=world.settings.data / "nowhere")
    detail = {"kind": "file", "connection": name, "files": ["*.csv"]}

    assert found(attached(world, registered(world), detail), "file") == {"folder": False}


def service(world: Any, url: str, *networks: str) -> dict[str, Any]:
    nets = tuple(ip_network(n) for n in networks)
    name = connect(world, kind="api", base_url=url, networks=nets, connect_seconds=0.5)
    return {"kind": "api", "connection": name, "operations": [OPERATION]}


def test_a_service_that_listens_inside_its_networks_passes(world: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        dataset = attached(world, registered(world), service(world, url, "127.0.0.0/8"))

    assert found(dataset, "api") == {"address": True, "reachable": True}


def test_a_service_outside_its_networks_is_never_connected_to(world: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        url = f"http://localhost:{listening.getsockname()[1]}"
        dataset = attached(world, registered(world), service(world, url, "10.0.0.0/8"))
        with pytest.raises(TimeoutError):
            listening.accept()

    assert found(dataset, "api") == {"address": False}


def test_a_service_that_does_not_listen_fails_the_check(world: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    dataset = attached(world, registered(world), service(world, f"http://127.0.0.1:{port}", "127.0.0.1/32"))

    assert found(dataset, "api") == {"address": True, "reachable": False}


# --- what becomes of it ---------------------------------------------------------------------------


def test_a_failed_check_is_kept_and_shown_and_keeps_the_draft_a_draft(world: Any) -> None:
    dataset = attached(world, registered(world))

    assert not seen_by(world, alice, dataset).distribution("table").report.passed
    with pytest.raises(Conflict):
        acted(world, dataset, "publish")


def test_what_is_served_is_not_replaced_by_what_cannot_be(world: Any) -> None:
    dataset = published(world)

    with pytest.raises(Conflict) as refused:
        attached(world, dataset, {**TABLE, "table": "villages"})
    assert refused.value.code == "self_check_failed"
    assert seen_by(world, carol, dataset).distribution("table").detail["table"] == "divisions"


def test_the_last_distribution_of_a_published_dataset_stays(world: Any) -> None:
    dataset = published(world)

    with pytest.raises(Conflict), world.work(alice) as work:
        detach_distribution(work, dataset.code, "table")
    acted(world, dataset, "take_offline", reason="迁移")
    with world.work(alice) as work:
        assert detach_distribution(work, dataset.code, "table").distributions == ()
    with pytest.raises(NotFound), world.work(alice) as work:
        detach_distribution(work, dataset.code, "table")


def test_attributes_added_later_have_to_be_looked_for_again(world: Any) -> None:
    divisions(world, "code", "name", "town")
    dataset = published(world)
    town = {"name": "town", "title": "所属街道", "type": "string"}
    with world.work(alice) as work:
        after = revise_dataset(
            work, dataset.code, {"attributes": [*dataset.document["attributes"], town]}, "增加信息项"
        )
    assert found(after, "table")["outdated"] is False

    assert attached(world, after).distribution("table").report.passed


def test_a_mount_that_was_planned_on_an_older_entry_is_not_attached(world: Any) -> None:
    divisions(world)
    dataset = registered(world)
    with world.read(alice) as work:
        mount = plan_mount(work, dataset.code, "table", TABLE)
    with world.work(alice) as work:
        revise_dataset(work, dataset.code, {"title": "改过的名称"})

    with (
        pytest.raises(Conflict),
        world.work(alice) as work,
        attached_after_check(work, world.database, mount),
    ):
        pytest.fail("it must not be attached")


def test_connections_and_tables_are_for_the_provider_and_the_manager(world: Any) -> None:
    dataset = published(world)

    def shown(actor: Any) -> dict[str, Any]:
        with world.read(actor) as work:
            return dict(dataset_view(work, seen_by(world, actor, dataset))["distributions"][0])

    for inside in (alice, bob):
        assert shown(inside)["connection"] == "divisions_db"
        assert shown(inside)["check"]["items"]
    for outside in (ann, carol, dave):
        assert {"connection", "detail"}.isdisjoint(shown(outside))
        assert set(shown(outside)["check"]) == {"passed", "checked_at"}


def test_the_database_does_not_wait_for_the_provider(world: Any) -> None:
    """While a provider's database keeps the check waiting, others go on writing to ours."""
    path = divisions(world)
    dataset = registered(world)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    done: list[str] = []

    def attach() -> None:
        with world.work(alice) as work:
            mount = plan_mount(work, dataset.code, "table", TABLE)
            with attached_after_check(work, world.database, mount) as (_, after):
                done.append(str(after.distribution("table").report.passed))

    waiting = threading.Thread(target=attach)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive(), "the check must be waiting for the lock"
    with world.work(alice) as work:
        register_dataset(work, entry())
    assert done == []
    holder.execute("ROLLBACK")
    holder.close()
    waiting.join(60)
    assert done == ["True"]


def test_many_files_say_how_often_they_are_updated_in_ganzhou(cities: Cities) -> None:
    """GZ art. 7: only where files are many; a pattern may match any number."""
    unsaid = {**entry(), "update_limit": None}
    few = {"kind": "file", "connection": "calendar_files", "files": ["workdays-2026.csv"]}

    check_distribution(cities.ganzhou, unsaid, few)
    with pytest.raises(Invalid) as refused:
        check_distribution(cities.ganzhou, unsaid, {**few, "files": ["workdays-*.csv"]})
    assert [e.pointer for e in refused.value.errors] == ["/update_limit"]
    check_distribution(cities.qianjiang, unsaid, {**few, "files": ["workdays-*.csv"]})
