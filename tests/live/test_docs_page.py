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
add.open = true;
add.querySelector("textarea").value = JSON.stringify({title: "Kindred", author: "Octavia E. Butler"});
add.querySelector("button").click();
"""
LIST = """
const list = document.querySelector("#get_books");
list.open = true;
list.querySelector("input[aria-label=limit]").value = "7";
list.querySelector("button").click();
"""


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
                output = "document.querySelector('#post_books .operation > pre').textContent"
                page.wait(f"{output}.startsWith('201')")
                assert "openstack-api-version: shelf 1.3" in page.evaluate(output)
                page.evaluate(LIST)
                output = "document.querySelector('#get_books .operation > pre').textContent"
                page.wait(f"{output}.startsWith('200') && {output}.includes('Kindred')")
                page.screenshot(tmp_path / "page.png")
                page.evaluate("document.querySelector('#versions select').value = '1.0'")
                page.evaluate(
                    "document.querySelector('#versions select').dispatchEvent(new Event('change'))"
                )
                page.wait("document.querySelector('#post_books_book_id_action') !== null")
                problems = [text for text in page.problems if "favicon" not in text]
                assert not problems
