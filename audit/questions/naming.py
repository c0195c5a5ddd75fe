"""Turning a person's field and value into the digest that the log knows, without keeping the value."""

from __future__ import annotations

from audit.log import record
from audit.questions.subject import subject_digest, subject_key
from audit.reading import QUERY
from core.work import Work


def name_subject(work: Work, name: str, value: str) -> str:
    """Return the digest of `value` under the field `name`; that somebody asked for it is on record.

    The digest stands for what was asked: the record does not hold the value.
    """
    digest = subject_digest(subject_key(work.settings.key("pseudonym.key")), name, value)
    record(work, QUERY, {"query": {"subject": digest, "name": name}, "rows": 0})
    return digest
