"""Words of tickets: what is indexed of them and what a question asks for."""

from __future__ import annotations

from catalog.search.tokens import Term, loosened, terms, tokens
from core.work import Work
from hotline.model import Ticket
from hotline.search import store as index

LONGEST = 200
"""Characters of a question."""


def index_ticket(work: Work, ticket: Ticket) -> None:
    """Make a new ticket findable by its number and the words of its summary, which names nobody."""
    index.insert_document(work.tx, ticket.id, tokens(f"{ticket.number} {ticket.summary}"))


def asked(question: str) -> tuple[Term, ...]:
    """Return what a question asks for; all of it must be found."""
    return terms(question)


def alike(summary: str) -> tuple[Term, ...]:
    """Return what a summary that says the same would have some of."""
    return tuple(t for t in loosened(terms(summary)) if not t.prefix)


def pairs(text: str) -> frozenset[str]:
    """Return the tokens of a text as a set, by which two texts are compared."""
    return frozenset(tokens(text))
