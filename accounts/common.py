"""Passwords that everybody thinks of first: known words, runs of keys, dates, repetitions, however written.

Of the passwords that are known to everybody few have twelve characters, and those are put together from short
pieces. So the pieces are taken out of a password, and what is left over must be enough by itself.
"""

from __future__ import annotations

import re
from functools import cache

LEFT_OVER = 4
"""Different characters that must remain of a password when the well-known pieces are taken out."""

WORDS = tuple(
    """
    password passwort passwd pass admin administrator root guest user login welcome letmein secret master
    system manager default change changeme test temp demo hello love iloveyou princess dragon monkey shadow
    football baseball superman batman sunshine flower summer winter spring autumn monday friday sunday
    january february march april june july august september october november december
    china beijing shanghai qianjiang ganzhou hubei zhongguo government gov office data platform share
    shuxiang gongxiang shuju zhengwu zhengfu mima guanliyuan woaini woaiwojia aini nihao ceshi
    mimamima jintian mingtian baobao laopo laogong wode mingzi xiaoming zhangsan lisi
    computer internet windows google apple huawei xiaomi tencent alibaba weixin wechat taobao baidu
    company server network abc xyz the and new old one two three
    密码 管理员 系统 平台 政府 数据 共享 数享 政务 中国 北京 你好 测试 我爱你
    """.split()  # noqa: SIM905 - a list that people read and add to
)

_KEYS = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7",
    "qazwsxedcrfvtgbyhnujmik",
)
_SHORTEST_RUN = 3

_DATE = re.compile(r"(?:19|20)\d\d(?:[-/.年]?\d\d?[-/.月]?\d\d?日?)?|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d")
_REPEATED = re.compile(r"(.{1,4}?)\1{2,}|(.)\2+")
_WRITTEN_AS = str.maketrans("@430!1$57", "aaeoiisst")
"""Signs and digits that stand for letters, as everybody writes them."""


def is_common(password: str) -> bool:
    """Tell whether too little of a password is left when the well-known pieces are taken out of it."""
    undated = _DATE.sub(" ", password.casefold())
    return any(len(set(_rest(form))) < LEFT_OVER for form in (undated, undated.translate(_WRITTEN_AS)))


def _rest(text: str) -> str:
    for known in (_words(), _runs(), _REPEATED):
        text = known.sub(" ", text)
    return "".join(c for c in text if c.isalnum())


@cache
def _words() -> re.Pattern[str]:
    return re.compile("|".join(sorted(WORDS, key=len, reverse=True)))


@cache
def _runs() -> re.Pattern[str]:
    lines = [*_KEYS, *(line[::-1] for line in _KEYS)]
    pieces = {
        line[start : start + length]
        for line in lines
        for length in range(_SHORTEST_RUN, len(line) + 1)
        for start in range(len(line) - length + 1)
    }
    return re.compile("|".join(sorted(pieces, key=len, reverse=True)))
