"""Walks through every procedure of a hotline's rulebook until each step was taken from each of its states.

Tickets, supervisions and articles are moved by the use cases that people's hands move them by; a walk heads
for one step at a time, classifies its ticket so that the step may come, and lets time pass where it waits.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cases.model import Case, in_role, may_see
from cases.procedure import seats
from cases.standing import facts_now
from cases.store import case as read_case
from cases.sweep import sweep
from cases.timing import clocks
from core.errors import Conflict, Refusal
from core.times import local_iso
from core.work import SYSTEM, Actor
from hotline.intake import take_in
from hotline.knowledge.articles import act_on_article, write_article
from hotline.model import Held
from hotline.supervising.acting import act_on_supervision
from hotline.supervising.opening import offered, open_supervision
from hotline.tickets import act_on_ticket
from rules.routing import matches
from rules.rulebook import Rulebook
from rules.values import FieldRule
from rules.workflow import Transition, Workflow
from tests.cast import otto
from tests.conftest import START, World
from tests.hotline.kit import DRAFT
from tests.hotline.knowledge.kit import CARD

ARTICLE, TICKET = "article", "ticket"
SATISFIED = "is_satisfied"
"""What a step that rates a handling depends on (`hotline.ratings`)."""
LONGEST = 30
"""Steps of one walk."""
Step = tuple[str, int, str]
"""Workflow, place of the step among its transitions, and the state that it is taken from."""


def every_step(book: Rulebook) -> Iterator[Step]:
    """Yield each step of each procedure, once for each state that it leaves."""
    for name, flow in book.workflows.items():
        for i, step in enumerate(flow.transitions):
            yield from ((name, i, source) for source in step.sources)


@dataclass
class Walks:
    """The walks through one place's rulebook, and the steps that they took."""

    world: World
    chance: random.Random
    dataset: str
    taken: set[Step] = field(default_factory=set)
    people: int = 0

    @property
    def book(self) -> Rulebook:
        return self.world.rulebooks.current("hotline")

    def missing(self) -> list[Step]:
        """Return the steps not taken yet, in the book's order."""
        return [step for step in every_step(self.book) if step not in self.taken]

    def go(self, walks: int) -> None:
        """Walk until nothing is missing, each time towards one of the steps that are."""
        for _ in range(walks):
            missing = self.missing()
            if not missing:
                return
            self._towards(self.chance.choice(missing))

    def told(self, step: Step) -> str:
        """Name a step for people."""
        return f"{step[0]}: {self.book.workflow(step[0]).transitions[step[1]].action} from {step[2]}"

    # --- one walk ---------------------------------------------------------------------------------

    def _towards(self, goal: Step) -> None:
        self.world.now = START
        flow = self.book.workflow(goal[0])
        begin: Callable[[Step], Moved] = {TICKET: self._ticket, ARTICLE: self._article}.get(
            goal[0], self._supervision
        )
        moved = begin(goal)
        for _ in range(LONGEST):
            if goal in self.taken or flow.states[moved.case.state].final:
                return
            self._once(flow, moved, goal)

    def _once(self, flow: Workflow, moved: Moved, goal: Step) -> None:
        with self.world.read(otto) as work:
            facts = facts_now(work, moved.case)
        lacking = self._lacking(flow, moved.case, goal, facts)
        bringing = self._bringing(flow, lacking)
        if self._is_time(flow, moved.case, goal, {goal[1]: lacking} | bringing, facts):
            self._wait(moved)
            return
        for i, rating in self._ways(flow, moved, goal, bringing, facts):
            if self._take(flow, moved, i, rating):
                return
        self._wait(moved)

    def _lacking(self, flow: Workflow, case: Case, goal: Step, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the facts that the goal waits for, as far as no rating brings them."""
        step = flow.transitions[goal[1]]
        lacking = {fact: step.when[fact] for fact in step.unmet(facts) if fact != SATISFIED}
        first = next((t for t in flow.leaving(case.state, facts) if t.action == step.action), step)
        if first is not step and case.state == goal[2]:  # another step of its name is meant while that holds
            limits = self._limits(flow)
            lacking |= {
                fact: True for fact, wanted in first.when.items() if wanted is False and fact in limits
            }
        return lacking

    def _limits(self, flow: Workflow) -> set[str]:
        return {rule.name for rule in self.book.clocks if rule.workflow == flow.name}

    def _bringing(self, flow: Workflow, lacking: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
        """Return the steps that record what is waited for, with their own conditions."""
        started = {f"{r.name}_running": set(r.starts) for r in self.book.clocks if r.workflow == flow.name}
        wanted = {n for n in self.book.events for fact in lacking if fact in (n, f"{n}_count")}
        wanted |= {event for fact in lacking for event in started.get(fact, ())}
        return {i: dict(t.when) for i, t in enumerate(flow.transitions) if wanted & set(t.emits)}

    def _is_time(
        self,
        flow: Workflow,
        case: Case,
        goal: Step,
        needed: Mapping[int, Mapping[str, Any]],
        facts: Mapping[str, Any],
    ) -> bool:
        """Tell whether time leads on: a limit that has to be over, or a step that the platform takes."""
        far = distances(flow, [goal[2]])
        lapses = [t for t in flow.transitions if t.timer is not None and case.state in t.sources]
        if case.state != goal[2] and any(far.get(t.target, 99) < far.get(case.state, 0) for t in lapses):
            return True
        if case.state == goal[2] and flow.transitions[goal[1]] in lapses:
            return True
        limits = self._limits(flow)
        for i, conditions in needed.items():
            unmet = {f: w for f, w in conditions.items() if not matches({f: w}, facts)}
            if (
                case.state in flow.transitions[i].sources
                and unmet
                and all(fact in limits and wanted is True for fact, wanted in unmet.items())
            ):
                return True
        return False

    def _ways(
        self,
        flow: Workflow,
        moved: Moved,
        goal: Step,
        bringing: Collection[int],
        facts: Mapping[str, Any],
    ) -> list[tuple[int, bool | None]]:
        """Return the steps that can be taken now, the best first."""
        state = moved.case.state
        far = distances(flow, {s for i in bringing for s in flow.transitions[i].sources} or {goal[2]})
        ranked = []
        for i, rating in possible(flow, state, facts):
            step = flow.transitions[i]
            leads = 0 if i in bringing or (flow.name, i, state) == goal else far.get(step.target, 99) + 3
            leads += 9 if step.does == "correct" and leads else 0  # the provider takes so many at once
            rank = leads + self.chance.random() * 3 + 2 * moved.done[i, state]
            ranked.append((rank - (0 if (flow.name, i, state) in self.taken else 0.5), i, rating))
        return [(i, rating) for _, i, rating in sorted(ranked, key=lambda way: way[0])]

    def _take(self, flow: Workflow, moved: Moved, i: int, rating: bool | None) -> bool:
        step, before = flow.transitions[i], moved.case
        actor = self._actor(step.roles, before)
        if actor is None:
            return False
        fields = self._fields(step, rating)
        try:
            moved.act(actor, step.action, fields)
        except Refusal:
            return False
        self.taken.add((flow.name, i, before.state))
        moved.done[i, before.state] += 1
        self.world.now += timedelta(minutes=1)
        return True

    def _wait(self, moved: Moved) -> None:
        """Let time pass until a limit is over, and the sweep take what is the platform's to take."""
        before = moved.case
        with self.world.read(otto) as work:
            running = sorted(c.due for c in clocks(work, before) if c.running and c.due and not c.passed)
        instants = [*running[:2], *([before.lapses_at] if before.lapses_at else [])]
        over = self.chance.choice(instants) if instants else self.world.now + timedelta(days=1)
        self.world.now = max(self.world.now, over) + timedelta(seconds=1)
        with self.world.work(SYSTEM) as work:
            sweep(work)
        moved.reread()
        self._note_lapse(moved, before)

    def _note_lapse(self, moved: Moved, before: Case) -> None:
        flow = self.book.workflow(before.workflow)
        for event in moved.case.events[len(before.events) :]:
            for i, step in enumerate(flow.transitions):
                if step.timer and step.action == event.action and event.from_state in step.sources:
                    self.taken.add((flow.name, i, event.from_state))

    # --- who and what -----------------------------------------------------------------------------

    def _actor(self, roles: frozenset[str], case: Case | None) -> Actor | None:
        """Return somebody new who may take a step, of a department that plays a role in it."""
        self.people += 1
        for role in sorted(roles):
            played = in_role(case.parties, role) if case is not None else []
            with self.world.read(otto) as work:
                seated = () if role in ("handler", "co_handler") else seats(work, role)
            departments = [*played] or [*seated] or ([] if case is not None else ["housing"])
            held = "handler" if role == "co_handler" else role
            if departments:
                login = f"{held}{self.people}"
                return Actor(login, login, departments[0], frozenset({held}), login)
        return None

    def _fields(self, step: Any, rating: bool | None) -> dict[str, Any]:
        """Fill in what a step asks for, and by chance some of what it takes."""
        asked = [*step.requires, *(f for f in step.accepts if f in WELCOME and self.chance.random() < 0.5)]
        barred = {name: {v for f in some for v in f.values} for name, some in step.forbids.items()}
        said = {name: self._value(self.book.fields[name], barred.get(name, set())) for name in asked}
        if rating is not None:
            scale = self.book.policy("satisfaction.scale").value
            said["satisfaction"] = next(s["code"] for s in scale if s["satisfied"] is rating)
        if getattr(step, "does", None) == "correct":
            said["dataset"] = self.dataset
        return said

    def _value(self, rule: FieldRule, barred: set[str]) -> Any:
        if rule.name == "into":
            return self._taken({}).ticket.number
        if rule.type == "choice":
            return self.chance.choice([v for v in rule.choices if v not in barred])
        if rule.type == "instant":
            past = rule.name.endswith("_at")
            return local_iso(self.world.now + timedelta(minutes=-1 if past else 60 * 24 * 9))
        if rule.name == "by" or rule.type == "integer":
            return max(rule.min or 1, 3 if rule.name == "limit_days" else 1)
        return {
            "department": "housing",
            "dataset": self.dataset,
            "boolean": True,
            "list": ["police"],
        }.get(rule.type, "按规定办理")

    # --- how a walk begins ------------------------------------------------------------------------

    def _taken(self, facts: Mapping[str, Any]) -> Held:
        channels = {c["code"] for c in self.book.policy("channels").value}
        draft = {**DRAFT, "channel": "phone" if "phone" in channels else sorted(channels)[0]}
        draft["category"] = self.book.policy("categories").value[0]["code"]
        with self.world.work(otto) as work:
            return take_in(work, {**draft, **self._beside(facts)}).held

    def _beside(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        named = {k: v for k, v in facts.items() if k != "origin"}
        return {"facts": named, **({"origin": facts["origin"]} if "origin" in facts else {})}

    def _classified(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Choose a value of each dimension, so that a step with these conditions may come."""
        rules = [self.book.dimensions[n] for n in self.book.policy("classify.dimensions").value]
        values: dict[str, list[Any]] = {
            r.name: [*r.choices] or [True, False] for r in rules if r.type in ("choice", "boolean")
        }
        origins = [entry["code"] for entry in self.book.policy("supervise.origins").value or ()]
        values |= {"origin": origins} if origins else {}
        said = {n: w for n, w in wanted.items() if n in {*values, *self.book.tables}}
        for _ in range(200):
            facts = {n: self.chance.choice(some) for n, some in values.items() if n not in self.book.tables}
            if "origin" not in said and self.chance.random() < 0.7:
                facts.pop("origin", None)
            if matches(said, self.book.facts(facts)):
                return facts
        return {}

    def _ticket(self, goal: Step) -> Moved:
        wanted = self.book.workflow(TICKET).transitions[goal[1]].when
        facts = self._classified(wanted) if self.chance.random() < 0.8 else {}
        return MovedTicket(self.world, self._taken(facts).case)

    def _article(self, goal: Step) -> Moved:
        topic = self.book.policy("categories").value[0]["code"]
        ending = {"valid_until": local_iso(self.world.now + timedelta(days=9))}
        with self.world.work(Actor("hana", "Hana", "housing", frozenset({"handler"}), "p")) as work:
            made = write_article(
                work, {**CARD, "question": f"问{self.people}", "categories": [topic], **ending}
            )
        return MovedArticle(self.world, made.case, made.code)

    def _supervision(self, goal: Step) -> Moved:
        for _ in range(9):  # of some tickets the same is under way from their dispatch on
            try:
                return self._opened(goal[0])
            except Conflict:
                continue
        raise AssertionError(f"{goal[0]} is under way everywhere")

    def _opened(self, workflow: str) -> Moved:
        opening = offered(self.book)[workflow].opens_by
        assert opening is not None
        about = TICKET in (*opening.about, *opening.about_optional)
        held = self._handled() if about else None
        for role in sorted(opening.roles):
            actor = self._actor(frozenset({role}), held.case if held else None)
            if actor is None or (held is not None and not may_see(held.case, actor)):
                continue
            with self.world.work(actor) as work:
                ticket_id = held.ticket.id if held else None
                made = open_supervision(work, ticket_id, workflow, self._fields(opening, None))
            return MovedSupervision(self.world, made.case)
        raise AssertionError(f"nobody can open {workflow}")

    def _handled(self) -> Held:
        """Return a ticket that a unit handles with another."""
        flow = self.book.workflow(TICKET)
        while True:
            facts = self._classified({})
            held = self._taken(facts)
            moved = MovedTicket(self.world, held.case)
            with self.world.read(otto) as work:
                known = facts_now(work, held.case)
            for step in flow.leaving(held.case.state, known):
                if step.does == "dispatch":
                    actor = self._actor(step.roles, held.case)
                    assert actor is not None
                    also = {"co_units": ["police"]} if "co_units" in {*step.requires, *step.accepts} else {}
                    moved.act(actor, step.action, self._fields(step, None) | also)
                    return Held(held.ticket, moved.case)


WELCOME = ("co_units", "level", "type", "reason", "basis", "statutory_due")
"""Fields that a step takes without asking, and that change what may come next."""


@dataclass
class Moved:
    """A case that is being moved."""

    world: World
    case: Case
    done: Counter[tuple[int, str]] = field(default_factory=Counter, init=False)
    """How often it took a step from a state."""

    def act(self, actor: Actor, action: str, fields: Mapping[str, Any]) -> None:
        """Take a step, as whoever it falls to."""
        raise NotImplementedError

    def reread(self) -> None:
        """Look at it again after the platform may have moved it."""
        with self.world.read(otto) as work:
            found = read_case(work.tx, self.case.id)
        assert found is not None
        self.case = found


class MovedTicket(Moved):
    """A ticket."""

    def act(self, actor: Actor, action: str, fields: Mapping[str, Any]) -> None:
        with self.world.work(actor) as work:
            self.case = act_on_ticket(work, self.case.id, action, fields).case


class MovedSupervision(Moved):
    """A supervision."""

    def act(self, actor: Actor, action: str, fields: Mapping[str, Any]) -> None:
        with self.world.work(actor) as work:
            self.case = act_on_supervision(work, self.case.id, action, fields).case


@dataclass
class MovedArticle(Moved):
    """An article of the knowledge base."""

    code: str

    def act(self, actor: Actor, action: str, fields: Mapping[str, Any]) -> None:
        with self.world.work(actor) as work:
            self.case = act_on_article(work, self.code, action, fields).case


def possible(flow: Workflow, state: str, facts: Mapping[str, Any]) -> Iterator[tuple[int, bool | None]]:
    """Yield the steps that people may take now, of each action the first that holds, rated well and badly."""
    for rating in (None, True, False):
        first: dict[str, Transition] = {}
        for step in flow.leaving(state, facts if rating is None else {**facts, SATISFIED: rating}):
            first.setdefault(step.action, step)
        for i, step in enumerate(flow.transitions):
            rated = (SATISFIED in step.when) == (rating is not None)
            if first.get(step.action) is step and step.timer is None and rated:
                yield i, rating


def distances(flow: Workflow, goals: Collection[str]) -> dict[str, int]:
    """Return how many steps each state is from the nearest of `goals`."""
    far, queue = dict.fromkeys(goals, 0), deque(goals)
    while queue:
        state = queue.popleft()
        for step in flow.transitions:
            for source in step.sources if step.target == state else ():
                if source not in far:
                    far[source] = far[state] + 1
                    queue.append(source)
    return far
