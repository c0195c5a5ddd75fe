"""What may be asked for by name: codes and identifiers, never a person.

What an auditor asks goes on record as it was typed, so whatever could be somebody's name, telephone or
identity number is refused before it is used.
"""

from __future__ import annotations

import re
from typing import Final

from audit.questions.subject import DIGEST_CHARS
from core.text import Text

MOST = 200
"""Characters of one condition; what was asked goes on record."""
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FORMS = {
    "dataset": re.compile(r"[0-9]{1,16}[/-][0-9]{1,8}"),
    "operation": re.compile(r"[A-Za-z][A-Za-z0-9 ._/~{}-]*"),
    "subject": re.compile(rf"[0-9a-f]{{{DIGEST_CHARS}}}(,[0-9a-f]{{{DIGEST_CHARS}}})*"),
}
_PERSONAL = re.compile(r"(?<![0-9A-Za-z])(1[3-9][0-9]{9}|[0-9]{15}|[0-9]{17}[0-9Xx])(?![0-9A-Za-z])")
"""Mobile telephone numbers, and identity numbers of 15 and 18 characters (GB 11643)."""

LONG: Final = Text(f"最多 {MOST} 个字符", f"may have {MOST} characters at most")
SUBJECT: Final = Text(
    f"应为 {DIGEST_CHARS} 位十六进制摘要", f"must be a digest of {DIGEST_CHARS} hexadecimal digits"
)
FORM: Final = Text(
    "应为代码或编号（字母、数字和 . _ -）", "must be a code or number: letters, digits and . _ -"
)
PERSONAL: Final = Text("不得填写证件号码或手机号码", "must not be somebody's identity or telephone number")


def wrong_in(name: str, text: str) -> Text | None:
    """Return why `text` cannot be what the column `name` is asked for; None when it can."""
    if len(text) > MOST:
        return LONG
    if name not in ("dataset", "subject") and names_person(text):
        return PERSONAL
    if not _FORMS.get(name, _CODE).fullmatch(text):
        return SUBJECT if name == "subject" else FORM
    return None


def names_person(text: str) -> bool:
    """Tell whether a text holds what looks like an identity or telephone number."""
    return _PERSONAL.search(text) is not None
