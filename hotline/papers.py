"""Papers of a ticket: kept encrypted, name and content, for those who see the caller's own words."""

from __future__ import annotations

from collections.abc import Sequence

from cases.attachments import MOST_BYTES, add_attachment, attachments_of, read_attachment, sniffed
from cases.model import Attachment, roles_in
from core.errors import Conflict, NotPermitted
from core.work import Work
from hotline.callers import relation_to
from hotline.model import Held
from hotline.tickets import find_ticket
from rules.rulebook import Rulebook

EVIDENCE = "evidence"
"""What the papers of a ticket are."""
MOST_FILES = 5
"""Files that may come with a ticket."""

Sent = tuple[str, bytes]
"""A file that came with a ticket: its name and its content."""


def attach_paper(work: Work, ticket_id: str, *, name: str, content: bytes) -> Attachment:
    """Add a paper to an open ticket that one takes part in, sealed."""
    held = find_ticket(work, ticket_id)
    if not roles_in(held.case, work.actor):
        raise NotPermitted("只有办理人员可以添加附件", "only those who work on it add papers")
    if held.case.closed_at is not None:
        raise Conflict("工单已办结，不能再添加附件", "it is closed already", code="wrong_state")
    return add_attachment(
        work, held.case, type=EVIDENCE, sealed=False, name=name, content=content, personal=True
    )


def keep_sent(work: Work, held: Held, files: Sequence[Sent]) -> int:
    """Keep the files that came with a new ticket, as far as papers may be such; return how many were not."""
    fit = [f for f in files if len(f[1]) <= MOST_BYTES and sniffed(f[1]) is not None][:MOST_FILES]
    for name, content in fit:
        add_attachment(
            work, held.case, type=EVIDENCE, sealed=False, name=name, content=content, personal=True
        )
    return len(files) - len(fit)


def papers_of(work: Work, held: Held) -> tuple[Attachment, ...]:
    """Return the papers of a ticket, the oldest first, to those who may read them."""
    return attachments_of(work, held.case) if may_read_papers(work, held) else ()


def read_paper(work: Work, ticket_id: str, attachment_id: str) -> tuple[Attachment, bytes]:
    """Return a paper of a ticket and its content. Raises NotPermitted for whoever may not read it."""
    held = find_ticket(work, ticket_id)
    if not may_read_papers(work, held):
        raise NotPermitted("附件只提供给办理人员", "papers are for those who work on the ticket")
    return read_attachment(work, held.case, attachment_id)


def may_read_papers(work: Work, held: Held) -> bool:
    """Tell whether the actor takes part in a ticket and sees the caller's own words."""
    relation = relation_to(work, held)
    if relation == "accused" or not roles_in(held.case, work.actor):
        return False
    book: Rulebook = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    view = book.views["ticket"].get(relation)
    return view is not None and "description" not in view.hide
