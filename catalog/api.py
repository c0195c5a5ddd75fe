"""The catalog over HTTP: register, revise, publish, attach, find."""

from __future__ import annotations

from cases.decisions import DECISIONS
from catalog.bases import list_bases
from catalog.codes import from_url
from catalog.datasets import act_on_dataset, find_dataset, register_dataset, revise_dataset
from catalog.distributions import attached_after_check, detach_distribution, plan_mount
from catalog.model import KINDS, Dataset
from catalog.present import base_view, dataset_row, dataset_view, facets_view, revisions_view
from catalog.search.find import find_datasets
from core.codes import in_url
from core.errors import NotFound
from core.text import Text
from core.work import Work
from web.auth import SIGNED_IN
from web.http import Call, Reply, Routes, listing
from web.kit import kit

routes = Routes("catalog")

FILTERS = {
    "q": Text("关键词", "words to look for"),
    "share_class": Text("共享类型", "share class"),
    "provider": Text("提供部门", "provider"),
    "kind": Text("资源类型", "kind of distribution"),
    "theme": Text("主题", "theme"),
    "state": Text("状态", "state"),
}


def _reply(work: Work, dataset: Dataset, status: int = 200) -> Reply:
    return Reply(dataset_view(work, dataset), status, version=dataset.version)


@routes.add(
    "GET",
    "/api/datasets",
    who=SIGNED_IN,
    response="response/dataset_list",
    summary=Text("查找数据集", "Find datasets"),
    query=FILTERS,
    paged=True,
)
def list_datasets(work: Work, call: Call) -> Reply:
    """Find the datasets that the caller may see, the best first, with counts beside them."""
    asked = {name: call.query.get(name) for name in FILTERS}
    found = find_datasets(work, asked, limit=call.limit, cursor=call.cursor)
    beside = {"total": found.total, "loosened": found.loosened, "facets": facets_view(work, found)}
    return listing([dataset_row(work, d) for d in found.datasets], found.next_cursor, beside)


@routes.add(
    "POST",
    "/api/datasets",
    who={"provider"},
    request="request/dataset",
    response="response/dataset",
    status=201,
    summary=Text("登记数据集", "Register a dataset"),
)
def register(work: Work, call: Call) -> Reply:
    """Register a dataset of the caller's department as a draft; the platform gives it its code."""
    dataset = register_dataset(work, call.body)
    location = {"Location": f"/api/datasets/{in_url(dataset.code)}"}
    return Reply(dataset_view(work, dataset), headers=location, version=dataset.version)


@routes.add(
    "GET",
    "/api/datasets/bases",
    who=SIGNED_IN,
    response="response/dataset_bases",
    summary=Text("不予共享的依据", "List what is withheld and on which basis"),
    query={"level": Text("依据级别", "level of the basis")},
    paged=True,
)
def bases(work: Work, call: Call) -> Reply:
    """List the datasets that are withheld in whole or in part, each with its basis and its filing."""
    page = list_bases(work, call.query.get("level"), call.limit, call.cursor)
    return listing([base_view(work, withheld) for withheld in page.rows], page.next_cursor)


@routes.add(
    "GET",
    "/api/datasets/<code>",
    who=SIGNED_IN,
    response="response/dataset",
    summary=Text("查看数据集", "Show a dataset"),
)
def show(work: Work, call: Call, code: str) -> Reply:
    """Show a dataset with what the caller may do with it now."""
    return _reply(work, find_dataset(work, from_url(code)))


@routes.add(
    "PATCH",
    "/api/datasets/<code>",
    who={"provider"},
    request="request/dataset_revision",
    response="response/dataset",
    summary=Text("修改目录条目", "Revise a dataset's entry"),
)
def revise(work: Work, call: Call, code: str) -> Reply:
    """Replace the members given (null removes one); `cause` says why, and the wording before is kept."""
    changes = {name: value for name, value in call.body.items() if name != "cause"}
    cause = call.body.get("cause")
    return _reply(work, revise_dataset(work, from_url(code), changes, cause, expect_version=call.if_match))


@routes.add(
    "POST",
    "/api/datasets/<code>/actions/<action>",
    who={"provider", "platform_manager"},
    response="response/dataset",
    summary=Text("办理数据集", "Act on a dataset"),
    step_up=DECISIONS,
)
def act(work: Work, call: Call, code: str, action: str) -> Reply:
    """Take one of the `actions` that the dataset offers the caller, with the fields that its form names."""
    return _reply(work, act_on_dataset(work, from_url(code), action, call.body, expect_version=call.if_match))


@routes.add(
    "PUT",
    "/api/datasets/<code>/distributions/<kind>",
    who={"provider"},
    request="request/distribution",
    response="response/dataset",
    summary=Text("挂接资源", "Attach a distribution"),
)
def attach(work: Work, call: Call, code: str, kind: str) -> Reply:
    """Attach a table, an API or files through a connection of the department; say what a check found."""
    mount = plan_mount(work, from_url(code), _known(kind), call.body, expect_version=call.if_match)
    with attached_after_check(work, kit().database, mount) as (after, dataset):
        return _reply(after, dataset)


@routes.add(
    "DELETE",
    "/api/datasets/<code>/distributions/<kind>",
    who={"provider"},
    response="response/dataset",
    summary=Text("取消挂接", "Detach a distribution"),
)
def detach(work: Work, call: Call, code: str, kind: str) -> Reply:
    """Take a distribution away; the last one of a published dataset stays."""
    return _reply(work, detach_distribution(work, from_url(code), _known(kind), expect_version=call.if_match))


@routes.add(
    "GET",
    "/api/datasets/<code>/revisions",
    who=SIGNED_IN,
    response="response/dataset_revisions",
    summary=Text("修订历史", "Revisions of a dataset"),
)
def revisions(work: Work, call: Call, code: str) -> Reply:
    """List the wordings of an entry, newest first, with what each of them changed and why."""
    return Reply({"items": revisions_view(work, find_dataset(work, from_url(code)))})


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise NotFound("没有这类资源", "no such kind of distribution")
    return kind
