"""A city in which enough has happened that every page has something to show."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from accounts.managing import set_roles
from accounts.oidc.identities import link_for
from accounts.people import ensure_account
from accounts.roles.proposing import open_proposal_for
from audit.columns.engine import engine_of
from audit.frames import KEY_FILE
from audit.journal import Journal
from audit.keeping.erasure import request_erasure
from audit.query import Filters, search_all
from audit.record import make_record
from audit.sealer import Sealer
from audit.signing import log_signers
from catalog.datasets import find_dataset, register_dataset
from core.settings import Settings
from core.settings_oidc import IdentityProvider
from core.text import Text
from core.work import SYSTEM
from gateway.applications import act_on_application
from gateway.clients import register_client
from gateway.grants import act_on_grant
from matters.acting import act_on_matter
from matters.opening import open_matter
from notices.inbox import list_notices, read_notice
from tests.cast import adam, alice, bob, carol, chen, dave, sally
from tests.notices.receivers import by_webhook, post
from tests.notices.sending import send
from tests.stories import LOCAL, active_client, active_grant, offered, submitted_application


class City(NamedTuple):
    """The ids by which the pages of the city are addressed."""

    dataset: str
    draft: str
    application: str
    waiting: str
    grant: str
    system: str
    record: str
    erasure: str
    matter: str
    report: str
    proposal: str


CITY = IdentityProvider("city", Text("统一身份认证", "City"), "https://id.example", "us", None, None)
"""An identity provider that nobody asks."""


def _people(world: Any) -> str:
    """Propose a role, and link an identity of a provider; return the number of the proposal."""
    security = replace(world.settings.security, oidc=(CITY,))
    world.settings = replace(world.settings, security=security)
    with world.work(SYSTEM) as work:
        for person in (carol, sally):
            ensure_account(work, person.login, person.name, person.department, person.roles)
        ensure_account(work, "gu.ping", "顾平", "bigdata", ["provider"])
    with world.work(adam) as work:
        link_for(work, "carol", "city", "f3a1b2")
        set_roles(work, "gu.ping", ["platform_manager"])
        proposal = open_proposal_for(work, "gu.ping")
        assert proposal is not None
    return proposal.id


def populate(world: Any) -> City:
    """Let the departments work for three weeks; return what there is to look at."""
    proposal = _people(world)
    divisions, workdays = offered(world, "divisions"), offered(world, "workdays")
    offered(world, "calendars")
    system = active_client(world)
    with world.work(chen) as work:
        register_client(work, {"name": "企业登记系统", "networks": LOCAL})
    grant = active_grant(world, divisions, system)
    suspended = active_grant(world, divisions, system, fields=["code"])
    with world.work(bob) as work:
        act_on_grant(work, suspended.grant.id, "suspend", {"reason": "来源地址异常，先行暂停"})
    waiting = submitted_application(world, workdays, system, fields=["date", "workday"], operations=["day"])
    with world.work(bob) as work:
        act_on_application(work, waiting.application.id, "accept", {})
    world.now += timedelta(days=27)
    fresh = submitted_application(world, divisions, system, fields=["name"])
    refused = submitted_application(world, divisions, system, fields=["code"])
    with world.work(bob) as work:
        act_on_application(
            work, refused.application.id, "refuse", {"reason_code": "other", "reason": "未说明使用范围"}
        )
    draft = _draft(world, divisions)
    matters = _matters(world, divisions, workdays, grant.grant.number)
    _calls(world, grant)
    _told(world)
    record = _sealed_record(world)
    world.now += timedelta(minutes=5)
    return City(
        dataset=divisions.replace("/", "-"),
        draft=draft.replace("/", "-"),
        application=fresh.application.id,
        waiting=waiting.application.id,
        grant=grant.grant.id,
        system=system.client.id,
        record=record,
        erasure=_erasure(world, record),
        proposal=proposal,
        **matters,
    )


def _matters(world: Any, divisions: str, workdays: str, grant: str) -> dict[str, str]:
    """Open matters of several kinds; return the ids of a doubt that is being checked and of a report."""
    record = {"code": "429005001", "name": "园林街道"}
    doubt = {"dataset": divisions, "grant": grant, "doubt": "街道名称与实际不符", "record": record}
    need = {"purpose": "核验外省户籍", "duty_basis": "公共卫生服务职责", "direction": "to_upper"}
    with world.work(carol) as work:
        checked = open_matter(work, "correction", {**doubt, "items": "name、street_name"})
        open_matter(work, "cascade", {**need, "wanted": "省级人口库核验"})
    world.now += timedelta(days=5)
    with world.work(alice) as work:
        act_on_matter(work, checked.matter.id, "take_up", {"note": "已转信息科"})
    with world.work(bob) as work:
        open_matter(work, "verification", {"datasets": [divisions, workdays], "difference": "编码不一致"})
        report = open_matter(work, "breach_report", {"statement": "接口中断三小时", "dataset": workdays})
    return {"matter": checked.matter.id, "report": report.matter.id}


def _draft(world: Any, like: str) -> str:
    with world.work(alice) as work:
        document = dict(find_dataset(work, like).document)
        return register_dataset(work, {**document, "title": "养老机构名录"}).code


def _calls(world: Any, grant: Any) -> None:
    """Write what a data plane writes for a call that was answered and for one that was refused."""
    about = {
        "dataset": grant.grant.dataset_code,
        "grant": grant.grant.id,
        "consumer": "health",
        "provider": "civil_affairs",
        "method": "GET",
        "operation": "rows",
    }
    outcomes = (
        {"decision": "permitted", "status": 200, "rows": 25},
        {"decision": "refused", "status": 403, "reason": "field_not_granted"},
    )

    async def write() -> None:
        platform = world.settings.platform
        sizes: Any = {"segment_bytes": platform.journal_segment_bytes, "reserve_bytes": 0}
        folder = world.settings.data / "audit" / "journal"
        folder.mkdir(parents=True, exist_ok=True)
        journal = await Journal.open(
            folder, "worker-1", **sizes, secret=world.settings.key(KEY_FILE), now=world.now
        )
        for outcome in outcomes:
            await journal.append(make_record("access", world.now, journal.name, {**about, **outcome}))
        await journal.close()

    # Playwright keeps an event loop in the main thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(write())).result()


def _told(world: Any) -> None:
    """Tell the provider of something new, of something late, and by a webhook that nobody answers."""
    by_webhook(world, "http://127.0.0.1:9/notices")
    post(world, "late", due=world.now - timedelta(days=1), cite="《潜江市政务信息资源共享管理办法》第二十条")
    post(world, "new", due=world.now + timedelta(days=10))
    send(world)
    with world.work(alice) as work:
        read_notice(work, list_notices(work, limit=1).lines[0].notice.id)


def _sealed_record(world: Any) -> str:
    settings: Settings = world.settings
    folder = settings.data / "audit"
    origin = settings.platform.log_origin
    secret = settings.key(KEY_FILE)
    sealer = Sealer(folder, world.database, log_signers(settings), origin, world.now, secret=secret)
    sealer.step(world.now)
    sealer.close()
    with world.database.read() as tx:
        page = search_all(tx, engine_of(settings), Filters(equal={"kind": "access"}), limit=1)
    return page.items[0].id


def _erasure(world: Any, record: str) -> str:
    """Ask that a body be erased; nobody has decided yet."""
    with world.work(dave) as work:
        return request_erasure(work, [record], "《个人信息保护法》第四十七条", "潜审函〔2026〕3 号").id
