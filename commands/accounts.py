"""`shuxiang accounts`: people, their second factors and API tokens."""

from __future__ import annotations

from datetime import date

import click

from commands.place import Place, place_of
from core.terminal import Told, as_json_option, explained, print_facts, print_rows


@click.group("accounts")
def accounts() -> None:
    """People and their API tokens."""


@accounts.command("token")
@click.argument("login")
@click.option("--hours", type=click.IntRange(1, 24 * 90), default=8, show_default=True)
@click.option("--unconfirmed", is_flag=True, help="It opens nothing that wants a fresh proof of who asks.")
@as_json_option
@place_of
@explained
def accounts_token(place: Place, login: str, hours: int, unconfirmed: bool, as_json: bool) -> None:
    """Print a bearer token that acts as LOGIN for some hours."""
    from accounts.tokens import issue_token

    with place.work() as work:
        token = issue_token(work, login, hours=hours, confirmed=not unconfirmed)
    print_facts({"login": login, "token": token, "hours": hours}, as_json, lambda: token)


@accounts.command("add")
@click.argument("login")
@click.option("--name", required=True)
@click.option("--department", required=True)
@click.option("--role", "roles", multiple=True, required=True)
@as_json_option
@place_of
@explained
def accounts_add(
    place: Place, login: str, name: str, department: str, roles: tuple[str, ...], as_json: bool
) -> None:
    """Create an account and print its one-time password."""
    from accounts.people import create_account

    with place.work() as work:
        password = create_account(work, login, name, department, frozenset(roles))
    print_facts({"login": login, "password": password}, as_json, lambda: password)


@accounts.command("list")
@as_json_option
@place_of
@explained
def accounts_list(place: Place, as_json: bool) -> None:
    """List the accounts."""
    from accounts.people import list_accounts

    with place.work() as work:
        rows = [(a.login, a.name, a.department, sorted(a.roles), a.state) for a in list_accounts(work)]
    print_rows("账号 / accounts", ("login", "name", "department", "roles", "state"), rows, as_json)


@accounts.command("second-factor")
@click.argument("login")
@click.option("--remove", is_flag=True, help="Take away every second factor of LOGIN: a phone was lost.")
@as_json_option
@place_of
@explained
def accounts_second_factor(place: Place, login: str, remove: bool, as_json: bool) -> None:
    """Show the second factors of LOGIN, or take them away and end their sessions, on record."""
    from accounts.factors.keeping import factors_at_terminal, remove_all_factors

    with place.work() as work:
        removed = remove_all_factors(work, login) if remove else 0
        rows = factors_at_terminal(work, login)
    if remove:
        words = f"{login}：已移除 {removed} 个 / removed"
        print_facts({"login": login, "removed": removed}, as_json, lambda: words)
        return
    print_rows("双因素 / second factors", ("kind", "name", "created_at", "used_at"), rows, as_json)


@accounts.command("last-day")
@click.argument("login")
@click.argument("day")
@as_json_option
@place_of
@explained
def accounts_last_day(place: Place, login: str, day: str, as_json: bool) -> None:
    """Let the account LOGIN serve until the end of DAY (2026-12-31), or without an end (never)."""
    from accounts.managing import set_last_day

    try:
        last = None if day == "never" else date.fromisoformat(day)
    except ValueError as wrong:
        raise Told(f"“{day}”不是日期 / {day!r} is no date") from wrong
    with place.work() as work:
        set_last_day(work, login, last)
    print_facts({"login": login, "last_day": last and str(last)}, as_json, lambda: f"{login}: {day}")


@accounts.command("disable")
@click.argument("login")
@as_json_option
@place_of
@explained
def accounts_disable(place: Place, login: str, as_json: bool) -> None:
    """Disable an account; its sessions and tokens end at once."""
    from accounts.people import disable_account

    with place.work() as work:
        disable_account(work, login)
    print_facts({"login": login, "state": "disabled"}, as_json, lambda: f"{login} 已停用 / disabled")


@accounts.command("enable")
@click.argument("login")
@as_json_option
@place_of
@explained
def accounts_enable(place: Place, login: str, as_json: bool) -> None:
    """Open a disabled account again; its old sessions and tokens stay ended."""
    from accounts.people import enable_account

    with place.work() as work:
        enable_account(work, login)
    print_facts({"login": login, "state": "active"}, as_json, lambda: f"{login} 已启用 / enabled")


@accounts.command("reset")
@click.argument("login")
@as_json_option
@place_of
@explained
def accounts_reset(place: Place, login: str, as_json: bool) -> None:
    """Give an account a new one-time password, open its lock and end its sessions."""
    from accounts.people import reset_password

    with place.work() as work:
        password = reset_password(work, login)
    print_facts({"login": login, "password": password}, as_json, lambda: password)
