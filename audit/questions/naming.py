"""Turning a person's field and value into the digest that the log knows, without keeping the value."""

from __future__ import annotations

import re

from audit.identifiers import names_person
from audit.log import record
from audit.questions.subject import subject_digest, subject_key
from audit.reading import QUERY
from core.errors import invalid
from core.work import Work

_NAME = re.compile(r"[A-Za-z_\u4e00-\u9fff][A-Za-z0-9_\u4e00-\u9fff-]{0,59}")
"""As the schemas of datasets and distributions have it."""


def name_subject(work: Work, name: str, value: str) -> str:
    """Return the digest of `value` under the field `name`; that somebody asked for it is on record.

    The digest stands for what was asked: the record does not hold the value, nor a name in Chinese, which
    could be somebody's. Raises Invalid for a name that no attribute or parameter can have.
    """
    if not _NAME.fullmatch(name) or names_person(name):
        raise invalid("/name", "应为信息项或参数的名称", "must be the name of an attribute or a parameter")
    digest = subject_digest(subject_key(work.settings.key("pseudonym.key")), name, value)
    said = {"name": name} if name.isascii() else {}
    record(work, QUERY, {"query": {"subject": digest, **said}, "rows": 0})
    return digest
