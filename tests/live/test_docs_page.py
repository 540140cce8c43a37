"""The docs page in a real browser: opened, a request tried, the answer read."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.server import run

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="Chromium is not installed")

ADD = """
const add = document.querySelector("#post_books");
add.querySelector("summary").click();
add.querySelector("textarea").value = JSON.stringify({title: "Kindred", author: "Octavia E. Butler"});
add.querySelector("button").click();
"""
LIST = """
const list = document.querySelector("#get_books");
list.open = true;
list.querySelector("input[aria-label=limit]").value = "7";
list.querySelector("button").click();
"""


SHOW = """
const one = document.querySelector("#get_books_book_id");
one.open = true;
one.querySelector("button").click();
"""
SEND = """
one.querySelector("input[aria-label=book_id]").value = "a/b?";
document.querySelector("#headers textarea").value = "X-Openstack-Request-Id: of-the-test\\n\\n";
one.querySelector("button").click();
"""
CHOOSE = """
document.querySelector('#versions select').value = '1.0';
document.querySelector('#versions select').dispatchEvent(new Event('change'));
"""
FORMS = """
const act = document.querySelector("#post_books_book_id_action");
const forms = act.querySelector("select[aria-label='form of the body']");
forms.value = "return";
forms.dispatchEvent(new Event("change"));
act.querySelector("textarea").value;
"""
FILTER = """
document.querySelector("#filter").value = "DELETE /books";
document.querySelector("#filter").dispatchEvent(new Event("input"));
[...document.querySelectorAll("main > section > details")]
  .filter((one) => !one.hidden && !one.parentNode.hidden).map((one) => one.id).join(" ");
"""
NARROW = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def test_the_page_shows_the_api_and_tries_requests(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        fd = listener.fileno()
        database = f"sqlite:///{tmp_path / 'shelf.sqlite'}"
        command = ["demo", "--database", database, "--bind", f"fd://{fd}", "--workers", "1"]
        with run(command, pass_fds=[fd], address=(host, port)) as server:
            server.wait_ready()
            with browser.page(f"http://{host}:{port}/v1/docs", profile) as page:
                page.wait("document.querySelector('#get_books') !== null")
                assert page.evaluate("document.querySelector('#versions select').value") == "1.3"
                page.evaluate(ADD)
                output = "document.querySelector('#post_books .output').textContent"
                page.wait(f"{output}.startsWith('201 Created')")
                assert page.evaluate("location.hash") == "#post_books"
                assert "curl -X POST" in page.evaluate(output)
                assert "openstack-api-version: shelf 1.3" in page.evaluate(output)
                page.evaluate(LIST)
                output = "document.querySelector('#get_books .output').textContent"
                page.wait(f"{output}.startsWith('200') && {output}.includes('Kindred')")
                page.screenshot(tmp_path / "page.png")
                page.evaluate(SHOW)
                output = "document.querySelector('#get_books_book_id .output').textContent"
                assert page.evaluate(output) == ""  # a path without its argument is not sent
                page.evaluate(SEND)
                page.wait(f"{output}.startsWith('404')")
                assert "X-Openstack-Request-Id: of-the-test" in page.evaluate(output)
                assert "/books/a%2Fb%3F" in page.evaluate(output)
                page.evaluate(CHOOSE)
                page.wait("document.querySelector('#post_books_book_id_action') !== null")
                assert page.evaluate("document.querySelector('#get_books').open") is True
                assert page.evaluate(FORMS) == '{\n  "return": {}\n}'
                assert page.evaluate(FILTER) == "delete_books_book_id"
                page.call(
                    "Emulation.setDeviceMetricsOverride",
                    width=360, height=740, deviceScaleFactor=1, mobile=True,
                )  # fmt: skip
                assert page.evaluate(NARROW), "the page is wider than a phone"
                # A 404 that was asked for is in the browser's log like any other.
                assert [text for text in page.problems if "404" not in text] == []
