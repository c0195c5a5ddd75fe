"""People do their work in a real browser, with scripts switched off."""

from __future__ import annotations

import pytest

from accounts.people import create_account
from core.work import SYSTEM
from tests.cast import alice, carol

pytestmark = pytest.mark.browser


def test_a_newcomer_signs_in_and_chooses_a_password_without_scripts(site):
    with site.world.work(SYSTEM) as work:
        once = create_account(work, "wu.di", "吴迪", "health", {"consumer"})
    with site.window(None, scripts=False) as page:
        page.goto(site.url + "/datasets")
        page.get_by_label("登录名").fill("wu.di")
        page.get_by_label("密码").fill(once)
        page.get_by_role("button", name="登录").click()
        assert page.get_by_role("heading", level=1).inner_text() == "修改密码"
        page.get_by_label("一次性密码").fill(once)
        page.get_by_label("新密码", exact=True).fill("短")
        page.get_by_label("再次输入新密码").fill("短")
        page.get_by_role("button", name="保存新密码").click()
        page.get_by_role("alert").get_by_role("link").click()
        assert page.evaluate("document.activeElement.id") == "f-new"
        page.get_by_label("一次性密码").fill(once)
        page.get_by_label("新密码", exact=True).fill("春天的风吹过田野和村庄 2026")
        page.get_by_label("再次输入新密码").fill("春天的风吹过田野和村庄 2026")
        page.get_by_role("button", name="保存新密码").click()
        assert page.get_by_role("heading", level=1).inner_text() == "工作台"
        assert "密码已修改" in page.get_by_role("status").inner_text()
        page.get_by_role("button", name="退出").click()
        assert page.get_by_role("heading", level=1).inner_text() == "登录"


def test_a_doubt_is_reported_and_answered_without_scripts(site):
    with site.window(carol, scripts=False) as page:
        page.goto(f"{site.url}/grants/{site.city.grant}")
        page.get_by_role("link", name="反馈数据疑义").click()
        assert page.get_by_label("授权编号").input_value() == "G-2026-000001"
        page.get_by_label("涉及的记录").fill("code=429005001")
        page.get_by_role("button", name="反馈数据疑义").click()
        assert page.get_by_label("涉及的记录").input_value() == "code=429005001"
        page.get_by_role("alert").get_by_role("link").click()
        page.get_by_label("疑义或错误情况").fill("街道已经更名")
        page.get_by_role("button", name="反馈数据疑义").click()
        assert "已提交，编号为 C-2026-" in page.get_by_role("status").inner_text()
        address = page.url
    with site.window(alice, scripts=False) as page:
        page.goto(address)
        page.get_by_text("确有错误，已更正").first.click()
        page.locator("details[open]").get_by_label("结果").fill("已按民政部门批复更名")
        page.get_by_role("button", name="确有错误，已更正").click()
        assert page.locator(".page-head .tag").inner_text() == "已更正"
        assert page.locator("section.actions").count() == 0


def test_the_keyboard_reaches_the_content_first(site):
    with site.window(None) as page:
        page.goto(site.url + "/sign-in")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "跳到正文"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
