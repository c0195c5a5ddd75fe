"""A demand is met: the provider confirms and shares, which opens the grant at once (GZ art. 10, I-G-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.datasets import find_dataset
from core.errors import Conflict, NotPermitted, invalid
from core.work import Work
from gateway.asking import complete, decide
from gateway.clients import ACTIVE
from gateway.grants import open_direct_grant
from gateway.store import client as find_system
from gateway.store import offer as find_offer
from matters.model import Held
from matters.words import names_in


def share(work: Work, held: Held, fields: Mapping[str, Any]) -> None:
    """Grant the items that the provider names of its published dataset to the system of the demand.

    Raises Conflict for a dataset that is not published, NotPermitted for one of another provider, Invalid for
    items that it does not have.
    """
    code, said = fields["dataset"], held.case.events[0].fields
    if find_dataset(work, code).provider != work.actor.department:
        raise NotPermitted("只能共享本部门的数据集", "a provider shares its own datasets")
    offer = find_offer(work.tx, code)
    if offer is None or not offer.is_public:
        raise Conflict(
            "请先发布目录再确认共享", "publish the entry before you share it", code="not_published"
        )
    client = find_system(work.tx, str(held.matter.client))
    if client is None or client.state != ACTIVE:
        raise Conflict("该业务系统已停用", "the system is not active", code="client_not_active")
    days = fields.get("term_days", said["term_days"])
    if days > said["term_days"]:
        raise invalid(
            "/term_days", f"需求是 {said['term_days']} 天", f"{said['term_days']} days were asked for"
        )
    wish = {"fields": names_in(fields["items"]), "term_days": days, **_statement(said)}
    asked = complete(wish, offer, client)
    open_direct_grant(work, offer, client, asked, decide(asked, {}, offer), held.matter.number)


def _statement(said: Mapping[str, Any]) -> dict[str, str]:
    return {"purpose": said["purpose"], "reasons": said["wanted"], "duty_basis": said["duty_basis"]}
