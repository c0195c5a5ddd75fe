"""Takes out of a question what may name a person, before the question is kept. Pure.

What callers say comes in free words, so this guesses, and where it cannot tell it takes out too much rather
than too little: numbers of six and more digits, addresses of e-mail, words in which a surname stands where a
name would stand, and whatever the operator says must not be kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

HIDDEN = "*"
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)
_NUMBER = re.compile(r"\+?\d(?:[\s()\-\u2013\u2014.]?[\dxX]){5,}")
_MIXED = re.compile(r"(?=[a-z]*\d)[a-z0-9]{6,}", re.IGNORECASE)
"""Licence plates, accounts, passports: letters and digits together."""
_SPELT = re.compile(r"[\u96f6\u3007\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5e7a\u4e24]{6,}")
"""Numbers spelt out, digit by digit."""

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
    "庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢骆岳齐沿梅庄辛管祝左涂谷祁时舒耿牟卜"
)
_DOUBLE = ("欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "司徒")
_COMMON = (
    "王李张刘陈杨赵黄周吴徐孙胡朱何郭罗梁宋郑谢韩唐冯董曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛阎潘杜戴姜谭邹崔邱"
)
_NO_NAMES = (
    "何时",
    "何地",
    "何处",
    "何种",
    "何为",
    "许可",
    "黄金",
    "周边",
    "周末",
    "周期",
    "张贴",
    "陈列",
    "谢谢",
    "曾经",
)

_SURNAME = f"(?:{'|'.join(_DOUBLE)}|[{_SURNAMES}])"
_HAN = "[\u4e00-\u9fff]"
_TITLED = re.compile(
    f"{_SURNAME}{_HAN}{{0,2}}?(?=先生|女士|小姐|同志|师傅|老师|大爷|大妈|大叔|阿姨|医生|律师|主任|科长|局长|经理|某)"
)
_CALLED = re.compile(
    f"(?:(?<=我叫)|(?<=名叫)|(?<=姓名)|(?<=姓名是)|(?<=我是)|(?<=本人)|(?<=名字是)|(?<=名字叫)|(?<=叫做)){_SURNAME}{_HAN}{{1,2}}"
)
_ACTING = re.compile(
    f"(?<!{_HAN})(?!{'|'.join(_NO_NAMES)})(?:{'|'.join(_DOUBLE)}|[{_COMMON}]){_HAN}{{1,2}}?"
    "(?=的|说|想|要|问|反映|投诉|来电|举报|家|在|去|向|和|与|本人|身份证|电话|手机)"
)
_ALONE = re.compile(
    f"(?<!{_HAN})(?!{'|'.join(_NO_NAMES)})(?:(?:{'|'.join(_DOUBLE)}){_HAN}{{1,2}}|[{_COMMON}]{_HAN}{{1,2}})(?!{_HAN})"
)


def masked(text: str, also: Iterable[str] = ()) -> str:
    """Return a text with stars for what may name a person, and for the words in `also`."""
    plain = unicodedata.normalize("NFKC", text)
    for word in sorted((unicodedata.normalize("NFKC", w).strip() for w in also), key=len, reverse=True):
        if word:
            plain = re.sub(re.escape(word), HIDDEN, plain, flags=re.IGNORECASE)
    for pattern in (_EMAIL, _NUMBER, _MIXED, _SPELT, _TITLED, _CALLED, _ACTING, _ALONE):
        plain = pattern.sub(HIDDEN, plain)
    return re.sub(r"\s+", " ", re.sub(r"\*+", HIDDEN, plain)).strip()
