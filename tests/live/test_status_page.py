"""The status page in a real browser: charts that move under load, a slow request's stack on a click."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.admin import administered
from tests.support.control import answer_of
from tests.support.load import load

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="Chromium is not installed")

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESK = {"width": 1280, "height": 1400, "deviceScaleFactor": 1, "mobile": False}

CLICK = "document.querySelector('#slowest button').click()"
DRAWN = """
(() => {
  const canvas = document.querySelector('#charts canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.some((value, index) => index % 4 === 3 && value > 0);
})()
"""


def test_the_page_shows_a_service_under_load(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    with (
        administered(
            "tests.apps.metered:routed", tmp_path, workers=2, access_log="off", graceful_timeout=1
        ) as (server, admin, path),
        contextlib.ExitStack() as stack,
    ):
        server.may_log_traceback = True
        clients = stack.enter_context(load(server.address, 2))
        clients.wait_answers(100)
        answer_of(path, "reload")
        slow = stack.enter_context(server.connect())
        slow.send(b"GET /things/slow?sleep=600&token=s3cret HTTP/1.1\r\nHost: test\r\n\r\n")
        host, port = admin.address
        with browser.page(f"http://{host}:{port}/", profile) as page:
            page.call("Emulation.setDeviceMetricsOverride", **DESK)
            page.wait("document.querySelector('#state')?.textContent === 'serving'")
            page.wait("(data.time || []).length > 2")
            page.wait(
                "Number(document.querySelector('.tile b').textContent.replace('k', 'e3')) > 10"
            )
            page.wait(DRAWN)
            page.wait("document.querySelectorAll('#workers tbody tr').length >= 2")
            page.wait("document.querySelector('#routes').textContent.includes('GET')")
            page.wait(
                "document.querySelector('#events').textContent.includes('generation 2 serves')"
            )
            page.wait("document.querySelector('#slowest').textContent.includes('/things/slow')")
            assert "s3cret" not in page.evaluate("document.documentElement.outerHTML")
            page.screenshot(tmp_path / "desk.png")
            page.evaluate(CLICK)
            page.wait("document.querySelector('#stacks pre') !== null")
            text = page.evaluate("document.querySelector('#stacks').textContent")
            assert "in routed" in text
            assert "s3cret" not in text
            page.screenshot(tmp_path / "stack.png")
            page.evaluate("document.querySelector('#close').click()")
            dark = [{"name": "prefers-color-scheme", "value": "dark"}]
            page.call("Emulation.setEmulatedMedia", features=dark)
            page.screenshot(tmp_path / "dark.png")
            page.call("Emulation.setDeviceMetricsOverride", **PHONE)
            page.wait("innerWidth === 390")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.screenshot(tmp_path / "phone.png")
            assert not page.problems
        assert not clients.failures
