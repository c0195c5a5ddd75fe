"""Running it: an unsafe configuration stops the start, and what failed can be seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest

import cli
import schemas
from core.errors import ConfigError
from core.settings import load_settings
from notices.metrics import Deliveries
from serve import children
from tests.cast import alice, bob
from tests.conftest import CONFIG, World
from tests.notices.receivers import SECRET, by_webhook, post
from tests.notices.sending import send
from tests.whole.test_config import findings

AUDIT = "    level: city\n    roles: [auditor]\n"
SMTP = "sweep_seconds: 20\nsmtp: {host: mail.example.org, sender: a@example.org"


def edited(smtp: str = "", notify: str = "") -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        platform, departments = folder / "platform.yaml", folder / "departments.yaml"
        platform.write_text(platform.read_text(encoding="utf-8") + smtp, encoding="utf-8")
        text = departments.read_text(encoding="utf-8")
        departments.write_text(text.replace(AUDIT, AUDIT + notify, 1), encoding="utf-8")

    return edit


def webhook(url: str, secret: str = "env:HOOK", networks: str = "") -> str:
    more = f", networks: [{networks}]" if networks else ""
    return f"    notify: {{webhook: {{url: '{url}', secret: '{secret}'{more}}}}}\n"


@pytest.mark.parametrize(
    ("smtp", "notify", "pointer"),
    [
        ("", "    notify: {email: [a@example.org]}\n", "/departments/1/notify/email"),
        (
            SMTP + "}\n",
            '    notify: {email: ["a@b.example\\nBcc: x@y"]}\n',
            "/departments/1/notify/email/0",
        ),
        (SMTP + "}\n", '    notify: {email: ["a@b.example\\n"]}\n', "/departments/1/notify/email/0"),
        (SMTP + "}\n", "    notify: {email: [a..b@c.example]}\n", "/departments/1/notify/email/0"),
        (SMTP + ", security: none, username: a, password: 'env:P'}\n", "", "/smtp/security"),
        (SMTP + ", username: a}\n", "", "/smtp/username"),
        (SMTP + ", password: secret}\n", "", "/smtp/password"),
        ("", webhook("http://oa.example.org/hook"), "/departments/1/notify/webhook/url"),
        ("", webhook("https://a:b@example.org/hook"), "/departments/1/notify/webhook/url"),
        ("", webhook("https://example.org/hook#x"), "/departments/1/notify/webhook/url"),
        ("", webhook("https://example.org/a b"), "/departments/1/notify/webhook/url"),
        ("", webhook("https://10.0.0.1/hook"), "/departments/1/notify/webhook/networks"),
        ("", webhook("http://127.0.0.1/hook"), "/departments/1/notify/webhook/networks"),
        ("", webhook("https://example.org/hook", "whsec_abc"), "/departments/1/notify/webhook/secret"),
    ],
)
def test_an_unsafe_configuration_stops_the_start(
    tmp_path: Path, smtp: str, notify: str, pointer: str
) -> None:
    found = findings(tmp_path, edited(smtp, notify))
    assert [f.pointer for f in found] == [pointer]


def test_a_safe_one_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    notify = webhook("https://10.0.0.1:8443/hook?a=b", "env:HOOK", "10.0.0.0/8")
    edited(SMTP + ", username: a, password: 'env:MAIL'}\n", notify)(folder)
    settings = load_settings(folder, tmp_path / "data", schemas.errors)
    smtp = settings.platform.smtp
    assert smtp is not None
    assert (smtp.port, smtp.security) == (587, "starttls")
    (tmp_path / "data" / "demo").mkdir(parents=True)
    key = tmp_path / "data" / "demo" / "workday-service.key"
    key.touch(0o600)
    monkeypatch.setenv("HOOK", "whsec_c2hvcnQ=")
    with pytest.raises(ConfigError) as refused:
        settings.check_secrets()
    assert "MAIL" in str(refused.value)
    assert "24" in str(refused.value)
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setenv("MAIL", "secret")
    settings.check_secrets()


def test_serve_starts_a_notifier(world: World) -> None:
    [notifier] = [c for c in children(world.settings) if c.name == "notifier"]
    assert notifier.command[-2:] == ["run", "notifier"]


def failed(world: World) -> None:
    by_webhook(world, "http://127.0.0.1:9/hook")
    post(world, "one", "two")
    before = world.settings
    by_webhook(world, "http://127.0.0.1:9/hook")
    send(world)
    world.settings = before


def test_those_who_run_the_platform_see_what_did_not_go_out(world: World) -> None:
    failed(world)
    browser = world.browser(bob)
    html = browser.get("/deliveries?state=waiting&lang=en").get_data(as_text=True)
    assert html.count("no valid answer") == 2
    assert "There are none" in browser.get("/deliveries").get_data(as_text=True)
    assert "/deliveries" in browser.get("/inbox").get_data(as_text=True)
    assert world.browser(alice).get("/deliveries").status_code == 403


def test_the_metrics_count_by_state(world: World) -> None:
    failed(world)
    registry = CollectorRegistry()
    registry.register(Deliveries(world.database))
    text = generate_latest(registry).decode()
    assert 'shuxiang_notice_deliveries{state="waiting"} 2.0' in text
    assert 'shuxiang_notice_deliveries{state="failed"} 0.0' in text


def test_the_commands_send_and_count(world: World) -> None:
    def invoke(*words: str) -> object:
        place = ("--config", str(CONFIG), "--data", str(world.settings.data))
        answer = CliRunner(env=world.environment).invoke(cli.main, [*place, "notices", *words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.output)

    (world.settings.data / "demo").mkdir()
    (world.settings.data / "demo" / "workday-service.key").touch(0o600)
    by_webhook(world, "http://127.0.0.1:9/hook")
    post(world, "one")
    assert invoke("send", "--once") == {"tried": 1}
    assert invoke("send", "--once") == {"tried": 0}
    assert {k: v for k, v in dict(invoke("status")).items() if v} == {"failed": 1}  # type: ignore[call-overload]
