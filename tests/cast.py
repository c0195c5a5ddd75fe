"""The people of every story."""

from core.work import Actor


def _actor(login: str, department: str, *roles: str) -> Actor:
    return Actor(login, login.title(), department, frozenset(roles), f"pseudonym-of-{login}")


alice = _actor("alice", "civil_affairs", "provider")
"""The steward of the divisions dataset."""
ann = _actor("ann", "hr_social", "provider")
"""The steward of the working-day service."""
bob = _actor("bob", "bigdata", "platform_manager")
"""The platform manager."""
bill = _actor("bill", "bigdata", "platform_manager")
"""A second platform manager, for what takes two."""
carol = _actor("carol", "health", "consumer")
"""The consumer."""
chen = _actor("chen", "market", "consumer", "provider")
"""Consumer and provider in one department."""
dave = _actor("dave", "audit", "auditor")
"""The auditor."""
adam = _actor("adam", "bigdata", "administrator")
"""The administrator of accounts."""
sally = _actor("sally", "bigdata", "security_admin")
"""The administrator of security."""
mallory = _actor("mallory", "education", "consumer")
"""Somebody of another department, with bad intentions."""

stella = _actor("stella", "bigdata", "steering_office")
"""The steering office, where breaches are reported (QJ art. 26)."""
olga = _actor("olga", "bigdata", "offline_approver")
"""Who approves an exchange off line (QJ art. 16)."""
rita = _actor("rita", "government_office", "rectifier")
"""The department that orders rectification (QJ art. 31)."""
gus = _actor("gus", "government_office", "steering_group")
"""The steering group, to which what is not rectified goes (QJ art. 31)."""
diana = _actor("diana", "government_office", "dispute_body")
"""The department that settles what talks could not (QJ art. 25)."""

otto = _actor("otto", "hotline_office", "operator")
"""The operator of the hotline."""
dora = _actor("dora", "hotline_office", "dispatcher")
"""The dispatcher."""
sven = _actor("sven", "hotline_office", "supervisor")
"""The supervisor of the hotline."""
lena = _actor("lena", "hotline_office", "leader")
"""The leader of the hotline's office."""
hans = _actor("hans", "housing", "handler")
"""Who handles tickets for the housing bureau."""
hugo = _actor("hugo", "police", "handler")
"""Who handles tickets for the police."""
sue = _actor("sue", "government_office", "superior")
"""The agency above the hotline."""
beth = _actor("beth", "government_office", "business_environment")
"""The bureau of the business environment."""

EVERYBODY = (alice, ann, bob, bill, carol, chen, dave, mallory)
