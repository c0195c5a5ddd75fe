"""The files that the demo's departments have already are of the form that their names promise."""

from __future__ import annotations

import csv
from typing import Any

from demo.prepare import YEARS, prepare


def test_each_calendar_of_the_demo_is_a_csv_file_of_every_day_of_its_year(world: Any) -> None:
    prepare(world.settings)
    for year in YEARS:
        path = world.settings.data / "demo" / "calendars" / f"workdays-{year}.csv"
        with path.open(encoding="ascii", newline="") as file:
            rows = list(csv.DictReader(file))
        assert (rows[0]["date"], rows[-1]["date"]) == (f"{year}-01-01", f"{year}-12-31")
        assert len(rows) == (366 if year == 2024 else 365)
        assert all(set(row) == {"date", "workday"} and row["workday"] in ("true", "false") for row in rows)
    assert rows[0] == {"date": "2026-01-01", "workday": "false"}
