"""Procedures as data: states, and the transitions between them with their roles, demands and events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.text import Text
from rules.citation import Citation
from rules.routing import matches

SYSTEM = "system"
"""The role of the platform itself: it alone takes the transitions that a timer drives."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a case can stand; nothing leaves a final state."""

    name: str
    title: Text
    final: bool
    flags: frozenset[str]
    """What the platform does with a case that stands here (see `rules.check_use`)."""

    @property
    def serves(self) -> bool:
        """Tell whether data flow here: a dataset that is public, a grant that is usable."""
        return not self.flags.isdisjoint(("public", "usable"))


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Values that a field of a step may not have, and the provision that says so."""

    values: tuple[str, ...]
    cite: Citation


@dataclass(frozen=True, slots=True)
class Opens:
    """The case that a step calls for, and what is said at its opening."""

    workflow: str
    given: Mapping[str, Any]
    """Field to its value."""
    taken: Mapping[str, str]
    """Field to the field of the step, or the fact of the case, that its value is taken from."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a case of a workflow comes to be: by whom, about what, with which fields, and who takes part."""

    prefix: str
    """What the numbers of its cases begin with."""
    title: Text
    roles: frozenset[str]
    about: tuple[str, ...]
    """What must be named: dataset, datasets (several), grant, application, client."""
    about_optional: tuple[str, ...]
    """What may be named; one of these must be where `about` is empty and the parties depend on it."""
    requires: tuple[str, ...]
    accepts: tuple[str, ...]
    parties: Mapping[str, str]
    """Role to where its department comes from: opener, subject, named, named_or_opener, seat or users."""
    tells: tuple[str, ...]
    cite: Citation

    @property
    def forbids(self) -> Mapping[str, tuple[Forbidden, ...]]:
        """What its fields may not say: nothing that an opening forbids."""
        return {}


@dataclass(frozen=True, slots=True)
class Transition:
    """One step that some role may take, what it must bring along, and what it sets off."""

    action: str
    does: str | None
    """What the platform does along with it, whatever the book calls it (see `rules.check_use`)."""
    title: Text
    sources: tuple[str, ...]
    target: str
    roles: frozenset[str]
    requires: tuple[str, ...]
    """Fields that must be given and not blank."""
    accepts: tuple[str, ...]
    """Fields that may be given."""
    forbids: Mapping[str, tuple[Forbidden, ...]]
    """Field to the values that it may not have, each provision by itself."""
    emits: tuple[str, ...]
    """Events that it records, in order; clocks start and stop on them."""
    tells: tuple[str, ...]
    """Roles that must be told of it."""
    when: Mapping[str, Any]
    """Conditions on the case's facts; of several transitions of one action the first that holds is meant."""
    timer: str | None
    """The fact that holds the instant after which the platform takes it by itself."""
    joins: tuple[str, ...]
    """Roles that the step brings into the case: the departments that hold them in this deployment."""
    opens: Opens | None
    """The case that the step calls for, about the same thing."""
    by_another: bool
    """Whether it takes somebody else than the person who opened the case."""
    confirms: Text | None
    """What whoever takes the step confirms by taking it."""
    cite: Citation

    def unmet(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the conditions that do not hold."""
        return {fact: wanted for fact, wanted in self.when.items() if not matches({fact: wanted}, facts)}


@dataclass(frozen=True, slots=True)
class Workflow:
    """A procedure from its opening to its final states."""

    name: str
    title: Text
    initial: str
    opening: tuple[str, ...]
    """Events that the opening of a case records."""
    opens_by: Opening | None
    """How people or the platform open a case; None where opening is a use case of its own."""
    states: Mapping[str, State]
    transitions: tuple[Transition, ...]

    def actions(self, state: str, roles: Iterable[str], facts: Mapping[str, Any]) -> tuple[Transition, ...]:
        """Return what a holder of `roles` may do now, one transition an action, in the book's order."""
        held = frozenset(roles)
        first: dict[str, Transition] = {}
        for transition in self.leaving(state, facts):
            first.setdefault(transition.action, transition)
        return tuple(t for t in first.values() if t.roles & held)

    def find(self, state: str, action: str, facts: Mapping[str, Any]) -> Transition | None:
        """Return the transition that `action` means in `state`, None when it means nothing there."""
        return next((t for t in self.leaving(state, facts) if t.action == action), None)

    def doing(self, does: str, state: str, facts: Mapping[str, Any]) -> Transition | None:
        """Return the first transition out of `state` along with which the platform does this, if any."""
        return next((t for t in self.leaving(state, facts) if t.does == does), None)

    def names(self, does: str) -> frozenset[str]:
        """Return what the book calls the actions along with which the platform does this."""
        return frozenset(t.action for t in self.transitions if t.does == does)

    def lapse(self, state: str, facts: Mapping[str, Any]) -> Transition | None:
        """Return the transition that a timer drives out of `state`, None when its fact is not set."""
        return next(
            (t for t in self.leaving(state, facts) if t.timer and facts.get(t.timer) is not None), None
        )

    def events(self) -> frozenset[str]:
        """Return every event that a case of this workflow can record."""
        return frozenset(self.opening).union(*(t.emits for t in self.transitions))

    def leaving(self, state: str, facts: Mapping[str, Any]) -> Iterator[Transition]:
        """Yield the transitions out of `state` whose conditions hold, in the book's order."""
        return (t for t in self.transitions if state in t.sources and matches(t.when, facts))
