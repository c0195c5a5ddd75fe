"""What the stories of Ganzhou begin with: applications at stated instants, interfaces, calls."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from cases.present import case_view
from cases.procedure import find_case
from catalog.datasets import act_on_dataset, find_dataset
from core.codes import in_url
from core.errors import Conflict, Invalid, NotPermitted
from core.work import Actor
from gateway.applications import attach
from gateway.calls import objection, read_target
from gateway.grants import find_grant
from gateway.issuing import choose_grant, keep_token, new_token
from gateway.store import permit
from gateway.tokens import token_digest
from tests.cast import ann, bob, carol
from tests.sharing.telling import at, case_of, decided
from tests.stories import CONDITION, System, active_client, offered, submitted_application

PDF = b"%PDF-1.7\n% a scan\n"
FORM: dict[str, Any] = {"type": "api_application_form", "sealed": True, "name": "申请表.pdf", "content": PDF}
DAY: dict[str, Any] = {"fields": ["date", "workday"], "operations": ["day"]}
"""What is asked for of the working-day service, an interface under a condition."""
CLOSED: dict[str, Any] = {"share_class": "conditional", **CONDITION}
"""What makes the divisions conditional, so that their provider decides."""
REFUSAL = {"reason_code": "condition_not_met", "basis": "《行政区划管理条例》第四条", "reason": "不需要"}
BASIS = {"level": "law", "title": "中华人民共和国数据安全法", "article": "第二十一条"}
WITHHELD: dict[str, Any] = {"share_class": "none", "class_reason": "涉及未公开的执法线索", "basis": BASIS}


# --- applications and grants ------------------------------------------------------------------------


def applied(world: Any, when: str | None = None, entry: Any = None, **wish: Any) -> Any:
    """An application for the divisions, submitted at `when`; `entry` changes what is offered."""
    code, system = offered(world, "divisions", **(entry or {})), active_client(world)
    world.now = at(when) if when else world.now
    return submitted_application(world, code, system, **{"term_days": 365, **wish})


def moved(world: Any, when: str, actor: Actor, filed: Any, action: str, **fields: Any) -> Any:
    """A step of an application at a stated instant."""
    world.now = at(when)
    return decided(world, actor, filed, action, **fields)


def api_drafted(world: Any, code: str | None = None, system: System | None = None, **wish: Any) -> Any:
    """A draft for the working-day service, to which no paper is added yet."""
    code, system = code or offered(world, "workdays"), system or active_client(world)
    return submitted_application(world, code, system, submit=False, **{**DAY, "term_days": 365, **wish})


def api_applied(world: Any, code: str | None = None, system: System | None = None, **wish: Any) -> Any:
    """An application for the working-day service with its sealed form."""
    draft = api_drafted(world, code, system, **wish)
    with world.work(carol) as work:
        attach(work, draft.application.id, **FORM)
    return decided(world, carol, draft, "submit")


def api_granted(world: Any, code: str | None = None, system: System | None = None, **wish: Any) -> Any:
    """A grant on the working-day service."""
    grant = decided(world, ann, api_applied(world, code, system, **wish), "grant").grant
    assert grant is not None
    with world.read(carol) as work:
        return find_grant(work, grant.id)


def token_for(world: Any, held: Any) -> str:
    """An access token for a grant, as its system gets it."""
    with world.work(bob) as work:
        issued = new_token(work, held.grant)
        keep_token(work, issued)
        return issued.token


def granted_to(world: Any, client: Any) -> str | None:
    """The number of the one grant that a system could have a token for."""
    with world.read(bob) as work:
        found = choose_grant(work, client, ())
    return found.number if found else None


def judged(
    world: Any, token: str, code: str, operation: str = "rows", source: str = "127.0.0.1"
) -> str | None:
    """Why the data plane would refuse a call with a token now; None when it would let it pass."""
    with world.read(bob) as work:
        known = permit(work.tx, token_digest(token))
    assert known is not None
    call = read_target("GET", f"/share/{in_url(code)}/{operation}".encode())
    found = objection(known, call, ip_address(source), world.now.timestamp())
    return found.code if found else None


# --- datasets ---------------------------------------------------------------------------------------


def stepped(world: Any, actor: Actor, code: str, action: str, **fields: Any) -> Any:
    """A step of a dataset."""
    with world.work(actor) as work:
        return act_on_dataset(work, code, action, fields)


def dataset(world: Any, code: str) -> Any:
    """A dataset as it stands."""
    with world.read(bob) as work:
        return find_dataset(work, code)


# --- what is refused and what is offered ------------------------------------------------------------


def wrong(act: Any, *args: Any, **fields: Any) -> Any:
    """The refusal that an act meets; `pointers` reads the fields that it names."""
    with pytest.raises((Invalid, Conflict, NotPermitted)) as found:
        act(*args, **fields)
    return found.value


def pointers(refused: Invalid) -> list[str]:
    """The fields that a refusal names."""
    return [e.pointer for e in refused.errors]


def may(world: Any, actor: Actor, thing: Any) -> list[str]:
    """What somebody is offered to do with a case now."""
    return list(shown(world, actor, thing)["actions"])


def shown(world: Any, actor: Actor, thing: Any) -> Any:
    """A case as its reader gets it: actions, forms, clocks, history."""
    with world.read(actor) as work:
        return case_view(work, find_case(work, case_of(thing).id))
