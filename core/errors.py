"""Refusals, named in the caller's terms; `web/problems.py` alone knows their HTTP status.

Refusal
  Invalid           what was handed in breaks a rule; one FieldError per field
  Unauthenticated   nobody is signed in, or the credentials are wrong
  NotPermitted      signed in, but not allowed to do this
  NotFound          no such object, or none that the caller may know of
  Gone              it was there and was deleted as the rules want it; the basis is told
  Conflict          the object's state does not allow it, or somebody else changed it meanwhile
  TooLarge          the body exceeds the bound that is stated
  TooMany           too many attempts; try again after `retry_after` seconds
  Unavailable       a part that must work does not; nothing was done

ConfigError         a static file is wrong; raised at start only
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.text import Text


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON pointer (RFC 6901) into what the caller sent, and why, for the caller."""

    pointer: str
    message: Text
    code: str = "invalid"


class Refusal(Exception):
    """Why something was not done: a sentence in both languages and a stable machine-readable code."""

    code = "refused"
    title = Text("请求被拒绝", "Request refused")

    def __init__(self, zh: str, en: str, *, code: str | None = None, cite: str | None = None) -> None:
        """`cite` names the article that demands the refusal, as a rulebook citation prints it."""
        super().__init__(en)
        self.message = Text(zh, en)
        self.code = code or type(self).code
        self.cite = cite


class Invalid(Refusal):
    """The input breaks its schema or a rule; `errors` holds one entry per wrong field."""

    code = "invalid"
    title = Text("提交的内容有误", "The request is not valid")

    def __init__(self, errors: Iterable[FieldError], *, cite: str | None = None) -> None:
        self.errors = tuple(errors)
        first = self.errors[0].message if self.errors else self.title
        super().__init__(first.zh, first.en, cite=cite)


def invalid(pointer: str, zh: str, en: str, *, code: str = "invalid", cite: str | None = None) -> Invalid:
    """Return the refusal of one field."""
    return Invalid([FieldError(pointer, Text(zh, en), code)], cite=cite)


def no_cursor() -> Invalid:
    """Return the refusal of a cursor that is none of the list which it was sent to."""
    return invalid("/cursor", "游标无效，请从第一页开始", "not a cursor of this list; start over")


class Unauthenticated(Refusal):
    """Nobody is signed in, or the credentials are wrong."""

    code = "unauthenticated"
    title = Text("需要登录", "Sign-in required")


class NotPermitted(Refusal):
    """The actor is known and may not do this."""

    code = "not_permitted"
    title = Text("没有权限", "Not permitted")


class NotFound(Refusal):
    """No such object, or none that the caller may know of (the two are told apart for nobody)."""

    code = "not_found"
    title = Text("没有找到", "Not found")


class Gone(Refusal):
    """It was there and was deleted by rule or decision; the message tells on what basis."""

    code = "gone"
    title = Text("已依规定删除", "Deleted as the rules want it")


class Conflict(Refusal):
    """The state of the object does not allow the action, or it changed since the caller read it."""

    code = "conflict"
    title = Text("与当前状态冲突", "Conflict with the current state")


class TooLarge(Refusal):
    """The body is larger than the stated bound."""

    code = "too_large"
    title = Text("内容过大", "Content too large")


class TooMany(Refusal):
    """Too many attempts; the same request may be tried again after `retry_after` seconds."""

    code = "too_many"
    title = Text("请求过于频繁", "Too many requests")

    def __init__(self, zh: str, en: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(zh, en, code=code)
        self.retry_after = retry_after


class Unavailable(Refusal):
    """A part that must work does not, so nothing was done."""

    code = "unavailable"
    title = Text("服务暂不可用", "Service unavailable")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a static file: the file, the JSON pointer inside it, and the reason."""

    file: str
    pointer: str
    message: Text

    def __str__(self) -> str:
        return (
            f"{self.file}{'#' + self.pointer if self.pointer else ''}: {self.message.zh} / {self.message.en}"
        )


class ConfigError(Exception):
    """Static files that the platform refuses to start with; `findings` names each fault."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(f) for f in self.findings))
