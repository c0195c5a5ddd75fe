"""The citizen's pages: hand in a request, follow it by number and query code, rate how it was dealt with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import current_app, request

from cases.attachments import MOST_BYTES
from core.errors import FieldError, Refusal, TooMany, invalid
from core.text import Text
from core.work import Work
from hotline.book import coded, hotline_book
from hotline.citizen.present import progress_view
from hotline.citizen.submitting import Submitted, channels, read_request, submit
from hotline.desk.forms import required
from hotline.open311.bounds import Bound
from hotline.papers import MOST_FILES, Sent
from hotline.progress import Progress, count_guess, progress_of, rate_by_citizen, wrong_code
from web.auth import PUBLIC
from web.kit import Kit, before_answering
from web.pages import Data, Page, Pages, Seen
from web.problems import problem, status_of

pages = Pages("citizen")

BOUND = "shuxiang_citizen_tickets"
"""Where the application keeps how often each address handed something in."""
HOUR = timedelta(hours=1)
TRAP = "website"
"""A field that people do not see and programs fill in."""


def _address() -> str:
    return request.remote_addr or ""


# --- handing in -------------------------------------------------------------------------------------


@pages.show("/hotline/submit", who=PUBLIC, summary=Text("提交诉求", "Hand in a request"))
def request_form(work: Work, seen: Seen) -> Page:
    """Show the form of a request, empty or as it was typed."""
    book = hotline_book(work)
    context = {
        "seen": seen,
        "channels": channels(work),
        "categories": coded(book, "categories"),
        "places": work.settings.hotline.places,
        "required": required(book),
        "takes_nameless": book.policy("intake.fields").value["anonymous"] != "refused",
        "emergency": coded(book, "scope.emergency"),
        "most_files": MOST_FILES,
        "trap": TRAP,
    }
    return Page("hotline/submit.html", context)


def _within_bounds(kit: Kit, form: Mapping[str, str]) -> None:
    """Count a request of this address before anything is done for it. Raises TooMany."""
    bound: Bound = current_app.extensions.setdefault(BOUND, Bound(kit.settings.hotline.citizen_tickets, HOUR))
    wait = bound.count(_address(), kit.clock())
    if wait:
        raise TooMany(
            "本网络地址提交过于频繁，请稍后再试或拨打 12345",
            "too many requests from this address; try later or call 12345",
            retry_after=wait,
        )


@pages.form(
    "/hotline/submit",
    who=PUBLIC,
    summary=Text("提交诉求", "Hand in a request"),
    again=request_form,
    ahead=_within_bounds,
)
def hand_in(work: Work, seen: Seen) -> Page:
    """Take a request in; show its number and query code, this once."""
    if seen.form.get(TRAP):
        raise invalid("", "提交未被接受", "this was not accepted")
    draft = read_request(seen.form.to_dict(), channels(work))
    made: Submitted = submit(work, draft, _files(seen), _address())
    return Page("hotline/submitted.html", {"made": made})


def _files(seen: Seen) -> list[Sent]:
    sent = [f for f in seen.files.getlist("files") if f.filename][: MOST_FILES + 1]
    if len(sent) > MOST_FILES:
        raise invalid("/files", f"最多 {MOST_FILES} 个文件", f"at most {MOST_FILES} files", code="range")
    return [(str(f.filename), f.stream.read(MOST_BYTES + 1)) for f in sent]


# --- following --------------------------------------------------------------------------------------


@pages.show("/hotline/progress", who=PUBLIC, summary=Text("查询进度", "Follow a request"))
def progress(work: Work, seen: Seen) -> Page | Data:
    """Show how far a ticket is; without number and code, the form that asks for them.

    A program that accepts JSON gets what ``GET /api/hotline/progress`` answers.
    """
    if _wants_json():
        return _as_json(work, seen)
    number, code = seen.query.get("number", ""), seen.query.get("code", "")
    hotline_book(work)
    if not code or seen.errors:
        return _asking(seen, number)
    found = progress_of(work, number, code, _address())
    if found is not None:
        return _shown(found, code)
    before_answering(work, lambda own: count_guess(own, number, _address()))
    return _wrong(seen, number)


def _wants_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _as_json(work: Work, seen: Seen) -> Data:
    number, code = seen.query.get("number", ""), seen.query.get("code", "")
    try:
        found = progress_of(work, number, code, _address())
    except Refusal as refused:
        wait = {"Retry-After": str(refused.retry_after)} if isinstance(refused, TooMany) else {}
        return Data(problem(refused), status_of(refused), wait)
    if found is not None:
        return Data(progress_view(found))
    before_answering(work, lambda own: count_guess(own, number, _address()))
    return Data(problem(wrong_code()), status_of(wrong_code()))


@pages.form("/hotline/progress", who=PUBLIC, summary=Text("查询进度", "Follow a request"), again=progress)
def ask_for_progress(work: Work, seen: Seen) -> Page:
    """Show how far a ticket is; number and code stay out of the address."""
    number, code = seen.form.get("number", ""), seen.form.get("code", "")
    found = progress_of(work, number, code, _address())
    if found is not None:
        return _shown(found, code)
    count_guess(work, number, _address())
    return _wrong(seen, number)


@pages.form(
    "/hotline/progress/actions/rating",
    who=PUBLIC,
    summary=Text("评价办理结果", "Rate the result"),
    again=progress,
)
def rate(work: Work, seen: Seen) -> Page:
    """Take the citizen's rating of the latest handling."""
    number, code = seen.form.get("number", ""), seen.form.get("code", "")
    chosen = seen.form.get("satisfaction", "")
    if chosen:
        found = rate_by_citizen(work, number, code, chosen, seen.form.get("note", ""), _address())
    else:
        found = progress_of(work, number, code, _address())
    if found is None:
        count_guess(work, number, _address())
        return _wrong(seen, number)
    return _shown(found, code, rated=bool(chosen), unrated=not chosen)


def _shown(found: Progress, code: str, *, rated: bool = False, unrated: bool = False) -> Page:
    """Show how far a ticket is; its code goes along with the form of the rating alone."""
    context: dict[str, Any] = {"p": found, "code": code, "rated": rated, "unrated": unrated}
    return Page("hotline/progress.html", context, 422 if unrated else 200)


def _asking(seen: Seen, number: str) -> Page:
    return Page("hotline/progress_ask.html", {"seen": seen, "number": number})


def _wrong(seen: Seen, number: str) -> Page:
    """Show the form again; the refusal is not raised, for what counts the guess must not be rolled back."""
    wrong = FieldError("/code", wrong_code().message, wrong_code().code)
    return replace(_asking(replace(seen, errors=(wrong,)), number), status=404)
