"""The pages of the questions: what can be asked, the form of each, its answer, and the answer as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from audit.columns.engine import engine_of
from audit.columns.logs import began_at, closed_folders
from audit.console import ALL, names_in, shows_all, words_of_records
from audit.place import log_folder
from audit.questions.asking import PAGE, Asked, ask, prepare, put_on_record, question_of
from audit.questions.bundle import RECORDS_MOST
from audit.questions.catalogue import QUESTIONS
from audit.questions.exports import BUNDLE, CSV, PARQUET, export, rows_of
from audit.questions.model import Answer, Question
from audit.questions.naming import name_subject
from audit.questions.parameters import LONGEST_DAYS, Parameter
from audit.questions.present import coverage_words
from core.errors import Invalid, invalid
from core.periods import day_of, midnight
from core.text import Text
from core.times import local_iso, parse_instant
from core.work import Work
from web.charts import bar_chart, line_chart
from web.kit import before_answering
from web.pages import File, Go, Page, Pages, Seen
from web.words import department, words

pages = Pages("audit_questions")

AUDITOR = frozenset({"auditor"})
FOUND = "find_records"
"""The question that lists what a search finds."""
ASKED = "asked"
"""The field of the form by which a question that was put differs from one that is only looked at."""
BARS = 12
VALUE_MOST = 200
_NO_PARAMETERS = frozenset({"cursor", "lang", ASKED, ALL})
_DEPARTMENTS = frozenset({"consumer", "provider", "department"})


@pages.show("/records/questions", who=AUDITOR, summary=Text("审计问题", "Questions of the log"))
def questions(work: Work, seen: Seen) -> Page:
    """Show what can be asked of the log, and what each question finds."""
    return Page("audit/questions.html", {"questions": QUESTIONS.values()})


@pages.show("/records/questions/<code>", who=AUDITOR, summary=Text("一个审计问题", "One question"))
def one_question(work: Work, seen: Seen, code: str) -> Page:
    """Show the form of a question, and its answer once it was asked; that is put on record."""
    question = question_of(code)
    context = _form(work, question)
    if ASKED not in seen.query:
        return Page("audit/question.html", context)
    try:
        cursor = seen.query.get("cursor") or None
        found = ask(work, code, _parameters(seen), limit=PAGE, cursor=cursor)
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("audit/question.html", {**context, "seen": again}, 422)
    rows = found.shown()
    names = names_in(work, rows, found.asked.get("by"))
    shown = {"found": found, "rows": rows, "names": names, "basis": coverage_words(found.coverage)}
    return Page("audit/question.html", {**context, **shown, "chart": _chart(found, rows, names)})


@pages.form(
    "/records/questions/<code>/subject",
    who=AUDITOR,
    summary=Text("按字段名和值查一个人", "Ask about one person by field and value"),
    again=one_question,
)
def ask_about(work: Work, seen: Seen, code: str) -> Go:
    """Turn a person's field and value into a digest and ask with it; the value is kept nowhere."""
    question_of(code)
    name, value = (_needed(seen, field) for field in ("name", "value"))
    digest = name_subject(work, name, value)
    return Go(f"/records/questions/{code}?subject={digest}&{ASKED}=yes")


@pages.show(
    "/records/questions/<code>/file/<form>", who=AUDITOR, summary=Text("导出答案", "Save an answer as a file")
)
def save_answer(work: Work, seen: Seen, code: str, form: str) -> File:
    """Save the answer to a question as a file; that is put on record."""
    made = export(work, code, _parameters(seen), form)
    return File(made.name, made.media_type, made.file)


def _needed(seen: Seen, field: str) -> str:
    value = seen.form.get(field, "").strip()
    if not value:
        raise invalid(f"/{field}", "必须填写", "is required", code="required")
    if len(value) > VALUE_MOST:
        raise invalid(f"/{field}", f"最多 {VALUE_MOST} 个字符", f"may have {VALUE_MOST} characters at most")
    return value


def _parameters(seen: Seen) -> dict[str, str]:
    return {name: value for name, value in seen.query.items() if name not in _NO_PARAMETERS and value}


def _form(work: Work, question: Question) -> dict[str, Any]:
    return {
        **words_of_records(work),
        "question": question,
        "choices": {p.name: c for p in question.parameters if (c := _choices(work, p)) is not None},
        "subject": any(p.name == "subject" for p in question.parameters),
        "files": _files(question),
        "found": None,
        "rows": (),
        "chart": None,
        "bundle_most": RECORDS_MOST,
    }


def _choices(work: Work, parameter: Parameter) -> Mapping[str, Text] | None:
    """Return what can be chosen from; None for what is typed."""
    if parameter.name in _DEPARTMENTS:
        return {d.id: d.name for d in work.settings.departments.values()}
    if parameter.name in ("kind", "decision"):
        known: Mapping[str, Text] = words_of_records(work)[f"{parameter.name}s"]
        return known
    return parameter.choices


def _files(question: Question) -> dict[str, Text]:
    signed = Text(
        f"签名包 ZIP，含正文和证明，最多 {RECORDS_MOST:,} 行"
        if question.of_records
        else f"签名包 ZIP，最多 {RECORDS_MOST:,} 行",
        f"Signed ZIP with bodies and proofs, {RECORDS_MOST:,} rows at most"
        if question.of_records
        else f"Signed ZIP, {RECORDS_MOST:,} rows at most",
    )
    return {CSV: Text("CSV", "CSV"), PARQUET: Text("Parquet", "Parquet"), BUNDLE: signed}


# --- charts ---------------------------------------------------------------------------------------


def _chart(
    found: Answer, rows: Sequence[Mapping[str, Any]], names: Mapping[str, Mapping[str, str]]
) -> Markup | None:
    """Draw an answer that is a series or a ranking; None for others, and for less than two rows."""
    code = found.question.code
    if len(rows) < 2 or code not in ("calls_per_day", "top_consumers"):
        return None
    title = words(found.question.title)
    beside = words(Text("数值见下表", "The table below has the numbers"))
    if code == "calls_per_day":
        days = [str(row["day"])[5:] for row in rows]
        lines = [(name, [row[name] for row in rows]) for name in ("permitted", "refused", "failed")]
        return Markup(line_chart("answer", title, beside, days, lines))
    by = str(found.asked.get("by"))
    called = department if by in _DEPARTMENTS else lambda code: names.get(by, {}).get(code, str(code))
    bars = [(called(row["name"]), row["calls"]) for row in rows]
    return Markup(bar_chart("answer", title, beside, bars[:BARS]))


# --- what a search found, as a file ---------------------------------------------------------------


@pages.show("/records/export", who=AUDITOR, summary=Text("导出查到的记录", "Export what was found"))
def confirm_export(work: Work, seen: Seen) -> Page:
    """Say how many records a search finds, before they are taken away; that is put on record."""
    asked = prepare(work, FOUND, _searched(work, seen))
    count = _count(work, asked)
    before_answering(work, lambda later: put_on_record(later, asked, count))
    context = {
        **words_of_records(work),
        "count": count,
        "period": (asked.said["since"], asked.said["until"]),
        "said": [(p, asked.said[p.name]) for p in asked.question.parameters if p.name in asked.said],
        "files": {form: (title, rows_of(form)) for form, title in _files(asked.question).items()},
    }
    return Page("audit/export.html", context)


@pages.show(
    "/records/export/<form>", who=AUDITOR, summary=Text("下载查到的记录", "Save what was found"), step_up=True
)
def save_found(work: Work, seen: Seen, form: str) -> File:
    """Save the records that a search finds as a file; that is put on record."""
    made = export(work, FOUND, _searched(work, seen), form)
    return File(made.name, made.media_type, made.file)


def _searched(work: Work, seen: Seen) -> dict[str, str]:
    """Return a search as parameters of the question that lists records; from the first one on by default.

    What the page of the search passes over is left out here too.
    """
    said = _parameters(seen)
    if not shows_all(seen.query):
        said["without"] = work.actor.pseudonym
    if "since" in said:
        return said
    until = _until(said, work.now)
    folder = log_folder(work.settings)
    first = next((at for log in (*closed_folders(folder), folder) if (at := began_at(log))), work.now)
    begins = max(midnight(day_of(first)), until - timedelta(days=LONGEST_DAYS - 1))
    return {**said, "since": local_iso(begins if begins < until else until - timedelta(days=1))}


def _until(said: Mapping[str, str], now: datetime) -> datetime:
    """Return the end of a search; the question itself says what is wrong with one that cannot be read."""
    try:
        return parse_instant(said["until"]) if "until" in said else now
    except ValueError:
        return now


def _count(work: Work, asked: Asked) -> int:
    from audit.questions.expressions import expression_of  # Ibis takes half a second to load

    counted = expression_of(asked.question.code, **asked.values).count().as_table()
    return int(engine_of(work.settings).run(counted, work.tx).column(0)[0].as_py())
