"""A form that wants a fresh proof of who sends it waits on a page of its own; nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode

from flask import current_app, g, request
from werkzeug.wrappers import Response

from core.work import Actor, Work
from web.auth import enter, is_fresh, renew_cookie, session_actor
from web.http import Route
from web.kit import Kit, kit

CONFIRMING = "shuxiang_confirming"
"""Where app.py puts how people prove once more who they are: `Confirming`; web knows no factor."""

OF_PROOF = "confirm_"
"""What the names of the fields begin with that prove, beside those of a form, who sends it."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A form that waits for a proof of who sends it: where it goes, and what was typed."""

    action: str
    fields: tuple[tuple[str, str], ...]
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Confirming:
    """How somebody signed in proves once more who they are."""

    ask: Callable[[Work, Carried], Any]
    """The page (`web.pages.Page`) that asks for the proof."""
    check: Callable[[Kit, Mapping[str, str]], str | None]
    """Check a proof in a transaction of its own; return the cookie of the session that goes on, or None."""


def ask_first(route: Route, render: Callable[[Any, Work], Response]) -> Response | None:
    """Return the page that asks who sends a form for a proof of who they are; None where there is one.

    The page holds all that was typed. A proof that came with the form is checked first, and only of somebody
    whom the route lets in; who left it empty may have proven it meanwhile, at an identity provider.
    """
    k, confirming = kit(), cast(Confirming, current_app.extensions[CONFIRMING])
    actor = _sender(k, route)
    proof = {name: value for name, value in request.form.items() if name.startswith(OF_PROOF) and value}
    if _confirmed(k, confirming, proof) if proof else is_fresh(actor, k.clock()):
        return None
    with k.database.read() as tx:
        work = k.work(tx, actor)
        return render(confirming.ask(work, _carried(wrong=bool(proof))), work)


def _sender(k: Kit, route: Route) -> Actor:
    with k.database.read() as tx:
        work = k.work(tx, session_actor(k, tx, k.clock()))
    g.reader = work.actor
    enter(work, route.who, step_up=False)
    return work.actor


def _confirmed(k: Kit, confirming: Confirming, proof: Mapping[str, str]) -> bool:
    cookie = confirming.check(k, proof)
    if cookie is not None:
        renew_cookie(cookie)
    return cookie is not None


def _carried(*, wrong: bool) -> Carried:
    typed = request.form.items(multi=True)
    fields = tuple((n, v) for n, v in typed if n != "csrf_token" and not n.startswith(OF_PROOF))
    query = urlencode(list(request.args.items(multi=True)))
    return Carried(quote(request.path) + (f"?{query}" if query else ""), fields, wrong)
