"""What the faces of the reports ask for: a report as it is seen, and files of it, which leave a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from core.errors import invalid
from core.work import Work
from hotline.book import hotline_book
from hotline.reports.export import MEDIA, overdue_table, put_on_record, report_table, written
from hotline.reports.report import as_seen, read_report, wanted
from web.kit import before_answering

REPORT, OVERDUE = "report", "overdue"


@dataclass(frozen=True, slots=True)
class Export:
    """A file to take away."""

    name: str
    media_type: str
    file: IO[bytes]


def export(work: Work, query: Mapping[str, str], what: str, form: str) -> Export:
    """Write a report or an overdue list as CSV or XLSX; that somebody took it away goes on record.

    Raises Invalid for a form that there is none of, and whatever reading the report raises.
    """
    if form not in MEDIA:
        raise invalid("/form", f"应为 {'、'.join(MEDIA)} 之一", f"must be one of {', '.join(MEDIA)}")
    asked = as_seen(work, wanted(work, query))
    overdue = what == OVERDUE
    table = (
        overdue_table(work, asked, hotline_book(work)) if overdue else report_table(read_report(work, asked))
    )
    file = written(work, table, form)
    before_answering(work, lambda later: put_on_record(later, asked, what, form))
    return Export(f"{table.name}.{form}", MEDIA[form], file)
