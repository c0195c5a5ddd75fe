"""Which key files there are, what each is for, and whether and how it is renewed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.settings import Settings
from core.text import Text

SESSION_KEY, TOKEN_KEY, PSEUDONYM_KEY, INDEX_KEY = (
    "session.key",
    "token.key",
    "pseudonym.key",
    "phone-index.key",
)
PERSONAL = re.compile(r"personal-([1-9][0-9]{0,8})\.key")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is told of a key: its use, and who renews it."""

    use: Text
    kept: int | None
    """How many of the older keys go on being believed; None: it is not renewed by `shuxiang keys renew`."""
    may_be_lost: bool = False
    """Whether nothing that is kept depends on it."""


KEYS = {
    SESSION_KEY: Kind(Text("表单令牌和登录页的 Cookie", "form tokens, cookies of the sign-in page"), 1, True),
    TOKEN_KEY: Kind(Text("访问令牌的校验位", "the check part of access tokens"), 1, True),
    INDEX_KEY: Kind(Text("来电号码索引、查询码", "the index of callers' numbers, query codes"), 30),
    PSEUDONYM_KEY: Kind(Text("日志中的假名", "pseudonyms in the log"), None),
}
"""The files of random bytes. Another pseudonym key would cut what the log says of a person in two."""
ON_GATEWAYS = (TOKEN_KEY, PSEUDONYM_KEY)
"""Those that a host of the data plane alone has as well, and no others."""
PERSONAL_KIND = Kind(Text("加密个人信息", "what personal data are sealed with"), None)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file that lies there."""

    name: str
    kind: Kind


def files_of(settings: Settings) -> Iterator[KeyFile]:
    """Yield the key files of random bytes, those that seal last and in their order."""
    for name, kind in KEYS.items():
        if settings.key_file(name).is_file():
            yield KeyFile(name, kind)
    numbers = (PERSONAL.fullmatch(path.name) for path in settings.key_file("").glob("personal-*.key"))
    for number in sorted(int(found[1]) for found in numbers if found is not None):
        yield KeyFile(f"personal-{number}.key", PERSONAL_KIND)
