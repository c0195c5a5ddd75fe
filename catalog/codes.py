"""Dataset codes: the category code that people choose, and a sequence number that the platform gives out."""

from __future__ import annotations

import re

from cases.store import next_in_sequence
from core.codes import code_in
from core.errors import NotFound, invalid
from core.patterns import matches_whole
from core.work import Work

_IN_URL = re.compile(r"[0-9]{1,16}-[0-9]{1,8}")


def next_code(work: Work, category_code: str) -> str:
    """Return a code that no dataset has or had, such as ``307001/000001``.

    Raises Invalid when the category code is not of the form that this deployment uses.
    """
    pattern = work.settings.platform.code_pattern
    if not matches_whole(pattern, category_code):
        raise invalid(
            "/category_code",
            f"分类码“{category_code}”不符合本平台的编码规则（{pattern}）",
            f"{category_code!r} is not a category code of this platform ({pattern})",
            code="pattern",
        )
    return f"{category_code}/{next_in_sequence(work.tx, category_code):06d}"


def from_url(text: str) -> str:
    """Return the code that an address names. Raises NotFound for anything that is not one."""
    if not _IN_URL.fullmatch(text):
        raise no_such_dataset()
    return code_in(text)


def no_such_dataset() -> NotFound:
    """Return the one answer for a dataset that is absent or not for the asker to know of."""
    return NotFound("没有这个代码的数据集", "no such dataset")
