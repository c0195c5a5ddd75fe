"""The life of a catalog entry: registered, published, revised with its history kept, taken off line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audit.log import record
from cases.model import Case, roles_in
from cases.procedure import open_case, take
from cases.timing import book_of
from catalog import store
from catalog.alike.find import note_items
from catalog.codes import next_code, no_such_dataset
from catalog.details import check_distribution
from catalog.diff import Difference, differences
from catalog.guards import check_entry
from catalog.model import CheckItem, CheckReport, Dataset, Revision, is_off_line
from catalog.search.find import index_dataset
from core.errors import Conflict, NotPermitted, invalid
from core.text import Text
from core.work import Work
from rules.rulebook import Rulebook
from schemas import validate

# --- finding --------------------------------------------------------------------------------------


def find_dataset(work: Work, code: str) -> Dataset:
    """Return a dataset that the actor may know of. Raises NotFound for every other, existing or not."""
    dataset = store.dataset_by_code(work.tx, code)
    if dataset is None or not may_see(work, dataset):
        raise no_such_dataset()
    if dataset.is_public or roles_in(dataset.case, work.actor) or work.actor.has("auditor"):
        return dataset
    last = _public_revisions(work, dataset)[-1]
    return replace(dataset, revision=last.number, document=last.document)


def _public_revisions(work: Work, dataset: Dataset) -> list[Revision]:
    """Return the wordings that a dataset off line had until it left the public's eye."""
    kept = store.revisions(work.tx, dataset.id)
    _, flow = book_of(work, dataset.case)
    serving = {name for name, state in flow.states.items() if state.serves}
    left = max(e.at for e in dataset.case.events if e.from_state in serving and e.to_state not in serving)
    return [r for r in kept if r.at < left] or kept[:1]


def may_see(work: Work, dataset: Dataset) -> bool:
    """Tell whether a dataset exists for the actor.

    Everybody sees what is published, its provider and the platform manager see the rest, an auditor sees as
    well what was published once; so does, as it was published, a department that still holds a grant on it.
    """
    if dataset.is_public or roles_in(dataset.case, work.actor):
        return True
    if dataset.published_at is None:
        return False
    return work.actor.has("auditor") or work.actor.department in work.users_of(work.tx, dataset.code)


def list_revisions(work: Work, dataset: Dataset) -> list[tuple[Revision, list[Difference]]]:
    """Return the wordings of an entry, newest first, each with what it changed.

    Whoever is no party sees those that were public: the one first published and every later one.
    """
    kept = store.revisions(work.tx, dataset.id)
    before: list[Revision | None] = [None, *kept[:-1]]
    if not roles_in(dataset.case, work.actor):
        first = max(i for i, r in enumerate(kept) if dataset.published_at and r.at <= dataset.published_at)
        kept, before = kept[first:], [None, *kept[first:-1]]
    if not (dataset.is_public or roles_in(dataset.case, work.actor) or work.actor.has("auditor")):
        kept = [r for r in kept if r.number <= dataset.revision]
        before = before[: len(kept)]
    pairs = zip(kept, before, strict=True)
    return [(now, differences(was.document, now.document) if was else []) for now, was in pairs][::-1]


# --- registering and revising ---------------------------------------------------------------------


def register_dataset(work: Work, draft: Mapping[str, Any], *, manifest: str | None = None) -> Dataset:
    """Register a dataset of the actor's department as a draft, under a code that the platform gives out.

    Raises Invalid with one entry per field that the schema or the rulebook does not allow, NotPermitted for
    anybody who provides nothing.
    """
    _must_be_provider(work)
    validate("request/dataset", draft)
    book: Rulebook = work.rulebooks.current("sharing")
    document = with_defaults(book, draft)
    check_entry(book, document)
    code = next_code(work, document["category_code"])
    parties = {"provider": work.actor.department, "platform_manager": work.settings.platform.manager}
    facts = _facts(code, work.actor.department, document)
    case = open_case(
        work, kind="dataset", workflow="dataset", facts=facts, parties=parties, opened_as="provider"
    )
    dataset = Dataset(
        id=case.id,
        code=code,
        manifest=manifest,
        provider=work.actor.department,
        revision=1,
        version=1,
        document=document,
        created_at=work.now,
        updated_at=work.now,
        published_at=None,
        distributions=(),
        case=case,
    )
    store.insert_dataset(work.tx, dataset)
    _keep_revision(work, dataset, "")
    return dataset


def with_defaults(book: Rulebook, draft: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with the rulebook's share class where the provider states none."""
    return {"share_class": book.policy("catalog.default_share_class").value, **draft}


def revise_dataset(
    work: Work,
    code: str,
    changes: Mapping[str, Any],
    cause: str | None = None,
    *,
    expect_version: int | None = None,
) -> Dataset:
    """Change members of an entry (None removes one) and keep the wording before; a draft needs no cause.

    An entry that is as it should be already stays untouched. Raises Invalid with one entry per field,
    Conflict when the state does not allow it or the entry changed since `expect_version`.
    """
    dataset = find_dataset(work, code)
    must_provide(work, dataset)
    expect(dataset, expect_version)
    document = _merged(work, dataset, changes)
    if document == dataset.document:
        return dataset
    revised = replace(dataset, revision=dataset.revision + 1, document=document)
    case = _revised_case(work, dataset, revised, cause or "")
    revised = save(work, replace(revised, case=case), dataset)
    _keep_revision(work, revised, cause or "")
    return _recheck(work, revised, dataset)


def _merged(work: Work, dataset: Dataset, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry with the changes, as far as schema and rulebook allow them."""
    merged = {k: v for k, v in {**dataset.document, **changes}.items() if v is not None}
    validate("request/dataset", merged)
    if merged["category_code"] != dataset.document["category_code"]:
        raise invalid(
            "/category_code", "代码已经分配，分类码不能更改", "the code is given out; its category stays"
        )
    book, _ = book_of(work, dataset.case)
    document = with_defaults(book, merged)
    check_entry(book, document)
    for mounted in dataset.distributions:
        check_distribution(book, document, mounted.detail)
    return document


def _revised_case(work: Work, before: Dataset, revised: Dataset, cause: str) -> Case:
    """Take the step that the rulebook knows for a change here; where it lets people write, only record."""
    _, flow = book_of(work, before.case)
    facts, passing = facts_of(revised), {"class_changed": revised.share_class != before.share_class}
    step = flow.doing("revise", before.case.state, {**before.case.facts, **facts, **passing})
    if step is not None:
        said = {"cause": cause} if cause else {}
        return take(work, before.case, step.action, said, facts=facts, passing=passing)
    must_stand(work, before, "editable")
    fields_changed = sorted(
        {d.field.partition(".")[0] for d in differences(before.document, revised.document)}
    )
    record_change(work, revised, "edit", {"fields": fields_changed})
    return before.case


def _recheck(work: Work, revised: Dataset, before: Dataset) -> Dataset:
    """Say of a table that was checked against fewer attributes that it has to be checked again."""
    table = revised.distribution("table")
    known = {a["name"] for a in before.document["attributes"]}
    added = [a["name"] for a in revised.document["attributes"] if a["name"] not in known]
    if table is None or not added:
        return revised
    names = ", ".join(added)
    words = Text(
        f"信息项已增加（{names}），请重新挂接自检", f"attributes were added ({names}); attach it again"
    )
    report = CheckReport((*table.report.items, CheckItem("outdated", False, words)))
    store.put_distribution(work.tx, revised.id, replace(table, report=report))
    return find_dataset(work, revised.code)


def _keep_revision(work: Work, dataset: Dataset, cause: str) -> None:
    revision = Revision(dataset.revision, dataset.document, cause, work.now, work.actor.login)
    store.insert_revision(work.tx, dataset.id, revision)
    index_dataset(work, dataset)
    note_items(work, dataset)


# --- acting ---------------------------------------------------------------------------------------


def act_on_dataset(
    work: Work, code: str, action: str, fields: Mapping[str, Any], *, expect_version: int | None = None
) -> Dataset:
    """Take a step of the rulebook's workflow: submit, approve, return, publish, take off line, withdraw.

    The step that revises takes the changed members of the entry beside its own fields. Raises what
    `cases.take` raises, and Conflict for an entry that would go public without data behind it, or that is to
    be revised and is as wished already.
    """
    dataset = find_dataset(work, code)
    expect(dataset, expect_version)
    _, flow = book_of(work, dataset.case)
    if action in flow.names("revise"):
        changes = {k: v for k, v in fields.items() if k != "cause"}
        revised = revise_dataset(work, code, changes, fields.get("cause"), expect_version=expect_version)
        if revised.revision == dataset.revision:
            raise Conflict("没有改动", "there is nothing to change", code="unchanged")
        return revised
    case = take(work, dataset.case, action, fields, facts=facts_of(dataset))
    leaves_draft = dataset.case.state == flow.initial != case.state
    if leaves_draft or (case.serves and not dataset.is_public):
        _must_be_ready(work, dataset)
    return save(work, replace(dataset, case=case), dataset)


def _must_be_ready(work: Work, dataset: Dataset) -> None:
    """Refuse to publish what has no data behind it.

    What nobody gets needs none, nor does what is exchanged off line where the book knows that (QJ art. 16).
    """
    if not dataset.shared or any(d.report.passed for d in dataset.distributions):
        return
    if is_off_line(dataset.document):
        book, _ = book_of(work, dataset.case)
        policy = book.policy("catalog.kinds.offline_file")
        if policy.value is not None:
            return
        raise Conflict(
            "规定没有离线交换方式，请将共享方式改为共享平台并挂接资源",
            "the rules know no exchange off line: share it on the platform and attach its data",
            code="no_offline_exchange",
            cite=str(policy.cite),
        )
    raise Conflict(
        "尚未挂接通过自检的资源，不能发布",
        "cannot publish a dataset without a distribution that passed its self-check",
        code="not_attached",
    )


def save(work: Work, dataset: Dataset, before: Dataset) -> Dataset:
    """Write a changed dataset, and let the data plane look again if it was or is published."""
    saved = replace(
        dataset,
        version=before.version + 1,
        updated_at=work.now,
        published_at=dataset.published_at or (work.now if dataset.is_public else None),
    )
    store.update_dataset(work.tx, saved, before.version)
    if dataset.is_public or before.is_public:
        work.policy_changed(work.tx)
    return saved


def record_change(work: Work, dataset: Dataset, action: str, extra: Mapping[str, Any]) -> None:
    """Put on record a change of a dataset that is no step of its workflow."""
    body = {
        "case": dataset.id,
        "case_kind": "dataset",
        "action": action,
        "role": "provider",
        "rulebook": dataset.case.rulebook,
        "rulebook_version": dataset.case.rulebook_version,
        "dataset": dataset.code,
        "provider": dataset.provider,
        **extra,
    }
    record(work, "decision.dataset", body)


def facts_of(dataset: Dataset) -> dict[str, Any]:
    """Return what the rulebook's conditions may look at."""
    return _facts(dataset.code, dataset.provider, dataset.document)


def _facts(code: str, provider: str, document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dataset": code,
        "provider": provider,
        "share_class": document["share_class"],
        "controlled_params": bool(document.get("controlled_params", False)),
        "update_limit": document.get("update_limit"),
        "class_changed": False,
        **({"basis": _basis(document["basis"])} if document.get("basis") else {}),
        **({"class_reason": document["class_reason"]} if document.get("class_reason") else {}),
    }


def _basis(basis: Mapping[str, Any]) -> str:
    return f"{basis['title']} {basis['article']}"


# --- who and when ---------------------------------------------------------------------------------


def expect(dataset: Dataset, version: int | None) -> None:
    """Refuse to act on something that changed since it was read. Raises Conflict."""
    if version is not None and version != dataset.version:
        raise Conflict(
            "内容已被他人更改，请刷新后重试",
            "it changed since you read it; read it again",
            code="changed_meanwhile",
        )


def must_stand(work: Work, dataset: Dataset, flag: str) -> None:
    """Refuse what the rulebook does not allow here: `flag` is editable or attachable. Raises Conflict."""
    _, flow = book_of(work, dataset.case)
    state = flow.states[dataset.case.state]
    if flag not in state.flags:
        title = state.title
        raise Conflict(
            f"状态为“{title.zh}”，不能更改", f"cannot change a dataset that is {title.en}", code="wrong_state"
        )


def must_provide(work: Work, dataset: Dataset) -> None:
    """Refuse anybody but a provider of the dataset's department. Raises NotPermitted."""
    if "provider" not in roles_in(dataset.case, work.actor):
        raise NotPermitted("只有提供部门能更改自己的数据集", "only its provider may change a dataset")


def _must_be_provider(work: Work) -> None:
    department = work.settings.departments.get(work.actor.department)
    if not work.actor.has("provider") or department is None or "provider" not in department.roles:
        raise NotPermitted("只有提供部门能登记数据集", "only providers register datasets")
