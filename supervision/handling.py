"""How applications were handled: one line for each, worked out from its recorded events.

No action, state or event is known by name. A step is what the rulebook makes it do:

    submitted      the step that does `submit`
    accepted       a step into a state where one can grant, out of one where nobody could yet
    not_accepted   a step out of a state where nobody can grant yet, after which nobody ever can
    granted        a step that does `grant`
    refused        any other step out of a state where one can grant, after which nobody ever can
    withdrawn      a step `aside` after which nobody can grant any more

The lines hold no "late now": a limit has an instant at which it falls due, and whoever looks compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cases.model import Case, Event, in_role
from core.periods import day_of
from rules.clocks import ClockState, Recorded, run_clocks
from rules.limits import ClockRule
from rules.routing import matches
from rules.rulebook import Rulebook
from rules.workdays import Calendar
from rules.workflow import Transition, Workflow
from supervision.model import GRANTED, NOT_ACCEPTED, REFUSED, WITHDRAWN, Handled, Limit

ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the steps of a workflow mean for statistics."""

    submits: frozenset[str]
    grants: frozenset[str]
    asides: frozenset[str]
    deciding: frozenset[str]
    """The states out of which one can grant."""
    open: frozenset[str]
    """Those, and all from which they can still be reached."""
    checked: bool
    """Whether what is submitted first comes to a state in which nobody can grant yet."""

    def accepts(self, event: Event) -> bool:
        """Tell whether an event brings an application to whoever decides."""
        before = event.from_state
        waited = before in self.open and before not in self.deciding and event.action not in self.submits
        return waited and event.to_state in self.deciding

    def outcome(self, event: Event) -> str | None:
        """Return how an event concludes an application, None when it does not."""
        if event.action in self.grants:
            return GRANTED
        if event.from_state not in self.open or event.to_state in self.open:
            return None
        if event.action in self.asides:
            return WITHDRAWN
        return REFUSED if event.from_state in self.deciding else NOT_ACCEPTED


def meaning_of(flow: Workflow) -> Meaning:
    """Read what the steps of a workflow mean."""
    grants = [t for t in flow.transitions if t.does == "grant"]
    deciding = frozenset(source for t in grants for source in t.sources)
    open_ = set(deciding)
    while more := {s for t in flow.transitions if t.target in open_ for s in t.sources} - open_:
        open_ |= more
    submits = [t for t in flow.transitions if t.does == "submit"]
    return Meaning(
        flow.names("submit"),
        flow.names("grant"),
        flow.names(ASIDE),
        deciding,
        frozenset(open_),
        any(t.target not in deciding for t in submits),
    )


class Handling:
    """Works out the lines of the applications that one version of a rulebook governs."""

    def __init__(self, book: Rulebook, workflow: str, calendar: Calendar) -> None:
        self._rules = [rule for rule in book.clocks if rule.workflow == workflow]
        self._flow = book.workflow(workflow)
        self._calendar = calendar
        self._meaning = meaning_of(self._flow)

    def line(self, case: Case) -> Handled:
        """Work out how an application was handled."""
        meaning = self._meaning
        submitted = _first(case, lambda e: e.action in meaning.submits)
        concluded = _first(case, lambda e: meaning.outcome(e) is not None) if submitted else None
        accepted = _first(case, meaning.accepts) if meaning.checked else None
        decider = _department(case, (str(case.facts.get("decider", "")),))
        limits = tuple(self._limits(case))
        return Handled(
            case_id=case.id,
            dataset=str(case.facts.get("dataset", "")),
            decider=decider,
            checked=meaning.checked,
            submitted_at=submitted.at if submitted else None,
            accepted_at=accepted.at if accepted else None,
            concluded_at=concluded.at if concluded else None,
            outcome=meaning.outcome(concluded) if concluded else None,
            workdays=self._workdays(submitted, concluded),
            late=concluded is not None and _is_late(limits, decider, concluded.at),
            limits=limits,
        )

    def _workdays(self, submitted: Event | None, concluded: Event | None) -> int | None:
        if submitted is None or concluded is None:
            return None
        return self._calendar.workdays_between(day_of(submitted.at), day_of(concluded.at))

    # --- limits -----------------------------------------------------------------------------------

    def _limits(self, case: Case) -> Iterator[Limit]:
        """Yield every limit that ever ran."""
        names = Counter(name for event in case.events for name in event.names)
        simple = all(r.extension is None and sum(names[s] for s in r.starts) < 2 for r in self._rules)
        return self.limits_at_once(case) if simple else self.limits_step_by_step(case)

    def limits_at_once(self, case: Case) -> Iterator[Limit]:
        """Yield the limits where each began once at most and none was extended."""
        for state in self._states(case, len(case.events)):
            if state.obliges and state.due is not None:
                starts = {s for rule in self._named(case, state.name) for s in rule.starts}
                began = next(e for e in case.events if starts & set(e.names))
                department = self._responsible(case, state.name, began.to_state)
                yield Limit(state.name, state.due, state.stopped_at or case.closed_at, department)

    def limits_step_by_step(self, case: Case) -> Iterator[Limit]:
        """Yield the limits of every run, also one that an extension or a new start put another due in."""
        ended: dict[tuple[str, datetime], Limit] = {}
        running: dict[tuple[str, datetime], str] = {}
        for so_far, event in enumerate(case.events, 1):
            states = self._states(case, so_far)
            keys = {(s.name, s.due) for s in states if s.running and s.obliges and s.due is not None}
            for key in running.keys() - keys:
                ended[key] = Limit(*key, event.at, running.pop(key))
            for key in keys - running.keys():
                running[key] = self._responsible(case, key[0], event.to_state)
        yield from ended.values()
        yield from (Limit(*key, case.closed_at, department) for key, department in running.items())

    def _states(self, case: Case, so_far: int) -> tuple[ClockState, ...]:
        """Return the clocks of a case as they stood right after one of its events."""
        events = case.events[:so_far]
        recorded = [Recorded(name, event.at, event.fields) for event in events for name in event.names]
        return run_clocks(self._rules, case.facts, recorded, self._calendar, events[-1].at) if events else ()

    def _named(self, case: Case, clock: str) -> list[ClockRule]:
        return [r for r in self._rules if r.name == clock and matches(r.when, case.facts)]

    def _responsible(self, case: Case, clock: str, state: str) -> str:
        """Return the department that could stop a clock where the case stands, else anywhere."""
        stops = {stop for rule in self._named(case, clock) for stop in rule.stops}
        steps = [t for t in self._flow.transitions if stops & set(t.emits) and t.does != ASIDE]
        steps.sort(key=lambda t: state not in t.sources)
        return _department(case, tuple(role for t in steps for role in _roles(t)))


def _roles(step: Transition) -> list[str]:
    return sorted(step.roles)


def _department(case: Case, roles: tuple[str, ...]) -> str:
    """Return the first department that plays one of the roles in a case."""
    return next((name for role in roles for name in in_role(case.parties, role)), "")


def _is_late(limits: tuple[Limit, ...], department: str, instant: datetime) -> bool:
    return any(limit.department == department and limit.is_breached(instant) for limit in limits)


def _first(case: Case, wanted: Callable[[Event], bool]) -> Event | None:
    return next((event for event in case.events if wanted(event)), None)
