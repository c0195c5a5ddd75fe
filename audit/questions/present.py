"""Questions, answers and statistics as documents: for scripts, for files and for the terminal."""

from __future__ import annotations

from typing import Any

from audit.columns.coverage import Coverage
from audit.questions.model import Answer, Question
from audit.questions.parameters import Parameter
from audit.questions.statistics import Statistics
from core.text import Text
from core.times import local_iso

MISSING_MOST = 100
"""How many gaps are named one by one."""


def question_view(question: Question) -> dict[str, Any]:
    """Return a question with what it may be asked with."""
    return {
        "code": question.code,
        "title": question.title._asdict(),
        "finds": question.finds._asdict(),
        "misses": question.misses._asdict(),
        "parameters": [_parameter_view(p) for p in question.parameters],
        "url": f"/api/audit/questions/{question.code}",
    }


def _parameter_view(parameter: Parameter) -> dict[str, Any]:
    choices = None if parameter.choices is None else {k: v._asdict() for k, v in parameter.choices.items()}
    return {
        "name": parameter.name,
        "title": parameter.title._asdict(),
        "bounds": parameter.bounds._asdict(),
        "required": parameter.required,
        "choices": choices,
    }


def answer_facts(answer: Answer) -> dict[str, Any]:
    """Return all of an answer but its rows."""
    return {
        "question": answer.question.code,
        "title": answer.question.title._asdict(),
        "asked": dict(answer.asked),
        "asked_at": local_iso(answer.asked_at),
        "columns": [{"name": c.name, "title": c.title._asdict()} for c in answer.columns],
        "cut": answer.is_cut,
        "notes": [note._asdict() for note in answer.notes],
        "coverage": coverage_view(answer.coverage),
    }


def answer_view(answer: Answer) -> dict[str, Any]:
    """Return a whole answer, or one page of it."""
    return {**answer_facts(answer), "items": answer.shown(), "next": answer.next_cursor}


def statistics_view(found: Statistics) -> dict[str, Any]:
    """Return the statistics of a period."""
    period = found.period
    return {
        "period": {"kind": period.kind, "name": period.name, "title": period.title._asdict()},
        "narrowed": dict(found.narrowed),
        "as_of": local_iso(found.as_of),
        "complete": found.complete,
        "whole": found.whole,
        "before": {"period": period.previous.name, "whole": found.before},
        "days": list(found.days),
        "consumers": list(found.consumers),
        "datasets": list(found.datasets),
        "reasons": list(found.reasons),
        "coverage": coverage_view(found.coverage),
    }


def coverage_view(coverage: Coverage) -> dict[str, Any]:
    """Return which part of the logs was seen, whether that is all of it, and their checkpoints."""
    return {
        **_log_view(coverage),
        "complete": coverage.complete,
        "lost": list(coverage.lost),
        "closed": [{"log": log.origin, **_log_view(log)} for log in coverage.closed],
    }


def _log_view(coverage: Coverage) -> dict[str, Any]:
    seen = coverage.last >= 0
    return {
        "first": coverage.first if seen else None,
        "last": coverage.last if seen else None,
        "size": coverage.size,
        "complete": coverage.complete,
        "blocks": len(coverage.blocks),
        "altered": list(coverage.altered),
        "missing": [list(gap) for gap in coverage.missing[:MISSING_MOST]],
        "missing_entries": missing_entries(coverage),
        "counted": coverage.counted,
        "checkpoint": coverage.checkpoint,
    }


def missing_entries(coverage: Coverage) -> int:
    """Return how many entries have no body any more."""
    return sum(last - first + 1 for first, last in coverage.missing)


def coverage_words(coverage: Coverage) -> Text:
    """Say which part of the logs was seen: a sentence for the one that runs, and one for each closed log."""
    said = [_log_words(coverage), *(_closed_words(log) for log in coverage.closed)]
    said += [_lost_words(origin) for origin in coverage.lost]
    return Text("；".join(words.zh for words in said), "; ".join(words.en for words in said))


def _lost_words(origin: str) -> Text:
    return Text(
        f"以前的日志 {origin} 缺失或与后续日志不符",
        f"the earlier log {origin} is not there, or not as the next one says",
    )


def _closed_words(log: Coverage) -> Text:
    words = _log_words(log)
    return Text(f"已关闭的日志 {log.origin}：{words.zh}", f"closed log {log.origin}: {words.en}")


def _log_words(coverage: Coverage) -> Text:
    if coverage.last < 0:
        return Text(
            f"期间内没有已封存的记录（日志共 {coverage.size} 条）",
            f"no sealed record lies in the period; the log has {coverage.size}",
        )
    part = Text(
        f"日志第 {coverage.first} 至 {coverage.last} 条（共封存 {coverage.size} 条）",
        f"entries {coverage.first} to {coverage.last} of {coverage.size}",
    )
    if coverage.counted:
        part = Text(
            f"{part.zh}，其中 {coverage.counted} 条只清点、未核对",
            f"{part.en}, of which {coverage.counted} were counted only, not compared",
        )
    if not (coverage.missing or coverage.altered):
        return Text(f"{part.zh}，完整", f"{part.en}, complete")
    lost = missing_entries(coverage)
    return Text(
        f"{part.zh}，不完整：缺正文 {lost} 条，列文件不符 {len(coverage.altered)} 处",
        f"{part.en}, incomplete: {lost} without a body, {len(coverage.altered)} blocks or stretches altered",
    )
