"""The columns of a table of tickets: what they are called, in either language, and the template with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.cells import MARK, safe
from core.errors import FieldError, Invalid
from core.text import Text
from core.work import Work
from hotline.book import coded, dimensions, hotline_book
from rules.rulebook import Rulebook
from rules.values import FieldRule

YES_NO = {"true": Text("是", "yes"), "false": Text("否", "no")}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key by which rows know it, and where its value belongs in request/ticket."""

    key: str
    title: Text
    pointer: str
    """JSON pointer into the draft of a ticket."""
    required: bool = False
    personal: bool = False
    """Whether what stands there may say who somebody is; it is masked wherever it is shown again."""
    codes: Mapping[str, Text] | None = None
    """The values that it may have, by code; None for free words."""
    kind: str = "text"
    """text, boolean or instant."""

    def is_called(self, word: str) -> bool:
        """Tell whether a header means this column: its key or its title, with or without a mark of demand."""
        plain = word.rstrip("*＊ ").strip()
        return plain.lower() == self.key or plain.lower() in (self.title.zh, self.title.en.lower())


def columns_of(work: Work) -> tuple[Column, ...]:
    """Return the columns that a table may have under the rulebook of the deployment's hotline."""
    book = hotline_book(work)
    departments = {d.id: d.name for d in work.settings.departments.values()}
    head = (
        Column("external_id", Text("来源编号", "Id at its origin"), "/external_id", required=True),
        Column(
            "channel", Text("受理渠道", "Channel"), "/channel", required=True, codes=coded(book, "channels")
        ),
        Column("summary", Text("诉求摘要", "Summary"), "/summary", required=True, personal=True),
        Column("description", Text("诉求内容", "Description"), "/description", required=True, personal=True),
        Column("category", Text("事项类别", "Topic"), "/category", codes=coded(book, "categories")),
        Column("place", Text("区划代码", "Division code"), "/place"),
        Column("location", Text("事发地点", "Location"), "/location", personal=True),
        Column("occurred_at", Text("发生时间", "Occurred at"), "/occurred_at", kind="instant"),
    )
    origins = coded(book, "supervise.origins")
    from_above = (
        (Column("origin", Text("交办来源", "Assigned by"), "/origin", codes=origins),) if origins else ()
    )
    return (*head, *_facts(book), *from_above, *_people(), *_about(departments))


def _facts(book: Rulebook) -> Iterable[Column]:
    return (_fact(rule) for rule in dimensions(book))


def _fact(rule: FieldRule) -> Column:
    codes = YES_NO if rule.type == "boolean" else (rule.choices or None)
    kind = "boolean" if rule.type == "boolean" else "text"
    return Column(rule.name, rule.title, f"/facts/{rule.name}", codes=codes, kind=kind)


def _people() -> tuple[Column, ...]:
    named = (
        ("name", Text("姓名", "Name")),
        ("phone", Text("联系电话", "Phone")),
        ("address", Text("联系地址", "Address")),
        ("contact", Text("其他联系方式", "Other contact")),
    )
    wishes = (
        ("anonymous", Text("是否匿名", "Anonymous")),
        ("confidential", Text("是否保密", "Confidential")),
        ("consent", Text("同意告知承办单位", "Consents to tell the unit")),
    )
    who = (Column(key, title, f"/caller/{key}", personal=True) for key, title in named)
    how = (Column(key, title, f"/{key}", codes=YES_NO, kind="boolean") for key, title in wishes)
    return (*who, *how)


def _about(departments: Mapping[str, Text]) -> tuple[Column, ...]:
    return (
        Column("accused", Text("被投诉部门", "Department complained of"), "/accused", codes=departments),
        Column("accused_person", Text("被投诉人", "Person complained of"), "/accused_person", personal=True),
        Column("dataset", Text("数据集代码", "Dataset code"), "/dataset"),
    )


# --- the header -----------------------------------------------------------------------------------


def match_header(columns: Sequence[Column], cells: Sequence[str]) -> dict[int, Column]:
    """Return which column stands where; columns without a header are left aside.

    Raises Invalid for every header that is unknown or stands there twice, and for columns that are missing.
    """
    found: dict[int, Column] = {}
    errors = []
    for place, cell in enumerate(cells):
        column = next((c for c in columns if c.is_called(cell)), None) if cell else None
        if column is None or column in found.values():
            errors += [_odd(place, known=column is not None)] if cell else []
        else:
            found[place] = column
    missing = [c for c in columns if c.required and c not in found.values()]
    errors += [FieldError("/file", _lacking(c), "required") for c in missing]
    if errors:
        raise Invalid(errors)
    return found


def _odd(place: int, known: bool) -> FieldError:
    """Tell of a header by its place: what stands there may be a row of data, not a header."""
    number = place + 1
    if known:
        words = Text(f"第 {number} 列的列名重复", f"the header of column {number} stands there twice")
        return FieldError("/file", words, "repeated")
    words = Text(
        f"第 {number} 列的列名无法识别，请用模板中的列名",
        f"the header of column {number} is unknown; use those of the template",
    )
    return FieldError("/file", words, "unknown")


def _lacking(column: Column) -> Text:
    zh, en = column.title
    return Text(f"缺少列“{zh}”", f"the column {en!r} ({column.key}) is missing")


# --- the template ---------------------------------------------------------------------------------


def template_csv(columns: Sequence[Column]) -> bytes:
    """Return a table with nothing but the header, for a spreadsheet: UTF-8 with a byte order mark."""
    out = io.StringIO()
    out.write(MARK)
    csv.writer(out).writerow([_head(column) for column in columns])
    return out.getvalue().encode()


def template_xlsx(columns: Sequence[Column]) -> bytes:
    """Return a workbook with the header, and a second sheet that says what may stand in each column."""
    from openpyxl import Workbook

    book = Workbook()
    table = book.active
    assert table is not None
    table.title = "工单 tickets"
    table.append([_head(column) for column in columns])
    notes = book.create_sheet("说明 notes")
    notes.append(["列 column", "键 key", "必填 required", "可填的值 values"])
    for column in columns:
        values = "；".join(f"{code} {title.zh}" for code, title in (column.codes or {}).items())
        required = "是 yes" if column.required else ""
        row = [f"{column.title.zh} {column.title.en}", column.key, required, values]
        notes.append([safe(cell) for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _head(column: Column) -> str:
    return f"{column.title.zh}{'*' if column.required else ''}"
