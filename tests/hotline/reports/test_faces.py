"""Reports as people meet them: over HTTP, as pages, as files, and what each of them may see."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import select

from app import create_app
from audit.store import audit_outbox
from tests.cast import dave, mallory
from tests.hotline.reports.city import (
    ANSWER,
    CALLER,
    HANDLERS,
    act,
    dispatched,
    hans,
    lea,
    new_ticket,
    olive,
    sue,
)

pytestmark = pytest.mark.long

FEBRUARY = "period=month&at=2026-02"


def busy(city: Any) -> Any:
    """A month with one ticket handled in time and rated, and one late; return the late one."""
    good = dispatched(city)
    act(city, good, hans, "sign_in")
    act(city, good, hans, "feed_back", **ANSWER)
    act(city, good, olive, "revisit", satisfaction="satisfied")
    late = dispatched(city, "education", summary="=1+1 路灯不亮", place="429005002000")
    act(city, late, HANDLERS["education"], "sign_in")
    city.now += timedelta(days=30)
    return late


def handed_in_late(city: Any, late: Any) -> None:
    act(
        city,
        late,
        HANDLERS["education"],
        "feed_back",
        **ANSWER,
        overdue_reason="备件缺货，已向来电人王某说明",
    )


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_a_rate_is_shown_with_its_formula_and_what_it_is_made_of(city: Any) -> None:
    busy(city)
    shown = city.client(lea).get(f"/api/hotline/reports?{FEBRUARY}&by=unit").json
    completion = next(r for r in shown["rates"] if r["rate"] == "completion")
    assert completion["numerator"]["measure"] == "closed_in_time"
    assert completion["formula"]["zh"]
    assert completion["cite"]["reading"] == "I-H-14"
    assert shown["whole"]["rates"]["completion"]["shown"] == "50.0 % = 1/2"
    assert {r["key"]: r["rates"]["completion"]["shown"] for r in shown["by"]["unit"]} == {
        "housing": "100.0 % = 1/1",
        "education": "0.0 % = 0/1",
    }
    assert shown["as_of"] == "2026-03-12T10:00:00+08:00"


def test_nothing_to_divide_by_is_a_dash_and_not_a_nought(city: Any) -> None:
    shown = city.client(lea).get(f"/api/hotline/reports?{FEBRUARY}").json
    assert {r["shown"] for r in shown["whole"]["rates"].values()} == {"— = 0/0"}
    assert {r["percent"] for r in shown["whole"]["rates"].values()} == {None}


def test_a_period_is_compared_with_the_one_before_and_the_year_before(city: Any) -> None:
    busy(city)
    shown = city.client(lea).get("/api/hotline/reports?period=month&at=2026-03").json
    assert shown["previous"]["period"]["name"] == "2026-02"
    assert shown["previous"]["whole"]["rates"]["completion"]["shown"] == "50.0 % = 1/2"
    assert shown["year_before"]["period"]["name"] == "2025-03"


@pytest.mark.parametrize(
    ("period", "at", "name"),
    [
        ("day", "2026-02-10", "2026-02-10"),
        ("week", "2026-02-10", "2026-W07"),
        ("quarter", "2026-02-10", "2026-Q1"),
        ("half_year", "2026-02-10", "2026-H1"),
        ("year", "2026", "2026"),
    ],
)
def test_every_period_can_be_asked_for(city: Any, period: str, at: str, name: str) -> None:
    busy(city)
    shown = city.client(lea).get(f"/api/hotline/reports?period={period}&at={at}").json
    assert shown["period"]["name"] == name
    assert shown["whole"]["counts"]["received"] == 2


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("by=colour", "/by"),
        ("at=yesterday", "/at"),
        ("period=decade", "/period"),
        ("unit=nobody", "/unit"),
        ("category=nothing", "/category"),
        ("place=here", "/place"),
        ("floor=0", "/floor"),
    ],
)
def test_what_makes_no_report_is_refused_by_its_name(city: Any, query: str, pointer: str) -> None:
    answer = city.client(lea).get(f"/api/hotline/reports?{query}")
    assert answer.status_code == 400
    assert [e["pointer"] for e in answer.json["errors"]] == [pointer]


def test_places_are_rolled_up_and_narrowed_by_prefix(city: Any) -> None:
    for place in ("429005001000", "429005001001", "429005002000", ""):
        new_ticket(city, place=place)
    client = city.client(lea)
    shown = client.get(f"/api/hotline/reports?{FEBRUARY}&by=place").json["by"]["place"]
    assert {r["key"]: r["counts"]["received"] for r in shown} == {"429005001": 2, "429005002": 1, "": 1}
    within = client.get(f"/api/hotline/reports?{FEBRUARY}&by=place&place=429005001000").json["by"]["place"]
    assert {r["key"]: r["counts"]["received"] for r in within} == {"429005001": 1, "429005001001": 1}


# --- who sees what --------------------------------------------------------------------------------


def test_a_unit_sees_itself_and_of_all_others_the_sum(city: Any) -> None:
    busy(city)
    shown = city.client(hans).get(f"/api/hotline/reports?{FEBRUARY}&floor=1").json
    assert [r["key"] for r in shown["by"]["unit"]] == ["housing"]
    assert shown["own_only"]
    assert shown["whole"]["rates"]["completion"]["shown"] == "100.0 % = 1/1"
    assert shown["average"]["rates"]["completion"]["shown"] == "50.0 % = 1/2"
    ranking = next(r for r in shown["ranking"] if r["rate"] == "completion")
    assert [(u["unit"], u["rank"]) for u in ranking["units"]] == [("housing", 1)]
    assert ranking["ranked_units"] == 2
    assert "education" not in str(shown)


def test_a_unit_may_not_ask_for_another(city: Any) -> None:
    busy(city)
    client = city.client(hans)
    assert client.get(f"/api/hotline/reports?{FEBRUARY}&unit=education").status_code == 403
    assert client.get(f"/api/hotline/reports/overdue?{FEBRUARY}&unit=education").status_code == 403
    assert client.get(f"/api/hotline/reports/export/csv?{FEBRUARY}&unit=education").status_code == 403


def test_whoever_has_no_part_in_the_hotline_sees_nothing(city: Any) -> None:
    assert city.client(mallory).get("/api/hotline/reports").status_code == 403
    assert city.browser(mallory).get("/hotline/reports/bulletin").status_code == 403


def test_a_deployment_without_a_hotline_has_no_reports(world: Any) -> None:
    world.settings.platform.rulebooks.pop("hotline", None)
    assert world.client(lea).get("/api/hotline/reports").status_code == 404


# --- overdue --------------------------------------------------------------------------------------


def test_the_overdue_list_has_what_is_open_and_what_was_late(city: Any) -> None:
    late = busy(city)
    client = city.client(sue)
    row = client.get(f"/api/hotline/reports/overdue?{FEBRUARY}").json["items"][0]
    assert (row["number"], row["unit"], row["limit"]) == (late.ticket.number, "education", "handle")
    assert row["met_at"] is None
    handed_in_late(city, late)
    row = client.get("/api/hotline/reports/overdue?period=month&at=2026-03").json["items"][0]
    assert row["met_at"] == "2026-03-12T10:00:00+08:00"


def test_only_the_office_reads_why_a_unit_was_late(city: Any) -> None:
    late = busy(city)
    handed_in_late(city, late)
    march = "period=month&at=2026-03"
    shown = city.client(sue).get(f"/api/hotline/reports/overdue?{march}").json
    assert shown["items"][0]["reason"].startswith("备件缺货")
    own = city.client(HANDLERS["education"]).get(f"/api/hotline/reports/overdue?{march}").json
    assert (own["with_reasons"], own["items"][0]["reason"]) == (False, None)
    assert city.client(hans).get(f"/api/hotline/reports/overdue?{march}").json["items"] == []


def test_a_long_list_is_turned_page_by_page(city: Any) -> None:
    for _ in range(5):
        dispatched(city)
    city.now += timedelta(days=40)
    client = city.client(lea)
    seen: list[str] = []
    address = f"/api/hotline/reports/overdue?{FEBRUARY}&limit=3"
    while address:
        page = client.get(address).json
        seen += [f"{row['number']}{row['limit']}" for row in page["items"]]
        address = page["next"]
    assert len(seen) == len(set(seen)) == 10  # each ticket with both of its limits


# --- files ----------------------------------------------------------------------------------------


def exports(city: Any) -> list[Any]:
    with city.database.read() as tx:
        return [r for r in tx.execute(select(audit_outbox)) if r.kind == "report.exported"]


def test_a_file_is_never_calculated_and_leaves_a_record(city: Any) -> None:
    late = busy(city)
    answer = city.client(lea).get(f"/api/hotline/reports/overdue/export/csv?{FEBRUARY}")
    assert answer.mimetype == "text/csv"
    table = rows(answer.data)
    assert table[1][:2] == [late.ticket.number, "'=1+1 路灯不亮"]
    assert len(exports(city)) == 1


def test_a_workbook_holds_texts_and_numbers_and_no_formula(city: Any) -> None:
    busy(city)
    answer = city.client(lea).get(f"/api/hotline/reports/overdue/export/xlsx?{FEBRUARY}")
    with ZipFile(io.BytesIO(answer.data)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "=1+1 路灯不亮" in sheet
    assert "<f>" not in sheet
    assert len(exports(city)) == 1


def test_a_report_as_a_file_has_each_rate_with_what_it_is_made_of(city: Any) -> None:
    busy(city)
    table = rows(city.client(lea).get(f"/api/hotline/reports/export/csv?{FEBRUARY}&by=unit").data)
    assert table[0][-1].startswith("满意率")
    assert " = " in table[0][-1]
    assert "50.0 % = 1/2" in table[1]
    assert {row[2] for row in table[2:]} == {"housing", "education"}


def test_a_form_that_there_is_none_of_is_refused(city: Any) -> None:
    assert city.client(lea).get("/api/hotline/reports/export/pdf").status_code == 400
    assert exports(city) == []


def test_no_report_tells_who_called(city: Any) -> None:
    busy(city)
    client = city.client(lea)
    told = [client.get(f"/api/hotline/reports/overdue/export/csv?{FEBRUARY}").get_data(as_text=True)]
    told.append(client.get(f"/api/hotline/reports?{FEBRUARY}").get_data(as_text=True))
    told.append(city.browser(lea).get("/hotline/reports/bulletin?month=2026-02").get_data(as_text=True))
    assert not [value for value in CALLER.values() for text in told if value in text]


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_pages_show_rates_with_their_numbers(city: Any, language: str) -> None:
    busy(city)
    browser = city.browser(lea)
    for address in (f"/hotline/reports?{FEBRUARY}&", "/hotline/reports/bulletin?month=2026-02&"):
        page = browser.get(f"{address}lang={language}")
        assert page.status_code == 200
        text = page.get_data(as_text=True)
        assert "50.0 %" in text
        assert "= 1/2" in text
        assert "I-H-14" in text


def test_a_page_says_what_is_wrong_with_the_question(city: Any) -> None:
    page = city.browser(lea).get("/hotline/reports?at=yesterday")
    assert page.status_code == 422
    assert "2026-02-10" in page.get_data(as_text=True)
    assert city.browser(lea).get("/hotline/reports/bulletin?month=2026-Q1").status_code == 400


def test_files_can_be_saved_from_the_pages(city: Any) -> None:
    busy(city)
    browser = city.browser(dave)
    saved = browser.get(f"/hotline/reports/export/xlsx?{FEBRUARY}&by=category")
    assert saved.data.startswith(b"PK")
    assert "hotline-category-2026-02.xlsx" in saved.headers["Content-Disposition"]
    listed = browser.get(f"/hotline/reports/overdue/export/csv?{FEBRUARY}")
    assert listed.data.startswith(b"\xef\xbb\xbf")
    assert len(exports(city)) == 2


def test_the_overdue_page_shows_the_reason_to_the_office(city: Any) -> None:
    late = busy(city)
    handed_in_late(city, late)
    page = city.browser(sue).get("/hotline/reports/overdue?period=month&at=2026-03").get_data(as_text=True)
    assert late.ticket.number in page
    assert "备件缺货" in page


def test_a_bulletin_without_a_month_is_of_the_last_one_that_is_over(city: Any) -> None:
    busy(city)
    page = city.browser(lea).get("/hotline/reports/bulletin").get_data(as_text=True)
    assert "2026年2月热线运行月报" in page


def test_what_an_export_left_behind_is_gone_at_the_next_start(city: Any) -> None:
    left = city.settings.data / "run" / "exports" / "tmp-rows"
    left.parent.mkdir(parents=True)
    left.write_text("王建国", encoding="utf-8")
    create_app(city.settings, city.database)
    assert not left.exists()
