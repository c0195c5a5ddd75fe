"""Answers as files: CSV for spreadsheets, Parquet for programs, and a bundle that proves itself."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import orjson
import pyarrow.parquet as pq

from audit.columns.engine import engine_of
from audit.questions.asking import ROWS_MOST, answer, prepare, put_on_record
from audit.questions.bundle import RECORDS_MOST, write_bundle
from audit.questions.model import Answer
from audit.questions.present import answer_facts, coverage_words
from core.cells import MARK, Cell, safe
from core.errors import invalid
from core.settings import Settings
from core.text import Text
from core.times import SHANGHAI, local_iso
from core.work import Work
from web.kit import before_answering

CSV, PARQUET, BUNDLE = "csv", "parquet", "zip"
MEDIA = {
    CSV: "text/csv; charset=utf-8",
    PARQUET: "application/vnd.apache.parquet",
    BUNDLE: "application/zip",
}
IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a file that are kept in memory; a larger one lies in the platform's own folder meanwhile."""
_FACTS = b"shuxiang.answer"
"""The key of a Parquet file's metadata under which all of an answer stands but its rows."""


@dataclass(frozen=True, slots=True)
class Export:
    """A file to take away; whoever reads it to its end closes it."""

    name: str
    media_type: str
    file: IO[bytes]


def export(work: Work, code: str, parameters: Mapping[str, str], form: str) -> Export:
    """Answer a question as a file, within a request that only reads; that goes on record.

    Raises NotFound, Invalid and Unavailable.
    """
    limit = rows_of(form)
    asked = prepare(work, code, parameters)
    found = answer(asked, engine_of(work.settings), work.tx, limit)
    made = Export(file_name(found, form), MEDIA[form], written(work, found, form))
    before_answering(work, lambda later: put_on_record(later, asked, found.rows.num_rows, form))
    return made


def rows_of(form: str) -> int:
    """Return the most rows that a file of this form holds. Raises Invalid for an unknown form."""
    if form not in MEDIA:
        known = Text("、".join(MEDIA), ", ".join(MEDIA))
        raise invalid("/form", f"应为 {known.zh} 之一", f"must be one of {known.en}", code="enum")
    return RECORDS_MOST if form == BUNDLE else ROWS_MOST


def file_name(answer: Answer, form: str) -> str:
    """Return what a file is called: the question, when it was asked, and how long the log was then."""
    asked = answer.asked_at.astimezone(SHANGHAI)
    return f"{answer.question.code}-{asked:%Y%m%dT%H%M%S}-{answer.coverage.size}.{form}"


def written(work: Work, answer: Answer, form: str) -> IO[bytes]:
    """Write an answer as a file and return it."""
    folder = _folder(work.settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = cast(IO[bytes], tempfile.SpooledTemporaryFile(IN_MEMORY, "w+b", dir=str(folder)))  # noqa: SIM115
    if form == CSV:
        _write_csv(file, answer)
    elif form == PARQUET:
        _write_parquet(file, answer)
    else:
        write_bundle(file, work, answer, lambda gone: _table(answer, gone))
    return file


def _table(answer: Answer, gone: int) -> bytes:
    """Return the rows of a bundle as CSV; below them, how many of the records have no body any more."""
    table = io.BytesIO()
    _write_csv(table, answer, gone)
    return table.getvalue()


def forget_answers(settings: Settings) -> None:
    """Remove what exports left behind when the process ended in their middle; to be called at its start."""
    shutil.rmtree(_folder(settings), ignore_errors=True)


def _folder(settings: Settings) -> Path:
    return settings.data / "run" / "audit-exports"


def _write_csv(file: IO[bytes], answer: Answer, gone: int = 0) -> None:
    """Write CSV in UTF-8 with a byte order mark (RFC 4180); a text like a formula gets an apostrophe.

    Behind the rows and an empty line stands what they were asked of.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    text.write(MARK)
    writer = csv.writer(text)
    writer.writerow([_both(column.title) for column in answer.columns])
    for row in answer.shown():
        writer.writerow([safe(cell) for cell in row.values()])
    for line in _below(answer, gone):
        writer.writerow([safe(cell) for cell in line])
    text.detach()


def _below(answer: Answer, gone: int) -> Iterator[Sequence[Cell]]:
    yield []
    yield ["问题 question", _both(answer.question.title)]
    for name, value in answer.asked.items():
        yield [name, value]
    yield ["截至 as of", local_iso(answer.asked_at)]
    yield ["依据 based on", _both(coverage_words(answer.coverage))]
    for note in answer.notes:
        yield ["注意 note", _both(note)]
    if gone:
        yield ["注意 note", f"其中 {gone} 条正文已删除 of these records {gone} have no body any more"]
    if answer.is_cut or answer.next_cursor is not None:
        yield ["注意 note", "还有更多，未全部列出 there is more than is listed here"]


def _write_parquet(file: IO[bytes], answer: Answer) -> None:
    facts = {_FACTS: orjson.dumps(answer_facts(answer))}
    pq.write_table(answer.rows.replace_schema_metadata(facts), file, compression="zstd")


def _both(text: Text) -> str:
    return text.zh if text.zh == text.en else f"{text.zh} {text.en}"
