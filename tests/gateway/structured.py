"""A reader of lists of structured fields, written from RFC 9651 section 4.2 and from nothing of ours."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Member(NamedTuple):
    """One member of a list: a bare item and its parameters, in order."""

    value: Any
    parameters: dict[str, Any]


class Token(str):
    """A token, to be told from a string."""


class Reader:
    """Reads one header; every method leaves `at` behind what it read."""

    def __init__(self, text: str) -> None:
        text.encode("ascii")
        self.text, self.at = text.strip(" "), 0

    def take(self, pattern: str) -> str:
        found = re.compile(pattern).match(self.text, self.at)
        assert found, f"no {pattern} at {self.text[self.at : self.at + 20]!r}"
        self.at = found.end()
        return found[0]

    def ahead(self) -> str:
        return self.text[self.at : self.at + 1]

    def members(self) -> list[Member]:
        found = [Member(self.bare(), self.parameters())]
        while self.at < len(self.text):
            self.take(r"[ \t]*,[ \t]*(?=.)")
            found.append(Member(self.bare(), self.parameters()))
        return found

    def parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.ahead() == ";":
            self.take("; *")
            key = self.take(r"[a-z*][a-z0-9_\-.*]*")
            found[key] = self.bare() if self.ahead() == "=" and self.take("=") else True
        return found

    def bare(self) -> Any:
        match self.ahead():
            case '"':
                return re.sub(r"\\(.)", r"\1", self.take(r'"(?:[ !#-\[\]-~]|\\["\\])*"')[1:-1])
            case "%":
                raw = self.take(r'%"(?:[ !#$&-~]|%[0-9a-f]{2})*"')[2:-1]
                return bytes.fromhex(re.sub(r"%(..)|(.)", lambda m: m[1] or f"{ord(m[2]):02x}", raw)).decode()
            case ":":
                return base64.b64decode(self.take(r":[A-Za-z0-9+/=]*:")[1:-1], validate=True)
            case "@":
                return datetime.fromtimestamp(int(self.take(r"@-?[0-9]{1,15}(?!\.)")[1:]), UTC)
            case "?":
                return self.take(r"\?[01]") == "?1"
            case c if c.isdigit() or c == "-":
                return int(self.take(r"-?[0-9]{1,15}(?![.0-9])"))
        return Token(self.take(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*"))


def read_list(header: str) -> list[Member]:
    """Return the members of a list. Raises AssertionError for what is none."""
    return Reader(header).members()
