"""Who may do what, on one page: every address with its roles, and every step that a rulebook lets people do.

docs/permissions.md is this module's output; a test holds the two together, and another walks the addresses
with every role. Whose object it must be, besides, the use cases check: `OBJECTS` says it in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import app
import gateway.oauth
import hotline.open311.api
from core.text import Text
from rules.rulebook import SHIPPED, Rulebook, load_rulebooks
from web.http import Route
from web.roles import ROLES

EVERYBODY = {
    "public": Text("任何人", "anybody"),
    "signed_in": Text("任何有账号的人", "everybody with an account"),
    "password_change": Text("须改密码的人", "who must change a password"),
    "second_factor": Text("尚未出示第二因素的人", "who has yet to show a second factor"),
    "unvouched": Text("账号待核实的人", "whose account waits to be vouched for"),
    "enrolment": Text("须设置第二因素的人", "who must set up a second factor"),
}
"""What routes name besides roles."""

_DEPARTMENTS = Text(
    "本部门的；平台管理部门和审计部门可见全部", "one's department's; platform manager and auditor see all"
)
_PARTIES = Text(
    "当事部门，按其在该事项中的角色；审计部门可见",
    "its parties, by the part that they play in it; an auditor sees it",
)
_SELF = Text("本人的", "one's own")
_NOBODYS = Text("不属于任何部门", "no department's")

OBJECTS: Mapping[str, Text] = {
    "/account/": _SELF,
    "/account/identities/link/": _NOBODYS,
    "/confirm/with/": _NOBODYS,
    "/accounts/": Text(
        "账号管理员；不得管理本人账号，管理类角色的账号仅限系统管理员；核实仅限未经手的安全管理员",
        "who keeps accounts; never one's own, and those with reserved roles are for administrators alone; a"
        " security administrator vouches, never for their own doing",
    ),
    "/role-proposals/": Text(
        "系统管理员提出和撤回，与其不同的安全管理员决定，均不得涉及本人",
        "an administrator proposes and withdraws, another person decides; neither for themselves",
    ),
    "/sign-in/": _NOBODYS,
    "/sign-out/": _NOBODYS,
    "/datasets/": Text(
        "已发布的人人可见；未发布的限提供部门和平台管理部门；下线后另限审计部门和仍获授权的部门",
        "published: everybody; else its provider and the platform manager; off line, auditors and who holds a"
        " grant too",
    ),
    "/clients/": _DEPARTMENTS,
    "/systems/": _DEPARTMENTS,
    "/applications/": _PARTIES,
    "/grants/": _PARTIES,
    "/matters/": _PARTIES,
    "/supervisions/": _PARTIES,
    "/tickets/": _PARTIES,
    "/tickets/batch/": _NOBODYS,
    "/notices/": Text("发给本部门本角色的", "those to one's department and role"),
    "/inbox/": Text("发给本部门本角色的", "those to one's department and role"),
    "/audit/records/": Text("审计部门；当事部门限其证明", "an auditor; a party, its proof alone"),
    "/records/": Text("审计部门", "an auditor"),
    "/audit/erasures/": Text("申请人与决定人须为不同的人", "who asks and who decides are different persons"),
    "/records/erasures/": Text(
        "申请人与决定人须为不同的人", "who asks and who decides are different persons"
    ),
    "/audit/past/": Text("审计部门；校验用的哈希公开", "an auditor; hashes for checking are public"),
    "/audit/tile/": Text("只有哈希，公开", "hashes alone, public"),
    "/audit/proof/": Text("只有哈希，公开", "hashes alone, public"),
    "/audit/questions/": _NOBODYS,
    "/records/questions/": _NOBODYS,
    "/records/export/": _NOBODYS,
    "/usage/records/": Text("当事部门的", "those to which one's department is a party"),
    "/knowledge/": Text(
        "有效的知识对热线人员可见，公开的人人可见；编写中的限编写单位、审核人和审计部门",
        "valid: the hotline's people, everybody where it is open; in writing: its unit, reviewers, auditors",
    ),
    "/knowledge/unanswered/": _NOBODYS,
    "/hotline/knowledge/": Text("公开且有效的", "open and valid ones"),
    "/hotline/imports/": Text("本部门的", "one's department's"),
    "/hotline/reports/": _NOBODYS,
    "/open311/": Text("以受理号查询，只有进度，没有个人信息", "by number: progress alone, nothing personal"),
}
"""The beginning of an address that names an object, to whose it must be; the longest beginning counts."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address of the control plane and who may use it."""

    method: str
    rule: str
    roles: tuple[str, ...]
    fresh: str
    """`yes`, or the actions, where a proof of who asks must be younger than five minutes."""
    whose: Text | None
    summary: Text

    def as_json(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        whose = None if self.whose is None else {"zh": self.whose.zh, "en": self.whose.en}
        return {
            "method": self.method,
            "address": self.rule,
            "roles": list(self.roles),
            "step_up": self.fresh,
            "whose": whose,
            "summary": {"zh": self.summary.zh, "en": self.summary.en},
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a procedure of a rulebook, and who may take it."""

    rulebook: str
    workflow: str
    action: str
    title: Text
    roles: tuple[str, ...]
    by_another: bool
    """Whether whoever opened the case may not take it."""

    def as_json(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        return {
            "rulebook": self.rulebook,
            "workflow": self.workflow,
            "action": self.action,
            "title": {"zh": self.title.zh, "en": self.title.en},
            "roles": list(self.roles),
            "by_another": self.by_another,
        }


def stated() -> list[Route]:
    """Return every route of the control plane that states who may call it."""
    routes = [route for part in (*app.ROUTES, *app.PAGES) for route in part.routes]
    return [*routes, *gateway.oauth.ROUTES, *hotline.open311.api.stated()]


def addresses() -> list[Address]:
    """Return every address with its permissions, by address and method."""
    found = (
        Address(r.method, r.rule, tuple(sorted(r.who)), _fresh(r), whose(r.rule), r.summary) for r in stated()
    )
    return sorted(found, key=lambda a: (a.rule.removeprefix("/api"), a.rule, a.method))


def whose(rule: str) -> Text | None:
    """Return whose the object must be that an address names, None for one that names none.

    Raises KeyError for an address that names an object of which nothing is said.
    """
    if "<" not in rule:
        return None
    named = rule.removeprefix("/api")
    fitting = [beginning for beginning in OBJECTS if named.startswith(beginning)]
    if not fitting:
        raise KeyError(f"{rule} names an object; say in permissions.OBJECTS whose it must be")
    return OBJECTS[max(fitting, key=len)]


def _fresh(route: Route) -> str:
    if isinstance(route.step_up, bool):
        return "yes" if route.step_up else ""
    return ", ".join(sorted(route.step_up))


def steps() -> list[Step]:
    """Return every step of the rulebooks that are shipped, by rulebook and workflow."""
    return [step for book in _books() for step in _steps_of(book)]


def _books() -> Iterator[Rulebook]:
    for domain in ("sharing", "hotline"):
        for path in sorted((SHIPPED / domain).glob("*.yaml")):
            yield load_rulebooks(SHIPPED, {domain: f"{domain}/{path.stem}"}).current(domain)


def _steps_of(book: Rulebook) -> Iterator[Step]:
    for flow in book.workflows.values():
        merged: dict[str, Step] = {}
        if flow.opens_by is not None:
            opens = tuple(sorted(flow.opens_by.roles))
            yield Step(book.id, flow.name, "open", flow.opens_by.title, opens, False)
        for t in flow.transitions:
            before = merged.get(t.action)
            roles = tuple(sorted(t.roles | set(before.roles if before else ())))
            another = t.by_another and (before is None or before.by_another)
            merged[t.action] = Step(book.id, flow.name, t.action, t.title, roles, another)
        yield from merged.values()


# --- the page ---------------------------------------------------------------------------------------


def as_markdown() -> str:
    """Return docs/permissions.md."""
    lines = [_HEAD]
    for a in addresses():
        said = a.whose.en if a.whose else "—"
        lines.append(f"| {a.method} | `{a.rule}` | {_names(a.roles)} | {a.fresh or '—'} | {said} |")
    lines.append(_STEPS)
    for s in steps():
        another = "yes" if s.by_another else "—"
        lines.append(
            f"| {s.rulebook} | {s.workflow} | `{s.action}` {s.title.zh} | {_names(s.roles)} | {another} |"
        )
    return "\n".join(lines) + "\n"


def _names(roles: tuple[str, ...]) -> str:
    return ", ".join(EVERYBODY[r].en if r in EVERYBODY else f"`{r}`" for r in roles)


_HEAD = f"""# Permissions

Written by `shuxiang permissions --markdown` from what each route states (`who=`, `step_up=`) and from the
rulebooks. A test keeps this page equal to the code, another walks every address with every role. Nothing is
allowed that does not stand here.

Roles: {", ".join(f"`{role}` {name.zh}" for role, name in ROLES.items())}.

A role opens an address; whose object it may be used on stands in the last column. An object of another
department is answered like one that does not exist (404). *Step-up*: the person must have proven who they are
within the last five minutes, for the actions named or for all. The three administrators are held apart as
[administrators.md](administrators.md) says.

## Addresses

| method | address | roles | step-up | whose object |
|---|---|---|---|---|"""

_STEPS = """
## Steps of the rulebooks

Addresses that end in `/actions/<action>` take the steps of a procedure; who takes one is for the rulebook in
force. *By another*: not by the person who asked, whatever other role they hold.

| rulebook | procedure | step | roles | by another |
|---|---|---|---|---|"""
