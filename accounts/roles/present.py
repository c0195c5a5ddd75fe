"""A proposal of roles as JSON and for pages, for those who propose and decide."""

from __future__ import annotations

from typing import Any

from accounts.people import known_account
from accounts.roles.model import REASONS, STATES, Proposal
from accounts.roles.proposing import linkers_of, proposal_actions
from core.times import local_iso
from core.work import Work


def proposal_view(work: Work, proposal: Proposal) -> dict[str, Any]:
    """Return a proposal (schema response/role_proposal)."""
    account = known_account(work, proposal.login)
    state, reason = STATES[proposal.state], REASONS[proposal.reason]
    return {
        "id": proposal.id,
        "login": proposal.login,
        "name": account.name,
        "department": account.department,
        "holds": sorted(account.roles),
        "gives": list(proposal.gives),
        "takes": list(proposal.takes),
        "reason": {"zh": reason.zh, "en": reason.en},
        "one_time_password": account.must_change,
        "linked_by_others": linkers_of(work, proposal),
        "state": proposal.state,
        "state_title": {"zh": state.zh, "en": state.en},
        "proposed_by": proposal.proposed_by,
        "proposed_at": local_iso(proposal.proposed_at),
        "decided_by": proposal.decided_by,
        "decided_at": local_iso(proposal.decided_at) if proposal.decided_at else None,
        "actions": list(proposal_actions(work, proposal)),
    }
