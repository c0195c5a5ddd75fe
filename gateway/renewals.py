"""How a grant goes on: by a new application that names it; itself it stays as it is (GZ art. 5(二))."""

from __future__ import annotations

from typing import NamedTuple

from cases.model import roles_in
from cases.timing import book_of
from core.errors import invalid
from core.work import Work
from gateway import store
from gateway.grants import Held, grant_state
from gateway.model import Grant
from rules.citation import Citation


class Renewal(NamedTuple):
    """Whether the actor may apply to go on with a grant, and the provision that says how."""

    allowed: bool
    cite: Citation


class Lineage(NamedTuple):
    """What a grant continues, and the applications that are to continue it."""

    renews: Grant | None
    renewed_by: tuple[store.Successor, ...]


def renewal_of(work: Work, held: Held) -> Renewal:
    """Return whether the actor may apply to go on with a grant: its consumer may, where it has an end.

    A grant that nobody ends needs no renewal; one that was suspended or taken back has none, nor has one on a
    dataset that is off line or withdrawn.
    """
    book, flow = book_of(work, held.case)
    leaf = book.policy("grant.renewal")
    state = grant_state(work, held.case)
    over = {step.target for step in flow.transitions if step.timer}
    stands = flow.states[state].serves or state in over
    asks = held.grant.valid_until is not None and "consumer" in roles_in(held.case, work.actor)
    return Renewal(stands and asks and _is_offered(work, held.grant), leaf.cite)


def _is_offered(work: Work, grant: Grant) -> bool:
    offer = store.offer(work.tx, grant.dataset_code)
    return offer is not None and offer.is_public


def lineage_of(work: Work, held: Held) -> Lineage:
    """Return what a grant continues and what continues it; drafts are their writers' own affair."""
    flow = work.rulebooks.current("sharing").workflow("application")
    application = held.grant.application_id
    earlier = store.previous_of(work.tx, application) if application else None
    return Lineage(earlier, store.successors(work.tx, held.grant.id, flow.initial))


def previous_grant(work: Work, number: str | None, department: str, dataset: str) -> str | None:
    """Return the id of the grant that an application continues: of the same department, on the same dataset.

    Raises Invalid for any other.
    """
    if number is None:
        return None
    grant = store.grant_by_number(work.tx, number)
    if grant is None or grant.consumer != department:
        raise invalid(
            "/previous_grant", "本部门没有这个授权", "your department has no such grant", code="unknown"
        )
    if grant.dataset_code != dataset:
        raise invalid(
            "/previous_grant",
            f"该授权针对的是数据集 {grant.dataset_code}",
            f"this grant is for the dataset {grant.dataset_code}",
            code="other_dataset",
        )
    return grant.id
