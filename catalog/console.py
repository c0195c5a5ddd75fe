"""The catalog's pages: find, read, register, revise, attach and act."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.datastructures import MultiDict

from cases.decisions import DECISIONS
from cases.model import roles_in
from cases.timing import book_of
from catalog.bases import list_bases
from catalog.codes import from_url
from catalog.corrections import open_disputes
from catalog.datasets import act_on_dataset, find_dataset, register_dataset, revise_dataset
from catalog.distributions import attached_after_check, detach_distribution, own_connections, plan_mount
from catalog.forms import DISTRIBUTION, ENTRY, Kind, read_form, revision_of, write_form
from catalog.model import KINDS, LEVELS, Dataset, is_off_line
from catalog.present import base_view, dataset_row, dataset_view, facets_view, revisions_view
from catalog.search.find import find_datasets
from catalog.titles import choices
from core.codes import in_url
from core.errors import NotFound
from core.text import Text
from core.work import Work
from rules.workflow import Transition
from schemas import schema
from web.auth import SIGNED_IN
from web.kit import kit
from web.pages import Go, Page, Pages, Seen

pages = Pages("catalog")

FILTERS = ("q", "share_class", "provider", "kind", "theme", "state")
ROWS, OPERATIONS, PARAMETERS = 4, 1, 2
"""Blank rows that a form offers for attributes, operations and parameters."""
PAGE = 25


# --- finding and reading --------------------------------------------------------------------------


@pages.show("/datasets", who=SIGNED_IN, summary=Text("数据目录", "Catalog"))
def catalog(work: Work, seen: Seen) -> Page:
    """Show what can be found, with words, filters and counts."""
    asked = {name: seen.query.get(name) for name in FILTERS}
    found = find_datasets(work, asked, limit=PAGE, cursor=seen.query.get("cursor") or None)
    context = {
        "rows": [dataset_row(work, d) for d in found.datasets],
        "found": found,
        "facets": facets_view(work, found),
        "asked": asked,
        "choices": choices(work),
    }
    return Page("catalog/list.html", context)


@pages.show("/catalog/bases", who=SIGNED_IN, summary=Text("不予共享的依据", "What is withheld"))
def bases(work: Work, seen: Seen) -> Page:
    """List what is withheld, on which basis, and how far its filing is."""
    level = seen.query.get("level") if seen.query.get("level") in LEVELS else None
    found = list_bases(work, level, PAGE, seen.query.get("cursor") or None)
    book = work.rulebooks.current("sharing")
    context = {
        "rows": [base_view(work, withheld) for withheld in found.rows],
        "next_cursor": found.next_cursor,
        "levels": LEVELS,
        "level": level,
        "policy": book.policy("catalog.no_share_basis"),
    }
    return Page("catalog/bases.html", context)


@pages.show("/datasets/<code>", who=SIGNED_IN, summary=Text("查看数据集", "Dataset"))
def dataset(work: Work, seen: Seen, code: str, action: str = "", kind: str = "") -> Page:
    """Show an entry, where its data come from, how it stands and what the reader may do."""
    shown = find_dataset(work, from_url(code))
    view = dataset_view(work, shown)
    mine = "provider" in _roles(work, shown)
    context = {
        "d": view,
        "here_url": f"/datasets/{in_url(shown.code)}",
        "rules": book_of(work, shown.case)[0].fields,
        "revisions": _readable(revisions_view(work, shown)),
        "choices": choices(work),
        "may_apply": shown.is_public and bool(shown.shared) and not _hands_over(work, shown),
        "may_exchange": shown.is_public and bool(shown.shared) and _hands_over(work, shown),
        "may_help": "platform_manager" in _roles(work, shown)
        and work.rulebooks.current("sharing").policy("application.urgent").value is not None,
        "may_revise": mine and (_may(work, shown, "editable") or _revision(work, shown) is not None),
        "may_attach": mine and _may(work, shown, "attachable"),
        "forms": {**view, "forms": _steps(work, shown, view["forms"])},
        "gateway_url": work.settings.platform.gateway_url,
        "disputes": open_disputes(work.tx, shown.id),
        "titles": {a["name"]: a["title"] for a in shown.document["attributes"]},
    }
    return Page("catalog/dataset.html", context)


def _hands_over(work: Work, shown: Dataset) -> bool:
    """Tell whether the data are to be had by exchange off line and in no other way."""
    off_line = is_off_line(shown.document) and not shown.distributions
    return off_line and "offline_exchange" in work.rulebooks.current("sharing").workflows


def _may(work: Work, shown: Dataset, flag: str) -> bool:
    _, flow = book_of(work, shown.case)
    return flag in flow.states[shown.case.state].flags


def _revision(work: Work, shown: Dataset) -> Transition | None:
    """Return the step that a changed entry takes from here; None where people write freely, or not at all."""
    _, flow = book_of(work, shown.case)
    return flow.doing("revise", shown.case.state, shown.case.facts)


def _steps(work: Work, shown: Dataset, forms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the forms of the steps but those that revise: these have a page of their own."""
    _, flow = book_of(work, shown.case)
    return {action: form for action, form in forms.items() if action not in flow.names("revise")}


def _readable(revisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the revisions with every value as words."""
    for change in (c for r in revisions for c in r["changes"]):
        for side in ("before", "after"):
            value = change[side]
            if value is not None and not isinstance(value, str):
                change[side] = json.dumps(value, ensure_ascii=False)
    return revisions


def _roles(work: Work, shown: Dataset) -> set[str]:
    return set(roles_in(shown.case, work.actor))


# --- registering and revising ---------------------------------------------------------------------


@pages.show("/datasets/new", who={"provider"}, summary=Text("登记数据集", "Register a dataset"))
def new(work: Work, seen: Seen) -> Page:
    """Show the form of a new entry."""
    return _new_page(work, seen)


def _new_page(work: Work, seen: Seen) -> Page:
    return _entry_page(work, seen, read_form(_typed(seen), ENTRY) or {"share_method": ["platform"]})


@pages.form("/datasets/new", who={"provider"}, summary=Text("登记数据集", "Register a dataset"), again=new)
def register(work: Work, seen: Seen) -> Page | Go:
    """Register what was typed as a draft, or offer more rows for its attributes."""
    if "more" in seen.form:
        return _new_page(work, seen)
    made = register_dataset(work, read_form(_typed(seen), ENTRY))
    words = Text(f"已登记，代码为 {made.code}", f"Registered under the code {made.code}")
    return Go(f"/datasets/{in_url(made.code)}", words)


@pages.show("/datasets/<code>/revise", who={"provider"}, summary=Text("修改目录条目", "Revise an entry"))
def revising(work: Work, seen: Seen, code: str) -> Page:
    """Show the form with the entry as it stands, or as it was typed."""
    return _revising_page(work, seen, code)


def _revising_page(work: Work, seen: Seen, code: str) -> Page:
    shown = find_dataset(work, from_url(code))
    entry = read_form(_typed(seen), ENTRY) if seen.form else shown.document
    return _entry_page(work, seen, entry, shown)


@pages.form(
    "/datasets/<code>/revise",
    who={"provider"},
    summary=Text("修改目录条目", "Revise an entry"),
    again=revising,
)
def revise(work: Work, seen: Seen, code: str) -> Page | Go:
    """Keep what was typed as the entry's next wording, or offer more rows for its attributes."""
    if "more" in seen.form:
        return _revising_page(work, seen, code)
    shown = find_dataset(work, from_url(code))
    changes = revision_of(shown.document, read_form(_typed(seen), ENTRY))
    cause = seen.form.get("cause", "").strip() or None
    revised = revise_dataset(work, shown.code, changes, cause, expect_version=seen.version)
    same = revised.revision == shown.revision
    words = Text("没有变化", "Nothing has changed") if same else Text("已更新", "The entry is revised")
    return Go(f"/datasets/{in_url(shown.code)}", words)


def _entry_page(work: Work, seen: Seen, entry: Mapping[str, Any], shown: Dataset | None = None) -> Page:
    rows = len(entry.get("attributes", ())) + (
        ROWS if "more" in seen.form or not entry.get("attributes") else 1
    )
    context = {
        "typed": (typed := _prefilled(seen, entry, ENTRY)),
        "summary": _named(typed, "request/dataset"),
        "rows": min(rows, 500),
        "choices": choices(work),
        "shown": shown,
        "cause_required": shown is not None and _revision(work, shown) is not None,
        "class_hint": work.rulebooks.current("sharing").policy("catalog.default_share_class").cite,
        "version": seen.version or (shown.version if shown else None),
        "here_url": f"/datasets/{in_url(shown.code)}" if shown else "/datasets",
    }
    return Page("catalog/entry.html", context)


# --- attaching ------------------------------------------------------------------------------------


@pages.show("/datasets/<code>/attach", who={"provider"}, summary=Text("挂接资源", "Attach data"))
def attaching(work: Work, seen: Seen, code: str) -> Page:
    """Show the form for one kind of distribution, filled in with what is attached already."""
    return _attaching_page(work, seen, code)


def _attaching_page(work: Work, seen: Seen, code: str) -> Page:
    shown = find_dataset(work, from_url(code))
    own = own_connections(work)
    kinds = [kind for kind in KINDS if any(c.kind == kind for c in own)]
    kind = seen.form.get("kind") or seen.query.get("kind") or next(iter(kinds), "table")
    if kind not in KINDS:
        raise NotFound("没有这类资源", "no such kind of distribution")
    mounted = shown.distribution(kind)
    detail = read_form(_typed(seen), DISTRIBUTION) if seen.form else (mounted.detail if mounted else {})
    operations = detail.get("operations", [])
    more = "more" in seen.form
    context = {
        "typed": (typed := _prefilled(seen, {**detail, "kind": kind}, DISTRIBUTION)),
        "summary": _named(typed, "request/distribution"),
        "kind": kind,
        "kinds": kinds,
        "connections": {c.id: c.title for c in own if c.kind == kind},
        "operations": len(operations) + (1 if more or not operations else 0),
        "parameters": [len(o.get("parameters", ())) + PARAMETERS for o in operations],
        "blank_parameters": PARAMETERS,
        "shown": shown,
        "version": seen.version or shown.version,
        "choices": choices(work),
        "here_url": f"/datasets/{in_url(shown.code)}",
    }
    return Page("catalog/attach.html", context)


@pages.form(
    "/datasets/<code>/attach", who={"provider"}, summary=Text("挂接资源", "Attach data"), again=attaching
)
def attach(work: Work, seen: Seen, code: str) -> Page | Go:
    """Attach what was typed after a look at the provider's side, or offer more rows."""
    if "more" in seen.form:
        return _attaching_page(work, seen, code)
    detail = read_form(_typed(seen), DISTRIBUTION)
    mount = plan_mount(work, from_url(code), detail.get("kind", ""), detail, expect_version=seen.version)
    with attached_after_check(work, kit().database, mount) as (_, changed):
        attached = changed.distribution(detail["kind"])
    passed = attached is not None and attached.report.passed
    good = Text("已挂接，自检通过", "Attached; the self-check passed")
    bad = Text("已挂接，但自检未通过，见下", "Attached, but the self-check failed; see below")
    return Go(f"/datasets/{in_url(mount.dataset.code)}", good if passed else bad)


@pages.form(
    "/datasets/<code>/detach/<kind>", who={"provider"}, summary=Text("取消挂接", "Detach data"), again=dataset
)
def detach(work: Work, seen: Seen, code: str, kind: str) -> Go:
    """Take a distribution away."""
    changed = detach_distribution(work, from_url(code), kind, expect_version=seen.version)
    return Go(f"/datasets/{in_url(changed.code)}", Text("已取消挂接", "Detached"))


# --- acting ---------------------------------------------------------------------------------------


@pages.form(
    "/datasets/<code>/actions/<action>",
    who={"provider", "platform_manager"},
    summary=Text("办理数据集", "Act on a dataset"),
    again=dataset,
    step_up=DECISIONS,
)
def act(work: Work, seen: Seen, code: str, action: str) -> Go:
    """Take a step of the workflow."""
    changed = act_on_dataset(work, from_url(code), action, seen.given, expect_version=seen.version)
    title = dataset_row(work, changed)["state_title"]
    words = Text(f"已办理，状态为“{title['zh']}”", f"Done; the dataset is {title['en']}")
    return Go(f"/datasets/{in_url(changed.code)}", words)


# --- forms ----------------------------------------------------------------------------------------


def _typed(seen: Seen) -> dict[str, list[str]]:
    return {name: seen.form.getlist(name) for name in seen.form}


def _prefilled(seen: Seen, document: Mapping[str, Any], shape: Mapping[str, Kind]) -> Seen:
    """Return what the form shows: the document, row by row, so that errors stand beside their rows."""
    fields = MultiDict(write_form(document, shape))
    cause = seen.form.get("cause")
    if cause:
        fields["cause"] = cause
    return replace(seen, form=fields)


def _named(typed: Seen, schema_name: str) -> Seen:
    """Return the same errors for the list above the form, where each must say which field it is about."""
    properties = schema(schema_name)["properties"]
    errors = []
    for error in typed.errors:
        member, _, row = error.pointer.removeprefix("/").partition("/")
        zh, _, en = properties.get(member, {}).get("title", member).partition(" / ")
        number = f" {int(row.partition('/')[0]) + 1}" if row.partition("/")[0].isdigit() else ""
        words = Text(f"{zh}{number}:{error.message.zh}", f"{en or zh}{number}: {error.message.en}")
        errors.append(replace(error, message=words) if member else error)
    return replace(typed, errors=tuple(errors))
