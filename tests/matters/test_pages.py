"""The pages of matters: every procedure of both books opened through its form, and taken to its end."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from accounts.people import ensure_account
from catalog.datasets import register_dataset
from matters.forms import read_form
from matters.opening import open_matter
from rules.rulebook import Rulebook
from tests.cast import alice, ann, bob, carol, dave, diana, mallory, olga, rita, stella
from tests.sharing.telling import seated
from tests.stories import OFFERS, STATEMENT, active_client, active_grant, offered, submitted_application

pytestmark = pytest.mark.long

PDF = b"%PDF-1.7\n% evidence\n"
DUTY = {"purpose": STATEMENT["purpose"], "duty_basis": STATEMENT["duty_basis"]}
RECTIFY = {
    "department": "health",
    "breach": "misuse",
    "demand": "停止超范围使用",
    "deadline": "2026-03-10T18:00",
}


def words(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def send(browser: Any, page: str, action: str, form: dict[str, Any]) -> Any:
    """Fill in the form of a page that posts to `action`, and send it."""
    html = browser.get(page).text
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', html, re.DOTALL)
    assert found, f"{page} offers no {action}: {re.findall('<form[^>]+action=.([^ ]+).', html)}"
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0]))
    names = set(re.findall(r' name="(\w+)"', found[0]))
    assert set(form) <= names, f"{action} asks for {names}"
    return browser.post(unescape(action), data={**hidden, **form})


def opened(world: Any, actor: Any, kind: str, form: dict[str, Any], query: str = "") -> str:
    """Open a matter through its form; return the address of its page."""
    page = f"/matters/new?kind={kind}"
    answer = send(world.browser(actor), page + query, page, form)
    assert answer.status_code == 303, words(answer)
    return str(answer.headers["Location"])


def acted(world: Any, actor: Any, place: str, action: str, form: dict[str, Any]) -> None:
    """Take a step a minute later."""
    world.now += timedelta(minutes=1)
    answer = send(world.browser(actor), place, f"{place}/actions/{action}", form)
    assert answer.status_code == 303, words(answer)


@dataclass
class Play:
    """One procedure: who opens it with what, and the steps to its end."""

    kind: str
    opener: Any
    form: dict[str, str]
    steps: list[tuple[Any, str, dict[str, str]]]
    end: str
    about: tuple[str, ...] = field(default=())
    """What of the city it is about, by the field's name."""


DISPUTE = Play(
    "dispute",
    carol,
    {"issue": "未说明不予授权的理由"},
    [(alice, "state_position", {"position": "已经说明"}), (bob, "settle", {"agreement": "重新审核"})],
    "已协商一致",
    ("application",),
)
CORRECTION = Play(
    "correction",
    carol,
    {"doubt": "街道名称有误", "record": "code\uff1d429005001", "items": "name"},
    [(bob, "urge", {}), (alice, "correct", {"result": "已更正街道名称"})],
    "已更正",
    ("dataset", "grant"),
)
QIANJIANG = [
    CORRECTION,
    DISPUTE,
    Play(
        "dispute",
        alice,
        {"issue": "使用超出用途"},
        [(bob, "refer", {"reason": "协商不成"}), (diana, "decide", {"result": "按原用途使用"})],
        "已协调解决",
        ("grant",),
    ),
    Play(
        "verification",
        bob,
        {"difference": "两部门登记的名称不一致"},
        [(ann, "state_position", {"position": "以登记为准"}), (bob, "conclude", {"result": "以民政为准"})],
        "已核实",
        ("datasets",),
    ),
    Play(
        "breach_report",
        bob,
        {"statement": "接口中断三小时"},
        [(bob, "sign", {"statement": "接口中断三小时，影响办件"}), (stella, "order_rectification", RECTIFY)],
        "已责成整改",
        ("dataset",),
    ),
    Play(
        "rectification",
        rita,
        RECTIFY,
        [
            (carol, "answer", {"result": "已停止"}),
            (rita, "send_back", {"reason": "证据不足", "deadline": "2026-03-20T18:00"}),
            (carol, "answer", {"result": "已停止，见附件"}),
            (rita, "accept", {}),
        ],
        "已整改",
    ),
    Play(
        "cascade",
        carol,
        {"direction": "to_upper", "wanted": "省级人口库核验", **DUTY},
        [(bob, "accept", {}), (bob, "forward_up", {}), (bob, "record_answer", {"result": "同意"})],
        "已答复",
    ),
    Play(
        "offline_exchange",
        carol,
        {"reason": "数据量大", **DUTY},
        [
            (olga, "approve", {}),
            (alice, "hand_over", {"medium": "移动硬盘一块", "digest": "ab" * 32}),
            (carol, "receive", {}),
        ],
        "已签收",
        ("dataset",),
    ),
]
GANZHOU = [
    CORRECTION,
    DISPUTE,
    Play(
        "demand",
        carol,
        {"provider": "civil_affairs", "wanted": "行政区划代码", "term_days": "365", **DUTY},
        [(bob, "forward", {}), (alice, "share", {"items": "code、name", "dataset": "307001/000001"})],
        "已确认并共享",
        ("client",),
    ),
    Play(
        "filing",
        alice,
        {"subject": "no_share_basis", "basis": "有关规定"},
        [
            (bob, "question", {"reason": "请写明条款"}),
            (alice, "explain", {"basis": "有关规定第五条"}),
            (bob, "note_filing", {}),
        ],
        "已备案",
        ("dataset",),
    ),
    Play(
        "cascade",
        carol,
        {"wanted": "省级人口库核验", **DUTY},
        [
            (bob, "collect", {}),
            (bob, "submit_up", {}),
            (bob, "approved_up", {"result": "同意"}),
            (bob, "publish_here", {"dataset": "307001/000001"}),
        ],
        "已在本级发布",
    ),
    Play(
        "maintenance",
        bob,
        {
            "service_stop": "2026-02-28T22:00",
            "service_resume": "2026-03-01T06:00",
            "reason": "升级数据库",
            "override_reason": "节后首日为补班日",
        },
        [(bob, "resume_service", {"note": "提前恢复"})],
        "已恢复服务",
    ),
    Play(
        "handover",
        carol,
        {"person": "zoe", "successor": "carol", "left_on": "2026-02-09T17:30"},
        [(bob, "file_handover", {})],
        "已备案",
    ),
]


@pytest.fixture
def cities(request: Any) -> Any:
    """Both cities by name, with every seat taken; each is made only when it is asked for."""
    return lambda name: seated(request.getfixturevalue({"qianjiang": "world", "ganzhou": "ganzhou"}[name]))


def subjects(world: Any) -> dict[str, str]:
    """Something of every kind that a matter can be about, and a second dataset."""
    code, system = offered(world, "divisions"), active_client(world)
    other = offered(world, "calendars")
    grant = active_grant(world, code, system, term_days=30).grant.number
    application = submitted_application(world, code, system, term_days=30).application.number
    with world.work(carol) as work:
        ensure_account(work, "zoe", "周欣", "health", {"consumer"})
    return {
        "dataset": code.replace("/", "-"),
        "datasets": f"{code}\n{other}",
        "grant": grant,
        "application": application,
        "client": system.client.id,
    }


PLAYS = [("qianjiang", p) for p in QIANJIANG] + [("ganzhou", p) for p in GANZHOU]


@pytest.mark.parametrize(("city", "play"), PLAYS, ids=lambda v: getattr(v, "kind", v))
def test_a_procedure_is_opened_and_taken_to_its_end_on_pages(cities: Any, city: str, play: Play) -> None:
    world = cities(city)
    known = subjects(world)
    world.now += timedelta(minutes=1)
    place = opened(world, play.opener, play.kind, {**play.form, **{n: known[n] for n in play.about}})
    first = words(world.browser(play.opener).get(place))
    assert "2026-02-10 10:01" in first
    for actor, action, form in play.steps:
        assert place.rpartition("/")[2] in world.browser(actor).get("/").text, f"{action} is on no desk"
        acted(world, actor, place, action, form)
    page = world.browser(play.opener).get(place)
    assert play.end in words(page)
    assert "/actions/" not in page.text
    assert "/attachments" not in page.text
    assert place in world.browser(play.opener).get("/matters?status=closed").text
    assert place not in world.browser(play.opener).get("/matters?status=open").text


@pytest.mark.parametrize(("city", "plays"), [("qianjiang", QIANJIANG), ("ganzhou", GANZHOU)])
def test_the_plays_open_every_procedure_of_the_book(cities: Any, city: str, plays: list[Play]) -> None:
    book: Rulebook = cities(city).rulebooks.current("sharing")
    known = {name for name, flow in book.workflows.items() if flow.opens_by is not None}
    assert {p.kind for p in plays} == known


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("city", ["qianjiang", "ganzhou"])
def test_every_form_shows_its_article_in_both_languages(cities: Any, city: str, lang: str) -> None:
    world = cities(city)
    book: Rulebook = world.rulebooks.current("sharing")
    for name, flow in book.workflows.items():
        if flow.opens_by is None:
            continue
        reader = next(a for a in (carol, alice, bob, rita) if a.roles & flow.opens_by.roles)
        page = world.browser(reader).get(f"/matters/new?kind={name}&lang={lang}")
        assert page.status_code == 200
        assert flow.opens_by.cite.in_language(lang) in unescape(page.text)
        assert flow.opens_by.title.in_language(lang) in unescape(page.text)
        for field_name in flow.opens_by.requires:
            assert f'name="{field_name}"' in page.text, field_name


def test_who_may_open_nothing_is_told_so_and_what_the_text_leaves_out_is_listed(cities: Any) -> None:
    world = cities("ganzhou")
    auditor = words(world.browser(dave).get("/matters/new"))
    assert "没有可以发起的程序" in auditor
    chosen = words(world.browser(carol).get("/matters/new"))
    mine, _, rest = chosen.partition("由其他角色发起的程序")
    others, _, silent = rest.partition("规则未规定的程序")
    assert "提出数据需求" in mine
    assert "停机维护" in others
    assert "整改" in silent
    assert "离线文件交换" in silent
    assert world.browser(carol).get("/matters/new?kind=maintenance").status_code == 403
    assert world.browser(carol).get("/matters/new?kind=rectification").status_code == 404


def test_a_form_with_errors_keeps_what_was_typed_and_says_what_is_wrong_beside_it(cities: Any) -> None:
    world = cities("ganzhou")
    known, page = subjects(world), "/matters/new?kind=demand"
    form = {"wanted": "行政区划代码", "client": known["client"], "provider": "health", "term_days": "9999"}
    wrong = send(world.browser(carol), page, page, form)
    assert wrong.status_code == 422
    for name in ("purpose", "duty_basis", "term_days"):
        assert f'href="#f-{name}"' in wrong.text
        assert f'id="f-{name}-error"' in wrong.text
    assert "行政区划代码</textarea>" in wrong.text
    assert f'value="{known["client"]}" selected' in wrong.text
    assert 'value="health" selected' in wrong.text
    assert 'value="9999"' in wrong.text


def test_a_wrong_record_is_shown_at_its_field(world: Any) -> None:
    known, page = subjects(world), "/matters/new?kind=correction"
    form = {"dataset": known["dataset"], "doubt": "有误", "record": "nothing=1\ncode=2"}
    wrong = send(world.browser(carol), page, page, form)
    assert wrong.status_code == 422
    assert 'id="f-record-error"' in wrong.text
    assert "nothing=1\ncode=2</textarea>" in wrong.text


def test_the_form_says_who_is_told_and_which_limit_begins(cities: Any) -> None:
    world = cities("ganzhou")
    known = subjects(world)
    doubt = words(world.browser(carol).get(f"/matters/new?kind=correction&dataset={known['dataset']}"))
    assert "行政区划" in doubt
    assert "潜江市民政局" in doubt.partition("提交以后")[2]
    assert "条文未定期限" in doubt
    assert "加密保存，仅当事部门可见" in doubt
    demand = words(world.browser(carol).get("/matters/new?kind=demand"))
    assert "转交需求 现在提交，截止 2026-02-13 23:59" in demand
    stop = words(world.browser(bob).get("/matters/new?kind=maintenance"))
    assert "按“停止服务时间”往前推算" in stop
    page = "/matters/new?kind=maintenance"
    wrong = send(world.browser(bob), page, page, {"service_stop": "2026-02-28T22:00"})
    assert wrong.status_code == 422
    assert "最迟发布时间 2026-02-25 23:59" in words(wrong)


def test_a_seat_that_nobody_holds_is_told_before_anything_is_typed(world: Any) -> None:
    known, departments = subjects(world), world.settings.departments
    vacant = {id: replace(d, roles=d.roles - {"offline_approver"}) for id, d in departments.items()}
    world.settings = replace(world.settings, departments=vacant)
    page = world.browser(carol).get(f"/matters/new?kind=offline_exchange&dataset={known['dataset']}")
    assert "离线交换审批部门”，请联系系统管理员" in words(page)


def test_titles_are_told_to_those_alone_who_may_know_them(world: Any) -> None:
    with world.work(alice) as work:
        draft = register_dataset(work, {**OFFERS["divisions"][1], "title": "未公开的名录"}).code
    page = f"/matters/new?kind=correction&dataset={draft.replace('/', '-')}"
    assert "未公开的名录" not in world.browser(carol).get(page).text


def test_pages_of_things_offer_what_their_reader_may_open_about_them(cities: Any) -> None:
    world = cities("qianjiang")
    code, system = offered(world, "divisions"), active_client(world)
    grant = active_grant(world, code, system).grant
    application = submitted_application(world, code, system).application
    dataset = f"/datasets/{code.replace('/', '-')}"

    def offers(actor: Any, path: str) -> dict[str, str]:
        html = world.browser(actor).get(path).text
        return {
            found[1]: unescape(found[0])
            for found in re.findall(r'href="(/matters/new\?kind=(\w+)[^"]*)"', html)
        }

    assert set(offers(carol, dataset)) == {"correction", "dispute", "cascade", "offline_exchange"}
    assert set(offers(bob, dataset)) == {"correction", "verification", "dispute", "breach_report"}
    assert set(offers(alice, dataset)) == {"verification", "dispute", "offline_exchange"}
    assert set(offers(carol, f"/grants/{grant.id}")) == {"correction", "dispute"}
    assert set(offers(bob, f"/grants/{grant.id}")) == {"correction", "dispute", "breach_report"}
    assert set(offers(rita, dataset)) == {"rectification"}
    assert set(offers(carol, f"/applications/{application.id}")) == {"dispute"}
    doubt = world.browser(carol).get(offers(carol, f"/grants/{grant.id}")["correction"])
    assert f'value="{code.replace("/", "-")}"' in doubt.text
    assert f'value="{grant.number}" selected' in doubt.text
    place = opened(world, carol, "correction", {"dataset": code, "grant": grant.number, "doubt": "有误"})
    for path in (dataset, f"/grants/{grant.id}"):
        assert place in world.browser(carol).get(path).text
    assert place not in world.browser(mallory).get(dataset).text


def test_what_is_sealed_is_read_by_the_parties_alone(world: Any) -> None:
    known = subjects(world)
    form = {"dataset": known["dataset"], "doubt": "张三的住址有误", "record": "code=429005001"}
    place = opened(world, carol, "correction", form)
    for party in (carol, alice, bob):
        page = words(world.browser(party).get(place))
        assert "张三的住址有误" in page
        assert "code = 429005001" in page
    auditor = words(world.browser(dave).get(place))
    assert "张三" not in auditor
    assert "429005001" not in auditor
    assert "已加密" in auditor
    assert world.browser(mallory).get(place).status_code == 404


def test_papers_are_added_by_parties_and_downloaded(world: Any) -> None:
    known = subjects(world)
    place = opened(world, carol, "correction", {"dataset": known["dataset"], "doubt": "有误"})
    papers, provider = f"{place}/attachments", world.browser(alice)
    none = send(provider, place, papers, {})
    assert none.status_code == 422
    assert 'href="#f-content"' in none.text
    wrong = send(provider, place, papers, {"content": (io.BytesIO(b"MZ"), "a.pdf")})
    assert wrong.status_code == 422
    assert send(provider, place, papers, {"content": (io.BytesIO(PDF), "核查.pdf")}).status_code == 303
    shown = world.browser(carol).get(place)
    link = re.search(rf'href="({place}/attachments/[^"]+)"', shown.text)
    assert link
    assert "核查.pdf" in shown.text
    got = world.browser(carol).get(link[1])
    assert got.data == PDF
    assert got.headers["Content-Disposition"].startswith("attachment;")
    auditor = world.browser(dave)
    assert "核查.pdf" in auditor.get(place).text
    assert "/attachments" not in auditor.get(place).text
    assert auditor.get(link[1]).status_code == 403
    assert world.client(dave).get(f"/api{link[1]}").status_code == 403
    assert world.browser(mallory).get(link[1]).status_code == 404


def test_a_step_with_errors_is_shown_again_and_what_it_confirms_stands_above_the_button(cities: Any) -> None:
    world = cities("qianjiang")
    place = opened(
        world, bob, "breach_report", {"statement": "接口中断", "dataset": subjects(world)["dataset"]}
    )
    html = world.browser(bob).get(place).text
    signing = html.partition("/actions/sign")[2].partition("</form>")[0]
    assert signing.index("提交即确认：所报情况属实") < signing.index("<button")
    wrong = send(world.browser(bob), place, f"{place}/actions/sign", {"impact": "影响办件", "statement": ""})
    assert wrong.status_code == 422
    assert 'id="f-statement-error"' in wrong.text
    assert "影响办件</textarea>" in wrong.text


def test_one_report_leads_to_the_rectification_that_it_called_for(cities: Any) -> None:
    world = cities("qianjiang")
    place = opened(
        world, bob, "breach_report", {"statement": "接口中断", "dataset": subjects(world)["dataset"]}
    )
    acted(world, bob, place, "sign", {"statement": "接口中断"})
    acted(world, stella, place, "order_rectification", RECTIFY)
    page = world.browser(bob).get(place)
    assert "由此引起的事项" in page.text
    link = re.search(r'href="(/matters/[0-9a-f-]+)">整改 R-2026-000001', page.text)
    assert link
    rectification = world.browser(bob).get(link[1])
    assert "起因" in rectification.text
    assert f'href="{place}"' in rectification.text
    assert "2026-03-10 18:00" in words(rectification)
    assert place not in world.browser(carol).get(link[1]).text


def test_the_list_is_narrowed_by_procedure_state_progress_and_dataset(cities: Any) -> None:
    world = cities("qianjiang")
    known = subjects(world)
    doubt = opened(world, carol, "correction", {"dataset": known["dataset"], "doubt": "有误"})
    talks = opened(world, carol, "dispute", {"application": known["application"], "issue": "迟迟未办"})
    reader = world.browser(carol)

    def found(query: str) -> list[bool]:
        html = reader.get(f"/matters?{query}").text
        return [place in html for place in (doubt, talks)]

    assert found("") == [True, True]
    assert found("kind=correction") == [True, False]
    assert found("kind=dispute&state=open") == [False, True]
    assert found("kind=dispute&state=settled") == [False, False]
    assert found("status=closed") == [False, False]
    assert found(f"dataset={known['dataset']}") == [True, True]
    assert found(f"application={known['application']}") == [False, True]
    assert found("dataset=1-1") == [False, False]
    assert found("kind=nonsense&state=nonsense") == [True, True]
    assert doubt not in world.browser(mallory).get("/matters").text
    assert doubt in world.browser(dave).get("/matters").text


def test_a_long_list_is_paged(world: Any) -> None:
    known = subjects(world)
    for i in range(27):  # at most twenty about one dataset
        dataset = known["datasets"].split()[i % 2]
        with world.work(carol) as work:
            open_matter(work, "correction", {"dataset": dataset, "doubt": f"第 {i} 处"})
    first = world.browser(carol).get("/matters").text
    following = re.search(r'href="(/matters\?cursor=[^"]+)"', first)
    assert following
    both = first + world.browser(carol).get(unescape(following[1])).text
    assert set(re.findall(r"C-2026-\d{6}", both)) == {f"C-2026-{i:06d}" for i in range(1, 28)}
    shown = world.browser(carol).get(f"/datasets/{known['dataset']}").text
    assert f"/matters?dataset={known['dataset'].replace('-', '/', 1)}&amp;status=open" in shown


def test_the_desk_calls_a_matter_by_its_procedure_and_number(cities: Any) -> None:
    world = cities("ganzhou")
    known = subjects(world)
    opened(world, carol, "correction", {"dataset": known["dataset"], "doubt": "有误"})
    opened(world, bob, "maintenance", {**GANZHOU[5].form, "datasets": known["datasets"]})
    provider = words(world.browser(alice).get("/"))
    assert "C-2026-000001 数据疑义" in provider
    everybody = words(world.browser(bob).get("/?list=recent"))
    assert "行政区划、工作日日历文件 W-2026-000001 停机维护" in everybody
    english = words(world.browser(bob).get("/?list=recent&lang=en"))
    assert "W-2026-000001 maintenance" in english


def test_the_step_that_started_a_limit_is_named_beside_it(cities: Any) -> None:
    world = cities("ganzhou")
    known = subjects(world)
    demand = GANZHOU[2]
    place = opened(world, carol, "demand", {**demand.form, "client": known["client"]})
    acted(world, bob, place, "forward", {})
    page = words(world.browser(carol).get(place))
    assert "确认并实施共享 2026-02-10 10:01 转交需求" in page


def test_forms_are_read_by_the_type_of_their_fields(world: Any) -> None:
    rules = world.rulebooks.current("sharing").fields
    given = {"datasets": "1/1\n2/2，3/3", "record": "a\uff1d1\uff1bb=2", "doubt": " 有误 ", "other": "x"}
    assert read_form(given, rules) == {
        "datasets": ["1/1", "2/2", "3/3"],
        "record": "a=1;b=2",
        "doubt": "有误",
        "other": "x",
    }


def test_a_matter_that_nobody_took_up_in_time_is_late_on_the_desk(cities: Any) -> None:
    world = cities("ganzhou")
    known = subjects(world)
    opened(world, carol, "demand", {**GANZHOU[2].form, "client": known["client"]})
    world.now += timedelta(days=4)
    late = words(world.browser(bob).get("/?list=late"))
    assert "D-2026-000001 供需对接" in late
    assert "已逾期" in words(world.browser(bob).get("/matters?kind=demand"))
