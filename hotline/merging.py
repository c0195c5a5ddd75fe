"""Two tickets about one matter: joined before the first is answered, told apart from it after."""

from __future__ import annotations

from core.errors import Conflict, invalid
from core.text import Text
from core.work import Work
from hotline import store
from hotline.model import WORKFLOW, Held
from rules.rulebook import Rulebook

_AFTER = {
    "explain": Text(
        "请向来电人说明答复情况，不另行登记", "explain the answer to the caller and register nothing"
    ),
    "refuse": Text("无新事实的不予受理", "without new facts it is refused"),
    "uniform_answer": Text("由热线机构统一答复", "the office gives the one answer"),
}
"""What becomes of a matter that was answered already, by what the rulebook says."""
_NEW_FACTS = Text("；有新事实的作为新工单办理", "; with new facts it is a ticket of its own")


def is_answered(held: Held) -> bool:
    """Tell whether a unit has answered a ticket, or it is closed: nothing joins it any more."""
    return held.ticket.fed_back_at is not None or held.ticket.closed_at is not None


def after_reply(book: Rulebook) -> Text:
    """Return what the rulebook wants of a matter that was answered already."""
    said = book.policy("merge.after_reply").value
    words = _AFTER.get(said, Text("该事项已答复", "the matter is answered"))
    return Text(words.zh + _NEW_FACTS.zh, words.en + _NEW_FACTS.en)


_UNANSWERED = frozenset({"withdraw", "refuse", "hand_off"})
"""What ends a ticket without an answer, as the rulebook's steps name it."""


def _ended_unanswered(book: Rulebook, target: Held) -> bool:
    steps = book.workflow(WORKFLOW).transitions
    ended = any(t.does in _UNANSWERED and t.target == target.ticket.state for t in steps)
    return ended and target.ticket.fed_back_at is None


def check_merging(work: Work, book: Rulebook, held: Held, target: Held | None) -> None:
    """Raise Invalid or Conflict unless a ticket may join the other one.

    It joins another ticket that is open and not answered yet; where the rulebook says so, one of the same
    caller.
    """
    if target is None:
        return
    if target.ticket.id == held.ticket.id or target.ticket.merged_into is not None:
        raise invalid(
            "/into",
            "不能并入自身或已被并案的工单",
            "must be another ticket, and one that is not merged itself",
            code="merged",
        )
    if _ended_unanswered(book, target):
        raise Conflict(
            "该工单未经答复已了结（撤单、不予受理或已转紧急热线），不能并入；请单独办理本工单",
            "that ticket ended without an answer: withdrawn, refused or handed on; handle this one by itself",
            code="ended_unanswered",
        )
    if is_answered(target):
        policy = book.policy("merge.after_reply")
        words = after_reply(book)
        raise Conflict(words.zh, words.en, code="answered", cite=str(policy.cite))
    same = book.policy("merge.same_caller")
    if same.value and not _same_caller(work, held, target):
        raise Conflict(
            "只有同一来电人的同一事项才能并案",
            "only tickets of the same caller are joined",
            code="other_caller",
            cite=str(same.cite),
        )


def _same_caller(work: Work, held: Held, target: Held) -> bool:
    mine, theirs = store.caller(work.tx, held.ticket.id), store.caller(work.tx, target.ticket.id)
    if mine is None or theirs is None or mine.phone_index is None:
        return False
    return mine.phone_index == theirs.phone_index


def merge(work: Work, held: Held, target: Held) -> None:
    """Note that a ticket goes on in another one, and that all reports of the two matters are of one."""
    store.update_ticket(work.tx, held.ticket.id, merged_into=target.ticket.id)
    store.join_matters(work.tx, held.ticket.matter_id, target.ticket.matter_id)
