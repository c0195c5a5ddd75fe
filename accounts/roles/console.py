"""The pages of proposals of roles."""

from __future__ import annotations

from accounts.roles.api import BOTH
from accounts.roles.model import STATES
from accounts.roles.present import proposal_view
from accounts.roles.proposing import decide_proposal, find_proposal, list_proposals
from core.text import Text
from core.work import Work
from web.pages import Go, Page, Pages, Seen

pages = Pages("roles")
PAGE = 50


@pages.show("/role-proposals", who=BOTH, summary=Text("角色调整", "Changes of roles"))
def proposals_page(work: Work, seen: Seen) -> Page:
    """List what was proposed, the newest first."""
    state = seen.query.get("state") if seen.query.get("state") in STATES else None
    found = list_proposals(work, state, PAGE, seen.query.get("cursor") or None)
    context = {
        "rows": [proposal_view(work, proposal) for proposal in found.rows],
        "next_cursor": found.next_cursor,
        "states": STATES,
        "state": state,
    }
    return Page("accounts/proposals.html", context)


@pages.show("/role-proposals/<id>", who=BOTH, summary=Text("查看角色调整", "A change of roles"))
def proposal_page(work: Work, seen: Seen, id: str) -> Page:
    """Show a proposal and what the reader may do with it."""
    return Page("accounts/proposal.html", {"p": proposal_view(work, find_proposal(work, id))})


@pages.form(
    "/role-proposals/<id>/actions/<action>",
    who=BOTH,
    summary=Text("决定角色调整", "Decide on roles"),
    step_up=True,
)
def do_decide(work: Work, seen: Seen, id: str, action: str) -> Go:
    """Approve, refuse or withdraw."""
    title = STATES[decide_proposal(work, id, action).state]
    return Go(f"/role-proposals/{id}", Text(f"状态为“{title.zh}”", f"The proposal is {title.en}"))
