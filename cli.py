"""The `shuxiang` command. Every command that prints facts takes ``--json``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from rich.table import Table
from sqlalchemy import Connection

import schemas
from audit.commands import audit
from core.errors import ConfigError
from core.settings import Settings, load_settings
from core.terminal import Told, as_json_option, err, explained, facts_table, out, print_facts
from core.times import parse_instant, utc_now
from core.work import SYSTEM, Work

DEMO_CONFIG = Path(__file__).parent / "config" / "demo"


class Place:
    """Where a command works: the deployment's folder and the folder that holds its state."""

    def __init__(self, config: Path, data: Path) -> None:
        self.config = config
        self.data = data

    def settings(self) -> Settings:
        """Read and check the deployment."""
        return load_settings(self.config, self.data, schemas.errors)

    @contextmanager
    def open(self, *, rules: bool = True) -> Iterator[Callable[[], AbstractContextManager[Work]]]:
        """Yield what begins a unit of work of the platform itself, in a writing transaction each time.

        Without `rules` it has no rulebooks, which take half a second to read.
        """
        from cases.books import open_rulebooks
        from core.db import Database
        from core.migrate import at_head
        from gateway.policy import PolicyCounter, change_policy
        from ties import TIES

        settings = self.settings()
        database = Database(settings.database_url)
        if not settings.data.is_dir() or not at_head(database):
            raise Told("数据库尚未建立，请先运行 shuxiang init / no database yet: run shuxiang init")
        counter = PolicyCounter(settings.data / "run" / "policy")
        books = open_rulebooks(settings, database, utc_now()) if rules else None

        def changed(tx: Connection) -> int:
            return change_policy(tx, counter)

        @contextmanager
        def begin() -> Iterator[Work]:
            with database.begin() as tx:
                yield Work(tx, books, SYSTEM, utc_now(), settings, changed, **TIES)

        try:
            yield begin
        finally:
            database.close()

    @contextmanager
    def work(self) -> Iterator[Work]:
        """Yield one unit of work of the platform itself."""
        with self.open() as begin, begin() as work:
            yield work


place_of = click.make_pass_decorator(Place)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SHUXIANG_CONFIG",
    default=DEMO_CONFIG,
    show_default="config/demo",
    help="The deployment's folder.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SHUXIANG_DATA",
    default=Path("var/demo"),
    show_default=True,
    help="The folder that holds its state.",
)
@click.version_option(package_name="shuxiang")
@click.pass_context
def main(context: click.Context, config: Path, data: Path) -> None:
    """数享: data catalog and sharing gateway for government departments."""
    os.umask(0o077)  # what we write is for this account alone
    context.obj = Place(config, data)


main.add_command(audit)


# --- set-up ---------------------------------------------------------------------------------------


@main.command()
@as_json_option
@place_of
@explained
def check(place: Place, as_json: bool) -> None:
    """Check the deployment's files and its rulebooks; name every fault with file and pointer."""
    from cases.books import refuse_lapsed
    from core.unsafe import refuse_unsafe
    from rules.rulebook import SHIPPED, load_rulebooks

    settings = place.settings()
    refuse_unsafe(settings, os.environ)
    refuse_lapsed(settings, load_rulebooks(SHIPPED, settings.platform.rulebooks))
    _warn(settings)
    facts = {
        "platform": settings.platform.id,
        "departments": len(settings.departments),
        "connections": len(settings.connections),
        "datasets": len(settings.manifests),
        "rulebooks": dict(settings.platform.rulebooks),
    }
    print_facts(
        facts,
        as_json,
        lambda: facts_table("配置无误 / sound", ("", ""), list(facts.items())),
    )


def _warn(settings: Settings) -> None:
    """Tell on the error stream what is allowed to run and should not stay as it is."""
    from cases.books import tenancy_warning
    from core.unsafe import warnings
    from hotline.routing import unknown_topics
    from rules.rulebook import SHIPPED, load_rulebooks

    for words in warnings(settings):
        err.print(f"警告 WARNING: {words.zh} / {words.en}", style="yellow", markup=False)
    books = load_rulebooks(SHIPPED, settings.platform.rulebooks)
    warning = tenancy_warning(settings, books.current("sharing"))
    if warning is not None:
        err.print(f"警告 WARNING: {warning.zh} / {warning.en}", style="yellow", markup=False)
    if "hotline" not in settings.platform.rulebooks:
        return
    unknown = unknown_topics(settings.hotline.duties, books.current("hotline"))
    if unknown:
        zh = f"hotline.yaml 的 duties 中有热线规则没有的类别，这些行不起作用：{'、'.join(unknown)}"
        en = f"duties of hotline.yaml name topics that the hotline's rulebook lacks: {', '.join(unknown)}"
        err.print(f"警告 WARNING: {zh} / {en}", style="yellow", markup=False)


@main.command()
@click.option(
    "--passwords",
    type=click.Path(path_type=Path),
    help="Write the one-time passwords to this file (0600) too.",
)
@as_json_option
@place_of
@explained
def init(place: Place, passwords: Path | None, as_json: bool) -> None:
    """Make folders, keys, database and first accounts; print their one-time passwords. Safe to repeat."""
    made = _initialised(place.settings())
    if passwords is not None and made:
        _write_private(passwords, "".join(f"{login}\t{password}\n" for login, password in made.items()))
    print_facts(made, as_json, lambda: _sign_ins(made))


def _initialised(settings: Settings) -> dict[str, str]:
    """Initialise a deployment, the demo with its upstream data; return the one-time passwords made."""
    from demo.prepare import prepare
    from setup_deployment import initialise

    made = initialise(settings, utc_now())
    if settings.platform.demo:
        prepare(settings)
    return made


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)


def _sign_ins(made: Mapping[str, str]) -> Table | str:
    if not made:
        return "已初始化，没有新账号 / initialised before; no new account"
    return facts_table(
        "一次性密码，首次登录须更改 / one-time passwords",
        ("登录名 login", "密码 password"),
        list(made.items()),
    )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@as_json_option
@place_of
@explained
def apply(place: Place, folder: Path, dry_run: bool, as_json: bool) -> None:
    """Bring the catalog to what the manifests of a deployment folder say."""
    from catalog.apply import apply_manifests, check_manifests, plan_manifests

    settings = Place(folder, place.data).settings()
    reports = {} if dry_run else check_manifests(settings, settings.manifests)
    with place.work() as work:
        work = replace(work, settings=settings)
        if dry_run:
            changes = plan_manifests(work, settings.manifests)
        else:
            changes = apply_manifests(work, settings.manifests, reports)
    rows = [c.as_json() for c in changes]
    print_facts(rows, as_json, lambda: _changes_table(rows, dry_run))


def _changes_table(rows: Sequence[Mapping[str, Any]], dry_run: bool) -> Table:
    title = "将要进行的变更 / what would change" if dry_run else "已完成的变更 / what changed"
    shown = [(r["manifest"], r.get("code"), r["change"], "\n".join(r.get("diff", ()))) for r in rows]
    return facts_table(title, ("清单 manifest", "代码 code", "变更 change", "差异 diff"), shown)


# --- running --------------------------------------------------------------------------------------


@main.command()
@place_of
@explained
def serve(place: Place) -> None:
    """Start and watch both planes, the sealer and the sweeper; SIGTERM or Ctrl-C stops them in order."""
    _serve(place, lambda: None)


def _serve(place: Place, once_ready: Callable[[], None]) -> None:
    from audit.place import check_name
    from audit.signing import log_signers
    from core.envelope import check_sealing
    from core.unsafe import refuse_unsafe
    from serve import lock

    settings = place.settings()
    with lock(settings.data):
        refuse_unsafe(settings, os.environ)
        check_name(settings)
        settings.check_secrets()
        _check_keys(settings)
        log_signers(settings)
        check_sealing(settings)
        _warn(settings)
        _supervise(settings, once_ready)


def _check_keys(settings: Settings) -> None:
    """Raise ConfigError unless the key files are those that the database was used with."""
    from accounts.keyring.checking import refuse_wrong_keys
    from core.db import Database
    from core.migrate import at_head

    database = Database(settings.database_url)
    try:
        if settings.data.is_dir() and at_head(database):  # else the control plane says what to do
            with database.read() as tx:
                refuse_wrong_keys(settings, tx)
    finally:
        database.close()


def _supervise(settings: Settings, once_ready: Callable[[], None]) -> None:
    from serve import Supervisor, children, wait_until_ready

    supervisor = Supervisor(children(settings), lambda line: err.print(line, markup=False))
    supervisor.start()
    try:
        if not wait_until_ready(supervisor, settings, 60):
            raise Told("服务未能在 60 秒内就绪 / the services did not become ready within 60 s")
        out.print(
            f"控制面 control plane  {settings.platform.control_url}\n"
            f"数据面 data plane     {settings.platform.gateway_url}",
            markup=False,
        )
        once_ready()
        supervisor.watch()
    finally:
        supervisor.stop()
        supervisor.watch()


@main.group(hidden=True)
def run() -> None:
    """The processes that `serve` watches."""
    from core.logs import install

    install()


@run.command("gateway")
@click.option("--index", type=int, default=0)
@place_of
@explained
def run_gateway(place: Place, index: int) -> None:
    """One worker of the data plane."""
    from gateway.plane import run_worker
    from hotline.store import is_open_number

    run_worker(place.settings(), index, is_open_number)


@run.command("sealer")
@place_of
@explained
def run_sealer(place: Place) -> None:
    """The sealer of the access log."""
    from audit.files import Inconsistent
    from audit.sealer import run as run_log
    from core.db import Database

    settings = place.settings()
    try:
        run_log(settings, Database(settings.database_url))
    except Inconsistent as wrong:
        raise Told(f"日志不可继续，封存停止 / the log must not be continued: {wrong}") from wrong


@run.command("sweeper")
@place_of
@explained
def run_sweeper(place: Place) -> None:
    """Puts on record, every few seconds, what fell due."""
    from setup_deployment import sweep_until_stopped

    with place.open() as begin:
        sweep_until_stopped(begin, place.settings().platform.sweep_seconds)


@run.command("notifier")
@place_of
@explained
def run_notifier(place: Place) -> None:
    """Sends notices by e-mail and webhook as they fall due."""
    from core.db import Database
    from notices.sender import run as send_notices

    settings = place.settings()
    send_notices(settings, Database(settings.database_url))


@run.command("statistics")
@place_of
@explained
def run_statistics(place: Place) -> None:
    """Sums up calls and looks, every few minutes, whether published data can be had."""
    from cases.books import open_rulebooks
    from core.db import Database
    from hotline.statistics.publishing import REFRESH_SECONDS, publish_statistics, read_statistics
    from supervision.process import run as keep_statistics

    def refresh() -> None:
        with database.read() as tx:
            rows = read_statistics(Work(tx, books, SYSTEM, utc_now(), settings))
        publish_statistics(settings, rows)

    settings = place.settings()
    database = Database(settings.database_url)
    books = open_rulebooks(settings, database, utc_now())
    has_hotline = "hotline" in settings.platform.rulebooks
    more = [(refresh, REFRESH_SECONDS)] if has_hotline else []
    keep_statistics(settings, database, books, more=more)


@run.command("quality")
@place_of
@explained
def run_quality(place: Place) -> None:
    """Checks published data against their dictionaries, one after the other."""
    from catalog.quality.standing import check_until_stopped

    with place.open() as begin:
        check_until_stopped(begin, place.settings())


@run.command("importer")
@place_of
@explained
def run_importer(place: Place) -> None:
    """Turns the rows of handed-in tables into tickets."""
    from hotline.imports.running import import_until_stopped

    with place.open() as begin:
        import_until_stopped(begin)


@run.command("workday-service")
@place_of
@explained
def run_workday_service(place: Place) -> None:
    """The demo's upstream API, where the deployment's connection expects it."""
    from demo.prepare import service_key
    from demo.workday_service import serve as serve_days

    settings = place.settings()
    address = urlsplit(settings.connections["workday_api"].base_url or "")
    serve_days(str(address.hostname), int(address.port or 80), service_key(settings).read_text().strip())


@main.command()
@place_of
@as_json_option
@explained
def sweep(place: Place, as_json: bool) -> None:
    """Put on record what fell due by now: lapses and breaches, each once."""
    from cases.sweep import sweep as sweep_cases

    with place.work() as work:
        moved = sweep_cases(work)
    print_facts({"cases": moved}, as_json, lambda: f"{moved} 件 / cases")


@main.command()
@click.option("--story-only", is_flag=True, help="End when the story has been told.")
@place_of
@explained
def demo(place: Place, story_only: bool) -> None:
    """Set up the demo city, start everything, play the story over HTTP, then stay up."""
    from demo.http import Unexpected
    from demo.story import tell

    settings = place.settings()
    settings.data.mkdir(parents=True, exist_ok=True)
    made = _initialised(settings)
    sign_ins = settings.data / "first-sign-in.txt"
    if made:
        _write_private(sign_ins, "".join(f"{login}\t{password}\n" for login, password in made.items()))

    def play() -> None:
        try:
            with place.open() as begin:
                tell(settings, begin, out)
        except Unexpected as wrong:
            raise Told(str(wrong)) from wrong
        shown = _shown(sign_ins)
        out.print(
            f"\n登录名和一次性密码 sign-ins: {shown}  (首次登录须更改 / change at first sign-in)",
            markup=False,
        )
        if story_only:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            out.print("Ctrl-C 停止 / to stop", markup=False)

    _serve(place, play)


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


# --- notices --------------------------------------------------------------------------------------


@main.group()
def notices() -> None:
    """Notices on their way out by e-mail and webhook."""


@notices.command("send")
@click.option("--once", is_flag=True, help="Send what is due now, then end.")
@as_json_option
@place_of
@explained
def notices_send(place: Place, once: bool, as_json: bool) -> None:
    """Send what is due until stopped, beside or in place of `serve`; nothing is sent twice."""
    from core.db import Database
    from notices.outbox import Outbox
    from notices.sender import run as send_notices
    from notices.sender import send_once

    settings = place.settings()
    settings.check_secrets()
    with place.open():  # says so when there is no database yet
        pass
    database = Database(settings.database_url)
    if not once:
        send_notices(settings, database)
        return
    outbox, sent = Outbox(database, utc_now), 0
    while count := send_once(settings, outbox):
        sent += count
    print_facts({"tried": sent}, as_json, lambda: f"{sent} 条已处理 / tried")


@notices.command("status")
@as_json_option
@place_of
@explained
def notices_status(place: Place, as_json: bool) -> None:
    """Show how many notices wait to go out, went out, failed, or may have gone out."""
    from notices.outbox import status

    with place.work() as work:
        facts = status(work)
    print_facts(
        facts, as_json, lambda: facts_table("通知发送 / notices sent on", ("", ""), list(facts.items()))
    )


# --- data ---------------------------------------------------------------------------------------


@main.group()
def quality() -> None:
    """Whether data are what their catalog entry says."""


@quality.command("check")
@click.argument("code", required=False)
@click.option("--kind", type=click.Choice(["table", "file"]), help="Default: the table, or else the files.")
@click.option("--all", "every", is_flag=True, help="Every published dataset.")
@as_json_option
@place_of
@explained
def quality_check(place: Place, code: str | None, kind: str | None, every: bool, as_json: bool) -> None:
    """Check the data of dataset CODE (or --all) now; the exit status is 1 when a rule is broken."""
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    from catalog.quality.runs import check_now, published
    from core.codes import code_in

    if (code is None) != every:
        raise Told("请给出数据集代码，或用 --all / name a dataset, or use --all")
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    with place.open() as begin, Progress(*columns, console=err, transient=True, disable=as_json) as progress:
        with begin() as work:
            wanted = published(work) if every else [(code_in(code or ""), kind)]

        def checked(one: str, its_kind: str | None) -> Any:
            task = progress.add_task(one, total=None)
            told = partial(progress.update, task)
            return check_now(begin, place.settings(), one, its_kind, lambda rows: told(completed=rows))

        runs = [(one, checked(one, its_kind)) for one, its_kind in wanted]
    documents = [{"dataset": one, "id": run.id, **run.document} for one, run in runs]
    rows = [(one, run.kind, run.rows, run.failed_rules, run.duration_ms / 1000) for one, run in runs]
    names = ("数据集 dataset", "类型 kind", "行 rows", "有问题的规则 broken rules", "秒 s")
    print_facts(documents, as_json, lambda: facts_table("数据质量 / quality of data", names, rows))
    if any(run.failed_rules for _, run in runs):
        sys.exit(1)


# --- people ---------------------------------------------------------------------------------------


@main.group()
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
    names = ("login", "name", "department", "roles", "state")
    print_facts(
        [dict(zip(names, row, strict=True)) for row in rows],
        as_json,
        lambda: facts_table("账号 / accounts", names, [(*r[:3], ", ".join(r[3]), r[4]) for r in rows]),
    )


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
    names = ("kind", "name", "created_at", "used_at")
    print_facts(
        [dict(zip(names, row, strict=True)) for row in rows],
        as_json,
        lambda: facts_table("双因素 / second factors", names, rows),
    )


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


# --- permissions ------------------------------------------------------------------------------------


@main.command()
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


# --- keys -----------------------------------------------------------------------------------------


@main.group()
def keys() -> None:
    """The platform's own keys."""


@keys.command("list")
@as_json_option
@place_of
@explained
def keys_list(place: Place, as_json: bool) -> None:
    """List the key files: what each is for, since when, and whether it is the one the database knows."""
    from accounts.keyring.commands import told

    with place.work() as work:
        rows = told(work)
    columns = ("name", "use", "keys", "check", "since", "retired_at", "fits")
    shown = [tuple(row[column] for column in columns) for row in rows]
    print_facts(rows, as_json, lambda: facts_table("密钥 / keys", columns, shown))


@keys.command("renew")
@click.argument(
    "kind", type=click.Choice(["personal", "session", "token", "phone-index"]), default="personal"
)
@as_json_option
@place_of
@explained
def keys_renew(place: Place, kind: str, as_json: bool) -> None:
    """Make a new key; what the older ones made holds on. For all but `personal`, `serve` must be stopped."""
    if kind == "personal":
        _renew_personal(place, as_json)
        return
    from accounts.keyring.renewing import RENEWABLE, renew_key
    from hotline.callers import reindex_phones
    from serve import lock

    name = RENEWABLE[kind]
    with lock(place.settings().data), place.open() as begin:
        with begin() as work:
            renew_key(work, name)
        numbers = _wrapped_anew(begin, reindex_phones) if kind == "phone-index" else 0
    facts = {"key": name, **({"numbers": numbers} if kind == "phone-index" else {})}
    print_facts(facts, as_json, lambda: "，".join(f"{k}: {v}" for k, v in facts.items()))


def _renew_personal(place: Place, as_json: bool) -> None:
    from accounts.keys import add_personal_key

    with place.open() as begin:
        with begin() as work:
            add_personal_key(work)
        _rewrap(begin, as_json)


@keys.command("rewrap")
@as_json_option
@place_of
@explained
def keys_rewrap(place: Place, as_json: bool) -> None:
    """Wrap what is sealed by the newest key for personal data: after a renewal that was cut short."""
    with place.open() as begin:
        _rewrap(begin, as_json)


@keys.command("accept")
@click.argument("name")
@place_of
@explained
def keys_accept(place: Place, name: str) -> None:
    """Believe the key file NAME as it lies there, after the one that the database knows was lost."""
    from accounts.keyring.checking import accept_key

    with place.work() as work:
        accept_key(work, name)
    click.echo(name)


def _rewrap(begin: Callable[[], AbstractContextManager[Work]], as_json: bool) -> None:
    """Wrap by the newest key whatever is sealed, then let go of the older keys."""
    from accounts.factors.rewrapping import rewrap_factors
    from accounts.keyring.renewing import retire_older
    from cases.attachments import rewrap_attachments
    from cases.sealed import rewrap_fields
    from core.envelope import newest_key
    from hotline.callers import rewrap_tickets
    from hotline.imports.rewrapping import rewrap_imports
    from hotline.supervising.packet import rewrap_packets

    kept = {
        "steps": (rewrap_fields, "步骤 / steps"),
        "papers": (rewrap_attachments, "附件 / papers"),
        "tickets": (rewrap_tickets, "工单 / tickets"),
        "imports": (rewrap_imports, "导入 / imports"),
        "packets": (rewrap_packets, "督办材料 / packets"),
        "factors": (rewrap_factors, "双因素 / second factors"),
    }
    written = {name: _wrapped_anew(begin, rewrap) for name, (rewrap, _) in kept.items()}
    with begin() as work:
        number = newest_key(work.settings)
        retire_older(work)
    told = "，".join(f"{words}: {written[name]}" for name, (_, words) in kept.items())
    print_facts({"key": number, **written}, as_json, lambda: f"personal-{number}.key：{told}")


def _wrapped_anew(begin: Callable[[], AbstractContextManager[Work]], rewrap: Callable[..., Any]) -> int:
    """Wrap what one package keeps sealed by the newest key, batch by batch; return how many were written."""
    total = 0
    last: str | None = ""
    while last is not None:
        with begin() as work:
            written, last = rewrap(work, last)
        total += written
    return total


# --- rulebooks ------------------------------------------------------------------------------------


@main.group()
def rulebook() -> None:
    """The rulebooks: check them, show them, ask them what would be due."""


def _book(book_id: str) -> tuple[Any, Any]:
    from rules.rulebook import SHIPPED, load_rulebooks

    domain = book_id.partition("/")[0]
    books = load_rulebooks(SHIPPED, {domain: book_id}, every=False)
    return books.current(domain), books.calendar


def _all_books() -> list[str]:
    from rules.rulebook import SHIPPED

    return sorted(
        p.relative_to(SHIPPED).with_suffix("").as_posix()
        for p in SHIPPED.rglob("*.yaml")
        if p.parent.name != "calendars"
    )


@rulebook.command("check")
@click.argument("book", required=False)
@as_json_option
@explained
def rulebook_check(book: str | None, as_json: bool) -> None:
    """Check BOOK (or all): states reachable, clocks started and stopped, citations present."""
    from rules.check import check as check_book

    faults: list[str] = []
    for name in [book] if book else _all_books():
        try:
            faults += [str(f) for f in check_book(_book(name)[0])]
        except ConfigError as wrong:
            faults += [str(f) for f in wrong.findings]
    checked = [book] if book else _all_books()
    print_facts(
        {"checked": checked, "faults": faults},
        as_json,
        lambda: "\n".join(faults) or f"{len(checked)} 份规则手册无误 / rulebooks are sound",
    )
    if faults:
        sys.exit(1)


@rulebook.command("show")
@click.argument("book")
@as_json_option
@explained
def rulebook_show(book: str, as_json: bool) -> None:
    """Show every leaf of BOOK with its article and kind."""
    from rules.show import show

    rows = list(show(_book(book)[0]))
    names = ("path", "value", "article", "kind", "reading", "summary")
    print_facts(
        [dict(zip(names, r, strict=True)) for r in rows], as_json, lambda: facts_table(book, names, rows)
    )


@rulebook.command("glossary")
@as_json_option
@explained
def rulebook_glossary(as_json: bool) -> None:
    """Print the words of the platform and of every rulebook as Markdown (docs/glossary.md)."""
    from rules.glossary import glossary

    lines = list(glossary([_book(name)[0] for name in _all_books()]))
    print_facts(lines, as_json, lambda: "\n".join(lines))


@rulebook.command("due")
@click.argument("book")
@click.option(
    "--fact", "facts", multiple=True, metavar="KEY=VALUE", help="A fact of the case, by key or Chinese title."
)
@click.option(
    "--at", "events", multiple=True, metavar="EVENT=TIME", help="When an event was recorded (ISO 8601)."
)
@as_json_option
@explained
def rulebook_due(book: str, facts: tuple[str, ...], events: tuple[str, ...], as_json: bool) -> None:
    """Say what would be due under BOOK, given facts and recorded events."""
    from rules.due import what_is_due

    loaded, calendar = _book(book)
    due = what_is_due(loaded, calendar, _pairs(facts, "--fact"), _instants(events))
    rows = [
        (name, d["due"], "provisional" if d["provisional"] else "", _cite(d["cite"]))
        for name, d in due.items()
    ]
    print_facts(due, as_json, lambda: facts_table(book, ("时限 clock", "到期 due", "", "依据 cite"), rows))


def _cite(cite: Mapping[str, Any]) -> str:
    return f"{cite['label']['zh']} {cite['reading'] or ''}"


def _pair(item: str, option: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise Told(f"{option} 应写作 KEY=VALUE:{item} / {option} takes KEY=VALUE: {item}")
    return key, value


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for key, value in (_pair(item, option) for item in given):
        if key in pairs:
            raise Told(f"{option} {key} 重复 / {option} {key} is given twice")
        pairs[key] = value
    return pairs


def _instants(given: Sequence[str]) -> list[tuple[str, datetime]]:
    """Return events and instants in the order given; an event may happen more than once."""
    instants: list[tuple[str, datetime]] = []
    for event, text in (_pair(item, "--at") for item in given):
        try:
            instants.append((event, parse_instant(text)))
        except ValueError as wrong:
            raise Told(f"--at {event}: “{text}”不是时间 / {text!r} is not an ISO 8601 time") from wrong
    return instants


# --- statistics -----------------------------------------------------------------------------------


@main.group()
def statistics() -> None:
    """What is counted: applications, calls, availability."""


@statistics.command("show")
@click.option("--period", help="day, week, month, quarter, half_year or year.")
@click.option("--from", "start", help="A day in the period, or its name, such as 2026-02 or 2026-Q1.")
@click.option("--department", help="Only what concerns this department.")
@click.option("--dataset", help="Only what concerns the dataset with this code.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for a spreadsheet.")
@as_json_option
@place_of
@explained
def statistics_show(
    place: Place,
    period: str | None,
    start: str | None,
    department: str | None,
    dataset: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show the statistics of a period with all that the platform manager sees; default: this month."""
    from supervision.commands import shown
    from supervision.sheets import sheet

    with place.work() as work:
        found, document, rows = shown(work, period, start, department, dataset)
    if as_csv:
        click.echo(sheet(found), nl=False)
        return
    columns = ("统计 family", "指标 figure", "数值 value", "单位 unit", "算法 formula")
    print_facts(document, as_json, lambda: facts_table(found.wanted.period.title.zh, columns, rows))


@statistics.command("rebuild")
@as_json_option
@place_of
@explained
def statistics_rebuild(place: Place, as_json: bool) -> None:
    """Sum up all calls anew from the sealed records; meanwhile the sums are incomplete."""
    from audit.place import log_folder
    from core.db import Database
    from supervision.rollup import rebuild

    settings = place.settings()
    origin = settings.platform.log_origin
    tally = rebuild(Database(settings.database_url), log_folder(settings), origin)
    facts = {"records": tally.records, "unreadable": tally.unreadable}
    words = f"{tally.records} 条 / records; {tally.unreadable} 条无法读取 / unreadable"
    print_facts(facts, as_json, lambda: words)


# --- hotline --------------------------------------------------------------------------------------


@main.group()
def hotline() -> None:
    """The 12345 hotline: tables of tickets, keys of other systems."""


@hotline.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--source", type=click.Choice(["import", "superior"]), default="import", show_default=True)
@click.option("--dry-run", is_flag=True, help="Only check the rows.")
@as_json_option
@place_of
@explained
def hotline_import(place: Place, file: Path, source: str, dry_run: bool, as_json: bool) -> None:
    """Make a ticket of each row of FILE (CSV or XLSX); the exit status is 1 when a row was refused."""
    from rich.progress import MofNCompleteColumn, Progress

    from hotline.imports.commands import import_file

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with place.open() as begin, Progress(*columns, console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task("导入 / importing", total=None)
        told = partial(progress.update, task)
        done = import_file(begin, file, source, dry_run, lambda n, all_: told(completed=n, total=all_))
    names = ("行 row", "列 column", "原因 reason", "所填 value")
    print_facts(
        done.document,
        as_json,
        lambda: facts_table(done.summary, names, done.rows) if done.rows else done.summary,
    )
    if not done.sound:
        sys.exit(1)


@hotline.command("bulletin")
@click.argument("month")
@click.option(
    "--out", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The HTML file."
)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@place_of
@explained
def hotline_bulletin(place: Place, month: str, target: Path, language: str) -> None:
    """Write the bulletin of MONTH (such as 2026-02) as one HTML file that can be printed by itself."""
    from rich.progress import Progress

    from app import create_app
    from hotline.reports.bulletin import PARTS, read_bulletin
    from hotline.reports.console import bulletin_alone

    app = create_app(place.settings())
    with place.work() as work, Progress(console=err, transient=True) as progress:
        task = progress.add_task("月报 / bulletin", total=len(PARTS) + 1)
        found = read_bulletin(work, {"month": month}, lambda part: progress.update(task, advance=1))
        text = bulletin_alone(app, work, found, language)
        progress.update(task, advance=1)
    target.write_text(text, encoding="utf-8")
    click.echo(str(target))


@hotline.command("rebuild-reports")
@as_json_option
@place_of
@explained
def hotline_rebuild_reports(place: Place, as_json: bool) -> None:
    """Work out anew what reports count, after a calendar was published; then the hotline's statistics."""
    from rich.progress import Progress

    from hotline.reports.commands import rebuild

    with place.open() as begin, Progress(console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task("报表 / reports", total=None)
        done = rebuild(begin, lambda n, all_: progress.update(task, completed=n, total=all_))
    print_facts(done, as_json, lambda: f"{done['tickets']} 件 / tickets; {done['rows']} 行统计 / rows")


@hotline.command("open311-key")
@click.argument("name")
@click.option("--channel", required=True, help="The rulebook's channel that its requests come in by.")
@click.option("--batch", is_flag=True, help="Answer with a token; the number comes after intake.")
@as_json_option
@place_of
@explained
def hotline_open311_key(place: Place, name: str, channel: str, batch: bool, as_json: bool) -> None:
    """Make an Open311 key for the system NAME and print it, this once."""
    from hotline.open311.keys import make_key

    with place.work() as work:
        made, secret = make_key(work, name, channel, batch=batch)
    print_facts({"name": made.name, "channel": made.channel, "api_key": secret}, as_json, lambda: secret)


@hotline.command("open311-keys")
@as_json_option
@place_of
@explained
def hotline_open311_keys(place: Place, as_json: bool) -> None:
    """List the Open311 keys, the revoked ones too."""
    from hotline.open311.keys import list_keys

    with place.work() as work:
        rows = [(k.name, k.channel, k.batch, k.created_at, k.revoked_at) for k in list_keys(work)]
    names = ("name", "channel", "batch", "created_at", "revoked_at")
    shown = [(*r[:3], r[3].isoformat(), r[4].isoformat() if r[4] else None) for r in rows]
    documents = [dict(zip(names, row, strict=True)) for row in shown]
    print_facts(documents, as_json, lambda: facts_table("Open311", names, shown))


@hotline.command("open311-revoke")
@click.argument("name")
@as_json_option
@place_of
@explained
def hotline_open311_revoke(place: Place, name: str, as_json: bool) -> None:
    """Revoke the Open311 key of the system NAME."""
    from hotline.open311.keys import revoke_key

    with place.work() as work:
        revoke_key(work, name)
    print_facts({"name": name, "state": "revoked"}, as_json, lambda: f"{name} 已吊销 / revoked")


if __name__ == "__main__":
    main()
