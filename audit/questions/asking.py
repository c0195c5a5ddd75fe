"""Asking a question: its parameters are read, its tables collected, an engine answers, and that is on record.

The parts are apart because an engine may take its time: nobody holds a transaction that writes meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import Connection

from audit.columns.coverage import Coverage, coverage
from audit.columns.engine import Answer as Rows
from audit.columns.engine import Engine as Log
from audit.columns.engine import Given, attempted, engine_of
from audit.log import record
from audit.questions.catalogue import QUESTIONS
from audit.questions.given import grants_table, worktime_table
from audit.questions.model import GRANTS, WORKTIME, Answer, Question, columns_of, shown
from audit.questions.parameters import read_parameters
from audit.reading import QUERY
from core.errors import NotFound, no_cursor
from core.text import Text
from core.times import instant_of, millis
from core.work import Work
from web.kit import before_answering

ROWS_MOST = 100_000
"""The rows of an answer, all its pages together."""
PAGE = 200
_CURSOR = re.compile(r"(\d{1,15})-(\d{1,6})", re.ASCII)


class Engine(Protocol):
    """What answers an expression from all logs: `audit.columns.engine.Engine`, or Spark."""

    def ask(self, question: Any, tx: Connection | None = None, *, given: Given = ...) -> Rows:
        """Return the rows of an answer and the snapshots of the logs that were asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with everything that it is asked with; independent of any transaction."""

    question: Question
    values: Mapping[str, Any]
    now: datetime
    given: Given
    offset: int
    notes: tuple[Text, ...]

    @property
    def said(self) -> dict[str, Any]:
        """The parameters as records, answers and files show them; those that say nothing are left out."""
        return {name: shown(value) for name, value in self.values.items() if value is not None}


def question_of(code: str) -> Question:
    """Return a saved question. Raises NotFound."""
    if code not in QUESTIONS:
        raise NotFound("没有这个问题", "no such question")
    return QUESTIONS[code]


def prepare(work: Work, code: str, parameters: Mapping[str, str], cursor: str | None = None) -> Asked:
    """Read what is asked for, and collect what the question joins the log with.

    Raises NotFound for a question that there is none of, Invalid for parameters and a cursor that are wrong.
    """
    question = question_of(code)
    now, offset = _place(cursor, work.now)
    values = read_parameters(question.parameters, parameters, now)
    return Asked(
        question,
        values,
        now,
        _given(work, question, values, now),
        offset,
        _notes(work, question, values, now),
    )


def _place(cursor: str | None, now: datetime) -> tuple[datetime, int]:
    """Return the instant of an answer's first page, and how many rows came before; a cursor holds both."""
    if cursor is None:
        return instant_of(millis(now)), 0
    found = _CURSOR.fullmatch(cursor)
    if found is None or int(found[1]) > millis(now) or int(found[2]) >= ROWS_MOST:
        raise no_cursor()
    return instant_of(int(found[1])), int(found[2])


def _given(work: Work, question: Question, values: Mapping[str, Any], now: datetime) -> Given:
    given: dict[str, pa.Table] = {}
    if GRANTS in question.needs:
        given[GRANTS] = grants_table(work.grants_in_force(work.tx, now))
    if WORKTIME in question.needs:
        given[WORKTIME] = worktime_table(work.rulebooks.calendar, values["since"], values["until"])
    return given


def _notes(work: Work, question: Question, values: Mapping[str, Any], now: datetime) -> tuple[Text, ...]:
    notes = []
    if "until" in values and values["until"] > now:
        notes.append(Text("期间尚未结束，数值还会变化", "the period is not over: figures will change"))
    if WORKTIME in question.needs and work.rulebooks.calendar.is_provisional_between(
        values["since"], values["until"]
    ):
        notes.append(
            Text(
                "期间内有的年份尚未公布放假安排，暂按周一至周五计算",
                "the holidays of a year in the period are not published; it is counted Monday to Friday",
            )
        )
    return tuple(notes)


def answer(
    asked: Asked, log: Log, tx: Connection | None, limit: int = PAGE, *, by: Engine | None = None
) -> Answer:
    """Have an engine answer, `limit` rows at most: that of the log, which says what it covers, or `by`.

    `tx` sees the records that are not sealed yet. Raises Unavailable as the engine does.
    """
    return attempted(lambda: _answer(asked, log, tx, limit, by or log))


def _answer(asked: Asked, log: Log, tx: Connection | None, limit: int, engine: Engine) -> Answer:
    limit = min(limit, ROWS_MOST - asked.offset)
    expression = _expression(asked)
    end = asked.offset + limit
    found = engine.ask(expression.limit(end + 1), tx, given=asked.given)  # Ibis cannot skip rows on Spark
    rows = found.rows.cast(expression.schema().to_pyarrow()).slice(asked.offset)
    more = rows.num_rows > limit
    since = None if asked.question.looks_back else asked.values.get("since")
    seen = coverage(log, found.logs, since, asked.values.get("until"))
    return Answer(
        asked.question,
        asked.said,
        asked.now,
        columns_of(rows),
        rows.slice(0, limit),
        f"{millis(asked.now)}-{end}" if more and end < ROWS_MOST else None,
        more and end >= ROWS_MOST,
        seen,
        (*asked.notes, *_gaps(seen)),
    )


def _gaps(seen: Coverage) -> tuple[Text, ...]:
    if seen.lost:
        names = ", ".join(seen.lost)
        return (
            Text(
                f"以前的日志缺失或与后续日志不符，答案不含它们：{names}",
                f"earlier logs are not there, or not as the next one says; the answer lacks them: {names}",
            ),
        )
    altered = [name for log in (seen, *seen.closed) for name in log.altered]
    if altered:
        names = ", ".join(altered)
        return (
            Text(
                f"列文件与日志所记的摘要不符，答案不可信：{names}",
                f"files differ from their recorded digests: {names}",
            ),
        )
    if any(log.missing for log in (seen, *seen.closed)):
        return (
            Text(
                "有的记录已没有正文，答案不含它们",
                "some records have no body any more; the answer lacks them",
            ),
        )
    return ()


def _expression(asked: Asked) -> Any:
    from audit.questions.expressions import expression_of  # Ibis takes half a second to load

    now = {"now": asked.now} if asked.question.as_of_now else {}
    return expression_of(asked.question.code, **asked.values, **now)


def put_on_record(work: Work, asked: Asked, rows: int, form: str | None = None) -> None:
    """Put on record who asked what and how much came of it; `form` is that of a file which was taken away."""
    query = {"question": asked.question.code, **asked.said, **({"form": form} if form else {})}
    record(work, QUERY, {"query": query, "rows": rows})


def ask(
    work: Work, code: str, parameters: Mapping[str, str], *, limit: int = PAGE, cursor: str | None = None
) -> Answer:
    """Answer a question within a request that only reads; it is on record before the answer leaves.

    Raises NotFound, Invalid and Unavailable.
    """
    asked = prepare(work, code, parameters, cursor)
    found = answer(asked, engine_of(work.settings), work.tx, limit)
    before_answering(work, lambda later: put_on_record(later, asked, found.rows.num_rows))
    return found
