"""Every page, in both languages, in a real browser: accessible, self-contained, no wider than a phone."""

from __future__ import annotations

import pytest

from tests.browser.looking import Pages, led_to, look_at, name, shown
from tests.cast import adam, alice, bob, carol, chen, dave, sally

pytestmark = [pytest.mark.browser, pytest.mark.takes(90)]

PAGES: Pages = (
    (None, "/sign-in"),
    (alice, "/"),
    (bob, "/"),
    (carol, "/"),
    (dave, "/?list=late"),
    (alice, "/inbox"),
    (carol, "/inbox?unread=true"),
    (bob, "/deliveries?state=waiting"),
    (carol, "/account"),
    (adam, "/accounts"),
    (adam, "/accounts/new"),
    (adam, "/accounts/carol"),
    (adam, "/role-proposals"),
    (sally, "/role-proposals/{proposal}"),
    (carol, "/account/identities"),
    (adam, "/accounts/carol/identities"),
    (None, "/sign-in?left=city"),
    (carol, "/password"),
    (carol, "/datasets"),
    (alice, "/datasets/new"),
    (carol, "/datasets/{dataset}"),
    (alice, "/datasets/{draft}"),
    (alice, "/datasets/{dataset}/revise"),
    (alice, "/datasets/{draft}/attach"),
    (alice, "/datasets/{dataset}/quality"),
    (bob, "/catalog/bases"),
    (bob, "/applications"),
    (carol, "/applications/new?dataset={dataset}"),
    (bob, "/applications/{application}"),
    (carol, "/applications/{waiting}"),
    (carol, "/grants"),
    (bob, "/grants/{grant}"),
    (carol, "/grants/{grant}"),
    (bob, "/matters"),
    (carol, "/matters?kind=correction&dataset={dataset}"),
    (carol, "/matters/new"),
    (dave, "/matters/new"),
    (carol, "/matters/new?kind=correction&dataset={dataset}"),
    (bob, "/matters/new?kind=verification"),
    (carol, "/matters/new?kind=offline_exchange&dataset={dataset}"),
    (alice, "/matters/{matter}"),
    (dave, "/matters/{matter}"),
    (bob, "/matters/{report}"),
    (carol, "/systems"),
    (carol, "/systems/new"),
    (carol, "/systems/{system}"),
    (dave, "/records"),
    (dave, "/records/{record}"),
    (dave, "/records/export?decision=refused"),
    (dave, "/records/overview"),
    (dave, "/records/log"),
    (dave, "/records/erasures"),
    (dave, "/records/past"),
    (bob, "/records/erasures"),
    (dave, "/records/erasures/new?record={record}"),
    (bob, "/records/erasures/{erasure}"),
    (carol, "/usage"),
    (chen, "/usage?side=provider&period=year&by=client"),
    (alice, "/usage/records"),
    (dave, "/records/questions"),
    (dave, "/records/questions/accesses_of_citizen"),
    (dave, "/records/questions/find_records?asked=yes&kind=access"),
    (dave, "/records/questions/top_consumers?asked=yes&by=dataset"),
    (None, "/statistics"),
    (bob, "/statistics?period=year"),
)
DOWNLOADS = {
    "/usage/records/<id>/proof",
    "/records/export/<form>",
    "/records/questions/<code>/file/<form>",
    "/records/<id>/proof",
    "/records/<id>/body",
    "/records/<id>/envelope",
    "/applications/<id>/attachments/<attachment>",
    "/matters/<id>/attachments/<attachment>",
    "/statistics.csv",
    "/statistics.json",
}
ELSEWHERE = (
    "/knowledge",
    "/hotline/",
    "/tickets",
    "/supervisions",
    "/accountability",
    "/account/factors",
    "/confirm",
    "/sign-in/second-factor",
    "/sign-in/with/",
    "/sign-in/back/",
    "/sign-out/with/",
)
"""Where the addresses begin of pages that need a hotline, a second factor or a provider that answers: other
files look at them."""


def test_every_page_is_in_the_list(site):
    assert shown(site, lambda rule: not rule.startswith(ELSEWHERE)) - DOWNLOADS == led_to(site, PAGES)


@pytest.mark.parametrize(("actor", "address"), PAGES, ids=name)
def test_a_page_is_accessible_self_contained_and_fits_a_phone(site, actor, address):
    look_at(site, actor, address)
