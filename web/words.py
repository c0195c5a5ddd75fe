"""Words, instants and names as a reader of pages sees them: in their language, in the platform's time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from flask import current_app, g, request, session
from markupsafe import Markup

from core.text import Text
from core.times import SHANGHAI, parse_instant
from web.kit import kit
from web.roles import ROLES

LANGUAGES = ("zh", "en")


def language() -> str:
    """Return the reader's language: ``?lang=``, else the one chosen before, else Chinese."""
    asked = request.args.get("lang")
    if asked in LANGUAGES and session.get("lang") != asked:
        session["lang"] = asked
    chosen = session.get("lang", "zh")
    return chosen if chosen in LANGUAGES else "zh"


def say(zh: str, en: str) -> str:
    """Return the words in the reader's language (templates call it `t`)."""
    return Text(zh, en).in_language(language())


def words(text: Text | Mapping[str, str] | str | None) -> str:
    """Return a label in the reader's language (templates call it `w`); a plain string serves for both."""
    if text is None or isinstance(text, str):
        return text or ""
    label = text if isinstance(text, Text) else Text(text["zh"], text["en"])
    return label.in_language(language())


def when(instant: datetime | str | None) -> Markup:
    """Return an instant in Shanghai time to the minute, such as 2026-02-13 23:59, as a ``time`` element."""
    return _time(instant, "%Y-%m-%d %H:%M")


def moment(instant: datetime | str | None) -> Markup:
    """Return an instant in Shanghai time to the second."""
    return _time(instant, "%Y-%m-%d %H:%M:%S")


def day(instant: datetime | str | None) -> Markup:
    """Return the day of an instant in Shanghai time."""
    return _time(instant, "%Y-%m-%d")


def _time(instant: datetime | str | None, form: str) -> Markup:
    if instant is None or instant == "":
        return Markup("—")
    at = (parse_instant(instant) if isinstance(instant, str) else instant).astimezone(SHANGHAI)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), at.strftime(form))


def department(id: str | None) -> str:
    """Return the name of a department; an unknown one shows its id."""
    known = kit().settings.departments.get(id or "")
    return words(known.name) if known else (id or "—")


def departments() -> list[tuple[str, str]]:
    """Return the departments as the options of a form: id and name."""
    return [(d.id, words(d.name)) for d in kit().settings.departments.values()]


def role_name(role: str) -> str:
    """Return what a role is called on screen."""
    return words(ROLES.get(role, role))


def _own_page(asked: str) -> str:
    """Return the address of the page that a form belongs to: the nearest one above that can be asked for."""
    adapter = current_app.create_url_adapter(request)
    while adapter is not None and asked and not adapter.test(asked, method="GET"):
        asked = asked.rpartition("/")[0]
    return asked or "/"


def here(**changes: str | None) -> str:
    """Return the address of this page with some query parameters changed; None takes one away.

    An answer to a form lies under an address that cannot be asked for again; its own page is meant then. What
    another site sent a browser back with is not repeated: the desk is meant.
    """
    if g.get("sent_back"):
        return f"/?{urlencode({name: value for name, value in changes.items() if value})}"
    asked = request.path
    if request.method not in ("GET", "HEAD"):
        asked = _own_page(asked.partition("/actions/")[0])
    path = quote(asked)  # a backslash would read as the start of another host
    query: dict[str, Any] = {**request.args.to_dict(), **changes}
    kept = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path
