"""Questions, statistics and exports over HTTP, for auditors. Each one asked leaves a record."""

from __future__ import annotations

from audit.questions.asking import ask
from audit.questions.catalogue import QUESTIONS
from audit.questions.exports import CSV, export
from audit.questions.naming import name_subject
from audit.questions.parameters import Parameter
from audit.questions.present import answer_facts, question_view, statistics_view
from audit.questions.statistics import NARROWED, read_statistics
from core.errors import invalid
from core.text import Text
from core.work import Work
from web.http import Call, Reply, Routes, download_headers, listing

routes = Routes("audit_questions")

AUDITOR = frozenset({"auditor"})
_PAGING = ("limit", "cursor")


def _described(parameters: list[Parameter]) -> dict[str, Text]:
    return {p.name: Text(f"{p.title.zh}：{p.bounds.zh}", f"{p.title.en}: {p.bounds.en}") for p in parameters}


ASKED = _described([p for question in QUESTIONS.values() for p in question.parameters])
EXPORTED = {
    "question": Text("问题代码", "code of the question"),
    "form": Text(
        "文件格式：csv、parquet 或 zip（签名包），默认 csv",
        "csv, parquet or zip (a signed bundle); default csv",
    ),
}
PERIOD = {
    "period": Text(
        "期间：day、week、month、quarter、half_year、year", "day, week, month, quarter, half_year or year"
    ),
    "at": Text("期间内的一天，或期间的写法，如 2026-02", "a day in the period, or its name, such as 2026-02"),
    **_described(list(NARROWED)),
}


@routes.add(
    "GET",
    "/api/audit/questions",
    who=AUDITOR,
    summary=Text("审计问题一览", "The questions that can be asked of the log"),
    response="response/audit_questions",
)
def questions(work: Work, call: Call) -> Reply:
    """Return every saved question: what it finds, what it cannot, and its parameters."""
    return listing([question_view(question) for question in QUESTIONS.values()], None)


@routes.add(
    "GET",
    "/api/audit/questions/<code>",
    who=AUDITOR,
    summary=Text("提出一个审计问题", "Ask one of the questions"),
    response="response/audit_answer",
    query=ASKED,
    paged=True,
)
def one_question(work: Work, call: Call, code: str) -> Reply:
    """Answer a question, page by page, with the part of the log that was seen. That is put on record."""
    asked = {name: value for name, value in call.query.items() if name not in _PAGING}
    found = ask(work, code, asked, limit=call.limit, cursor=call.cursor)
    return listing(found.shown(), found.next_cursor, answer_facts(found))


@routes.add(
    "POST",
    "/api/audit/subjects",
    who=AUDITOR,
    summary=Text("把字段名和值换成摘要", "Turn a person's field and value into a digest"),
    request="request/audit_subject",
    response="response/audit_subject",
)
def subject(work: Work, call: Call) -> Reply:
    """Return the digest under which calls about one person stand in the log; the value is not kept."""
    return Reply({"subject": name_subject(work, call.body["name"], call.body["value"])})


@routes.add(
    "GET",
    "/api/audit/export",
    who=AUDITOR,
    summary=Text("导出一个问题的答案", "The answer to a question as a file"),
    query={**EXPORTED, **ASKED},
    step_up=True,
)
def export_file(work: Work, call: Call) -> Reply:
    """Save an answer as a file; that is put on record."""
    query = dict(call.query)
    code, form = query.pop("question", ""), query.pop("form", "") or CSV
    if not code:
        raise invalid("/question", "必须填写", "is required", code="required")
    made = export(work, code, query, form)
    return Reply(made.file, headers=download_headers(made.name), media_type=made.media_type)


@routes.add(
    "GET",
    "/api/audit/statistics",
    who=AUDITOR,
    summary=Text("一个期间的访问统计", "Statistics of the calls in a period"),
    response="response/audit_statistics",
    query=PERIOD,
)
def statistics(work: Work, call: Call) -> Reply:
    """Return what the log says of a period, beside the one before. That is put on record."""
    return Reply(statistics_view(read_statistics(work, call.query)))
