"""Made-up callers and what they call about: no person, number or house of them exists."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_SURNAMES = "王李张刘陈杨黄赵周吴徐孙朱马胡郭林何高梁郑罗宋谢唐韩曹许邓萧冯曾程蔡彭潘袁于董余苏叶吕魏蒋田杜"
_GIVEN = ("建国", "秀英", "志强", "桂兰", "海燕", "文斌", "丽华", "国庆", "春梅", "晓东", "玉珍", "振华")
_GIVEN += ("雪梅", "永福", "佳怡", "浩然", "子涵", "思远", "雨桐", "德明", "红霞", "家俊", "梦琪", "立新")
_ROADS = ("章华中路", "东方路", "潜阳中路", "江汉路", "马昌湖路", "南门河路", "殷台路", "建设路", "紫月路")
_TROUBLES: Sequence[tuple[str, str]] = (
    ("street_lights", "路灯不亮，夜间出行不便"),
    ("roads", "路面塌陷，车辆颠簸"),
    ("waste", "垃圾多日无人清运，气味难闻"),
    ("street_trade", "流动摊贩占道经营，堵塞通行"),
    ("water", "自来水浑浊，水压不足"),
    ("power", "频繁停电，影响生活"),
    ("gas", "燃气报修后无人上门"),
    ("housing", "小区电梯长期故障，物业不处理"),
    ("transport", "公交车班次减少，等候时间过长"),
    ("environment", "工地夜间施工噪声扰民"),
)
_WHERE = ("门口", "路口", "北侧", "南侧", "对面", "附近", "小区内", "公交站旁")


def somebody(random: Random) -> dict[str, str]:
    """Return a caller: name, mobile number, address."""
    name = random.choice(_SURNAMES) + random.choice(_GIVEN)
    house = f"{random.choice(_ROADS)}{random.randint(1, 400)}号{random.randint(1, 9)}栋"
    room = f"{random.randint(101, 2604)}室"
    return {"name": name, "phone": f"199{random.randint(0, 99_999_999):08d}", "address": house + room}


def something(random: Random, categories: frozenset[str]) -> tuple[str, str]:
    """Return a topic that the rulebook knows and a summary of what is wrong where."""
    topic, trouble = random.choice([t for t in _TROUBLES if t[0] in categories] or [("", _TROUBLES[0][1])])
    return topic, f"{random.choice(_ROADS)}{random.randint(1, 400)}号{random.choice(_WHERE)}{trouble}"
