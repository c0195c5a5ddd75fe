"""Identities elsewhere: linked by the person who goes there and back, or by whoever keeps accounts."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts import store
from accounts.managing import act_on_account, find_account, set_roles
from accounts.oidc.identities import MOST, identities_of, link_for, unlink
from accounts.roles.proposing import decide_proposal, list_proposals
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.settings_oidc import IdentityProvider
from core.work import Actor
from tests.accounts.browser import Browser, bodies
from tests.accounts.oidc.issuer import Issuer
from tests.cast import adam, alice, bob, carol, dave, sally


def subjects(world: Any, person: Actor) -> list[str]:
    with world.read(person) as work:
        return [i.subject for i in identities_of(work, person.login)]


def person(world: Any, actor: Actor) -> Browser:
    """Somebody signed in, at a browser."""
    browser = Browser(world.app)
    browser.client = world.browser(actor)
    return browser


def begun(browser: Browser) -> str:
    """Press the button; return the address that the page leads to."""
    page = browser.send("/account/identities", "/account/identities/link/city")
    found = re.search(r'href="(https://localhost[^"]+)"', page.text)
    assert found, page.text
    return found[1].replace("&amp;", "&")


def come_back(browser: Browser, brought: dict[str, str]) -> Any:
    return browser.get(f"/sign-in/back/city?{urlencode(brought)}")


def test_a_person_links_an_identity_by_going_there_and_back(
    world: Any, provider: IdentityProvider, issuer: Issuer
) -> None:
    browser = person(world, alice)
    address = begun(browser)
    assert "prompt=login" in address
    assert come_back(browser, issuer.authorise(address)).headers["Location"] == "/account/identities"
    assert subjects(world, alice) == ["u-1"]
    assert "u-1" in browser.get("/account/identities").text
    assert [b["issuer"] for b in bodies(world, "account.identity_linked")] == [issuer.url]
    assert "u-1" not in str(bodies(world))


def test_an_identity_is_not_pushed_onto_who_is_signed_in_meanwhile(
    world: Any, provider: IdentityProvider, issuer: Issuer
) -> None:
    browser = person(world, alice)
    brought = issuer.authorise(begun(browser))
    browser.client.set_cookie("__Host-sid", world.browser(carol).get_cookie("__Host-sid").value)
    assert come_back(browser, brought).status_code == 400
    assert subjects(world, alice) == subjects(world, carol) == []


def test_linking_is_begun_by_a_form_of_ours_alone(world: Any, provider: IdentityProvider) -> None:
    browser = person(world, alice)
    assert browser.get("/account/identities/link/city").status_code == 405
    assert browser.client.post("/account/identities/link/city").status_code == 409


def test_one_identity_is_one_persons(world: Any, linked: IdentityProvider, issuer: Issuer) -> None:
    browser = person(world, carol)
    answer = come_back(browser, issuer.authorise(begun(browser)))
    assert answer.status_code == 409
    assert subjects(world, carol) == []


def test_an_unlinked_identity_opens_nothing_any_more(
    world: Any, linked: IdentityProvider, issuer: Issuer
) -> None:
    browser = person(world, alice)
    form = re.search(r'action="(/account/identities/[^"]+/unlink)"', browser.get("/account/identities").text)
    assert form
    assert browser.send("/account/identities", form[1]).status_code == 303
    assert not browser.is_signed_in()
    there = browser.get("/sign-in/with/city").headers["Location"]
    assert come_back(browser, issuer.authorise(there)).status_code == 403


def test_an_administrator_links_for_somebody(world: Any, provider: IdentityProvider) -> None:
    for known in (sally, carol, bob):
        world.client(known)
    browser = person(world, adam)
    page = "/accounts/carol/identities"
    assert browser.send(page, provider="city", subject="").status_code == 422
    assert browser.send(page, provider="elsewhere", subject="u-3").status_code == 422
    assert browser.send(page, provider="city", subject="u-3").status_code == 303
    assert subjects(world, carol) == ["u-3"]
    with world.read(adam) as work:
        assert find_account(work, "carol").roles == {"consumer"}
        (identity,) = identities_of(work, "carol")
    assert browser.send(page, f"{page}/{identity.id}/unlink").status_code == 303
    assert subjects(world, carol) == []


def test_what_commands_others_is_held_back_when_somebody_else_links(
    world: Any, provider: IdentityProvider
) -> None:
    for known in (sally, bob):
        world.client(known)
    with world.work(adam) as work:
        link_for(work, "bob", "city", "u-4")
        assert find_account(work, "bob").roles == set()
    assert [b["reason"] for b in bodies(world, "account.roles_proposed")] == ["linked"]


def let_in(world: Any, issuer: Issuer, subject: str) -> bool:
    """Tell whether the provider's `subject` gets in."""
    issuer.subject, stranger = subject, Browser(world.app)
    there = stranger.get("/sign-in/with/city").headers["Location"]
    return bool(come_back(stranger, issuer.authorise(there)).status_code == 303)


def test_an_identity_that_an_administrator_linked_signs_nobody_in_before_it_is_vouched_for(
    world: Any, provider: IdentityProvider, issuer: Issuer
) -> None:
    for known in (sally, carol):
        world.client(known)
    with world.work(adam) as work:
        link_for(work, "carol", "city", "adams-own")
    assert not let_in(world, issuer, "adams-own")
    desk = person(world, sally)
    assert "adams-own" in desk.get("/accounts/carol").text
    assert desk.send("/accounts/carol", "/accounts/carol/actions/vouch").status_code == 303
    assert let_in(world, issuer, "adams-own")


def test_no_role_that_takes_two_goes_to_an_account_with_an_identity_that_somebody_else_linked(
    world: Any, provider: IdentityProvider, issuer: Issuer
) -> None:
    for known in (sally, carol):
        world.client(known)
    with world.work(adam) as work:
        identity = link_for(work, "carol", "city", "adams-own")
        store.update_account(work.tx, "carol", department="audit")
    with world.work(sally) as work:
        act_on_account(work, "carol", "vouch")
    with world.work(adam) as work:
        set_roles(work, "carol", ["auditor"])
    desk = person(world, sally)
    with world.read(sally) as work:
        (waiting,) = list_proposals(work, "open", 5, None).rows
    shown = world.client(sally).get(f"/api/role-proposals/{waiting.id}").json
    assert shown["linked_by_others"] == ["adam"]
    page = f"/role-proposals/{waiting.id}"
    assert "代为绑定" in desk.get(page).text
    assert f"{page}/actions/approve" not in desk.get(page).text
    assert desk.send(page, f"{page}/actions/approve").status_code == 409
    with pytest.raises(Conflict) as refused, world.work(sally) as work:
        decide_proposal(work, waiting.id, "approve")
    assert refused.value.code == "linked_by_others"
    with world.work(carol) as work:
        unlink(work, "carol", identity.id)
    assert f"{page}/actions/approve" in desk.get(page).text
    with world.work(sally) as work:
        decide_proposal(work, waiting.id, "approve")
        assert find_account(work, "carol").roles == {"auditor"}


def test_nobody_links_beyond_their_reach(world: Any, provider: IdentityProvider) -> None:
    for known in (adam, carol, dave):
        world.client(known)
    for actor, login in ((sally, "carol"), (bob, "carol"), (carol, "dave"), (adam, "adam")):
        with pytest.raises(NotPermitted), world.work(actor) as work:
            link_for(work, login, "city", "u-5")
        with pytest.raises((NotPermitted, NotFound)), world.work(actor) as work:
            unlink(work, login, "1")
    with pytest.raises(Invalid), world.work(adam) as work:
        link_for(work, "carol", "elsewhere", "u-5")


def test_an_account_has_a_few_identities_at_most(world: Any, provider: IdentityProvider) -> None:
    world.client(carol)
    with world.work(adam) as work:
        for number in range(MOST):
            link_for(work, "carol", "city", f"u-{number}")
        with pytest.raises(Conflict):
            link_for(work, "carol", "city", "one-more")
