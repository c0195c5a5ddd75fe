"""The page on the quality of a dataset's data, and the button that has them checked."""

from __future__ import annotations

from cases.model import roles_in
from catalog.codes import from_url
from catalog.datasets import find_dataset
from catalog.model import KINDS, Dataset
from catalog.quality.model import CHECKED_KINDS
from catalog.quality.present import INSIDERS, report_view, run_row
from catalog.quality.runs import (
    checked_and_kept,
    duty,
    latest_reports,
    list_runs,
    may_check,
    plan_quality,
)
from catalog.titles import UPDATE_LIMITS
from core.codes import in_url
from core.text import Text
from core.work import Work
from web.auth import SIGNED_IN
from web.kit import kit
from web.pages import Go, Page, Pages, Seen

pages = Pages("quality")

PAGE = 20


@pages.show("/datasets/<code>/quality", who=SIGNED_IN, summary=Text("数据质量", "Quality of data"))
def quality(work: Work, seen: Seen, code: str) -> Page:
    """Show what the last checks found, rule by rule, and the checks before."""
    dataset = find_dataset(work, from_url(code))
    found = list_runs(work, dataset, limit=PAGE, cursor=seen.query.get("cursor") or None)
    context = {
        "dataset": dataset,
        "here_url": f"/datasets/{in_url(dataset.code)}",
        "reports": [report_view(work, dataset, run) for run in latest_reports(work, dataset)],
        "runs": [run_row(row) for row in found.rows],
        "next_cursor": found.next_cursor,
        "kinds": _checkable(dataset) if may_check(work, dataset) else {},
        "inside": not INSIDERS.isdisjoint(roles_in(dataset.case, work.actor)),
        "duty": duty(work, dataset),
        "limits": UPDATE_LIMITS,
        "every_days": work.settings.platform.quality_every_days,
    }
    return Page("catalog/quality.html", context)


def _checkable(dataset: Dataset) -> dict[str, Text]:
    return {d.kind: KINDS[d.kind] for d in dataset.distributions if d.kind in CHECKED_KINDS}


@pages.form(
    "/datasets/<code>/quality",
    who={"provider", "platform_manager"},
    summary=Text("检查数据质量", "Check data"),
)
def check(work: Work, seen: Seen, code: str) -> Go:
    """Check the data now, and show what was found."""
    plan = plan_quality(work, from_url(code), seen.form.get("kind") or None)
    with checked_and_kept(work, kit().database, plan) as (_, run):
        words = Text(
            f"已检查 {run.rows} 行，{run.failed_rules} 项规则有问题",
            f"{run.rows} rows checked, {run.failed_rules} rules broken",
        )
    return Go(f"/datasets/{in_url(plan.dataset.code)}/quality", words)
