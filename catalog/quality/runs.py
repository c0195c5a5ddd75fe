"""Checks as use cases: who may have data checked, the check outside of transactions, what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection as Transaction

from audit.log import record
from cases.model import roles_in
from cases.timing import book_of
from catalog import store as catalog_store
from catalog.codes import no_such_dataset
from catalog.datasets import find_dataset
from catalog.model import Dataset
from catalog.quality import store
from catalog.quality.freshness import Supply, supply_of
from catalog.quality.model import CHECKED_KINDS, RULES, Report, Run
from catalog.quality.present import report_document
from catalog.quality.store import Due
from core.db import Database, Page
from core.errors import Conflict, NotFound, NotPermitted, TooMany
from core.ids import new_id
from core.locks import alone
from core.settings import Connection, Settings
from core.times import millis
from core.work import Work
from rules.rulebook import Leaf, Rulebook
from rules.workdays import Calendar

Begin = Callable[[], AbstractContextManager[Work]]
MOST = 100_000
LONGEST_DOUBT, LONGEST_ITEMS = 4000, 1000
"""Characters that a correction holds of what was found and of the items concerned."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A check that may be made, once the database is let go."""

    dataset: Dataset
    kind: str
    connection: Connection | None
    """None when the deployment no longer has it."""
    detail: Mapping[str, Any]
    supply: Supply
    now: datetime
    calendar: Calendar


def duty(work: Work, dataset: Dataset) -> Leaf:
    """Return whose duty checking data is (QJ art. 17: the platform manager; GZ art. 4(四): the provider)."""
    book, _ = book_of(work, dataset.case)
    return book.policy("catalog.quality_check")


def may_check(work: Work, dataset: Dataset) -> bool:
    """Tell whether the actor may have the data checked: whose duty it is, and the provider in any case."""
    allowed = {"provider", *duty(work, dataset).value["by"]}
    return work.actor.has("system") or not allowed.isdisjoint(roles_in(dataset.case, work.actor))


def plan_quality(work: Work, code: str, kind: str | None = None) -> Plan:
    """Return what is to be checked: the table or else the files, or the distribution of `kind`.

    Raises NotPermitted with the provision for everybody whose duty it is not, NotFound where there is no such
    distribution, Conflict where there is nothing that is read as a whole.
    """
    dataset = find_dataset(work, code) if not work.actor.has("system") else _known(work, code)
    if not may_check(work, dataset):
        raise NotPermitted(
            "数据由提供部门或规定的部门检查",
            "data are checked by their provider, or by whom the rules name",
            cite=str(duty(work, dataset).cite),
        )
    kinds = [d.kind for d in dataset.distributions if d.kind in CHECKED_KINDS]
    if kind is not None and kind not in kinds:
        raise NotFound("没有挂接这一类可检查的资源", "no such distribution that could be checked")
    mounted = dataset.distribution(kind or ("table" if "table" in kinds else "file"))
    if mounted is None:
        raise Conflict(
            "没有库表或文件可检查；接口不整体读取",
            "there is no table and no file to check; an API is not read as a whole",
            code="nothing_to_check",
        )
    connection = work.settings.connections.get(mounted.connection)
    book, _ = book_of(work, dataset.case)
    supply = supply_of(book, dataset.document, dataset.case.events)
    calendar = work.rulebooks.calendar
    return Plan(dataset, mounted.kind, connection, mounted.detail, supply, work.now, calendar)


def _known(work: Work, code: str) -> Dataset:
    dataset = catalog_store.dataset_by_code(work.tx, code)
    if dataset is None:
        raise no_such_dataset()
    return dataset


def check_distribution_quality(
    settings: Settings, plan: Plan, progress: Callable[[int], object] = lambda rows: None
) -> Report:
    """Return what the check of a planned distribution finds; it may take minutes, so hold no transaction.

    One check runs at a time in a deployment, for its memory is counted once. Raises TooMany meanwhile.
    """
    from catalog.quality.check import Subject, check_mounted  # DuckDB and Arrow come with the first check

    subject = Subject(plan.dataset.document, plan.kind, plan.now, plan.calendar, plan.supply)
    with _alone(settings):
        return check_mounted(settings, subject, plan.connection, plan.detail, progress)


def _alone(settings: Settings) -> AbstractContextManager[None]:
    busy = TooMany(
        "正在进行另一项数据检查，请稍后再试",
        "another check of data is under way; try again later",
        retry_after=30,
        code="quality_busy",
    )
    return alone(settings.data / "run" / "quality.lock", busy)


def keep_report(work: Work, plan: Plan, report: Report) -> Run:
    """Keep a report, on record with its counts only; defects open the procedure that the rulebook names.

    So the provider is told and asked to correct (QJ art. 17, GZ art. 4(四)), once while it is open.
    """
    dataset = plan.dataset
    run = Run(
        id=new_id(millis(work.now)),
        dataset_id=dataset.id,
        kind=report.kind,
        at=work.now,
        by=work.actor.login,
        rows=report.rows,
        failed_rules=report.failed_rules,
        duration_ms=report.duration_ms,
        document=report_document(dataset, report),
    )
    store.insert_run(work.tx, run)
    body = {
        "dataset": dataset.code,
        "provider": dataset.provider,
        "kind_checked": report.kind,
        "run": run.id,
        "rows": report.rows,
        "rules": len(report.findings),
        "failed_rules": report.failed_rules,
        "late": bool(report.freshness and report.freshness.late),
        "finished": report.unfinished is None,
    }
    record(work, "quality.checked", body)
    if report.failed_rules:
        _call_for_correction(work, dataset, report)
    return run


def _call_for_correction(work: Work, dataset: Dataset, report: Report) -> None:
    book: Rulebook = work.rulebooks.current("sharing")
    procedure = book.policy("catalog.quality_check").value["defects"]
    if procedure is None:
        return
    broken = [f for f in report.findings if f.failed]
    said = "；".join(f"{f.attribute or ''}{RULES[f.rule].zh}：{f.failed}/{f.checked}" for f in broken)
    items = " ".join(dict.fromkeys(f.attribute for f in broken if f.attribute))
    doubt = {
        "doubt": f"数据质量检查未通过（不符/检查）：{said}"[:LONGEST_DOUBT],
        "items": items[:LONGEST_ITEMS],
    }
    work.follow_up(work, procedure, dataset.case, {k: v for k, v in doubt.items() if v}, once=True)


@contextmanager
def checked_and_kept(work: Work, database: Database, plan: Plan) -> Iterator[tuple[Work, Run]]:
    """Let go of the database, check, and keep the report in a transaction of its own.

    `work` is over afterwards; what is yielded is the new unit of work and the kept check.
    """
    work.tx.commit()
    report = check_distribution_quality(work.settings, plan)
    with database.begin() as tx:
        after = replace(work, tx=tx)
        yield after, keep_report(after, plan, report)


def latest_reports(work: Work, dataset: Dataset) -> list[Run]:
    """Return the newest check of each distribution of a dataset."""
    return store.latest_runs(work.tx, dataset.id)


def list_runs(work: Work, dataset: Dataset, *, limit: int = 50, cursor: str | None = None) -> Page:
    """Return one page of the checks of a dataset, newest first."""
    return store.runs_of(work.tx, dataset.id, limit, cursor)


# --- the standing check ---------------------------------------------------------------------------


def due_for_quality(
    tx: Transaction, now: datetime, every_days: int, leave: Collection[Due] = ()
) -> Due | None:
    """Return the published distribution that has waited longest, of those whose last check is older than so
    many days and that are not to be left alone; None for 0 days.
    """
    if not every_days:
        return None
    waiting = store.due(tx, now - timedelta(days=every_days), 1 + len(leave))
    return next((due for due in waiting if due not in leave), None)


def published(work: Work) -> list[Due]:
    """Return every published distribution that can be checked, the one longest ago first."""
    return store.due(work.tx, work.now + timedelta(days=1), MOST)


def check_now(
    begin: Begin,
    settings: Settings,
    code: str,
    kind: str | None = None,
    progress: Callable[[int], object] = lambda rows: None,
) -> Run:
    """Check a distribution on behalf of the platform and keep the report; raises what planning raises."""
    with begin() as work:
        plan = plan_quality(work, code, kind)
    report = check_distribution_quality(settings, plan, progress)
    with begin() as work:
        return keep_report(work, plan, report)
