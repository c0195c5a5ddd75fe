"""Stories that other stories begin with, told through the use cases that people would use."""

from __future__ import annotations

from typing import Any, NamedTuple

from catalog.datasets import act_on_dataset, register_dataset
from catalog.distributions import attach_distribution, plan_mount
from catalog.model import CheckReport, Dataset
from core.work import Actor
from gateway.applications import Filed, act_on_application, apply_for_fields
from gateway.clients import approve_client, register_client
from gateway.credentials import issue_credential
from gateway.grants import Held, find_grant
from gateway.model import Client
from tests.cast import alice, ann, bob, carol

STATEMENT = {"purpose": "健康档案地址规范化", "reasons": "地址为手工录入", "duty_basis": "公共卫生服务职责"}
LOCAL = ["127.0.0.1/32"]
CONDITION = {"class_reason": "服务容量有限", "share_condition": "说明所办事项"}


# --- datasets -------------------------------------------------------------------------------------


def _entry(title: str, share_class: str, format: str, names: str) -> dict[str, Any]:
    """A catalog entry whose attributes are texts, the first of them the key."""
    attributes = [{"name": n, "title": n, "type": "string"} for n in names.split()]
    return {
        "title": title,
        "summary": f"{title}，供各部门的业务系统使用。",
        "category_code": "307001",
        "category": "department",
        "format": {"kind": format},
        "attributes": [{**attributes[0], "primary_key": True}, *attributes[1:]],
        "update_limit": "yearly",
        "share_class": share_class,
        **(CONDITION if share_class == "conditional" else {}),
        "share_method": ["platform"],
        "use_terms": "仅限履行本部门职责使用。",
        "required_materials": [],
    }


def _parameter(name: str, pattern: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": True, "pattern": pattern}


OFFERS: dict[str, tuple[Actor, dict[str, Any], dict[str, Any]]] = {
    "divisions": (
        alice,
        _entry("行政区划", "unconditional", "database", "code name street_code street_name area_code"),
        {"kind": "table", "connection": "divisions_db", "table": "divisions", "order": ["code"]},
    ),
    "workdays": (
        ann,
        _entry("工作日查询服务", "conditional", "service", "date workday weekday note"),
        {
            "kind": "api",
            "connection": "workday_api",
            "operations": [
                {
                    "name": "day",
                    "title": "查询一天",
                    "method": "GET",
                    "path": "/v1/days/{date}",
                    "parameters": [_parameter("date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "path")],
                    "records": "",
                },
                {
                    "name": "days",
                    "title": "查询一个月",
                    "method": "GET",
                    "path": "/v1/days",
                    "parameters": [_parameter("month", "^[0-9]{4}-[0-9]{2}$", "query")],
                    "records": "/days",
                },
            ],
        },
    ),
    "calendars": (
        ann,
        _entry("工作日日历文件", "unconditional", "self_describing", "date workday"),
        {"kind": "file", "connection": "calendar_files", "files": ["workdays-*.csv"]},
    ),
}
"""A table that anybody may have, an API under a condition, and files: provider, entry, distribution."""


def offered(world: Any, name: str, detail: dict[str, Any] | None = None, **changes: Any) -> str:
    """Publish one of OFFERS with changes of its entry and its distribution; return its code.

    Its data are not needed for the story, so the self-check is taken as passed.
    """
    provider, entry, mounted = OFFERS[name]
    with world.work(provider) as work:
        dataset = register_dataset(work, {**entry, **changes})
        mount = plan_mount(work, dataset.code, mounted["kind"], {**mounted, **(detail or {})})
        dataset = attach_distribution(work, mount, CheckReport(()))
        reviewed = "in_review" in work.rulebooks.current("sharing").workflow("dataset").states
        act_on_dataset(work, dataset.code, "submit" if reviewed else "publish", {})
    if reviewed:
        with world.work(bob) as work:
            act_on_dataset(work, dataset.code, "approve", {})
    return dataset.code


def taken_offline(world: Any, code: str, actor: Actor = alice) -> Dataset:
    """Take data that others use off line as both books want it: the users are told first."""
    with world.work(actor) as work:
        act_on_dataset(work, code, "announce_withdrawal", {"notice": "月底停止供数，请提前安排。"})
        return act_on_dataset(work, code, "take_offline", {"reason": "维护"})


# --- systems, applications, grants ----------------------------------------------------------------


class System(NamedTuple):
    """An approved business system, and the secret that it was given."""

    client: Client
    secret: str


def active_client(world: Any, actor: Actor = carol, networks: list[str] | None = None) -> System:
    """Register and approve a system of the actor's department, and give it a secret."""
    with world.work(actor) as work:
        client = register_client(work, {"name": "居民健康档案系统", "networks": networks or LOCAL})
    with world.work(bob) as work:
        client = approve_client(work, client.id)
    with world.work(actor) as work:
        _, secret = issue_credential(work, client.id)
    return System(client, secret)


def submitted_application(
    world: Any, code: str | None = None, system: System | None = None, *, actor: Actor = carol, **wish: Any
) -> Filed:
    """Apply for a code and a name of the divisions, or for what `wish` says."""
    code = code or offered(world, "divisions")
    system = system or active_client(world, actor)
    asked = {"dataset": code, "client": system.client.id, "fields": ["code", "name"], **STATEMENT, **wish}
    with world.work(actor) as work:
        return apply_for_fields(work, asked)


def active_grant(
    world: Any,
    code: str | None = None,
    system: System | None = None,
    *,
    actor: Actor = carol,
    decision: dict[str, Any] | None = None,
    **wish: Any,
) -> Held:
    """Apply and be granted at whichever desk the rulebook names; `decision` narrows the terms."""
    filed = submitted_application(world, code, system, actor=actor, **wish)
    decider = {"platform_manager": bob}.get(filed.case.facts["decider"])
    if decider is None:
        decider = {"civil_affairs": alice, "hr_social": ann}[filed.application.provider]
    if filed.case.state == "checking":
        with world.work(bob) as work:
            act_on_application(work, filed.application.id, "accept", {})
    with world.work(decider) as work:
        decided = act_on_application(work, filed.application.id, "grant", decision or {})
        assert decided.grant is not None
        return find_grant(work, decided.grant.id)
