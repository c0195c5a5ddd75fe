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
mallory = _actor("mallory", "education", "consumer")
"""Somebody of another department, with bad intentions."""

EVERYBODY = (alice, ann, bob, bill, carol, chen, dave, mallory)
