"""Each thing that a dictionary says of an attribute, with values that fit it and values that do not."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog.quality.conditions import literal
from catalog.quality.duck import Bounds, Unfinished, rows_of
from catalog.quality.sources import PIECE, PIECE_CHARACTERS, as_text, pieces_of
from core.ids import USCC_ALPHABET, is_uscc, uscc_check_digit
from core.patterns import matches_whole
from core.text import Text
from tests.catalog.quality_kit import attribute, broken, checked, counts, resident_id

pytestmark = pytest.mark.long

GOOD_ID = resident_id("42900519900228001")


def test_the_sample_numbers_are_what_the_standards_print() -> None:
    assert resident_id("11010519491231002") == "11010519491231002X"  # GB 11643-1999, appendix
    assert is_uscc("91350100M000100Y43")  # GB 32100-2015, example


# --- types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "good", "bad"),
    [
        (
            "integer",
            ["0", "-12", "+7", "007", "5.0", 12, "9" * 60],
            ["5.7", "1e3", "12a", "1,000", "٣", "0x1F", True],
        ),
        (
            "number",
            ["0.5", "-1", ".5", "2.", "1e3", "-1.5E-7", 3.25],
            ["1e999", "nan", "inf", "1_000", "1,5", "--1"],
        ),
        ("currency", ["12.30", "-0.01"], ["¥12", "12元"]),
        ("boolean", ["true", "FALSE", "0", "1", True, False], ["yes", "2", "是"]),
        (
            "date",
            ["2024-02-29", "1900-01-01", "9999-12-31", date(2026, 1, 1)],
            [
                "2023-02-29",
                "2026-13-01",
                "2026-1-1",
                "20260101",
                "2026/01/01",
                "0000-01-01",
                "2026-01-01 00:00:00",
            ],
        ),
        (
            "datetime",
            [
                "2026-02-28 23:59:59",
                "2026-02-28T23:59",
                "2026-02-28T23:59:59.123456Z",
                "2026-02-28T23:59:59+08:00",
                "2026-02-28 23:59:59+0800",
                "2026-02-28 23:59:59-08",
                datetime(2026, 2, 1, tzinfo=UTC),
            ],
            ["2026-02-30 00:00:00", "2026-02-28 24:00:00", "2026-02-28 23:60", "2026-02-28", "2026-02-28T23"],
        ),
        ("string", ["anything", "王五", "1"], []),
        ("object", ['{"a": 1}', {"a": [1]}, [1, 2]], []),
    ],
)
def test_a_value_is_of_its_type_or_is_found(world: Any, type: str, good: list[Any], bad: list[Any]) -> None:
    described = attribute("x", type)

    assert broken(world, described, good) == []
    assert broken(world, described, bad) == bad


def test_missing_values_break_only_the_rule_that_forbids_them(world: Any) -> None:
    every = [None, "", "  ", "\t\n", "\u3000", "a"]
    strict = attribute("x", "string", required=True, code_list={"a": "甲"}, pattern="[a-z]", length=1)
    lax = {k: v for k, v in strict.items() if k != "required"}

    assert counts(checked(world, [strict], ({"x": v} for v in every)))["required x"] == (6, 5)
    found = counts(checked(world, [lax], ({"x": v} for v in every)))
    assert {k: v for k, v in found.items() if k != "duplicate"} == {
        "length x": (1, 0),
        "code_list x": (1, 0),
        "pattern x": (1, 0),
    }


def test_length_counts_characters_of_texts_and_digits_of_numbers(world: Any) -> None:
    assert broken(world, attribute("x", length=3), ["王小五", "abc", "王小五六", "abcd"]) == [
        "王小五六",
        "abcd",
    ]
    assert broken(world, attribute("x", "number", length=3), ["-1.25", "999", "1234", "-12.34"]) == [
        "1234",
        "-12.34",
    ]


def test_bounds_are_exact_for_whole_numbers_and_hold_for_huge_ones(world: Any) -> None:
    near = attribute("x", "integer", minimum=-5, maximum=9007199254740993)
    assert broken(world, near, ["-5", "9007199254740993", "-6", "9007199254740994", "9" * 400]) == [
        "-6",
        "9007199254740994",
        "9" * 400,
    ]
    assert broken(world, attribute("x", "integer", minimum=0.5), ["1", "0"]) == ["0"]
    assert broken(
        world, attribute("x", "currency", minimum=0, maximum=99.5), ["99.5", "99.51", "-0.01", "1e308"]
    ) == [
        "99.51",
        "-0.01",
        "1e308",
    ]


def test_what_is_no_number_breaks_the_type_and_not_the_range_as_well(world: Any) -> None:
    found = counts(checked(world, [attribute("x", "integer", maximum=5)], [{"x": "many"}, {"x": "6"}]))

    assert found["type x"] == (2, 1)
    assert found["range x"] == (1, 1)


def test_code_lists_hold_codes_as_they_are_written(world: Any) -> None:
    described = attribute("x", code_list={"1": "男", "2": "女", "it's": "引号", 'a"; --': "x"})

    assert broken(world, described, ["1", 2, "it's", 'a"; --', "3", "01", "男"]) == ["3", "01", "男"]


def test_a_pattern_fits_the_whole_value_as_it_does_elsewhere_on_the_platform(world: Any) -> None:
    pattern = "1[3-9][0-9]{9}|[一-龥]+'s"
    values = ["13800000000", "138000000001", "x13800000000", "甲's", "13800000000\n", "1" * 5000]
    found = broken(world, attribute("x", pattern=pattern), values)

    assert found == [v for v in values if not matches_whole(pattern, v)]
    assert found == values[1:3] + values[4:]
    assert broken(world, attribute("x", pattern="(?=x)"), ["x"]) == ["x"]  # kept before patterns were checked


# --- numbers with a check character ---------------------------------------------------------------


def test_a_resident_id_has_a_real_day_of_birth_and_the_right_check_character(world: Any) -> None:
    described = attribute("x", check="resident_id")
    good = [
        GOOD_ID,
        "11010519491231002X",
        resident_id("62070220000229123"),  # a leap day
        resident_id("83000019700101001"),  # a residence permit of somebody from Taiwan
        resident_id("42900519900228001"),
    ]
    wrong_digit = GOOD_ID[:17] + ("0" if GOOD_ID[17] != "0" else "1")
    bad = [
        wrong_digit,
        "11010519491231002x",
        resident_id("62070219000229123"),  # 1900 was no leap year
        resident_id("42900520230229001"),
        resident_id("42900519901301001"),
        resident_id("42900519900431001"),
        resident_id("00000019900228001"),
        resident_id("99010119900228001"),
        resident_id("42900520990101001"),  # not born yet
        "110105491231002",  # 15 digits, of before 1999
        GOOD_ID + "0",
        "１１０１０５１９４９１２３１００２X",
        "11010519491231002 X",
        "不详",
    ]

    assert broken(world, described, good) == []
    assert broken(world, described, bad) == bad


def test_somebody_born_today_has_a_valid_id(world: Any) -> None:
    today, tomorrow = resident_id("42900520260210001"), resident_id("42900520260211001")

    assert broken(world, attribute("x", check="resident_id"), [today, tomorrow]) == [tomorrow]


def test_credit_codes_are_those_that_the_platform_takes_for_departments(world: Any) -> None:
    rng = random.Random(7)
    made = ["".join(rng.choices(USCC_ALPHABET, k=17)) for _ in range(200)]
    good = [code + uscc_check_digit(code) for code in made]
    turned = [c[:4] + c[5] + c[4] + c[6:] for c in good]
    odd = [
        "",
        "91350100M000100Y4",
        "91350100M000100Y44",
        "91350100m000100y43",
        "I" * 18,
        "9135 100M000100Y43",
    ]
    values = [*good, *turned, *odd]

    report = checked(world, [attribute("x", check="uscc")], [{"x": v} for v in values])
    there = [v for v in values if v]
    assert counts(report)["uscc x"] == (len(there), sum(not is_uscc(v) for v in there))
    assert counts(report)["uscc x"][1] > 100


# --- keys and whole rows --------------------------------------------------------------------------


def test_keys_are_complete_and_unique_and_rows_are_not_there_twice(world: Any) -> None:
    described = [attribute("a", primary_key=True), attribute("b", primary_key=True), attribute("c")]
    rows: list[tuple[str | None, ...]] = [
        ("1", "x", "p"),
        ("1", "x", "q"),
        ("1", "x", "p"),
        ("1", "y", "p"),
        ("1", None, "p"),
        ("", None, "p"),
    ]
    rows += [(None, None, "p")]
    found = counts(checked(world, described, [dict(zip("abc", r, strict=True)) for r in rows]))

    assert found == {"key_complete": (7, 3), "key_unique": (4, 2), "duplicate": (7, 2)}


def test_without_a_key_the_same_row_twice_is_found_all_the_same(world: Any) -> None:
    rows: list[dict[str, Any]] = [
        {"a": "1", "b": None},
        {"a": "1", "b": ""},
        {"a": "1", "b": "2"},
        {"a": None, "b": "1"},
    ]

    assert counts(checked(world, [attribute("a"), attribute("b")], rows)) == {"duplicate": (4, 1)}


def test_an_attribute_without_a_column_is_named_and_asked_nothing_else(world: Any) -> None:
    described = [attribute("a", required=True), attribute("b", "integer", required=True)]
    found = counts(checked(world, described, [{"a": "1"}, {"a": "2"}]))

    assert found == {"column b": (1, 1), "required a": (2, 0), "duplicate": (2, 0)}


def test_no_rows_break_no_rule(world: Any) -> None:
    assert counts(checked(world, [attribute("a", required=True, primary_key=True)], [])) == {}


# --- what providers write is no SQL ---------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ['a"; DROP TABLE data; --', "a'b", "select", "row_", "c0", "source_", "信息项", "a\nb"]
)
def test_names_patterns_and_codes_are_never_read_as_sql(world: Any, name: str) -> None:
    evil = "x' OR 1=1 --"
    described = attribute(
        name, primary_key=True, code_list={evil: "y"}, pattern="x' OR 1=1 --", required=True
    )
    found = counts(checked(world, [described], [{name: evil}, {name: "z"}]))

    assert found[f"code_list {name}"] == (2, 1)
    assert found[f"pattern {name}"] == (2, 1)
    assert found["key_unique"] == (2, 0)


def test_duckdb_opens_no_file_and_its_settings_stay_as_they_are(tmp_path: Path) -> None:
    with rows_of([0], tmp_path, Bounds(64, 2**26, time.monotonic() + 60)) as rows:
        rows.loaded()
        database: Any = rows._database
        for statement in (
            "SELECT * FROM read_csv('/etc/passwd')",
            "COPY data TO '/tmp/out.csv'",
            "ATTACH '/tmp/other.duckdb'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            f"SELECT * FROM {literal('/etc/passwd')}",
        ):
            with pytest.raises(Exception, match=r"(?i)permission|disabled|locked|not exist"):
                database.execute(statement)
    assert list(tmp_path.iterdir()) == []


def test_a_check_that_takes_too_long_stops_and_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(Unfinished),
        rows_of([0], tmp_path, Bounds(64, 2**26, time.monotonic() + 0.3)) as rows,
    ):
        rows.newest("TIMESTAMP '2026-01-01' + to_seconds((SELECT count(*) FROM range(10000000000)))", "now()")
    assert list(tmp_path.iterdir()) == []


# --- beside a slow and simple count ---------------------------------------------------------------


def _oracle(rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """The same counts, a value at a time."""
    texts = [{k: as_text(v) for k, v in row.items()} for row in rows]
    texts = [{k: v if v and v.strip(" \t\n\v\f\r\u3000") else None for k, v in row.items()} for row in texts]

    def of(name: str, holds: Any) -> tuple[int, int]:
        values = [row[name] for row in texts if row[name] is not None]
        return len(values), sum(not holds(v) for v in values)

    def whole(text: str) -> bool:
        return matches_whole(r"[+-]?[0-9]+(\.0*)?", text)

    def day(text: str) -> bool:
        try:
            return len(text) == 10 and bool(date.fromisoformat(text))
        except ValueError:
            return False

    keys = Counter(row["id"] for row in texts if row["id"] is not None)
    same = Counter(tuple(row.items()) for row in texts)
    numbers = [row["id"] for row in texts if row["id"] is not None and whole(row["id"])]
    return {
        "type id": of("id", whole),
        "range id": (len(numbers), sum(not 0 <= float(v) <= 50 for v in numbers)),
        "required name": (len(rows), sum(row["name"] is None for row in texts)),
        "length name": of("name", lambda v: len(v) <= 3),
        "code_list sex": of("sex", lambda v: v in ("1", "2")),
        "type born": of("born", day),
        "resident_id number": of("number", lambda v: v in VALID),
        "uscc org": of("org", is_uscc),
        "pattern org": of("org", lambda v: matches_whole("9.*", v)),
        "key_complete": (len(rows), sum(row["id"] is None for row in texts)),
        "key_unique": (sum(keys.values()), sum(n - 1 for n in keys.values())),
        "duplicate": (len(rows), sum(n - 1 for n in same.values())),
    }


VALID = [resident_id(f"4290051990022800{i}") for i in range(5)]
DICTIONARY = [
    attribute("id", "integer", primary_key=True, minimum=0, maximum=50),
    attribute("name", required=True, length=3),
    attribute("sex", code_list={"1": "男", "2": "女"}),
    attribute("born", "date"),
    attribute("number", check="resident_id"),
    attribute("org", check="uscc", pattern="9.*"),
]
CHOICES: dict[str, list[Any]] = {
    "id": [*range(60), "5.5", "7.0", " 7", "", None, "\u3000", -1],
    "name": ["王", "王小五", "欧阳小五", "", " ", None, "a'b"],
    "sex": ["1", 2, "3", "1 ", None],
    "born": ["2024-02-29", "2023-02-29", date(2020, 1, 1), "2020-1-1", None],
    "number": [*VALID, VALID[0][:17] + "?", None, "1"],
    "org": ["91350100M000100Y43", "91350100M000100Y44", "", None, "9"],
}


@pytest.mark.parametrize("seed", range(3))
def test_the_counts_are_those_of_a_slow_and_simple_count(world: Any, seed: int) -> None:
    rng = random.Random(seed)
    rows = [{name: rng.choice(values) for name, values in CHOICES.items()} for _ in range(400)]
    rows += rng.choices(rows, k=20)

    assert counts(checked(world, DICTIONARY, rows)) == _oracle(rows)


def test_thirty_thousand_rows_take_seconds(world: Any) -> None:
    rows = ({"id": i, "name": f"王{i % 9}", "number": VALID[i % 5], "sex": "1"} for i in range(30_000))
    report = checked(world, DICTIONARY[:3] + DICTIONARY[4:5], rows)

    assert report.unfinished is None
    assert report.rows == 30_000
    assert counts(report)["range id"] == (30_000, 29_949)
    assert report.duration_ms < 10_000


def test_a_pattern_that_the_engine_refuses_costs_no_other_finding(world: Any) -> None:
    spelled = "(?<code>[0-9]+)"
    assert matches_whole(spelled, "12")
    report = checked(
        world,
        [attribute("code", pattern=spelled), attribute("name", pattern="[a-z]+", required=True)],
        [{"code": "12", "name": "a"}, {"code": "x", "name": "1"}],
    )

    assert report.unfinished is None
    found = counts(report)
    assert found["unusable code"] == (1, 1)
    assert "pattern code" not in found
    assert (found["pattern name"], found["required name"]) == ((2, 1), (2, 0))
    (unusable,) = [f for f in report.findings if f.rule == "unusable"]
    assert unusable.expected == Text(spelled, spelled)


def test_an_error_of_the_engine_is_told_and_not_thrown(world: Any) -> None:
    bounds = Bounds(64, 2**26, time.monotonic() + 60)
    with pytest.raises(Unfinished) as told, rows_of([0], world.settings.data / "run", bounds) as rows:
        rows.newest("no_such_column", "now()")
    assert told.value.reason.en == "the engine of the check failed (BinderException)"


def test_a_piece_is_full_by_rows_or_by_characters() -> None:
    small = list(pieces_of(([i] for i in range(PIECE + 5)), [0]))
    assert [(p.first, p.size) for p in small] == [(1, PIECE), (PIECE + 1, 5)]
    for value in (
        "x" * (PIECE_CHARACTERS // 4),
        b"x" * (PIECE_CHARACTERS // 4),
        ["x" * (PIECE_CHARACTERS // 4)],
    ):
        wide = list(pieces_of(([value] for _ in range(9)), [0]))
        assert [p.first for p in wide] == [1, 5, 9]
        assert [p.size for p in wide] == [4, 4, 1]
