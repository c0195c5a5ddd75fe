"""How the catalog looks to one viewer: entries, distributions as far as they may be seen, standing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cases.model import roles_in
from cases.present import case_view, label
from cases.timing import book_of
from catalog.alike.find import Alike, find_alike
from catalog.bases import Withheld
from catalog.datasets import facts_of, list_revisions
from catalog.guards import warnings
from catalog.model import KINDS, LEVELS, SHARE_CLASSES, Dataset, Distribution, Filing
from catalog.search.find import Found
from core.codes import in_url
from core.text import Text
from core.times import local_iso
from core.work import Work
from rules.rulebook import Rulebook
from rules.visibility import visible

_RELATIONS = ("provider", "platform_manager")
SHOWN_ITEMS = 8
"""How many items in common a sentence names; the JSON names them all."""


def relation_to(work: Work, dataset: Dataset) -> str:
    """Return what the actor is to a dataset, in the words of the rulebook's visibility table."""
    roles = roles_in(dataset.case, work.actor)
    if work.actor.has("system"):
        return "platform_manager"
    mine = next((r for r in _RELATIONS if r in roles), None)
    return mine or next((r for r in ("auditor", "consumer") if work.actor.has(r)), "other")


def dataset_view(work: Work, dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as JSON: entry, distributions, state, actions, clocks and history for this viewer.

    What the rulebook keeps from the viewer (connections, tables, paths) is not there.
    """
    book, _ = book_of(work, dataset.case)
    case = replace(dataset.case, facts={**dataset.case.facts, **facts_of(dataset)})
    whole = {
        **dataset.document,
        "id": dataset.id,
        "code": dataset.code,
        "address": f"/api/datasets/{in_url(dataset.code)}",
        "provider": dataset.provider,
        "provider_name": _department(work, dataset.provider),
        "manifest": dataset.manifest,
        "revision": dataset.revision,
        "created_at": local_iso(dataset.created_at),
        "updated_at": local_iso(dataset.updated_at),
        "published_at": local_iso(dataset.published_at) if dataset.published_at else None,
        "distributions": [_distribution(d) for d in dataset.distributions],
        "warnings": [
            *({**label(words), "cite": cite.as_json()} for words, cite in warnings(book, dataset.document)),
            *_same_source(work, dataset),
        ],
        **case_view(work, case),
        "version": dataset.version,
    }
    shown = visible(book.views["dataset"], relation_to(work, dataset), whole)
    for mounted in shown.get("distributions", ()):
        if "detail" not in mounted:  # what the check says would tell what is hidden
            mounted["check"] = {k: v for k, v in mounted["check"].items() if k != "items"}
    return shown


def _same_source(work: Work, dataset: Dataset) -> list[dict[str, Any]]:
    """Point out to those who keep an entry the datasets that hold the same, where the book wants that."""
    book: Rulebook = work.rulebooks.current("sharing")
    policy = book.policy("catalog.one_source")
    if policy.value != "warn" or relation_to(work, dataset) not in _RELATIONS:
        return []
    return [
        {**label(_alike_words(work, found)), "cite": policy.cite.as_json(), "dataset": _other(work, found)}
        for found in find_alike(work, dataset)
    ]


def _alike_words(work: Work, found: Alike) -> Text:
    provider, other = _department(work, found.dataset.provider), found.dataset
    zh = f"{provider['zh']}的“{other.title}”（{other.code}）已有相同内容"
    en = f"{other.title} ({other.code}) of {provider['en']} holds the same already"
    shown = found.items[:SHOWN_ITEMS]
    if not shown:
        return Text(f"{zh}。", f"{en}.")
    more_zh, more_en = (" 等", " and others") if len(found.items) > SHOWN_ITEMS else ("", "")
    return Text(f"{zh}：{'、'.join(shown)}{more_zh}。", f"{en}: {', '.join(shown)}{more_en}.")


def _other(work: Work, found: Alike) -> dict[str, Any]:
    return {
        "code": found.dataset.code,
        "address": f"/api/datasets/{in_url(found.dataset.code)}",
        "title": found.dataset.title,
        "provider": found.dataset.provider,
        "provider_name": _department(work, found.dataset.provider),
        "items": list(found.items),
    }


def base_view(work: Work, withheld: Withheld) -> dict[str, Any]:
    """Return what is withheld, its basis and the standing of its filing (schema response/dataset_bases)."""
    dataset, filing = withheld
    document, book = dataset.document, book_of(work, dataset.case)[0]
    given = {a["name"] for a in dataset.shared}
    held_back = [a["title"] for a in document["attributes"] if a["name"] not in given]
    return {
        "code": dataset.code,
        "address": f"/api/datasets/{in_url(dataset.code)}",
        "title": dataset.title,
        "provider": dataset.provider,
        "provider_name": _department(work, dataset.provider),
        "items": held_back,
        "whole": not dataset.shared,
        "reason": document.get("class_reason"),
        "basis": {**document["basis"], "level_title": label(LEVELS[document["basis"]["level"]])},
        "state": dataset.case.state,
        "state_title": label(book.workflow("dataset").states[dataset.case.state].title),
        "registered_at": local_iso(dataset.created_at),
        "updated_at": local_iso(dataset.updated_at),
        "filing": _filing(work, filing) if filing else None,
    }


def _filing(work: Work, filing: Filing) -> dict[str, Any]:
    flow = work.rulebooks.current("sharing").workflows.get("filing")
    state = flow.states.get(filing.state) if flow else None
    return {
        "number": filing.number,
        "address": filing.address,
        "state": filing.state,
        "state_title": label(state.title if state else Text(filing.state, filing.state)),
        "filed_at": local_iso(filing.filed_at),
    }


def _distribution(mounted: Distribution) -> dict[str, Any]:
    return {
        "kind": mounted.kind,
        "kind_title": label(KINDS[mounted.kind]),
        "connection": mounted.connection,
        "detail": dict(mounted.detail),
        "operations": [_operation(o) for o in mounted.detail.get("operations", ())],
        "check": {
            "passed": mounted.report.passed,
            "checked_at": local_iso(mounted.checked_at),
            "items": [
                {"name": i.name, "passed": i.passed, "found": label(i.found)} for i in mounted.report.items
            ],
        },
        "attached_at": local_iso(mounted.attached_at),
    }


def _operation(operation: Any) -> dict[str, Any]:
    """What an applicant needs to know of an operation; its path is the provider's business."""
    return {
        "name": operation["name"],
        "title": operation.get("title", operation["name"]),
        "method": operation["method"],
        "changes": operation.get("changes", False),
        "parameters": [
            {
                "name": p["name"],
                "title": p.get("title", p["name"]),
                "required": p["in"] == "path" or p.get("required", False),
                "controlled": p.get("controlled", False),
                "pattern": p.get("pattern"),
            }
            for p in operation.get("parameters", ())
        ],
    }


def dataset_row(work: Work, dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as one row of a list."""
    _, flow = book_of(work, dataset.case)
    document = dataset.document
    return {
        "code": dataset.code,
        "address": f"/api/datasets/{in_url(dataset.code)}",
        "title": dataset.title,
        "summary": document["summary"],
        "provider": dataset.provider,
        "provider_name": _department(work, dataset.provider),
        "share_class": dataset.share_class,
        "kinds": [d.kind for d in dataset.distributions],
        "theme": document.get("theme"),
        "update_limit": document.get("update_limit"),
        "state": dataset.case.state,
        "state_title": label(flow.states[dataset.case.state].title),
        "updated_at": local_iso(dataset.updated_at),
        "published_at": local_iso(dataset.published_at) if dataset.published_at else None,
    }


def facets_view(work: Work, found: Found) -> dict[str, list[dict[str, Any]]]:
    """Return the counts beside a list: value, title and how many."""
    return {
        name: [{"value": v, "title": _title(work, name, v), "count": n} for v, n in values]
        for name, values in found.facets.items()
    }


def revisions_view(work: Work, dataset: Dataset) -> list[dict[str, Any]]:
    """Return the wordings of an entry, newest first, with what each of them changed."""
    return [
        {
            "revision": revision.number,
            "at": local_iso(revision.at),
            "cause": revision.cause,
            "changes": [{"field": d.field, "before": d.before, "after": d.after} for d in changed],
        }
        for revision, changed in list_revisions(work, dataset)
    ]


def _title(work: Work, name: str, value: str) -> dict[str, str]:
    if name == "provider":
        return _department(work, value)
    titles = {"share_class": SHARE_CLASSES, "kind": KINDS}.get(name, {})
    return label(titles.get(value, Text(value, value)))


def _department(work: Work, department: str) -> dict[str, str]:
    known = work.settings.departments.get(department)
    return label(known.name) if known else {"zh": department, "en": department}
