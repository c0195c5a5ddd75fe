"""The figures that are published: what each is called, how it is worked out, in words and in one expression.

Whatever shows a figure takes name, unit and formula from here, so a figure has one definition. In the
expressions `start` is the first instant of the period, `end` its end or the present, whichever comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from core.text import Text
from supervision.model import (
    ABORTED,
    FAILED,
    GRANTED,
    NOT_ACCEPTED,
    PERMITTED,
    REFUSED,
    REFUSED_CALL,
    UNFINISHED,
    WITHDRAWN,
    CallSum,
    Handled,
    Limit,
    LookSum,
)

Value = int | float | None
"""None where there is nothing to work a figure out from: no decision has a mean length."""

FAMILIES = {
    "authorisation": Text("授权办理", "Handling of applications"),
    "calls": Text("数据调用", "Data calls"),
    "availability": Text("数据可用性", "Availability"),
}
UNITS = {
    "applications": Text("件", "applications"),
    "limits": Text("次", "limits"),
    "calls": Text("次", "calls"),
    "rows": Text("行", "rows"),
    "bytes": Text("字节", "bytes"),
    "systems": Text("个", "systems"),
    "datasets": Text("个", "datasets"),
    "looks": Text("次", "looks"),
    "percent": Text("%", "%"),
    "workdays": Text("个工作日", "working days"),
    "milliseconds": Text("毫秒", "ms"),
}


@dataclass(frozen=True)
class Facts:
    """What the figures of one group (the platform, a department, a dataset) are worked out from."""

    start: datetime
    end: datetime
    applications: Sequence[Handled]
    limits: Sequence[Limit]
    calls: Sequence[CallSum]
    """Calls on the group's data."""
    made: Sequence[CallSum]
    """Calls by the group's systems."""
    looks: Sequence[LookSum]

    def within(self, instant: datetime | None) -> bool:
        """Tell whether an instant lies in the period."""
        return instant is not None and self.start <= instant < self.end

    @cached_property
    def _concluded(self) -> Mapping[str | None, list[Handled]]:
        found: defaultdict[str | None, list[Handled]] = defaultdict(list)
        for application in self.applications:
            if application.outcome is not None and self.within(application.concluded_at):
                found[application.outcome].append(application)
        return found

    def concluded(self, *outcomes: str) -> list[Handled]:
        """Return the applications concluded in the period with one of these outcomes."""
        return [a for outcome in outcomes for a in self._concluded.get(outcome, ())]

    @cached_property
    def _called(self) -> Mapping[str, int]:
        return _added((c.decision, c.calls) for c in self.calls)

    def called(self, *decisions: str) -> int:
        """Return how many calls ended so; an erased record may leave a negative sum, which is none."""
        return max(0, sum(self._called.get(decision, 0) for decision in decisions))


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: `formula` says it in words, `expression` for machines, `of` works it out."""

    key: str
    family: str
    title: Text
    unit: str
    formula: Text
    expression: str
    sources: tuple[str, ...]
    """The tables that it is worked out from."""
    of: Callable[[Facts], Value]


def _added(pairs: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for key, value in pairs:
        sums[key] += value
    return sums


def share(part: int, whole: int) -> float | None:
    """Return a percentage to two digits; None of nothing."""
    return round(100 * part / whole, 2) if whole else None


def mean(values: Iterable[float]) -> float | None:
    """Return the mean to two digits; None of nothing."""
    all_ = list(values)
    return round(sum(all_) / len(all_), 2) if all_ else None


# --- how each is worked out ------------------------------------------------------------------------


def _accepted(facts: Facts) -> Value:
    if facts.applications and not any(a.checked for a in facts.applications):
        return None
    return sum(facts.within(a.accepted_at) for a in facts.applications)


def _pending(facts: Facts) -> Value:
    return sum(
        a.submitted_at is not None
        and a.submitted_at < facts.end
        and (a.concluded_at is None or a.concluded_at >= facts.end)
        for a in facts.applications
    )


def _decided(facts: Facts) -> list[Handled]:
    return facts.concluded(GRANTED, REFUSED)


def _workdays(facts: Facts) -> list[int]:
    found = facts.concluded(GRANTED, REFUSED, NOT_ACCEPTED)
    return [a.workdays for a in found if a.workdays is not None]


def _overdue(facts: Facts) -> Value:
    return sum(facts.within(m.breached_at) and m.is_breached(facts.end) for m in facts.limits)


def _overdue_still(facts: Facts) -> Value:
    return sum(m.is_breached(facts.end) and (m.until is None or m.until >= facts.end) for m in facts.limits)


def _response(facts: Facts) -> Value:
    good = sum(s.looks - s.failures for s in facts.looks)
    return round(sum(s.milliseconds for s in facts.looks) / good, 1) if good else None


def _looks(facts: Facts) -> int:
    return sum(s.looks for s in facts.looks)


def _failures(facts: Facts) -> int:
    return sum(s.failures for s in facts.looks)


# --- the figures -----------------------------------------------------------------------------------


def _applications(
    key: str, zh: str, en: str, formula: Text, where: str, of: Callable[[Facts], Value]
) -> Figure:
    """Define a number of applications; a department has those on which it decides."""
    expression = f"count(applications where {where})"
    return Figure(
        key, "authorisation", Text(zh, en), "applications", formula, expression, ("case_events",), of
    )


def _concluded(outcome: str, zh: str, en: str, formula: Text) -> Figure:
    where = f"outcome = '{outcome}' and start <= concluded_at < end"
    return _applications(outcome, zh, en, formula, where, lambda facts: len(facts.concluded(outcome)))


def _calls(decision: str, zh: str, en: str, formula: Text) -> Figure:
    """Define a number of calls; a department has those on its data."""
    expression = f"sum(calls where decision = '{decision}')"
    return Figure(
        f"calls_{decision}",
        "calls",
        Text(zh, en),
        "calls",
        formula,
        expression,
        ("call_days",),
        lambda facts: facts.called(decision),
    )


AUTHORISATION = (
    _applications(
        "submitted",
        "提交申请",
        "Submitted",
        Text("期内提交的申请数", "applications submitted in the period"),
        "start <= submitted_at < end",
        lambda facts: sum(facts.within(a.submitted_at) for a in facts.applications),
    ),
    _applications(
        "accepted",
        "受理",
        "Accepted",
        Text(
            "期内经规范性检查受理的申请数；规则不设检查的不计",
            "applications accepted in the period after the check of their form; none where there is no check",
        ),
        "checked and start <= accepted_at < end",
        _accepted,
    ),
    _concluded(
        NOT_ACCEPTED,
        "不予受理",
        "Not accepted",
        Text(
            "期内检查后不予受理的申请数", "applications turned down in the period by the check of their form"
        ),
    ),
    _concluded(
        GRANTED, "授权", "Granted", Text("期内作出授权决定的申请数", "applications granted in the period")
    ),
    _concluded(
        REFUSED, "不予授权", "Refused", Text("期内决定不予授权的申请数", "applications refused in the period")
    ),
    _concluded(
        WITHDRAWN,
        "撤回",
        "Withdrawn",
        Text("期内由申请部门撤回的申请数", "applications withdrawn by the applicant in the period"),
    ),
    _applications(
        "pending",
        "期末在办",
        "Pending at the end",
        Text(
            "期末（当期为此刻）已提交而未办结的申请数",
            "applications submitted and not concluded at the end of the period, or now",
        ),
        "submitted_at < end and (concluded_at is null or concluded_at >= end)",
        _pending,
    ),
    _applications(
        "in_time",
        "按时决定",
        "Decided in time",
        Text(
            "期内授权或不予授权、且决定部门没有超过自己任何一个时限的申请数",
            "applications granted or refused in the period, none of the decider's own limits having passed",
        ),
        "outcome in ('granted', 'refused') and start <= concluded_at < end and not late",
        lambda facts: sum(not a.late for a in _decided(facts)),
    ),
    _applications(
        "late",
        "逾期决定",
        "Decided late",
        Text(
            "期内授权或不予授权、而决定部门超过了自己时限的申请数",
            "applications granted or refused in the period after a limit of the decider had passed",
        ),
        "outcome in ('granted', 'refused') and start <= concluded_at < end and late",
        lambda facts: sum(a.late for a in _decided(facts)),
    ),
    Figure(
        "in_time_rate",
        "authorisation",
        Text("按时办结率", "Share decided in time"),
        "percent",
        Text("按时决定 ÷（授权 + 不予授权）× 100", "decided in time ÷ (granted + refused) × 100"),
        "100 * in_time / (granted + refused)",
        ("case_events",),
        lambda facts: share(sum(not a.late for a in _decided(facts)), len(_decided(facts))),
    ),
    Figure(
        "overdue",
        "authorisation",
        Text("发生逾期", "Limits passed"),
        "limits",
        Text(
            "期内超过时限的办理环节数，计在应办部门名下；过时限后的第一秒即为逾期，不论何时被发现",
            "limits of applications that passed in the period, counted for whoever had to act; "
            "a limit has passed in the first second after it, whenever anybody looks",
        ),
        "count(limits where start <= due + 1s < end and not stopped by due)",
        ("case_events", "case_breaches"),
        _overdue,
    ),
    Figure(
        "overdue_still",
        "authorisation",
        Text("期末仍逾期", "Overdue at the end"),
        "limits",
        Text(
            "期末（当期为此刻）已超过时限而仍未办理的环节数",
            "limits that had passed and were still not met at the end of the period, or now",
        ),
        "count(limits where due + 1s <= end and (stopped_at is null or stopped_at >= end))",
        ("case_events", "case_breaches"),
        _overdue_still,
    ),
    Figure(
        "mean_workdays",
        "authorisation",
        Text("平均办理时长", "Mean handling time"),
        "workdays",
        Text(
            "期内授权、不予授权、不予受理的申请，自提交次日起至办结日的工作日数，取平均",
            "mean of the working days after the day of submission up to the day of the conclusion, "
            "of applications granted, refused or not accepted in the period",
        ),
        "mean(workdays(submitted_at, concluded_at) where outcome in ('granted', 'refused', 'not_accepted'))",
        ("case_events",),
        lambda facts: mean(_workdays(facts)),
    ),
    Figure(
        "longest_workdays",
        "authorisation",
        Text("最长办理时长", "Longest handling time"),
        "workdays",
        Text("上项工作日数中最大的一个", "the largest of these numbers of working days"),
        "max(workdays(submitted_at, concluded_at) where outcome in ('granted', 'refused', 'not_accepted'))",
        ("case_events",),
        lambda facts: max(_workdays(facts), default=None),
    ),
)

CALLS = (
    _calls(PERMITTED, "成功调用", "Permitted", Text("期内放行并完整答复的调用数", "calls answered in full")),
    _calls(
        REFUSED_CALL,
        "拒绝",
        "Refused",
        Text(
            "期内被平台拒绝的调用数；凭据不明的不计在任何部门名下",
            "calls that the platform refused; without known credentials they belong to no department",
        ),
    ),
    _calls(
        FAILED,
        "提供方失败",
        "Failed",
        Text("期内已放行、而提供方未能答复的调用数", "calls let through that the provider failed to answer"),
    ),
    _calls(
        ABORTED,
        "中断",
        "Aborted",
        Text("期内答复途中被切断的调用数", "calls that were cut off in the middle of the answer"),
    ),
    _calls(
        UNFINISHED,
        "结果不明",
        "Unfinished",
        Text(
            "期内开始传输、而结束未留记录的调用数（正在传输或因故障中断）",
            "calls whose answer began and whose end is not on record: still running, or cut off by a crash",
        ),
    ),
    Figure(
        "rows",
        "calls",
        Text("数据行数", "Rows"),
        "rows",
        Text("期内各次调用送出的行数之和", "rows sent in all calls"),
        "sum(rows)",
        ("call_days",),
        lambda facts: sum(c.rows for c in facts.calls),
    ),
    Figure(
        "bytes",
        "calls",
        Text("数据量", "Volume"),
        "bytes",
        Text("期内成功和中断的调用送出的字节数之和", "bytes sent in calls that were permitted or aborted"),
        "sum(bytes where decision in ('permitted', 'aborted'))",
        ("call_days",),
        lambda facts: sum(c.bytes for c in facts.calls if c.decision in (PERMITTED, ABORTED)),
    ),
    Figure(
        "systems",
        "calls",
        Text("使用系统", "Systems"),
        "systems",
        Text("期内至少成功调用一次的业务系统数", "systems with at least one permitted call"),
        "count(distinct client where decision = 'permitted' and calls > 0)",
        ("call_days",),
        lambda facts: len({c.client for c in facts.calls if c.decision == PERMITTED and c.calls > 0}),
    ),
    Figure(
        "datasets_used",
        "calls",
        Text("被用数据集", "Datasets used"),
        "datasets",
        Text("期内至少成功调用一次的数据集数", "datasets with at least one permitted call"),
        "count(distinct dataset where decision = 'permitted' and calls > 0)",
        ("call_days",),
        lambda facts: len({c.dataset for c in facts.calls if c.decision == PERMITTED and c.calls > 0}),
    ),
    Figure(
        "calls_made",
        "calls",
        Text("本方调用", "Calls made"),
        "calls",
        Text(
            "期内由本部门的业务系统发出并成功的调用数",
            "permitted calls that came from the department's own systems",
        ),
        "sum(calls where decision = 'permitted' and consumer = department)",
        ("call_days",),
        lambda facts: sum(c.calls for c in facts.made if c.decision == PERMITTED),
    ),
)

AVAILABILITY = (
    Figure(
        "looks",
        "availability",
        Text("探测次数", "Looks"),
        "looks",
        Text(
            "平台定时查看已发布数据集能否取用的次数，公告的维护时段不计",
            "regular looks at published datasets, those during announced maintenance left out",
        ),
        "sum(looks)",
        ("probe_days",),
        _looks,
    ),
    Figure(
        "failed_looks",
        "availability",
        Text("探测失败", "Failed looks"),
        "looks",
        Text("上项中未能取用的次数", "those that found data not to be had"),
        "sum(failures)",
        ("probe_days",),
        _failures,
    ),
    Figure(
        "availability",
        "availability",
        Text("可用率", "Availability"),
        "percent",
        Text("（探测次数 − 探测失败）÷ 探测次数 × 100", "(looks − failed looks) ÷ looks × 100"),
        "100 * (looks - failed_looks) / looks",
        ("probe_days",),
        lambda facts: share(_looks(facts) - _failures(facts), _looks(facts)),
    ),
    Figure(
        "response",
        "availability",
        Text("平均响应时间", "Mean response"),
        "milliseconds",
        Text("探测成功所用的毫秒数，取平均", "mean duration of the looks that succeeded"),
        "sum(milliseconds) / (looks - failed_looks)",
        ("probe_days",),
        _response,
    ),
    Figure(
        "excused_looks",
        "availability",
        Text("维护时段探测", "Looks in maintenance"),
        "looks",
        Text(
            "公告的维护时段内的探测次数，不计入可用率",
            "looks during announced maintenance, which count for nobody",
        ),
        "sum(excused)",
        ("probe_days",),
        lambda facts: sum(s.excused for s in facts.looks),
    ),
    Figure(
        "failed_rate",
        "availability",
        Text("调用失败率", "Share of failed calls"),
        "percent",
        Text(
            "提供方失败 ÷（成功调用 + 提供方失败 + 中断）× 100",
            "failed ÷ (permitted + failed + aborted) × 100",
        ),
        "100 * calls_failed / (calls_permitted + calls_failed + calls_aborted)",
        ("call_days",),
        lambda facts: share(facts.called(FAILED), facts.called(PERMITTED, FAILED, ABORTED)),
    ),
)

FIGURES = (*AUTHORISATION, *CALLS, *AVAILABILITY)


def figures_of(family: str) -> tuple[Figure, ...]:
    """Return the figures of a family."""
    return tuple(figure for figure in FIGURES if figure.family == family)
