"""Reports as documents: what the HTTP API answers and what the command line prints as JSON."""

from __future__ import annotations

from typing import Any

from core.periods import Period
from core.times import local_iso
from hotline.reports.findings.counting import Flags
from hotline.reports.model import DIMENSIONS, Overdue, Ranked, Row, Share, Topic, Wanted
from hotline.reports.names import Names
from hotline.reports.overdue import OverdueList
from hotline.reports.rates import MEASURES, ahead_of
from hotline.reports.report import Compared, Report


def report_view(report: Report, flags: Flags) -> dict[str, Any]:
    """Return a report as a document that fits response/hotline_report."""
    return {
        **_asked(report.wanted),
        "as_of": local_iso(report.as_of),
        "complete": report.complete,
        "own_only": report.own_only,
        "limits_signing_in": report.limits_signing_in,
        "rates": [_rule(report, at) for at in range(len(report.rules))],
        "whole": row_view(report.whole),
        "average": row_view(report.average) if report.average else None,
        "by": {name: [row_view(row) for row in rows] for name, rows in report.rows.items()},
        "ranking": [
            {
                "rate": rule.code,
                "floor": report.wanted.floor,
                "ranked_units": report.ranked_units[rule.code],
                "units": [_ranked(r) for r in report.ranking[rule.code]],
            }
            for rule in report.rules
        ],
        "topics": [_topic(topic) for topic in report.topics],
        "previous": _compared(report.previous),
        "year_before": _compared(report.year_before),
        "parts": [{"part": p.period.name, "received": p.received, "closed": p.closed} for p in report.parts],
        "accountability": _flags(flags),
    }


def _asked(wanted: Wanted) -> dict[str, Any]:
    return {
        "period": period_view(wanted.period),
        "narrowed": {name: getattr(wanted.narrowed, name) for name in DIMENSIONS},
    }


def period_view(period: Period) -> dict[str, Any]:
    """Return a period with its first and last day."""
    return {
        "kind": period.kind,
        "name": period.name,
        "title": period.title._asdict(),
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
    }


def _rule(report: Report, at: int) -> dict[str, Any]:
    rule = report.rules[at]
    return {
        "rate": rule.code,
        "title": rule.title._asdict(),
        "formula": rule.formula._asdict(),
        "numerator": {"measure": rule.numerator, "counts": MEASURES[rule.numerator]._asdict()},
        "denominator": {"measure": rule.denominator, "counts": MEASURES[rule.denominator]._asdict()},
        "undecided": ahead_of(rule, report.whole.counts),
        "cite": rule.cite.as_json() if rule.cite else None,
    }


def row_view(row: Row) -> dict[str, Any]:
    """Return the figures of a group."""
    return {
        "key": row.key,
        "title": row.title._asdict(),
        "counts": row.counts._asdict(),
        "rates": {code: share_view(share) for code, share in row.shares.items()},
    }


def share_view(share: Share) -> dict[str, Any]:
    """Return a rate with what it is made of; its percentage is null where there is nothing to divide by."""
    return {
        "percent": share.percent,
        "numerator": share.numerator,
        "denominator": share.denominator,
        "shown": share.shown,
    }


def _ranked(ranked: Ranked) -> dict[str, Any]:
    return {
        "rank": ranked.rank,
        "unit": ranked.row.key,
        "title": ranked.row.title._asdict(),
        **share_view(ranked.share),
    }


def _topic(topic: Topic) -> dict[str, Any]:
    return {
        "category": topic.category_code,
        "category_title": topic.category._asdict(),
        "place": topic.place_code,
        "place_title": topic.place._asdict(),
        "tickets": topic.now,
        "before": topic.before,
        "growth": topic.growth,
    }


def _compared(compared: Compared) -> dict[str, Any]:
    return {"period": period_view(compared.period), "whole": row_view(compared.whole)}


def _flags(flags: Flags) -> dict[str, Any]:
    return {
        "cite": flags.cite.as_json() if flags.cite else None,
        "flags": [{"code": f.code, "title": f.title._asdict(), "count": f.count} for f in flags.flags],
        "supervisions": [
            {"workflow": s.workflow, "title": s.title._asdict(), "count": s.count} for s in flags.supervised
        ],
    }


def overdue_view(found: OverdueList) -> dict[str, Any]:
    """Return what answers hold beside the page of an overdue list (response/hotline_report_overdue)."""
    return {**_asked(found.wanted), "as_of": local_iso(found.as_of), "with_reasons": found.with_reasons}


def overdue_row(names: Names, row: Overdue) -> dict[str, Any]:
    """Return one limit that was not kept."""
    return {
        "ticket": row.ticket_id,
        "number": row.number,
        "summary": row.summary,
        "unit": row.unit,
        "unit_title": names.of("unit", row.unit)._asdict(),
        "category": row.category,
        "category_title": names.of("category", row.category)._asdict(),
        "place": row.place,
        "channel": row.channel,
        "limit": row.limit,
        "due": local_iso(row.due),
        "met_at": local_iso(row.until) if row.until else None,
        "reason": row.reason,
    }
