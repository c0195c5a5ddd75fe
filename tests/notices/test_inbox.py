"""The inbox: whoever is concerned learns of it, once, and says for themselves what they have read."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from core.settings_notify import Notify
from core.text import Text
from core.work import SYSTEM, Actor
from notices import inbox, store
from notices.delivery.store import deliveries
from notices.model import Draft
from notices.post import post_notice, told
from tests.cast import alice, ann, bob, carol, chen, dave
from tests.conftest import World

CASE = "019c4567-0000-7000-8000-000000000001"


def draft(key: str = "case:1:provider:civil_affairs", **changes: object) -> Draft:
    first = Draft(
        key=key,
        about=CASE,
        link="/applications/" + CASE,
        department="civil_affairs",
        role="provider",
        kind="step",
        subject=Text("一件申请等您审核", "An application waits for your decision"),
        body=Text("请在期限前办理。", "Please decide before it falls due."),
    )
    return replace(first, **changes)  # type: ignore[arg-type]


def post(world: World, *drafts: Draft) -> list[bool]:
    posted = []
    for one in drafts:
        with world.work(SYSTEM) as work:
            posted.append(post_notice(work, one))
        world.now += timedelta(milliseconds=10)
    return posted


def subjects(answer: object) -> list[str]:
    return [n["subject"]["en"] for n in answer.get_json()["items"]]  # type: ignore[attr-defined]


def test_a_notice_lies_in_the_inbox_of_those_whom_it_is_for(world: World) -> None:
    post(world, draft(), draft("case:2", role="", subject=Text("停机维护", "Maintenance")))
    assert subjects(world.client(alice).get("/api/notices")) == [
        "Maintenance",
        "An application waits for your decision",
    ]
    same_department_other_role = replace(carol, department="civil_affairs", login="cathy")
    assert subjects(world.client(same_department_other_role).get("/api/notices")) == ["Maintenance"]
    assert subjects(world.client(ann).get("/api/notices")) == []


def test_a_key_that_was_posted_before_does_nothing(world: World) -> None:
    with_mail = replace(world.settings.departments["civil_affairs"], notify=Notify(("a@example.org",)))
    world.settings = replace(
        world.settings, departments={**world.settings.departments, "civil_affairs": with_mail}
    )
    assert post(world, draft(), draft(subject=Text("另", "Another")), draft("other")) == [True, False, True]
    with world.read(SYSTEM) as work:
        assert work.tx.execute(select(func.count()).select_from(store.notices)).scalar_one() == 2
        assert work.tx.execute(select(func.count()).select_from(deliveries)).scalar_one() == 2


def test_a_notice_of_an_act_that_was_undone_was_never_there(world: World) -> None:
    with suppress(RuntimeError), world.work(SYSTEM) as work:
        post_notice(work, draft())
        raise RuntimeError
    assert post(world, draft()) == [True]


@pytest.mark.parametrize(
    "change",
    [
        {"link": "https://elsewhere.example"},
        {"link": "//elsewhere.example"},
        {"link": "/\\elsewhere.example"},
        {"kind": "a b"},
        {"key": "k" * 121},
    ],
)
def test_a_notice_that_is_none_is_the_posters_fault(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"notice|path"):
        draft(**change)


def test_reading_is_each_readers_own(world: World) -> None:
    post(world, draft(), draft("case:2", subject=Text("二", "Second")))
    client, other = world.client(alice), world.client(replace(alice, login="anna"))
    first = client.get("/api/notices").get_json()["items"][1]
    answer = client.post(f"/api/notices/{first['id']}/read")
    assert answer.status_code == 200
    assert answer.get_json()["read"] is True
    assert subjects(client.get("/api/notices?unread=true")) == ["Second"]
    assert [n["read"] for n in client.get("/api/notices").get_json()["items"]] == [False, True]
    assert len(subjects(other.get("/api/notices?unread=true"))) == 2


def test_what_is_not_in_the_inbox_cannot_be_marked(world: World) -> None:
    post(world, draft())
    [notice] = world.client(alice).get("/api/notices").get_json()["items"]
    assert world.client(ann).post(f"/api/notices/{notice['id']}/read").status_code == 404
    assert world.client(alice).post("/api/notices/none/read").status_code == 404


def test_all_is_read_up_to_now_and_nothing_beyond(world: World) -> None:
    post(world, draft())
    world.now += timedelta(days=1)
    post(world, draft("case:2"))
    client = world.client(alice)
    assert client.post("/api/notices/read-all").get_json() == {"unread": 0}
    assert subjects(client.get("/api/notices?unread=true")) == []
    post(world, draft("case:3", subject=Text("三", "Third")))
    world.now += timedelta(minutes=5)
    assert subjects(client.get("/api/notices?unread=true")) == ["Third"]
    assert [n["read"] for n in client.get("/api/notices").get_json()["items"]] == [False, True, True]


def test_a_notice_that_is_committed_late_stays_unread(world: World) -> None:
    """On a database with several writers the act that posts may end after somebody read everything."""
    client = world.client(alice)
    posted_at = world.now
    world.now += timedelta(seconds=30)
    client.post("/api/notices/read-all")
    world.now = posted_at
    post(world, draft())
    world.now += timedelta(minutes=2)
    assert len(subjects(client.get("/api/notices?unread=true"))) == 1


def test_old_news_that_was_read_one_by_one_leaves_no_rows_behind(world: World) -> None:
    post(world, draft(), draft("case:2"))
    world.now += timedelta(hours=1)
    client = world.client(alice)
    for notice in client.get("/api/notices").get_json()["items"]:
        client.post(f"/api/notices/{notice['id']}/read")
    with world.read(alice) as work:
        assert work.tx.execute(select(func.count()).select_from(store.notice_reads)).scalar_one() == 0
        assert inbox.count_unread(work) == 0


def test_the_list_is_paged_and_filtered(world: World) -> None:
    post(world, *(draft(f"case:{i}", kind="overdue" if i == 3 else "step") for i in range(7)))
    client = world.client(alice)
    page = client.get("/api/notices?limit=3").get_json()
    seen = [n["id"] for n in page["items"]]
    while page["next"]:
        page = client.get(page["next"]).get_json()
        seen += [n["id"] for n in page["items"]]
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)
    assert [n["kind"] for n in client.get("/api/notices?kind=overdue").get_json()["items"]] == ["overdue"]
    assert client.get("/api/notices?unread=maybe").status_code == 400
    assert client.get("/api/notices?kind=A%20B").status_code == 400


def test_who_was_told_of_a_case_can_be_asked(world: World) -> None:
    post(world, draft(), draft("case:2", department="health", kind="maintenance"))
    with world.read(SYSTEM) as work:
        assert told(work.tx, CASE) == {"civil_affairs", "health"}
        assert told(work.tx, CASE, "maintenance") == {"health"}
        assert told(work.tx, CASE, None, world.now + timedelta(seconds=1)) == frozenset()


def test_old_notices_are_forgotten(world: World) -> None:
    post(world, draft())
    [notice] = world.client(alice).get("/api/notices").get_json()["items"]
    with world.work(alice) as work:
        store.insert_read(work.tx, "anna", notice["id"], work.now)
    world.now += timedelta(days=world.settings.platform.notice_days - 1)
    post(world, draft("case:2"))
    with world.work(SYSTEM) as work:
        assert inbox.forget_old(work) == 0
    world.now += timedelta(days=1)
    with world.work(SYSTEM) as work:
        assert inbox.forget_old(work) == 1
    assert len(subjects(world.client(alice).get("/api/notices"))) == 1


# --- the page -------------------------------------------------------------------------------------


def test_the_page_shows_what_is_new_and_the_navigation_how_much(world: World) -> None:
    post(world, draft(due=world.now + timedelta(days=3), cite="第二十条"), draft("case:2"))
    browser = world.browser(alice)
    html = browser.get("/inbox?lang=en").get_data(as_text=True)
    assert "An application waits for your decision" in html
    assert "第二十条" in html
    assert 'class="waiting">2<' in html
    assert 'class="waiting">2<' in browser.get("/").get_data(as_text=True)
    assert "waiting" not in world.browser(dave).get("/").get_data(as_text=True)


def test_a_notice_is_marked_from_the_page(world: World) -> None:
    post(world, draft(), draft("case:2"))
    browser = world.browser(alice)
    html = browser.get("/inbox").get_data(as_text=True)
    token = re.findall(r'name="csrf_token" value="([^"]+)"', html)[0]
    form = re.findall(r'action="(/inbox/[^"]+/read)"', html)[0]
    assert browser.post(form, data={"csrf_token": token}).headers["Location"] == "/inbox"
    assert browser.get("/inbox?unread=true").get_data(as_text=True).count('/read"') == 1
    assert browser.post("/inbox/read-all", data={"csrf_token": token}).status_code == 303
    assert "没有未读通知" in browser.get("/inbox?unread=true").get_data(as_text=True)


# --- many -----------------------------------------------------------------------------------------

MANY = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO notices (id, key, posted_at, about, link, department, role, kind, subject, body)
SELECT printf('%036d', i), 'many:' || i,
       strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1700000000 + i * 60, 'unixepoch'),
       '', '/', 'civil_affairs', CASE i % 50 WHEN 0 THEN '' ELSE 'provider' END, 'step',
       '{"zh":"a","en":"a"}', '{"zh":"a","en":"a"}' FROM n
"""


@pytest.fixture
def crowded(world: World) -> World:
    with world.database.begin() as tx:
        tx.execute(text(MANY))
    return world


@pytest.mark.long
@pytest.mark.parametrize("actor", [alice, chen, bob], ids=lambda a: a.login)
def test_a_hundred_thousand_notices_are_no_burden(crowded: World, actor: Actor) -> None:
    somebody = replace(actor, department="civil_affairs")
    with crowded.work(somebody) as work:
        steps = Steps(work.tx)
        assert inbox.count_unread(work) == 100
        found = inbox.list_notices(work, limit=50)
        inbox.list_notices(work, limit=50, cursor=found.next_cursor, unread=True)
        inbox.read_notice(work, found.lines[0].notice.id)
        assert steps.taken < 40_000
        assert inbox.count_unread(work) == 100
        steps = Steps(work.tx)
        inbox.read_all(work)
        assert inbox.count_unread(work) == 0
        assert inbox.list_notices(work, limit=50, unread=True).lines == []
        assert steps.taken < 40_000


class Steps:
    """How many thousands of steps SQLite takes: a measure of a query that no busy machine changes."""

    def __init__(self, tx: object) -> None:
        self._count = 0
        raw = tx.connection.dbapi_connection  # type: ignore[attr-defined]
        raw.set_progress_handler(self._step, 100)

    def _step(self) -> int:
        self._count += 1
        return 0

    @property
    def taken(self) -> int:
        return self._count * 100
