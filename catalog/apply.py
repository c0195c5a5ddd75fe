"""Brings the catalog to what the manifests of a deployment say, as often as one likes.

A manifest is known by its file name: it registers one dataset, attaches its distributions and publishes it as
far as its provider may. What people did afterwards stays: a dataset that they took off line is not put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cases.timing import book_of
from catalog import store
from catalog.datasets import (
    act_on_dataset,
    register_dataset,
    revise_dataset,
    with_defaults,
)
from catalog.diff import differences
from catalog.distributions import attach_distribution, plan_mount
from catalog.model import CheckReport, Dataset
from catalog.selfcheck import self_check
from core.settings import Manifest, Settings
from core.work import Actor, Work
from rules.rulebook import Rulebook

Reports = Mapping[tuple[str, str], CheckReport]
"""What self-checks found, by manifest and kind."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one manifest changes: register, update or unchanged, and line by line what that means."""

    manifest: str
    code: str | None
    change: str
    diff: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the change as the command line prints it."""
        return {"manifest": self.manifest, "code": self.code, "change": self.change, "diff": list(self.diff)}


def name_of(manifest: Manifest) -> str:
    """Return the name by which the catalog knows a manifest: its file without folder and ending."""
    return PurePath(manifest.file).stem


def plan_manifests(work: Work, manifests: Iterable[Manifest]) -> list[Change]:
    """Return what `apply_manifests` would change, changing nothing."""
    return [_planned(work, manifest) for manifest in manifests]


def check_manifests(settings: Settings, manifests: Iterable[Manifest]) -> Reports:
    """Return the self-check of every distribution; it may wait for the providers, so hold no transaction."""
    return {
        (name_of(m), detail["kind"]): self_check(
            settings.connections[detail["connection"]], detail, m.document["dataset"]
        )
        for m in manifests
        for detail in m.document.get("distributions", ())
    }


def apply_manifests(work: Work, manifests: Iterable[Manifest], reports: Reports) -> list[Change]:
    """Do what `plan_manifests` shows, and return it; a second run changes nothing.

    `reports` is what `check_manifests` found before the transaction began. Raises Invalid for a manifest that
    the rulebook does not allow; nothing of any manifest is kept then.
    """
    return [_applied(work, manifest, reports) for manifest in manifests]


def _planned(work: Work, manifest: Manifest) -> Change:
    name, wanted = name_of(manifest), manifest.document
    dataset = store.dataset_by_manifest(work.tx, name)
    lines = [f"+ {_line(d)}" for d in wanted.get("distributions", ()) if not _is_attached(dataset, d)]
    if wanted.get("publish") and _is_draft(work, dataset):
        lines.append("+ publish")
    if dataset is None:
        return Change(name, None, "register", (f"+ {wanted['dataset']['title']}", *lines))
    changed = differences(dataset.document, _entry(work, dataset, wanted["dataset"]))
    lines = [f"~ {d}" for d in changed] + lines
    return Change(name, dataset.code, "update" if lines else "unchanged", tuple(lines))


def _applied(work: Work, manifest: Manifest, reports: Reports) -> Change:
    planned = _planned(work, manifest)
    if planned.change == "unchanged":
        return planned
    name, wanted = planned.manifest, manifest.document
    own = work.acting_as(_provider(wanted["provider"]))
    dataset = store.dataset_by_manifest(work.tx, name)
    if dataset is None:
        dataset = register_dataset(own, wanted["dataset"], manifest=name)
    else:
        gone = {k: None for k in dataset.document if k not in wanted["dataset"]}
        changes = {**gone, **_entry(work, dataset, wanted["dataset"])}
        dataset = revise_dataset(own, dataset.code, changes, f"配置清单 {name} 更新")
    for detail in wanted.get("distributions", ()):
        if not _is_attached(dataset, detail):
            mount = plan_mount(own, dataset.code, detail["kind"], detail)
            dataset = attach_distribution(own, mount, reports[name, detail["kind"]])
    if wanted.get("publish") and _is_draft(work, dataset):
        dataset = _forward(own, dataset)
    return Change(name, dataset.code, planned.change, planned.diff)


def _forward(work: Work, dataset: Dataset) -> Dataset:
    """Publish, or send for review where the rulebook wants that."""
    _, flow = book_of(work, dataset.case)
    step = flow.doing("publish", dataset.case.state, dataset.case.facts)
    return act_on_dataset(work, dataset.code, step.action, {}) if step else dataset


def _entry(work: Work, dataset: Dataset, wanted: Mapping[str, Any]) -> dict[str, Any]:
    book: Rulebook
    book, _ = book_of(work, dataset.case)
    return with_defaults(book, wanted)


def _is_attached(dataset: Dataset | None, detail: Mapping[str, Any]) -> bool:
    mounted = dataset.distribution(detail["kind"]) if dataset else None
    if dataset is None or mounted is None:
        return False
    return mounted.detail == detail and (mounted.report.passed or dataset.is_public)


def _is_draft(work: Work, dataset: Dataset | None) -> bool:
    if dataset is None:
        return True
    _, flow = book_of(work, dataset.case)
    return dataset.published_at is None and dataset.case.state == flow.initial


def _line(detail: Mapping[str, Any]) -> str:
    return f"{detail['kind']} <- {detail['connection']}"


def _provider(department: str) -> Actor:
    """The provider whose manifest it is; the files are the deployment's word for what it wants."""
    return Actor("manifest", "配置清单", department, frozenset({"provider"}), "manifest")
