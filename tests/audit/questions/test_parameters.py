"""Every parameter has its kind and bounds; a wrong one is named in both languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.questions.catalogue import QUESTIONS
from audit.questions.parameters import read_parameters
from core.errors import Invalid

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
NEEDED = {"dataset": "307001-000001", "subject": "a" * 32}


def read(question: str, **given: str) -> dict[str, Any]:
    return read_parameters(QUESTIONS[question].parameters, given, NOW)


@pytest.mark.parametrize(
    ("question", "name", "value", "code"),
    [
        ("unused_grants", "days", "0", "range"),
        ("unused_grants", "days", "3661", "range"),
        ("unused_grants", "days", "abc", "range"),
        ("unused_grants", "since", "2026-01-01", "unknown"),
        ("off_hours", "since", "yesterday", "format"),
        ("off_hours", "until", "1999-01-01", "range"),
        ("off_hours", "until", "9999-12-31T23:59:59-10:00", "range"),
        ("off_hours", "until", "2001-01-01", None),
        ("off_hours", "since", "2001-01-01", "range"),
        ("volume_spikes", "measure", "ms", "enum"),
        ("volume_spikes", "deviations", "0.5", "range"),
        ("volume_spikes", "deviations", "1e1", "range"),
        ("volume_spikes", "deviations", "nan", "range"),
        ("volume_spikes", "deviations", "2.5", None),
        ("volume_spikes", "least", "-1", "range"),
        ("top_consumers", "by", "actor", "enum"),
        ("top_consumers", "consumer", "x" * 101, "range"),
        ("top_consumers", "consumer", "a\nb", "format"),
        ("readers_of_dataset", "dataset", "", "required"),
        ("accesses_of_citizen", "subject", "", "required"),
        ("accesses_of_citizen", "subject", "33010119800101001X", "format"),
        ("find_records", "subject", "A" * 32, "format"),
        ("silent_periods", "minutes", "1", "range"),
    ],
)
def test_a_wrong_value_is_refused_by_name(question: str, name: str, value: str, code: str | None) -> None:
    if code is None:
        read(question, **{name: value})
        return
    with pytest.raises(Invalid) as refused:
        read(question, **{name: value})
    assert [(e.pointer, e.code) for e in refused.value.errors] == [(f"/{name}", code)]
    assert refused.value.errors[0].message.zh != refused.value.errors[0].message.en


def test_the_end_must_come_after_the_start() -> None:
    with pytest.raises(Invalid) as refused:
        read("off_hours", since="2026-02-01", until="2026-02-01")
    assert [e.pointer for e in refused.value.errors] == ["/until"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_not_said_has_its_default(question: str) -> None:
    needed = {p.name: NEEDED[p.name] for p in QUESTIONS[question].parameters if p.required}
    values = read(question, **needed)
    if "since" in values:
        assert values["until"] == NOW
        assert timedelta(days=7) <= NOW - values["since"] <= timedelta(days=365)
    assert all(values[p.name] is not None for p in QUESTIONS[question].parameters if p.choices or p.required)


def test_a_dataset_may_be_written_as_in_an_address() -> None:
    assert read("readers_of_dataset", dataset="307001-000001")["dataset"] == "307001/000001"
