"""The statistics of a period: for the platform, for each department, for each dataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from core.codes import code_in
from core.errors import Unauthenticated, invalid
from core.periods import Period, day_of, read_period
from core.text import Text
from core.work import Work
from rules.citation import Citation
from supervision import store
from supervision.figures import FAMILIES, Facts, Figure, Value, figures_of, share
from supervision.lines import lines_between
from supervision.model import FAILED, PERMITTED, REFUSED_CALL, CallSum, DatasetName, Handled, LookSum

POLICY = "supervision.statistics"
OVERSEERS = ("platform_manager", "steering_office")
"""Who sees what the rulebook does not have published."""
TOP = 10
NOT_SHARED = "none"
_INSTANT = timedelta(microseconds=1)
"""What happens at this very instant has happened."""

Values = Mapping[str, Value]
T = TypeVar("T")
OfDataset = TypeVar("OfDataset", Handled, CallSum, LookSum)


@dataclass(frozen=True, slots=True)
class Publication:
    """What the rulebook has published, how often, for whom, and by which article."""

    families: tuple[str, ...] = ()
    every: str | None = None
    """None where the text names no interval ("regularly")."""
    public: bool = False
    cite: Citation | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for."""

    period: Period
    department: str | None = None
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of a department or a dataset."""

    id: str
    title: Text
    provider: str | None
    values: Values


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: a value for each part of the period, None for parts that lie ahead."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """The figures of one family."""

    key: str
    published: bool
    """Whether the rulebook has it published; if not it is a product default."""
    figures: tuple[Figure, ...]
    total: Values
    departments: tuple[Group, ...]
    datasets: tuple[Group, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of a period, as somebody may see them."""

    wanted: Wanted
    publication: Publication
    as_of: datetime
    """Up to when things are counted: the end of the period or the present."""
    families: tuple[Family, ...]
    parts: tuple[Period, ...]
    top: tuple[tuple[DatasetName, int], ...]
    """The datasets with the most permitted calls."""
    next_cursor: str | None


def publication_of(work: Work) -> Publication:
    """Return what the rulebook in force says about publishing statistics (QJ art. 26, GZ art. 14)."""
    leaf = work.rulebooks.current("sharing").policies.get(POLICY)
    if leaf is None or leaf.value is None:
        return Publication(cite=leaf.cite if leaf else None)
    value = leaf.value
    return Publication(tuple(value["families"]), value.get("period"), value.get("public", False), leaf.cite)


def wanted(work: Work, query: Mapping[str, str]) -> Wanted:
    """Read what is asked for: where nothing is, the period that the rulebook has published, or the month."""
    kind = query.get("period") or publication_of(work).every
    period = read_period(kind, query.get("from"), work.now)
    return Wanted(period, query.get("department") or None, query.get("dataset") or None)


def read_statistics(work: Work, wanted: Wanted, *, limit: int = 50, cursor: str | None = None) -> Statistics:
    """Work out the statistics that the actor may see, with one page of datasets in the order of their codes.

    Raises Unauthenticated for somebody who has not signed in where the rulebook does not make them public,
    Invalid for a department or a dataset that is not known.
    """
    publication = publication_of(work)
    if not (publication.public or work.actor.login):
        raise Unauthenticated("统计信息供各部门查看，请先登录", "sign in to see the statistics")
    known = {d.code: d for d in store.dataset_names(work.tx)}
    names = {d.code: d for d in known.values() if _may_list(work, d)}
    wanted = _checked(work, wanted, names)
    raw = _read(work, wanted, known)
    page = [code for code in names if _belongs(wanted, names[code]) and code > (cursor or "")]
    shown = _Shown(work, raw, wanted, [names[code] for code in page[:limit]])
    seen = [k for k in FAMILIES if k in publication.families or any(work.actor.has(r) for r in OVERSEERS)]
    return Statistics(
        wanted,
        publication,
        max(wanted.period.start_at, min(wanted.period.end_at, work.now)),
        tuple(shown.family(key, key in publication.families) for key in seen),
        wanted.period.parts(),
        _top(raw, wanted, names),
        page[limit - 1] if len(page) > limit else None,
    )


def _may_list(work: Work, dataset: DatasetName) -> bool:
    return bool(work.actor.login) or dataset.share_class != NOT_SHARED


def _belongs(wanted: Wanted, dataset: DatasetName) -> bool:
    return wanted.department in (None, dataset.provider) and wanted.dataset in (None, dataset.code)


def _checked(work: Work, wanted: Wanted, names: Mapping[str, DatasetName]) -> Wanted:
    code = code_in(wanted.dataset) if wanted.dataset else None
    if wanted.department and wanted.department not in work.settings.departments:
        raise invalid("/department", "没有这个部门", "there is no such department", code="unknown")
    if code and code not in names:
        raise invalid("/dataset", "没有这个代码的数据集", "no dataset has this code", code="unknown")
    return replace(wanted, department=wanted.department or None, dataset=code)


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Raw:
    """What the figures are worked out from, of the dataset that is asked for or of all."""

    start: datetime
    end: datetime
    applications: Sequence[Handled]
    calls: Sequence[CallSum]
    looks: Sequence[LookSum]
    providers: Mapping[str, str]
    """Dataset to its provider."""
    calls_by_part: Mapping[str, Mapping[str, int]]
    looks_by_day: Mapping[str, tuple[int, int]]


def _read(work: Work, wanted: Wanted, known: Mapping[str, DatasetName]) -> _Raw:
    tx, period, code = work.tx, wanted.period, wanted.dataset
    end = max(period.start_at, min(period.end_at, work.now + _INSTANT))
    by_month = period.kind not in ("day", "week")
    parts_by_month = period.kind not in ("day", "week", "month")
    own = None
    if wanted.department or wanted.dataset:
        own = [d.code for d in known.values() if _belongs(wanted, d)]
    days = _spans(period, False)
    return _Raw(
        period.start_at,
        end,
        _only(lines_between(tx, work.rulebooks, period.start_at, end), code),
        _only(store.call_sums(tx, by_month, *_spans(period, by_month)), code),
        _only(store.look_sums(tx, *days), code),
        {d.code: d.provider for d in known.values()},
        store.call_series(tx, parts_by_month, *_spans(period, parts_by_month), wanted.department, code),
        store.look_series(tx, *days, own),
    )


def _spans(period: Period, by_month: bool) -> tuple[str, str]:
    length = 7 if by_month else 10
    return period.first.isoformat()[:length], period.end.isoformat()[:length]


def _only(rows: Sequence[OfDataset], dataset: str | None) -> Sequence[OfDataset]:
    return rows if dataset is None else [row for row in rows if row.dataset == dataset]


# --- grouping -------------------------------------------------------------------------------------


def _facts(raw: _Raw) -> Facts:
    limits = [m for a in raw.applications for m in a.limits]
    return Facts(raw.start, raw.end, raw.applications, limits, raw.calls, raw.calls, raw.looks)


def _by_department(raw: _Raw) -> dict[str, Facts]:
    """Return the facts of each department: its decisions, its limits, its data, the calls it made."""
    whole = _facts(raw)
    applications = _split(whole.applications, lambda a: a.decider)
    limits = _split(whole.limits, lambda m: m.department)
    calls = _split(whole.calls, lambda c: c.provider)
    made = _split(whole.made, lambda c: c.consumer)
    looks = _split(whole.looks, lambda s: raw.providers.get(s.dataset, ""))
    return {
        name: Facts(
            raw.start, raw.end, applications[name], limits[name], calls[name], made[name], looks[name]
        )
        for name in sorted({*applications, *limits, *calls, *made, *looks} - {""})
    }


def _by_dataset(raw: _Raw) -> Callable[[str], Facts]:
    """Return what tells the facts of a dataset."""
    applications = _split(raw.applications, lambda a: a.dataset)
    calls, looks = _split(raw.calls, lambda c: c.dataset), _split(raw.looks, lambda s: s.dataset)

    def facts(code: str) -> Facts:
        limits = [m for a in applications[code] for m in a.limits]
        return Facts(raw.start, raw.end, applications[code], limits, calls[code], calls[code], looks[code])

    return facts


def _split(rows: Iterable[T], key: Callable[[T], str]) -> defaultdict[str, list[T]]:
    groups: defaultdict[str, list[T]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


# --- showing --------------------------------------------------------------------------------------


class _Shown:
    """The groups of one answer, and the families that are worked out for them."""

    def __init__(self, work: Work, raw: _Raw, wanted: Wanted, datasets: Sequence[DatasetName]) -> None:
        self._raw = raw
        self._wanted = wanted
        self._datasets = datasets
        self._names = {id: d.name for id, d in work.settings.departments.items()}
        self._departments = _by_department(raw)
        if wanted.department:
            nothing = Facts(raw.start, raw.end, (), (), (), (), ())
            self._departments = {wanted.department: self._departments.get(wanted.department, nothing)}
        self._total = self._departments[wanted.department] if wanted.department else _facts(raw)
        self._facts_of = _by_dataset(raw)

    def family(self, key: str, published: bool) -> Family:
        """Work out one family."""
        figures = figures_of(key)
        return Family(
            key,
            published,
            figures,
            _values(figures, self._total),
            tuple(
                Group(id, self._names.get(id, Text(id, id)), None, _values(figures, facts))
                for id, facts in self._departments.items()
            ),
            tuple(
                Group(d.code, Text(d.title, d.title), d.provider, _values(figures, self._facts_of(d.code)))
                for d in self._datasets
            ),
            self._lines(key),
        )

    def _lines(self, family: str) -> tuple[Line, ...]:
        return {"authorisation": self._handling, "calls": self._calls, "availability": self._looks}[family]()

    def _handling(self) -> tuple[Line, ...]:
        """Return how many applications were submitted and concluded in each part."""
        return (
            Line("submitted", self._counted(lambda a: a.submitted_at)),
            Line("concluded", self._counted(lambda a: a.concluded_at)),
        )

    def _counted(self, at: Callable[[Handled], datetime | None]) -> tuple[Value, ...]:
        instants = [at(a) for a in self._total.applications]
        days = Counter(day_of(i) for i in instants if i is not None and self._total.within(i))
        return self._ahead(
            lambda part: sum(number for day, number in days.items() if part.first <= day < part.end)
        )

    def _calls(self) -> tuple[Line, ...]:
        """Return how many calls were permitted in each part, and how many were not answered."""
        found = self._raw.calls_by_part

        def count(part: Period, *decisions: str) -> int:
            return sum(found.get(part.name, {}).get(decision, 0) for decision in decisions)

        return (
            Line(PERMITTED, self._ahead(lambda part: count(part, PERMITTED))),
            Line("unanswered", self._ahead(lambda part: count(part, REFUSED_CALL, FAILED))),
        )

    def _looks(self) -> tuple[Line, ...]:
        """Return the availability in each part; None where nobody looked."""

        def available(part: Period) -> Value:
            days = [v for day, v in self._raw.looks_by_day.items() if day.startswith(part.name)]
            looks, failures = (sum(values) for values in zip(*days, strict=True)) if days else (0, 0)
            return share(looks - failures, looks)

        return (Line("availability", self._ahead(available)),)

    def _ahead(self, value: Callable[[Period], Value]) -> tuple[Value, ...]:
        """Return a value for each part, None for those that have not begun."""
        parts = self._wanted.period.parts()
        return tuple(value(part) if part.start_at <= self._raw.end else None for part in parts)


def _values(figures: Sequence[Figure], facts: Facts) -> dict[str, Value]:
    return {figure.key: figure.of(facts) for figure in figures}


def _top(raw: _Raw, wanted: Wanted, names: Mapping[str, DatasetName]) -> tuple[tuple[DatasetName, int], ...]:
    """Return the datasets with the most permitted calls, the most used first."""
    called: Counter[str] = Counter()
    for row in raw.calls:
        if row.decision == PERMITTED and row.dataset in names and _belongs(wanted, names[row.dataset]):
            called[row.dataset] += row.calls
    ordered = sorted(called.items(), key=lambda item: (-item[1], item[0]))
    return tuple((names[code], calls) for code, calls in ordered[:TOP] if calls > 0)
