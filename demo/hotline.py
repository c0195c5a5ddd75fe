"""The hotline's part of the story: a call becomes a ticket, is handled within its clocks, and touches data.

1  an operator takes a call in; a second call about the same lamp is recognised
2  the dispatcher finds the unit; it takes the ticket, calls back, repairs, answers; the caller is satisfied
3  the citizen follows the ticket by number and code
4  the operator looks data up over the gateway, under a grant of the office that wants a ticket for every call
5  a caller finds an error in the data; the provider corrects it, the operator sees how it ended
6  the hotline's own statistics stand in the catalog, without anything personal
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from demo.http import Answer, Party

if TYPE_CHECKING:
    from demo.story import Story

SYSTEM_NAME = "12345热线坐席系统"
LOCAL = ["127.0.0.1/32", "::1/128"]
CALLER = {"name": "张建国", "phone": "13800001234", "address": "园林街道紫月路 18 号"}
LAMP: dict[str, Any] = {
    "channel": "phone",
    "summary": "紫月路路灯连续三晚不亮",
    "description": "来电人反映紫月路与章华中路路口北侧三盏路灯连续三晚不亮，夜间出行不安全。",
    "category": "street_lights",
    "place": "429005001000",
    "location": "紫月路与章华中路路口北侧",
    "facts": {"type": "complaint", "level": "ordinary"},
    "caller": CALLER,
    "consent": True,
}


def run_the_hotline(story: Story, divisions: str) -> Answer:
    """Play the hotline's part; `divisions` is the dataset that operators look up. Return the look-up."""
    first = take_a_call(story)
    handle(story, first)
    follow(story, first)
    found = look_up(story, divisions)
    correct(story, divisions)
    own_statistics(story)
    return found


def step(party: Party, ticket: Mapping[str, Any], action: str, **fields: Any) -> dict[str, Any]:
    """Take a step of a ticket."""
    answer = party.call("POST", f"/api/tickets/{ticket['id']}/actions/{action}", fields)
    view: dict[str, Any] = answer.json
    return view


def take_a_call(story: Story) -> dict[str, Any]:
    """Take a ticket in, and see that the next call about the same lamp is recognised."""
    story.say("市民来电，话务员登记工单；姓名电话加密保存", "a citizen calls; who they are is kept sealed")
    ticket: dict[str, Any] = story.operator.call("POST", "/api/tickets", LAMP, expect=201).json
    story.note(f"{ticket['number']}  来电人 caller {ticket['caller']['name']} {ticket['caller']['phone']}")
    story.say(
        "另一位市民反映同一盏灯，平台当场提示可能重复", "a second call about it is recognised while typing"
    )
    asked = {"summary": "紫月路口路灯不亮", "place": LAMP["place"], "category": LAMP["category"]}
    hints = story.operator.call("POST", "/api/tickets/hints", asked).json["items"]
    for hint in hints[:2]:
        story.note(f"{hint['number']} {hint['summary']}")
    return ticket


def handle(story: Story, ticket: Mapping[str, Any]) -> None:
    """Give the ticket to its unit and bring it to the archive."""
    story.say(
        "派单员派给住建局，各项时限开始计算", "the dispatcher gives it to the Housing Bureau; clocks start"
    )
    story.record(step(story.dispatcher, ticket, "dispatch", unit="housing"))
    story.say("承办单位接收、联系来电人、答复", "the unit takes it, calls back, answers")
    step(story.handler, ticket, "sign_in")
    step(story.handler, ticket, "contact", channel_used="phone")
    story.record(step(story.handler, ticket, "feed_back", reply="已更换三盏路灯的灯头，今晚恢复照明。"))
    story.say("回访满意，办结归档", "the caller is satisfied; it is closed and archived")
    step(story.operator, ticket, "revisit", satisfaction="satisfied")
    story.record(step(story.operator, ticket, "archive"))


def follow(story: Story, ticket: Mapping[str, Any]) -> None:
    """Look at the ticket as the citizen does."""
    story.say("市民凭工单编号和查询码查询进度", "the citizen follows it by number and code")
    address = f"/api/hotline/progress?number={ticket['number']}&code={ticket['code']}"
    seen = Party(story.settings.platform.control_url).call("GET", address).json
    story.note(f"{seen['number']} {seen['state']['zh']} {seen['state']['en']}")


# --- data -----------------------------------------------------------------------------------------


def look_up(story: Story, divisions: str) -> Answer:
    """Let the office have a grant that wants a ticket for each call, and look a community up by it."""
    asking = {**LAMP, "summary": "咨询紫月路属于哪个社区", "facts": {"type": "help", "level": "ordinary"}}
    asking |= {"category": "other", "caller": {"name": "李秀英", "phone": "13900005678"}}
    ticket = story.operator.call("POST", "/api/tickets", asking, expect=201).json
    client = _system(story)
    held = story.operator.call("GET", f"/api/grants?client={client}").json["items"]
    if not any(g["needs_ticket"] and g["state"] == "active" for g in held):
        _grant(story, divisions, client, ticket["number"])
    story.say(
        "话务员为该工单经网关查询社区，与任何调用一样留痕", "the operator looks data up over the gateway"
    )
    address = f"/api/tickets/{ticket['id']}/lookups/communities"
    found = story.operator.call("POST", address, {"street_code": "429005001"})
    for row in found.json["rows"][:3]:
        story.note(f"{row['code']} {row['name']}")
    story.note(f"访问记录 record {found.json['record']}  工单 ticket {ticket['number']}")
    return found


def _system(story: Story) -> str:
    """Return the id of the office's own system, registered and approved."""
    mine = story.operator.call("GET", "/api/clients").json["items"]
    known = next((c for c in mine if c["name"] == SYSTEM_NAME and c["state"] == "active"), None)
    if known is None:
        story.say(f"热线办登记“{SYSTEM_NAME}”，平台管理部门核准", "the office registers a system of its own")
        draft = {"name": SYSTEM_NAME, "networks": LOCAL}
        known = story.operator.call("POST", "/api/clients", draft, expect=201).json
        story.manager.call("POST", f"/api/clients/{known['id']}/actions/approve", {})
    return str(known["id"])


def _grant(story: Story, divisions: str, client: str, number: str) -> None:
    """Apply with the ticket as the purpose, for a grant of which every call names one."""
    story.say("热线办以工单为用途申请行政区划", "the office applies, with the ticket as its purpose")
    wish = {
        "dataset": divisions,
        "client": client,
        "fields": ["code", "name", "street_code"],
        "purpose": "接听来电时核对社区归属",
        "reasons": "派单须先确定属地",
        "duty_basis": "市长热线工作管理办法第八条",
        "networks": LOCAL,
        "ticket": number,
        "needs_ticket": True,
    }
    view = story.operator.call("POST", "/api/applications", wish, expect=201).json
    address = f"/api/applications/{view['id']}/actions"
    story.manager.call("POST", f"{address}/accept", {})
    story.record(story.manager.call("POST", f"{address}/grant", {}).json)


def correct(story: Story, divisions: str) -> None:
    """Let a caller find an error in the data, the provider correct it, the operator see how it ended."""
    story.say(
        "来电反映社区名称有误，工单转为数据疑义，送提供部门校核", "a call about wrong data opens a correction"
    )
    wrong = {**LAMP, "summary": "某社区名称与门牌不符", "category": "data_error", "dataset": divisions}
    ticket = story.operator.call("POST", "/api/tickets", wrong, expect=201).json
    view = step(story.operator, ticket, "correct", dataset=divisions, doubt="社区名称应为紫月社区")
    story.note(
        f"数据疑义 correction {view['correction']['number']} {view['correction']['state_title']['zh']}"
    )
    done = {"result": "经核实名称无误，门牌为旧牌"}
    story.civil.call("POST", f"/api/matters/{view['correction']['id']}/actions/confirm", done)
    seen = story.operator.call("GET", f"/api/tickets/{ticket['id']}").json["correction"]
    story.note(f"{seen['state_title']['zh']} {seen['state_title']['en']}: {seen['result']}")
    step(story.operator, ticket, "withdraw", reason="来电人已得到答复")


def own_statistics(story: Story) -> None:
    """Find the hotline's statistics in the catalog."""
    found = story.health.call("GET", "/api/datasets?provider=hotline_office").json["items"]
    story.say(
        "热线办理统计已编入目录，有条件共享，不含个人信息", "the hotline's statistics stand in the catalog"
    )
    for dataset in found:
        story.note(f"{dataset['code']} {dataset['title']}")
