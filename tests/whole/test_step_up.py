"""What wants a fresh proof of who asks: every decision of every rulebook, on the page as for scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from cases.decisions import DECISIONS
from tests.conftest import World
from web.http import Route

pytestmark = pytest.mark.long

BOOKS = sorted((Path(__file__).parents[2] / "rulebooks").glob("*/*.yaml"))
DECIDES = re.compile(r"^(approve|refuse|grant|suspend|resume|reclaim|terminate|decide|settle|order)")
"""How the names of steps begin that decide on what others want or hold."""
TICKETS = {"ticket", "article"}
"""A dispatcher decides on tickets all day long, and an editor on articles: nobody gets access by that."""

WANTED = {
    "/api/accounts": "POST",
    "/api/accounts/<login>/roles": "PUT",
    "/api/accounts/<login>/last-day": "PUT",
    "/api/accounts/<login>/actions/<action>": "POST",
    "/api/role-proposals/<proposal_id>/actions/<action>": "POST",
    "/api/clients/<client_id>/actions/approve": "POST",
    "/api/clients/<client_id>/authentication": "POST",
    "/api/clients/<client_id>/credentials": "POST",
    "/api/clients/<client_id>/keys": "POST",
    "/api/grants/<grant_id>/actions/<action>": "POST",
    "/api/tickets/<ticket_id>/caller": "POST",
    "/api/audit/erasures/<erasure_id>/decision": "POST",
    "/api/audit/export": "GET",
    "/api/hotline/reports/export/<form>": "GET",
    "/accounts/new": "POST",
    "/systems/<id>/authentication": "POST",
    "/systems/<id>/credentials": "POST",
    "/grants/<id>/actions/<action>": "POST",
    "/tickets/<id>/caller": "POST",
    "/records/export/<form>": "GET",
    "/hotline/reports/export/<form>": "GET",
}


def routes(world: World) -> list[Route]:
    extensions = world.app.extensions
    return [*extensions["shuxiang_routes"].values(), *extensions["shuxiang_pages"].values()]


def test_accounts_keys_exports_and_callers_want_a_proof_and_the_steps_of_a_case_where_they_decide(
    world: World,
) -> None:
    stated = {(r.method, r.rule): r.step_up for r in routes(world)}
    assert {rule for rule, method in WANTED.items() if stated[method, rule] is not True} == set()
    cases = ("applications", "datasets", "matters", "supervisions")
    acting = [step_up for (m, rule), step_up in stated.items() if m == "POST" and _acts_on(rule) in cases]
    assert acting == [DECISIONS] * 2 * len(cases)


def _acts_on(rule: str) -> str | None:
    found = re.fullmatch(r"(?:/api)?/([a-z]+)/<[a-z_]+>/actions/<action>", rule)
    return found[1] if found else None


@pytest.mark.parametrize("book", BOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_step_of_a_rulebook_that_decides_is_one(book: Path) -> None:
    document = yaml.safe_load(book.read_text(encoding="utf-8"))
    workflows = {n: w for n, w in document.get("workflows", {}).items() if n not in TICKETS}
    steps = {t["action"] for w in workflows.values() for t in w.get("transitions", ())}
    assert {step for step in steps if DECIDES.match(step)} <= DECISIONS
