"""Proposals of roles over HTTP."""

from __future__ import annotations

from accounts.roles.present import proposal_view
from accounts.roles.proposing import DECIDERS, PROPOSERS, decide_proposal, find_proposal, list_proposals
from core.text import Text
from core.work import Work
from web.http import Call, Reply, Routes, listing

routes = Routes("roles")

BOTH = PROPOSERS | DECIDERS


@routes.add(
    "GET",
    "/api/role-proposals",
    who=BOTH,
    response="response/role_proposals",
    query={"state": Text("状态", "state")},
    paged=True,
    summary=Text("角色调整列表", "List changes of roles that take two"),
)
def proposals(work: Work, call: Call) -> Reply:
    """List what was proposed, the newest first."""
    page = list_proposals(work, call.query.get("state"), call.limit, call.cursor)
    return listing([proposal_view(work, proposal) for proposal in page.rows], page.next_cursor)


@routes.add(
    "GET",
    "/api/role-proposals/<proposal_id>",
    who=BOTH,
    response="response/role_proposal",
    summary=Text("查看角色调整", "Show a change of roles"),
)
def proposal(work: Work, call: Call, proposal_id: str) -> Reply:
    """Show one proposal."""
    return Reply(proposal_view(work, find_proposal(work, proposal_id)))


@routes.add(
    "POST",
    "/api/role-proposals/<proposal_id>/actions/<action>",
    who=BOTH,
    response="response/role_proposal",
    summary=Text("决定或撤回角色调整", "Approve, refuse or withdraw a change of roles"),
    step_up=True,
)
def decide(work: Work, call: Call, proposal_id: str, action: str) -> Reply:
    """Take one of the proposal's `actions`."""
    call.must_be_empty()
    return Reply(proposal_view(work, decide_proposal(work, proposal_id, action)))
