"""The JSON face of systems, applications and grants."""

from __future__ import annotations

from flask import request

from cases.attachments import MOST_BYTES
from cases.decisions import DECISIONS
from core.codes import code_in
from core.errors import invalid
from core.text import Text
from core.work import Work
from gateway.applications import (
    Filed,
    act_on_application,
    apply_for_fields,
    attach,
    find_application,
    list_applications,
    read_paper,
)
from gateway.changing import approve_change, ask_for_change, refuse_change
from gateway.clients import approve_client, disable_client, find_client, list_clients
from gateway.credentials import issue_credential, register_key, register_system, revoke_credential
from gateway.grants import Held, act_on_grant, find_grant, list_grants
from gateway.present import (
    application_rows,
    application_view,
    attachment_view,
    client_rows,
    client_view,
    credential_view,
    grant_rows,
    grant_view,
    issued_view,
)
from web.http import Call, Reply, Routes, download_headers, listing

routes = Routes("gateway")

CONSUMER = {"consumer"}
MANAGER = {"platform_manager"}
APPLICANTS = CONSUMER | MANAGER
"""The platform manager registers what is urgent for a department that asked for it."""
PARTIES = {"consumer", "provider", "platform_manager"}
READERS = PARTIES | {"auditor"}
STATE = {"state": Text("状态", "state")}


# --- systems --------------------------------------------------------------------------------------


@routes.add(
    "POST",
    "/api/clients",
    who=CONSUMER,
    request="request/client",
    response="response/client",
    status=201,
    summary=Text("登记业务系统", "Register a business system"),
)
def register(work: Work, call: Call) -> Reply:
    """Register a business system of one's department."""
    client = register_system(work, call.body)
    return Reply(client_view(work, client), 201, {"Location": f"/api/clients/{client.id}"})


@routes.add(
    "GET",
    "/api/clients",
    who=READERS,
    response="response/clients",
    query=STATE,
    paged=True,
    summary=Text("业务系统列表", "List business systems"),
)
def clients(work: Work, call: Call) -> Reply:
    """List the systems that one may know of."""
    page = list_clients(work, call.query.get("state"), call.limit, call.cursor)
    return listing(client_rows(work, page.rows), page.next_cursor)


@routes.add(
    "GET",
    "/api/clients/<client_id>",
    who=READERS,
    response="response/client",
    summary=Text("查看业务系统", "Show a business system"),
)
def client(work: Work, call: Call, client_id: str) -> Reply:
    """Show one system."""
    return Reply(client_view(work, find_client(work, client_id)))


@routes.add(
    "POST",
    "/api/clients/<client_id>/actions/approve",
    who=MANAGER,
    response="response/client",
    summary=Text("启用业务系统", "Approve a business system"),
    step_up=True,
)
def approve(work: Work, call: Call, client_id: str) -> Reply:
    """Let a system take part."""
    call.must_be_empty()
    return Reply(client_view(work, approve_client(work, client_id)))


@routes.add(
    "POST",
    "/api/clients/<client_id>/actions/disable",
    who=MANAGER,
    response="response/client",
    summary=Text("停用业务系统", "Disable a business system"),
    step_up=True,
)
def disable(work: Work, call: Call, client_id: str) -> Reply:
    """Shut a system out."""
    call.must_be_empty()
    return Reply(client_view(work, disable_client(work, client_id)))


@routes.add(
    "POST",
    "/api/clients/<client_id>/credentials",
    who=CONSUMER,
    request="request/credential",
    response="response/credential_issued",
    status=201,
    summary=Text("签发凭据（只显示一次）", "Issue a credential, shown once"),
    step_up=True,
)
def issue(work: Work, call: Call, client_id: str) -> Reply:
    """Make a secret for a system. The answer is kept nowhere, so it cannot be repeated."""
    if "Idempotency-Key" in request.headers:
        raise invalid(
            "/Idempotency-Key", "凭据只显示一次，不能重放", "a secret is shown once and is never replayed"
        )
    credential, secret = issue_credential(work, client_id, call.body.get("retire_after_hours"))
    return Reply(
        issued_view(work, credential, secret), 201, {"Location": f"/api/clients/{credential.client_id}"}
    )


@routes.add(
    "POST",
    "/api/clients/<client_id>/keys",
    who=CONSUMER,
    request="request/client_key",
    response="response/credential",
    status=201,
    summary=Text("登记公钥或证书", "Register a public key or a certificate"),
    step_up=True,
)
def key(work: Work, call: Call, client_id: str) -> Reply:
    """Register a key that the system signs with, or a certificate that it shows."""
    made = register_key(work, client_id, call.body)
    return Reply(credential_view(work, made), 201, {"Location": f"/api/clients/{client_id}"})


@routes.add(
    "POST",
    "/api/clients/<client_id>/credentials/<credential_id>/actions/revoke",
    who={"consumer", "platform_manager"},
    response="response/client",
    summary=Text("吊销凭据", "Revoke a credential"),
    step_up=True,
)
def revoke(work: Work, call: Call, client_id: str, credential_id: str) -> Reply:
    """Revoke a secret, a key or a certificate, and the tokens of the system with it."""
    call.must_be_empty()
    return Reply(client_view(work, revoke_credential(work, client_id, credential_id)))


@routes.add(
    "POST",
    "/api/clients/<client_id>/authentication",
    who=CONSUMER,
    request="request/client_authentication",
    response="response/client",
    summary=Text("申请变更认证方式", "Ask for another way of authentication"),
    step_up=True,
)
def change(work: Work, call: Call, client_id: str) -> Reply:
    """Ask for another way of authentication, or take back what was asked for."""
    return Reply(client_view(work, ask_for_change(work, client_id, call.body)))


@routes.add(
    "POST",
    "/api/clients/<client_id>/actions/approve_authentication",
    who=MANAGER,
    response="response/client",
    summary=Text("同意变更认证方式", "Approve another way of authentication"),
    step_up=True,
)
def approve_authentication(work: Work, call: Call, client_id: str) -> Reply:
    """Put the way in force that a system asks for."""
    call.must_be_empty()
    return Reply(client_view(work, approve_change(work, client_id)))


@routes.add(
    "POST",
    "/api/clients/<client_id>/actions/refuse_authentication",
    who=MANAGER,
    response="response/client",
    summary=Text("不同意变更认证方式", "Refuse another way of authentication"),
    step_up=True,
)
def refuse_authentication(work: Work, call: Call, client_id: str) -> Reply:
    """Let a system stay with the way that it has."""
    call.must_be_empty()
    return Reply(client_view(work, refuse_change(work, client_id)))


# --- applications ---------------------------------------------------------------------------------


@routes.add(
    "POST",
    "/api/applications",
    who=APPLICANTS,
    request="request/application",
    response="response/application",
    status=201,
    summary=Text("提出共享申请", "Apply for fields of a dataset"),
)
def apply(work: Work, call: Call) -> Reply:
    """Apply, or keep a draft."""
    filed = apply_for_fields(work, call.body)
    return _application(work, filed, 201, {"Location": f"/api/applications/{filed.application.id}"})


@routes.add(
    "GET",
    "/api/applications",
    who=READERS,
    response="response/applications",
    query=STATE,
    paged=True,
    summary=Text("共享申请列表", "List applications"),
)
def applications(work: Work, call: Call) -> Reply:
    """List the applications that one is a party of."""
    page = list_applications(work, call.query.get("state"), call.limit, call.cursor)
    return listing(application_rows(work, page.rows), page.next_cursor)


@routes.add(
    "GET",
    "/api/applications/<application_id>",
    who=READERS,
    response="response/application",
    summary=Text("查看共享申请", "Show an application"),
)
def application(work: Work, call: Call, application_id: str) -> Reply:
    """Show one application."""
    return _application(work, find_application(work, application_id))


@routes.add(
    "POST",
    "/api/applications/<application_id>/attachments",
    who=APPLICANTS,
    response="response/application_attachment",
    status=201,
    query={
        "type": Text("附件类型", "what the paper is"),
        "sealed": Text("已盖章（true 或 false）", "whether it bears a seal (true or false)"),
        "name": Text("文件名", "file name"),
    },
    takes_bytes=MOST_BYTES,
    summary=Text("上传附件（请求体为文件内容）", "Add a paper; the body is the file"),
)
def add_paper(work: Work, call: Call, application_id: str) -> Reply:
    """Add a paper to a draft."""
    sealed = call.query.get("sealed", "false")
    if sealed not in ("true", "false"):
        raise invalid("/sealed", "应为 true 或 false", "must be true or false")
    if not call.query.get("type"):
        raise invalid("/type", "请写明附件类型", "say what the paper is", code="required")
    paper = attach(
        work,
        application_id,
        type=call.query["type"],
        sealed=sealed == "true",
        name=call.query.get("name", ""),
        content=call.content,
    )
    view = attachment_view(application_id, paper)
    return Reply(view, 201, {"Location": view["url"]})


@routes.add(
    "GET",
    "/api/applications/<application_id>/attachments/<attachment_id>",
    who=READERS,
    summary=Text("下载附件", "Download a paper"),
)
def paper(work: Work, call: Call, application_id: str, attachment_id: str) -> Reply:
    """Send the content of a paper, to be saved and never to be shown in place."""
    found, content = read_paper(work, application_id, attachment_id)
    return Reply(content, media_type=found.media_type, headers=download_headers(found.name))


@routes.add(
    "POST",
    "/api/applications/<application_id>/actions/<action>",
    who=PARTIES,
    response="response/application",
    summary=Text("办理共享申请", "Take a step of an application"),
    step_up=DECISIONS,
)
def application_action(work: Work, call: Call, application_id: str, action: str) -> Reply:
    """Submit, accept, grant, refuse, inform or withdraw, as the rulebook has it."""
    return _application(work, act_on_application(work, application_id, action, call.body, call.if_match))


# --- grants ---------------------------------------------------------------------------------------


@routes.add(
    "GET",
    "/api/grants",
    who=READERS,
    response="response/grants",
    query={
        **STATE,
        "dataset": Text("数据集代码", "dataset code"),
        "client": Text("业务系统", "system"),
    },
    paged=True,
    summary=Text("授权列表", "List grants"),
)
def grants(work: Work, call: Call) -> Reply:
    """List the grants that one is a party of."""
    page = list_grants(
        work,
        state=call.query.get("state"),
        dataset=code_in(call.query["dataset"]) if "dataset" in call.query else None,
        client=call.query.get("client"),
        limit=call.limit,
        cursor=call.cursor,
    )
    return listing(grant_rows(work, page.rows), page.next_cursor)


@routes.add(
    "GET",
    "/api/grants/<grant_id>",
    who=READERS,
    response="response/grant",
    summary=Text("查看授权", "Show a grant"),
)
def grant(work: Work, call: Call, grant_id: str) -> Reply:
    """Show one grant."""
    return _grant(work, find_grant(work, grant_id))


@routes.add(
    "POST",
    "/api/grants/<grant_id>/actions/<action>",
    who=PARTIES,
    response="response/grant",
    summary=Text("暂停、恢复、收回或终止授权", "Suspend, resume, take back or end a grant"),
    step_up=True,
)
def grant_action(work: Work, call: Call, grant_id: str, action: str) -> Reply:
    """Suspend, resume, reclaim or terminate, as the rulebook has it."""
    return _grant(work, act_on_grant(work, grant_id, action, call.body, call.if_match))


def _application(work: Work, filed: Filed, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(application_view(work, filed), status, headers or {}, version=filed.case.version)


def _grant(work: Work, held: Held) -> Reply:
    return Reply(grant_view(work, held), version=held.case.version)
