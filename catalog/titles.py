"""What datasets and the choices of their forms are called on screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from catalog import store
from catalog.model import KINDS, LEVELS, SHARE_CLASSES
from core.text import Text, text_of
from core.work import Work

CATEGORIES = {
    "base": Text("基础信息资源", "base data"),
    "theme": Text("主题信息资源", "theme data"),
    "department": Text("部门信息资源", "department data"),
}
UPDATE_LIMITS = {
    "realtime": Text("实时", "real time"),
    "daily": Text("每日", "daily"),
    "weekly": Text("每周", "weekly"),
    "ten_days": Text("每旬", "every ten days"),
    "monthly": Text("每月", "monthly"),
    "quarterly": Text("每季度", "quarterly"),
    "half_yearly": Text("每半年", "half-yearly"),
    "yearly": Text("每年", "yearly"),
    "irregular": Text("不定期", "irregular"),
}
FORMATS = {
    "database": Text("数据库", "database"),
    "service": Text("服务接口", "service"),
    "spreadsheet": Text("电子表格", "spreadsheet"),
    "document": Text("电子文件", "document"),
    "graphics": Text("图形图像", "graphics"),
    "media": Text("流媒体", "media"),
    "self_describing": Text("自描述格式", "self-describing"),
}
METHODS = {
    "platform": Text("共享平台", "sharing platform"),
    "mail": Text("邮件", "mail"),
    "media": Text("拷贝或介质", "copy or medium"),
}
OPEN_CLASSES = {
    "open": Text("无条件开放", "open"),
    "conditional": Text("有条件开放", "open on conditions"),
    "closed": Text("不予开放", "closed"),
}
TYPES = {
    "string": Text("字符型", "string"),
    "number": Text("数值型", "number"),
    "integer": Text("整型", "integer"),
    "boolean": Text("逻辑型", "boolean"),
    "date": Text("日期型", "date"),
    "datetime": Text("日期时间型", "date and time"),
    "currency": Text("货币型", "currency"),
    "text": Text("备注型", "long text"),
    "object": Text("通用型", "object"),
}
CHECKS = {
    "resident_id": Text("公民身份号码", "resident ID"),
    "uscc": Text("统一社会信用代码", "unified social credit code"),
}
SENSITIVITIES = {
    "public": Text("可公开", "public"),
    "internal": Text("内部", "internal"),
    "personal": Text("个人信息", "personal"),
    "sensitive_personal": Text("敏感个人信息", "sensitive personal"),
}
FACETS = {
    "provider": Text("提供部门", "Provider"),
    "share_class": Text("共享类型", "Share class"),
    "kind": Text("资源类型", "Kind"),
    "theme": Text("主题", "Theme"),
}


def titles_of(work: Work, codes: Collection[str]) -> dict[str, str]:
    """Return the titles of the datasets with these codes, for pages about cases that name them."""
    return store.titles(work.tx, codes)


Choices = Mapping[str, Mapping[str, Text]]


def choices(work: Work) -> Choices:
    """Return every choice of the catalog's forms with its title; empty where the rulebook lists nothing."""
    book = work.rulebooks.current("sharing")
    registers = book.policy("catalog.base_registers").value
    themes = book.policy("catalog.themes").value or {}
    counts = book.policy("catalog.no_share_basis").value["levels"]
    flow = book.workflow("dataset")
    return {
        "share_class": SHARE_CLASSES,
        "kind": KINDS,
        "category": CATEGORIES,
        "update_limit": UPDATE_LIMITS,
        "format": FORMATS,
        "share_method": METHODS,
        "open_class": OPEN_CLASSES,
        "level": LEVELS,
        "basis_level": {name: title for name, title in LEVELS.items() if counts is None or name in counts},
        "type": TYPES,
        "sensitivity": SENSITIVITIES,
        "check": CHECKS,
        "facet": FACETS,
        "register": {t["zh"]: text_of(t) for t in (registers["names"] if registers else {}).values()},
        "theme": {t["zh"]: text_of(t) for t in themes.values()},
        "provider": {d.id: d.name for d in work.settings.departments.values() if "provider" in d.roles},
        "state": {name: state.title for name, state in flow.states.items()},
    }
