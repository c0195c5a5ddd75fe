"""However a number or a name is written in a summary, it does not get into what lists show."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline.masking import STARS, masked_text


@pytest.mark.parametrize(
    "written",
    [
        "13812345678",
        "138 1234 5678",
        "138-1234-5678",
        "138.1234.5678",
        "138—1234–5678",
        "138  1234  5678",
        "1 3 8 1 2 3 4 5 6 7 8",
        "138\u30001234\u30005678",
        "138\u200b1234\u200b5678",
        "138/1234/5678",
        "１３８１２３４５６７８",
        "１３８ 1234 ５６７８",
        "①③⑧①②③④⑤⑥⑦⑧",
        "𝟏𝟑𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖",
        "١٣٨١٢٣٤٥٦٧٨",
        "一三八一二三四五六七八",
        "幺三八幺二三四五六七八",
        "一三八1234五六七八",
        "+86 138 1234 5678",
        "0086-13812345678",
        "8613812345678",
        "138123456789",
        "0728-6241234",
        "0728 624 1234",
        "(0728)6241234",
        "（0728）6241234",
        "027-8765-4321",
        "6241234",
        "624-1234",
        "6234 5678",
        "429005198001011234",
        "42900519800101123X",
        "429005 19800101 1234",
        "429005-1980-01-01-123X",
        "四二九零零五一九八零零一零一一二三四",
        "6222 0212 3456 7890 123",
        "wang.jianguo@example.org",
        "wang＠example.org",
    ],
)
def test_a_number_is_starred_however_it_is_written(written: str) -> None:
    assert masked_text(f"张某反映漏水，联系{written}，请处理") in (
        f"张某反映漏水，联系{STARS}，请处理",
        f"张某反映漏水，{STARS}，请处理",  # of a mail address nobody knows where it begins
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("王建国", "王建国"),
        ("王建国", "王 建 国"),
        ("王建国", "王·建国"),
        ("王建国", "王\u200b建国"),
        ("王 建国", "王建国"),
        ("王建国先生", "王建国"),
        ("王建国、李红", "李红"),
        ("Ada Lovelace", "ADA LOVELACE"),
        ("Ada Lovelace", "lovelace"),
        ("Ａｄａ Lovelace", "Ada Lovelace"),
        ("阿依古丽·买买提", "阿依古丽"),
        ("张三", "张三"),
    ],
)
def test_a_name_is_starred_however_it_is_spaced(name: str, written: str) -> None:
    assert masked_text(f"居民{written}反映漏水", names=[name]) == f"居民{STARS}反映漏水"


def test_an_own_number_or_address_is_starred_however_it_is_spaced() -> None:
    own = ["91234567", "东方路 8 号 3 单元"]
    assert masked_text("电话 9123-4567，东方路8号3单元漏水", own) == f"电话 {STARS}，{STARS}漏水"


@pytest.mark.parametrize(
    "plain",
    [
        "2026年11月22日8时起停水",
        "2026-11-22 起停水",
        "2024-2026年度物业费",
        "15、16、17、18、19、20号楼电梯停运",
        "三楼四户漏水，二〇二六年一月起",
        "东方路8号3单元路灯不亮",
        "拖欠工资35000元",
        "T-2026-000123 已反映",
        "面积120.5m²，Ⅲ类水",
    ],
)
def test_what_is_nobodys_number_stays(plain: str) -> None:
    assert masked_text(plain, names=["王", "Al"]) == plain


@settings(max_examples=60)
@given(st.text(max_size=200), st.lists(st.text(max_size=12), max_size=3))
def test_any_text_is_taken(text: str, names: list[str]) -> None:
    assert "13812345678" not in masked_text(f"{text},13812345678,{text}", names, names)
