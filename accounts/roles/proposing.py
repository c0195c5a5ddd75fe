"""Roles that manage or review: an administrator proposes, a security administrator decides, both on record.

Neither proposes or decides for themselves, and nothing is given while the account opens with a password that
somebody else has set, or by an identity that somebody else has linked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from accounts import store as accounts_store
from accounts.model import RESERVED, Account
from accounts.oidc.store import linked_by_others
from accounts.people import account_of, note
from accounts.roles import store
from accounts.roles.model import (
    APPROVED,
    ASKED,
    DECISIONS,
    OPEN,
    REFUSED,
    STATES,
    WITHDRAWN,
    Proposal,
)
from core.administrators import APART, are_apart
from core.db import Page
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import new_id
from core.settings_security import COMMANDING
from core.text import Text
from core.times import millis
from core.work import Work
from notices.post import Draft, post_notice

WAITING = Text("有一项角色调整待决定", "A change of roles waits for a decision")
WHAT = Text(
    "由系统管理员提出，请安全管理员核实后决定。",
    "An administrator proposed it; a security administrator checks and decides.",
)

PROPOSERS, DECIDERS = frozenset({"administrator"}), frozenset({"security_admin"})
"""Who proposes, and who decides."""


def needs_two(before: Collection[str], after: Collection[str]) -> bool:
    """Tell whether a change of roles gives or takes one that takes two persons."""
    return bool(set(before).symmetric_difference(after) & RESERVED)


def propose_roles(work: Work, account: Account, wanted: Collection[str], reason: str = ASKED) -> Proposal:
    """Propose that an account hold `wanted` from now on; the caller checked that the department has them.

    Raises NotPermitted for others than administrators and for one's own account, Conflict while another
    proposal for the account is open.
    """
    if not work.actor.roles & PROPOSERS:
        raise NotPermitted("只有系统管理员可以提出角色调整", "only administrators propose roles")
    if account.login == work.actor.login:
        raise NotPermitted("不能管理自己的账号", "nobody manages their own account")
    if store.open_proposal(work.tx, account.login) is not None:
        raise Conflict(
            "该账号已有待决定的角色调整", "a proposal for this account is open already", code="proposal_open"
        )
    proposal = Proposal(
        id=new_id(millis(work.now)),
        login=account.login,
        gives=tuple(sorted(set(wanted) - account.roles)),
        takes=tuple(sorted(account.roles - set(wanted))),
        reason=reason,
        state=OPEN,
        proposed_by=work.actor.login,
        proposed_at=work.now,
    )
    store.insert_proposal(work.tx, proposal)
    _note(work, "roles_proposed", account, proposal)
    _tell_deciders(work, proposal)
    return proposal


def hold_back(work: Work, account: Account, reason: str) -> None:
    """Take the roles that command others, and propose to give them back, once another way in was opened.

    Whoever opened it could otherwise act as the person: by a password that they set, or an identity of their
    own that they linked. An open proposal goes on in the new one.
    """
    lost = account.roles & COMMANDING
    if not lost or work.actor.has("system"):
        return
    wanted, earlier = account.roles, store.open_proposal(work.tx, account.login)
    if earlier is not None:
        store.close_proposal(work.tx, earlier.id, WITHDRAWN, None, work.now)
        wanted = earlier.applied_to(wanted)
    kept = account.roles - lost
    accounts_store.update_account(work.tx, account.login, roles=sorted(kept), changed_at=work.now)
    note(work, "roles_changed", account, before=sorted(account.roles), with_roles=sorted(kept))
    propose_roles(work, replace(account, roles=kept), wanted, reason)


def linkers_of(work: Work, proposal: Proposal) -> list[str]:
    """Return who linked identities of an account that is to get a role that takes two: it is not given so."""
    if RESERVED.isdisjoint(proposal.gives):
        return []
    return sorted({identity.linked_by for identity in linked_by_others(work.tx, proposal.login)})


def open_proposal_for(work: Work, login: str) -> Proposal | None:
    """Return what is proposed for an account and not decided, for whoever may see the account."""
    return store.open_proposal(work.tx, login)


def awaits_roles(work: Work, account: Account) -> bool:
    """Tell whether a role that takes two is proposed for an account: it is as good as one that holds it."""
    proposal = store.open_proposal(work.tx, account.login)
    return proposal is not None and not RESERVED.isdisjoint((*proposal.gives, *proposal.takes))


def list_proposals(work: Work, state: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of proposals, the newest first. Raises NotPermitted, Invalid for an unknown state."""
    _check_reader(work)
    if state is not None and state not in STATES:
        raise invalid("/state", f"应为 {'、'.join(STATES)} 之一", f"must be one of {', '.join(STATES)}")
    return store.proposals_page(work.tx, state, limit, cursor)


def find_proposal(work: Work, proposal_id: str) -> Proposal:
    """Return one proposal. Raises NotPermitted, NotFound."""
    _check_reader(work)
    found = store.proposal(work.tx, proposal_id)
    if found is None:
        raise NotFound("没有这项角色调整", "no such proposal")
    return found


def proposal_actions(work: Work, proposal: Proposal) -> tuple[str, ...]:
    """Return what the actor may do with a proposal now."""
    if proposal.state != OPEN:
        return ()
    if work.actor.roles & DECIDERS and work.actor.login not in (proposal.login, proposal.proposed_by):
        return ("approve", "refuse")
    return ("withdraw",) if work.actor.roles & PROPOSERS else ()


def decide_proposal(work: Work, proposal_id: str, decision: str) -> Proposal:
    """Approve, refuse or withdraw a proposal; who gets or loses roles by it has to sign in anew.

    Raises NotFound; NotPermitted for who may not; Conflict when it was decided, when the person has still to
    change a one-time password or has an identity that somebody else linked, or when the roles do not go
    together any more.
    """
    proposal = find_proposal(work, proposal_id)
    if decision not in DECISIONS:
        raise NotFound(f"没有“{decision}”这个操作", f"there is no action {decision!r}")
    account = account_of(work, proposal.login)
    _check_may(work, proposal, decision)
    state = DECISIONS[decision]
    by = None if state == WITHDRAWN else work.actor.login
    if not store.close_proposal(work.tx, proposal.id, state, by, work.now):
        raise _decided()
    if state == APPROVED:
        _apply(work, account, proposal)
    _note(work, "roles_decided", account, proposal, decision=state)
    return find_proposal(work, proposal.id)


def _check_may(work: Work, proposal: Proposal, decision: str) -> None:
    if proposal.state != OPEN:
        raise _decided()
    if decision in proposal_actions(work, proposal):
        return
    if work.actor.roles & DECIDERS and DECISIONS[decision] in (APPROVED, REFUSED):
        raise NotPermitted("不能决定涉及本人的角色调整", "nobody decides on roles of their own")
    raise NotPermitted(
        "系统管理员提出和撤回，安全管理员决定",
        "administrators propose and withdraw, security administrators decide",
    )


def _apply(work: Work, account: Account, proposal: Proposal) -> None:
    """Give and take the roles, and end the sessions: the person signs in anew as what they are now."""
    if account.must_change:
        raise Conflict(
            "本人尚未更改一次性密码，请在其更改后再决定",
            "the person has still to change a one-time password; decide after that",
            code="not_taken_over",
        )
    if linkers_of(work, proposal):
        raise Conflict(
            "该账号绑有他人代为绑定的外部身份，请先解除，由本人登录后自行绑定",
            "somebody else linked an identity of this account: it is unlinked first, and the person links it",
            code="linked_by_others",
        )
    roles = proposal.applied_to(account.roles)
    if not are_apart(roles):
        raise Conflict(APART.zh, APART.en, code="not_together")
    changed: dict[str, Any] = {"roles": sorted(roles), "changed_at": work.now}
    if proposal.gives and account.opened_by != work.actor.login:
        changed["opened_by"] = None  # the person was asked for this as well (accounts.vouching)
    accounts_store.update_account(work.tx, account.login, **changed)
    accounts_store.end_sessions(work.tx, account.login, work.now)
    note(work, "roles_changed", account, before=sorted(account.roles), with_roles=sorted(roles))


def _decided() -> Conflict:
    return Conflict("已经作出决定", "it was decided already", code="decided_already")


def _check_reader(work: Work) -> None:
    if not work.actor.roles & (PROPOSERS | DECIDERS):
        raise NotPermitted(
            "只有系统管理员和安全管理员可以查看",
            "only administrators and security administrators may see them",
        )


def _note(work: Work, kind: str, account: Account, proposal: Proposal, **more: object) -> None:
    """Put a step on record: who is concerned under the pseudonym, never by name."""
    changes = {"gives": list(proposal.gives), "takes": list(proposal.takes), "reason": proposal.reason}
    note(work, kind, account, proposal=proposal.id, **changes, **more)


def _tell_deciders(work: Work, proposal: Proposal) -> None:
    """Tell each department with a security administrator that something waits for one."""
    for department in accounts_store.departments_of_admins(work.tx, "security_admin"):
        post_notice(
            work,
            Draft(
                key=f"roles:{proposal.id}:{department}",
                about="",
                link=f"/role-proposals/{proposal.id}",
                department=department,
                role="security_admin",
                kind="account",
                subject=WAITING,
                body=WHAT,
            ),
        )
