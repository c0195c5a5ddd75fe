"""Makes what the demo's departments would have already: a database, files, and a key for their service."""

from __future__ import annotations

import csv
import os
import secrets
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from audit.witness.place import know_logs, make_keys
from core.settings import Settings
from hotline.statistics.publishing import publish_statistics, statistics_file
from rules.workdays import Calendar, load_calendar

DIVISIONS = Path(__file__).parent / "data" / "divisions-429005.csv"
CALENDARS = Path(__file__).parent.parent / "rulebooks" / "calendars"
YEARS = (2024, 2025, 2026)


def prepare(settings: Settings) -> None:
    """Make the upstream data of the demo under ``<data>/demo``; what is there already is left alone."""
    folder = settings.data / "demo"
    calendar = load_calendar(CALENDARS)
    (folder / "calendars").mkdir(parents=True, exist_ok=True)
    _service_key(folder / "workday-service.key")
    _divisions(folder / "divisions.sqlite")
    _witnesses(settings)
    if not statistics_file(settings).exists():
        publish_statistics(settings, [])
    for year in YEARS:
        _write(folder / "calendars" / f"workdays-{year}.csv", _calendar_csv(calendar, year))
        _write(folder / "calendars" / f"holidays-{year}.ics", _calendar_ics(calendar, year))


def _witnesses(settings: Settings) -> None:
    """Make the keys of the witnesses that the demo runs itself, and tell them the log's."""
    logs = [str(settings.key_file(name)) for name in ("log.vkey", "log-mldsa.vkey")]
    for witness in (w for w in settings.audit.witnesses.of if w.is_demo):
        folder = settings.data / Path(witness.key.removeprefix("file:")).parent
        make_keys(folder, witness.name)
        know_logs(folder, logs)


def service_key(settings: Settings) -> Path:
    """Return the file with the key that the working-day service asks of its callers."""
    return settings.data / "demo" / "workday-service.key"


def _service_key(path: Path) -> None:
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))


def _divisions(path: Path) -> None:
    if path.exists():
        return
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with sqlite3.connect(fresh) as database, DIVISIONS.open(encoding="utf-8", newline="") as file:
        database.execute(
            "create table divisions (code text primary key, name text not null, street_code text not null,"
            " street_name text not null, area_code text not null)"
        )
        rows = csv.reader(file)
        next(rows)
        database.executemany("insert into divisions values (?, ?, ?, ?, ?)", rows)
    database.close()
    fresh.rename(path)


def _write(path: Path, lines: Iterator[str]) -> None:
    if not path.exists():
        path.write_text("".join(lines), encoding="utf-8", newline="")


def _days(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += timedelta(days=1)


def _calendar_csv(calendar: Calendar, year: int) -> Iterator[str]:
    yield "date,workday\n"
    for day in _days(year):
        yield f"{day.isoformat()},{'true' if calendar.is_workday(day) else 'false'}\n"


def _calendar_ics(calendar: Calendar, year: int) -> Iterator[str]:
    """Yield an iCalendar (RFC 5545) with the days that differ from Monday to Friday."""
    yield "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//shuxiang//workdays//ZH\r\n"
    for day in _days(year):
        works = calendar.is_workday(day)
        if works == (day.weekday() < 5):
            continue
        summary = "调休上班" if works else "放假"
        yield (
            f"BEGIN:VEVENT\r\nUID:{day.isoformat()}@workdays.shuxiang.example\r\nDTSTAMP:{year}0101T000000Z\r\n"
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}\r\nSUMMARY:{summary}\r\nEND:VEVENT\r\n"
        )
    yield "END:VCALENDAR\r\n"
