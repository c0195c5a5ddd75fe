"""What a notice is: as its poster writes it, as a reader finds it, as it is sent on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from core.text import Text

_KEY, _ABOUT, _LINK, _CITE = 120, 36, 500, 300
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
"""Printable, and nothing that a browser takes for another host: no second slash, no backslash."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice to one department, or to those in it who hold `role`; it holds nothing personal.

    `key` makes it exist once, however often it is posted. `link` is the path of the page that it is about.
    Raises ValueError when a part is not what it should be, which is a fault of the poster's.
    """

    key: str
    about: str
    """The id of the case, or nothing."""
    link: str
    department: str
    role: str
    """Nothing for everybody in the department."""
    kind: str
    subject: Text
    body: Text
    due: datetime | None = None
    cite: str | None = None
    """The article that sets the due instant, as a rulebook prints it."""
    not_before: datetime | None = None
    """Until then it goes out over no channel; the inbox has it at once."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= _KEY or len(self.about) > _ABOUT or len(self.cite or "") > _CITE:
            raise ValueError(f"a part of the notice {self.key!r} is too long or missing")
        if not _PATH.fullmatch(self.link) or len(self.link) > _LINK:
            raise ValueError(f"{self.link!r} is not the path of a page")
        if not _KIND.fullmatch(self.kind):
            raise ValueError(f"{self.kind!r} is not a kind of notice")


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that was posted."""

    id: str
    posted_at: datetime
    about: str
    link: str
    department: str
    role: str
    kind: str
    subject: Text
    body: Text
    due: datetime | None
    cite: str | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose inbox it is: a person, with department and roles as they are now."""

    login: str
    department: str
    roles: frozenset[str]


EMAIL, WEBHOOK = "email", "webhook"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way over one channel; `target` is an e-mail address, nothing for a webhook."""

    id: str
    notice: Notice
    channel: str
    target: str
    attempts: int
    """How often it was tried before."""
    attempt_id: str
    """Whose claim it is: nobody else may begin or settle it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try."""

    result: str
    """`SENT`, `RETRY`, `FAILED` for good, or `UNCERTAIN`: it may have gone out."""
    reason: str = ""
    """A word of ours such as ``timeout`` or ``http_503``, never the other side's text."""
    down: bool = False
    """Whether the next one to the same place would fare no better just now."""
    after_seconds: float = 0.0
    """How long the other side asks us to wait at least."""


SENT, RETRY, FAILED, UNCERTAIN = "sent", "retry", "failed", "uncertain"
