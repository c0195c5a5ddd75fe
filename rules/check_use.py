"""What the platform's code needs of a sharing rulebook, so that no book passes its check and fails at work.

The code knows no state's, action's or event's name. It goes by the flags of states and by what steps do:

* dataset: `public` is found by everybody and its data are served, `editable` entries are rewritten without a
  step, `attachable` ones get and lose distributions; a step that does `publish` takes a draft towards the
  public, one that does `revise` brings a changed entry along;
* application: the steps that do `submit` and `grant` check the papers and open the grant;
* grant: calls pass while it is `usable`;
* everywhere: whoever can act on a `resting` case acts at leisure, and to step `aside` is nobody's task.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rules.check_flow import Fault, reachable
from rules.durations import Duration
from rules.workflow import Workflow

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

FLAGS = {
    "dataset": frozenset({"public", "editable", "attachable", "resting"}),
    "application": frozenset({"resting"}),
    "grant": frozenset({"usable", "resting"}),
}
MATTER_FLAGS = frozenset({"resting", "disputed", "announced"})
"""Of every other procedure: while a case is `disputed` the data it is about carry a notice; `announced`
maintenance counts against nobody's availability."""

DOES = {
    "dataset": frozenset({"publish", "revise", "announce", "aside"}),
    "application": frozenset({"submit", "grant", "aside"}),
    "grant": frozenset({"aside"}),
}
MATTER_DOES = frozenset({"share", "hand_over", "aside"})
"""Of every other procedure: `share` grants what a demand asks for, `hand_over` shuts a leaver's account."""

FACTS = frozenset(
    {
        "share_class",
        "controlled_params",
        "kind",
        "decider",
        "in_use",
        "users_told",
        "urgent",
        "opened_as",
        "update_limit",
        "class_changed",
        "term_days",
        "valid_until",
    }
)
"""The facts that the platform fills in; any other is derived by a table, says that a
clock has passed, or that an event waits for an answer."""
NEEDED = {
    "share": ("purpose", "wanted", "duty_basis", "term_days"),
    "hand_over": ("person", "successor"),
    "announced": ("service_stop", "service_resume"),
}
"""What a procedure must ask for at its opening when a step does this, or a state is flagged so."""
NEEDED_BY_STEP = {"share": ("dataset", "items")}
END = "valid_until"
TERM = "term_days"
REVISION_FIELD = "cause"


def use_faults(book: Rulebook) -> Iterator[Fault]:
    """Yield what the platform would stumble over."""
    for name, flow in book.workflows.items():
        at = f"/workflows/{name}"
        yield from _words(name, flow, at)
        yield from _starts(name, flow, at)
    clocks = {name for clock in book.clocks for name in (clock.name, f"{clock.name}_running")}
    known = {*FACTS, *book.tables, *clocks, *book.events}
    for fact in book.dimensions:
        if fact not in known:
            yield f"/facts/{fact}", "平台不提供这个事实", "is a fact that the platform does not know"
    yield from _dataset(book, book.workflows["dataset"])
    yield from _application(book.workflows["application"])
    yield from _grant(book, book.workflows["grant"])
    yield from _about(book)
    yield from _procedures(book)
    yield from _deeds(book)
    yield from _idle(book)
    yield from _views(book)


def _words(name: str, flow: Workflow, at: str) -> Iterator[Fault]:
    """Flags and deeds belong to their workflow, and nothing is served or resting at its end."""
    for state in flow.states.values():
        here = f"{at}/states/{state.name}/flags"
        for flag in sorted(state.flags - FLAGS.get(name, MATTER_FLAGS)):
            yield here, f"这个流程的状态没有“{flag}”", f"no state of this workflow is {flag!r}"
        if state.final and state.flags:
            yield here, "终态不能有标志", "a final state has no flags"
    for i, step in enumerate(flow.transitions):
        if step.does is not None and step.does not in DOES.get(name, MATTER_DOES):
            words = f"这个流程的步骤没有“{step.does}”", f"no step of this workflow does {step.does!r}"
            yield f"{at}/transitions/{i}/does", *words


def _starts(name: str, flow: Workflow, at: str) -> Iterator[Fault]:
    """What opens a case leads on: data flow from the first instant of a grant and of nothing else."""
    serves = flow.states[flow.initial].serves
    if serves != (name == "grant"):
        words = ("授权从建立起应可用", "a new grant must be usable")
        yield f"{at}/states/{flow.initial}/flags", *(words if name == "grant" else _NOT_YET)


_NOT_YET = ("刚建立时不能公开", "what was just opened cannot be public")


def _dataset(book: Rulebook, flow: Workflow) -> Iterator[Fault]:
    at = "/workflows/dataset"
    first = flow.states[flow.initial]
    public = [s for s in flow.states.values() if "public" in s.flags]
    if not public:
        yield f"{at}/states", "没有公开的状态", "no state is public"
    for flag in ("editable", "attachable"):
        if flag not in first.flags:
            yield f"{at}/states/{first.name}/flags", f"草稿应有“{flag}”", f"a draft must be {flag}"
    for state in public:
        if "editable" in state.flags:
            words = ("已公开的条目只能经步骤更新", "what is public changes by a step only")
            yield f"{at}/states/{state.name}/flags", *words
    if not _does(flow, "publish", first.name, "provider"):
        words = ("没有供提供部门发布草稿的步骤", "no step lets the provider publish a draft")
        yield f"{at}/transitions", *words
    yield from _revisions(flow, at)
    yield from _review(book, flow)


def _revisions(flow: Workflow, at: str) -> Iterator[Fault]:
    """The platform brings a revision's cause along and nothing else."""
    for i, step in enumerate(flow.transitions):
        if step.does != "revise":
            continue
        if set(step.requires) - {REVISION_FIELD} or REVISION_FIELD not in (*step.requires, *step.accepts):
            words = ("更新的步骤要填写的只有 cause", "what a step that revises asks for is the cause")
            yield f"{at}/transitions/{i}/requires", *words


def _review(book: Rulebook, flow: Workflow) -> Iterator[Fault]:
    """Where the book wants a review nothing that was written goes public without the platform manager."""
    steps = [t for t in flow.transitions if t.roles != {"platform_manager"}]
    public = {s.name for s in flow.states.values() if "public" in s.flags}
    open_to = [s.name for s in flow.states.values() if "editable" in s.flags]
    bypassed = [name for name in open_to if reachable({name}, steps) & public]
    if book.policy("catalog.review").value:
        for name in bypassed:
            words = ("改动不经审核就能公开", "what is written here goes public without the review")
            yield f"/workflows/dataset/states/{name}", *words
    elif flow.initial not in bypassed:
        words = ("流程要审核，规则写明不审核", "the workflow reviews what the policy says is not reviewed")
        yield "/policies/catalog/review/value", *words


def _application(flow: Workflow) -> Iterator[Fault]:
    at = "/workflows/application/transitions"
    if not _does(flow, "submit", flow.initial, "consumer"):
        yield at, "没有供使用部门提交申请的步骤", "no step lets the consumer submit a draft"
    if not flow.names("grant"):
        yield at, "没有作出授权的步骤", "no step grants"


def _grant(book: Rulebook, flow: Workflow) -> Iterator[Fault]:
    """The end of a term is the one timer that the platform sets; a book that bounds terms has it."""
    at = "/workflows/grant/transitions"
    for i, step in enumerate(flow.transitions):
        if step.timer not in (None, END):
            words = f"平台只按“{END}”定时", f"the platform sets no timer but {END!r}"
            yield f"{at}/{i}/timer", *words
    if book.policy("grant.max_term").value is not None and not any(t.timer for t in flow.transitions):
        yield at, "有最长期限，却没有到期的步骤", "a term is bounded, yet no step ends it"
    yield from _terms(book)


def _terms(book: Rulebook) -> Iterator[Fault]:
    """The longest term that may be asked for is the one that the clock of the term counts by."""
    longest = book.policy("grant.max_term").value
    most = Duration.parse(longest) if longest else None
    for i, clock in enumerate(book.clocks):
        if clock.workflow != "grant" or clock.setting is None or clock.setting.field != TERM:
            continue
        if clock.setting.max != most:
            words = (
                "与 policies/grant/max_term 的最长期限不一致",
                "differs from the longest term that policies/grant/max_term states",
            )
            yield f"/clocks/{i}/set/max", *words


def _views(book: Rulebook) -> Iterator[Fault]:
    """What nobody is said to see would be seen by nobody."""
    for kind in ("dataset", "application", "grant"):
        if not book.views.get(kind):
            yield f"/visibility/{kind}", "应写明谁能看到什么", "must say who sees what"


def _deeds(book: Rulebook) -> Iterator[Fault]:
    """Steps and states with which the platform does something say in its own words what it needs for that."""
    for name, flow in book.workflows.items():
        if flow.opens_by is None:
            continue
        flags = {flag for state in flow.states.values() for flag in state.flags}
        for deed in sorted((flags | {t.does for t in flow.transitions if t.does}) & NEEDED.keys()):
            for field in NEEDED[deed]:
                if field not in flow.opens_by.requires:
                    words = (
                        f"“{deed}”需要开头填写“{field}”",
                        f"{deed!r} needs the field {field!r} at the opening",
                    )
                    yield f"/workflows/{name}/open/requires", *words
        for i, step in enumerate(flow.transitions):
            for field in NEEDED_BY_STEP.get(step.does or "", ()):
                if field not in step.requires:
                    words = (f"这一步必须填写“{field}”", f"the step must require the field {field!r}")
                    yield f"/workflows/{name}/transitions/{i}/requires", *words
    yield from _defects(book)


def _defects(book: Rulebook) -> Iterator[Fault]:
    """The procedure that defects of data open can say what they are."""
    named = book.policy("catalog.quality_check").value["defects"]
    opening = book.workflows[named].opens_by if named in book.workflows else None
    if named is not None and (opening is None or "doubt" not in (*opening.requires, *opening.accepts)):
        words = ("应为可以填写 doubt 的流程", "must be a workflow whose opening takes the field 'doubt'")
        yield "/policies/catalog/quality_check/value/defects", *words


def _idle(book: Rulebook) -> Iterator[Fault]:
    """What the policy says of idle grants is what their clock counts (GZ art. 5(二))."""
    idle = book.policy("grant.idle").value
    clock = next((c for c in book.clocks if c.workflow == "grant" and "called" in c.starts), None)
    if idle is None and clock is None:
        return
    if idle is None or clock is None or str(clock.lasts) != idle["after"]:
        words = ("与计算闲置的时限不一致", "is not what the clock that counts from calls says")
        yield "/policies/grant/idle/value", *words


def _about(book: Rulebook) -> Iterator[Fault]:
    """What a procedure is about, and who takes part in it, comes from data and not from tickets."""
    for name, flow in book.workflows.items():
        opening = flow.opens_by
        if opening is None:
            continue
        if "ticket" in (*opening.about, *opening.about_optional):
            words = ("数据共享的流程不能关于工单", "a procedure of data sharing is about no ticket")
            yield f"/workflows/{name}/open/about", *words
        if "origin" in opening.parties.values():
            words = ("数据共享的流程没有工单可依", "a procedure of data sharing has no ticket to go by")
            yield f"/workflows/{name}/open/parties", *words


def _procedures(book: Rulebook) -> Iterator[Fault]:
    """What the policies say of the procedures is what the workflows are, and numbers tell them apart."""
    for path, leaf in book.policies.items():
        family, _, name = path.partition(".")
        if family == "procedures" and bool(leaf.value) != (name in book.workflows):
            words = (
                "与流程不一致：有流程才为 true",
                "must be true where the workflow stands, null where not",
            )
            yield f"/policies/procedures/{name}/value", *words
    prefixes: dict[str, str] = {"A": "application", "G": "grant"}
    for name, flow in book.workflows.items():
        if flow.opens_by is not None and prefixes.setdefault(flow.opens_by.prefix, name) != name:
            yield f"/workflows/{name}/open/prefix", "编号前缀重复", "is the prefix of another workflow"


def _does(flow: Workflow, does: str, state: str, role: str) -> bool:
    return any(t.does == does and state in t.sources and role in t.roles for t in flow.transitions)
