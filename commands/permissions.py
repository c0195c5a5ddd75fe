"""`shuxiang permissions`: who may do what, from the code."""

from __future__ import annotations

import click

from core.terminal import as_json_option, explained, facts_table, print_facts


@click.command("permissions")
@click.option("--markdown", is_flag=True, help="As docs/permissions.md has it.")
@as_json_option
@explained
def permissions(markdown: bool, as_json: bool) -> None:
    """Print who may do what: every address, and every step of the rulebooks that are shipped."""
    from permissions import addresses, as_markdown, steps

    if markdown:
        click.echo(as_markdown(), nl=False)
        return
    facts = {"addresses": [a.as_json() for a in addresses()], "steps": [s.as_json() for s in steps()]}
    rows = [(a.method, a.rule, ", ".join(a.roles), a.fresh) for a in addresses()]
    names = ("方法 method", "地址 address", "角色 roles", "再次确认 step-up")
    print_facts(facts, as_json, lambda: facts_table("权限 / permissions", names, rows))
