"""The main job, played over HTTP by the parties' own scripts; each step says its rule, clock and record.

1  a provider registers a real dataset, mounts it on its database, publishes it
2  a consumer's system is registered and approved
3  the consumer applies; the right desk checks, decides and informs, each within its clock
4  the system gets a token and pulls the data; a call beyond the grant is refused; a revoked token is dead
5  an API and files go the same way
6  the hotline takes a call in, handles it, and uses data for it (demo/hotline.py)
7  the auditor finds the calls in the log, a witness cosigns it, and it verifies offline (demo/log.py)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console

from accounts.tokens import issue_token
from catalog.apply import apply_manifests, check_manifests
from core.settings import Settings, read_yaml
from core.work import Work
from demo.hotline import run_the_hotline
from demo.http import Answer, Party, basic, bearer
from demo.log import look_at_the_log

DRAFT = Path(__file__).parent / "data" / "divisions.yaml"
SYSTEM_NAME = "居民健康档案系统"
LOCAL = ["127.0.0.1/32", "::1/128"]

Begin = Callable[[], AbstractContextManager[Work]]


class Story:
    """The cast, the page that the story is written on, and the number of the next step."""

    def __init__(self, settings: Settings, begin: Begin, page: Console) -> None:
        self.settings = settings
        self.page = page
        self.step = 0
        people = ("zhao.min", "sun.li", "qian.wei", "li.na", "wu.fang", "lin.yue", "xu.qiang", "gao.yang")
        with begin() as work:
            tokens = {login: issue_token(work, login, hours=1) for login in people}
        control = settings.platform.control_url
        parties = [bearer(control, tokens[login]) for login in people]
        self.civil, self.social, self.manager, self.health, self.auditor = parties[:5]
        self.operator, self.dispatcher, self.handler = parties[5:]

    def say(self, zh: str, en: str) -> None:
        """Write the next step."""
        self.step += 1
        self.page.print(f"\n{self.step:2}. {zh}\n    {en}", markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Write a line below the step."""
        self.page.print(f"    · {text}", markup=False, soft_wrap=True)

    def record(self, view: Mapping[str, Any]) -> None:
        """Say by which article the last action was taken, which clocks run and where it is on record."""
        last = view["history"][-1]
        self.note(f"{view['state_title']['zh']} {view['state_title']['en']}  记录 record {last['record']}")
        for clock in view["clocks"]:
            if clock["stopped_at"] is None:
                mark = "(暂定 provisional)" if clock["provisional"] else ""
                due = clock["due"] or "及时 promptly"
                self.note(f"时限 clock {clock['name']}: {due} {mark} {clock['cite']['label']['zh']}")


def tell(settings: Settings, begin: Begin, page: Console) -> None:
    """Play the story. Raises demo.http.Unexpected when anything answers otherwise than it should."""
    story = Story(settings, begin, page)
    code = publish_divisions(story)
    publish_manifests(story, begin)
    system = register_system(story)
    number = obtain_grant(story, code, "table", ["code", "name", "street_code"], decider=story.manager)
    rows, refused = pull_rows(story, system, code, number)
    use_the_service(story, system)
    fetch_a_calendar(story, system)
    looked_up = run_the_hotline(story, code)
    calls = [rows.headers["Audit-Record"], refused.headers["Audit-Record"], looked_up.json["record"]]
    look_at_the_log(story, calls)


# --- the catalog ----------------------------------------------------------------------------------


def publish_divisions(story: Story) -> str:
    """Register, mount and publish the divisions of Qianjiang; return the dataset's code in URL form."""
    manifest = read_yaml(DRAFT)
    title = manifest["dataset"]["title"]
    mine = story.civil.call("GET", "/api/datasets?provider=civil_affairs").json["items"]
    known = next((d for d in mine if d["title"] == title), None)
    code = str(known["code"]).replace("/", "-") if known else register_divisions(story, manifest["dataset"])
    if known is not None and known["state"] == "published":
        story.say(
            f"市民政局的“{title}”已在先前登记，代码 {known['code']}", "the dataset stands from an earlier run"
        )
        return code
    mount = manifest["distributions"][0]
    story.say("挂接到本部门的数据库，平台当场自检", "it mounts the table; the platform checks it on the spot")
    view = story.civil.call("PUT", f"/api/datasets/{code}/distributions/{mount['kind']}", mount).json
    for item in view["distributions"][0]["check"]["items"]:
        story.note(f"自检 check: {item['found']['zh']} {item['found']['en']}")
    story.say("发布；潜江的规定不设审核环节", "it publishes; Qianjiang's rule has no review in between")
    story.record(story.civil.call("POST", f"/api/datasets/{code}/actions/publish", {}).json)
    return code


def register_divisions(story: Story, draft: Mapping[str, Any]) -> str:
    """Register the draft; return its code in URL form."""
    story.say(
        f"市民政局登记数据集“{draft['title']}”",
        "the Civil Affairs Bureau registers a dataset of real divisions",
    )
    view = story.civil.call("POST", "/api/datasets", draft, expect=201).json
    story.note(f"代码 code {view['code']}")
    story.record(view)
    return str(view["code"]).replace("/", "-")


def publish_manifests(story: Story, begin: Begin) -> None:
    """Bring the other datasets in from their manifests, as `shuxiang apply` does."""
    manifests = story.settings.manifests
    reports = check_manifests(story.settings, manifests)
    with begin() as work:
        changes = apply_manifests(work, manifests, reports)
    story.say(
        "市人社局用静态清单登记工作日服务和日历文件", "the HR Bureau's service and files come from manifests"
    )
    for change in changes:
        story.note(f"{change.manifest}: {change.change} {change.code}")


def register_system(story: Story) -> Party:
    """Register and approve the consumer's system; return it with a fresh secret."""
    mine = story.health.call("GET", "/api/clients").json["items"]
    known = next((c for c in mine if c["name"] == SYSTEM_NAME and c["state"] == "active"), None)
    if known is None:
        story.say(f"市卫健委登记业务系统“{SYSTEM_NAME}”", "the Health Commission registers its system")
        draft = {"name": SYSTEM_NAME, "networks": LOCAL}
        known = story.health.call("POST", "/api/clients", draft, expect=201).json
        story.say("平台管理部门核准该系统", "the platform manager approves the system")
        story.manager.call("POST", f"/api/clients/{known['id']}/actions/approve", {})
    story.say(
        "系统领取新凭据，只显示一次，旧凭据即刻失效", "it gets a secret, shown once; older ones end at once"
    )
    address = f"/api/clients/{known['id']}/credentials"
    issued = story.health.call("POST", address, {"retire_after_hours": 0}, expect=201).json
    story.note(f"client_id {issued['client_id']}")
    return basic(story.settings.platform.control_url, issued["client_id"], issued["client_secret"])


# --- the grant ------------------------------------------------------------------------------------


def obtain_grant(story: Story, code: str, kind: str, fields: list[str], *, decider: Party) -> str:
    """Apply and go through every desk that the rulebook names; return the grant's number."""
    client = next(
        c["id"]
        for c in story.health.call("GET", "/api/clients").json["items"]
        if c["name"] == SYSTEM_NAME and c["state"] == "active"
    )
    wish = {
        "dataset": code,
        "client": client,
        "kind": kind,
        "fields": fields,
        "purpose": "健康档案地址规范化和随访时限计算",
        "reasons": "现有地址为手工录入，与区划不符",
        "duty_basis": "基本公共卫生服务职责",
        "networks": LOCAL,
    }
    story.say(f"市卫健委申请数据集 {code}", "the Health Commission applies")
    view = story.health.call("POST", "/api/applications", wish, expect=201).json
    address = f"/api/applications/{view['id']}"
    story.note(f"{view['number']}，由 decided by {view['decider']}")
    story.record(view)
    story.say("平台管理部门查验材料后受理", "the platform manager checks the papers and accepts")
    story.record(story.manager.call("POST", f"{address}/actions/accept", {}).json)
    story.say("有权的部门授权", "the department that may decide grants")
    view = decider.call("POST", f"{address}/actions/grant", {}).json
    story.record(view)
    if "inform" in story.manager.call("GET", address).json["actions"]:
        story.say("平台管理部门告知申请部门", "the platform manager informs the applicant")
        view = story.manager.call("POST", f"{address}/actions/inform", {}).json
        story.record(view)
    number = str(view["grant"]["number"])
    story.note(f"授权 grant {number}")
    return number


def token(story: Story, system: Party, number: str) -> str:
    """Get an access token for one grant (RFC 6749 section 4.4, RFC 9396)."""
    details = f'[{{"type":"data_grant","identifier":"{number}"}}]'
    form = {"grant_type": "client_credentials", "authorization_details": details}
    answer = system.call("POST", "/oauth/token", form=form).json
    story.note(f"令牌 token {answer['access_token'][:6]}…  {answer['expires_in']} s")
    return str(answer["access_token"])


# --- the calls ------------------------------------------------------------------------------------


def pull_rows(story: Story, system: Party, code: str, number: str) -> tuple[Answer, Answer]:
    """Pull rows, be refused beyond the grant, and find a revoked token dead; return the first two answers."""
    story.say(
        "业务系统领取令牌，调取园林街道的社区",
        "the system gets a token and pulls the communities of a street",
    )
    held = token(story, system, number)
    plane = bearer(story.settings.platform.gateway_url, held)
    rows = plane.call("GET", f"/share/{code}/rows?select=code,name&street_code=eq.429005001&limit=3")
    for row in rows.json["rows"]:
        story.note(f"{row['code']} {row['name']}")
    _on_record(story, rows)
    story.say("越权调用：索取授权以外的信息项，被拒绝", "a call for a field beyond the grant is refused")
    refused = plane.call("GET", f"/share/{code}/rows?select=code,id_number", expect=403)
    story.note(f"{refused.status} {refused.json['detail']} / {refused.json['detail_en']}")
    _on_record(story, refused)
    story.say("令牌吊销后，下一次调用即被拒绝", "the token is revoked; the very next call is refused")
    system.call("POST", "/oauth/revoke", form={"token": held})
    _on_record(story, plane.call("GET", f"/share/{code}/rows", expect=401))
    return rows, refused


def use_the_service(story: Story, system: Party) -> None:
    """Call the working-day service: conditional, so the provider decides."""
    code = _code_of(story, "工作日查询服务")
    fields = ["date", "workday", "weekday", "holiday"]
    number = obtain_grant(story, code, "api", fields, decider=story.social)
    story.say(
        "系统调用工作日服务，内部备注被滤除", "the system calls the service; the internal note is masked"
    )
    plane = bearer(story.settings.platform.gateway_url, token(story, system, number))
    answer = plane.call("GET", f"/share/{code}/call/day?date=2026-02-14")
    story.note(str(answer.json))
    _on_record(story, answer)


def fetch_a_calendar(story: Story, system: Party) -> None:
    """Fetch a file."""
    code = _code_of(story, "年度工作日日历文件")
    number = obtain_grant(story, code, "file", ["date", "workday"], decider=story.manager)
    story.say("系统下载 2026 年工作日日历", "the system downloads the calendar of 2026")
    plane = bearer(story.settings.platform.gateway_url, token(story, system, number))
    answer = plane.call("GET", f"/share/{code}/files/workdays-2026.csv")
    story.note(f"{len(answer.content)} 字节 bytes")
    _on_record(story, answer)


def _code_of(story: Story, title: str) -> str:
    found = story.health.call("GET", "/api/datasets?provider=hr_social").json["items"]
    return str(next(d["code"] for d in found if d["title"] == title)).replace("/", "-")


def _on_record(story: Story, answer: Answer) -> None:
    story.note(f"访问记录 record {answer.headers['Audit-Record']}  回执 receipt 已签 signed")
