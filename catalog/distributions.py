"""Where the data come from: attached through a named connection of the provider, and checked before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from cases.timing import book_of
from catalog import store
from catalog.datasets import (
    expect,
    find_dataset,
    must_provide,
    must_stand,
    record_change,
    save,
)
from catalog.details import check_distribution
from catalog.model import CheckReport, Dataset, Distribution
from catalog.selfcheck import self_check
from core.db import Database
from core.errors import Conflict, NotFound, invalid
from core.settings import Connection
from core.work import Work
from schemas import validate


@dataclass(frozen=True, slots=True)
class Mount:
    """A distribution that may be attached, once a look at the provider's side has been taken."""

    dataset: Dataset
    connection: Connection
    detail: Mapping[str, Any]

    def self_check(self) -> CheckReport:
        """Return what was found at the provider's side; it may wait for seconds, so hold no transaction."""
        return self_check(self.connection, self.detail, self.dataset.document)


def own_connections(work: Work) -> list[Connection]:
    """Return the connections that the actor's department may attach."""
    return [c for c in work.settings.connections.values() if c.department == work.actor.department]


def plan_mount(
    work: Work, code: str, kind: str, detail: Mapping[str, Any], *, expect_version: int | None = None
) -> Mount:
    """Return what is to be attached, as far as it can be judged without a look at the provider's side.

    Raises Invalid with one entry per field: only connections of the department itself and of the same kind
    may be named, and the detail must fit the entry and the rulebook.
    """
    dataset = find_dataset(work, code)
    must_provide(work, dataset)
    expect(dataset, expect_version)
    must_stand(work, dataset, "attachable")
    validate("request/distribution", detail)
    if detail["kind"] != kind:
        raise invalid("/kind", f"地址写的是 {kind}", f"the address says {kind}")
    book, _ = book_of(work, dataset.case)
    check_distribution(book, dataset.document, detail)
    return Mount(dataset, _connection(work, dataset, detail), detail)


def _connection(work: Work, dataset: Dataset, detail: Mapping[str, Any]) -> Connection:
    """Return the connection that is named; another department's does not exist here."""
    connection = work.settings.connections.get(detail["connection"])
    if connection is None or connection.department != dataset.provider:
        raise invalid(
            "/connection",
            f"本部门没有名为“{detail['connection']}”的连接",
            f"your department has no connection {detail['connection']!r}",
            code="unknown",
        )
    if connection.kind != detail["kind"]:
        raise invalid(
            "/connection", f"此连接是 {connection.kind} 类", f"the connection is of kind {connection.kind}"
        )
    return connection


@contextmanager
def attached_after_check(work: Work, database: Database, mount: Mount) -> Iterator[tuple[Work, Dataset]]:
    """Let go of the database, take a look at the provider's side, and attach in a transaction of its own.

    `work` is over afterwards; what is yielded is the new unit of work and the dataset as it then stands.
    """
    work.tx.commit()
    report = mount.self_check()
    with database.begin() as tx:
        after = replace(work, tx=tx)
        yield after, attach_distribution(after, mount, report)


def attach_distribution(work: Work, mount: Mount, report: CheckReport) -> Dataset:
    """Attach a distribution with its self-check, in place of an earlier one of its kind, on record.

    A failed check is kept and shown, and keeps a draft from being published. Raises Conflict when the entry
    changed since the mount was planned, or when data that are being served would be replaced by data that
    cannot be.
    """
    before = find_dataset(work, mount.dataset.code)
    expect(before, mount.dataset.version)
    if before.is_public and not report.passed:
        failed = next(item for item in report.items if not item.passed)
        raise Conflict(
            f"自检未通过，已发布的资源保持原样：{failed.found.zh}",
            f"the self-check failed, the published dataset stays as it was: {failed.found.en}",
            code="self_check_failed",
        )
    made = Distribution(
        kind=mount.detail["kind"],
        connection=mount.connection.id,
        detail=mount.detail,
        report=report,
        checked_at=work.now,
        attached_at=work.now,
        attached_by=work.actor.login,
    )
    store.put_distribution(work.tx, before.id, made)
    record_change(work, before, "attach", {"kind": made.kind, "check_passed": report.passed})
    save(work, before, before)
    return find_dataset(work, before.code)


def detach_distribution(work: Work, code: str, kind: str, *, expect_version: int | None = None) -> Dataset:
    """Take a distribution away. Raises Conflict while a published dataset would be left without data."""
    dataset = find_dataset(work, code)
    must_provide(work, dataset)
    expect(dataset, expect_version)
    must_stand(work, dataset, "attachable")
    if dataset.distribution(kind) is None:
        raise NotFound("没有挂接这一类资源", "no such distribution")
    others = [d for d in dataset.distributions if d.kind != kind and d.report.passed]
    if dataset.is_public and not others:
        raise Conflict(
            "已发布的资源须保留至少一项挂接，请先下线",
            "a published dataset keeps at least one distribution; take it off line first",
            code="last_distribution",
        )
    store.delete_distribution(work.tx, dataset.id, kind)
    record_change(work, dataset, "detach", {"kind": kind})
    save(work, dataset, dataset)
    return find_dataset(work, code)
