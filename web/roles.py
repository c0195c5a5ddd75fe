"""What roles are called: on screen, and in the refusals of code that knows no screen."""

from __future__ import annotations

from core.text import Text

ROLES = {
    "provider": Text("提供部门", "Provider"),
    "consumer": Text("使用部门", "Consumer"),
    "platform_manager": Text("平台管理部门", "Platform manager"),
    "auditor": Text("审计部门", "Auditor"),
    "administrator": Text("系统管理员", "Administrator"),
    "security_admin": Text("安全管理员", "Security administrator"),
    "steering_office": Text("统筹部门", "Steering office"),
    "steering_group": Text("领导小组", "Steering group"),
    "dispute_body": Text("协调机构", "Coordinating body"),
    "rectifier": Text("责令整改部门", "Who orders rectification"),
    "offline_approver": Text("离线交换审批部门", "Approver of exchange off line"),
    "operator": Text("话务员", "Hotline operator"),
    "dispatcher": Text("派单员", "Dispatcher"),
    "handler": Text("承办单位", "Handling unit"),
    "co_handler": Text("协办单位", "Co-handling unit"),
    "supervisor": Text("督办人员", "Supervisor"),
    "leader": Text("领导", "Leader"),
    "superior": Text("上级热线机构", "Superior hotline agency"),
    "business_environment": Text("营商环境建设部门", "Business environment authority"),
    "discipline": Text("纪检监察机关", "Discipline inspection"),
    "emergency_office": Text("应急管理部门", "Emergency office"),
    "member": Text("当事部门", "Department concerned"),
    "system": Text("平台", "Platform"),
}
"""Role to its name."""
