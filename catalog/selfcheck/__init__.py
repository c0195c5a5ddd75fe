"""What can be seen of a distribution before anybody calls it: reachable, complete, as described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.model import CheckReport
from catalog.selfcheck.addresses import check_address
from catalog.selfcheck.files import check_files
from catalog.selfcheck.tables import check_table
from core.settings import Connection


def self_check(connection: Connection, detail: Mapping[str, Any], document: Mapping[str, Any]) -> CheckReport:
    """Return what a look at the provider's side found; it may wait for seconds, so hold no transaction."""
    if detail["kind"] == "table":
        return CheckReport(tuple(check_table(connection, detail, document)))
    if detail["kind"] == "file":
        return CheckReport(tuple(check_files(connection, detail)))
    return CheckReport(tuple(check_address(connection)))
