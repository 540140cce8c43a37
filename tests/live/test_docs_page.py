"""The docs page in a real browser: opened, a request tried, the answer read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.server import Server, run, serve

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
list.querySelector("#get_books-query-limit").value = "7";
list.querySelector("button").click();
"""


SHOW = """
const one = document.querySelector("#get_books_book_id");
one.open = true;
one.querySelector("button").click();
"""
SEND = """
one.querySelector("#get_books_book_id-path-book_id").value = "a/b?";
document.querySelector("#headers textarea").value = "X-Openstack-Request-Id: of-the-test\\n\\n";
one.querySelector("button").click();
"""
CHOOSE = """
document.querySelector('#versions select').value = '1.0';
document.querySelector('#versions select').dispatchEvent(new Event('change'));
"""
FORMS = """
const act = document.querySelector("#post_books_book_id_action");
const forms = act.querySelector("#post_books_book_id_action-form");
forms.value = "return";
forms.dispatchEvent(new Event("input", { bubbles: true }));
act.querySelector("textarea").value;
"""
FILTER = """
[...document.querySelectorAll("#operations > section > details")]
  .filter((one) => !one.hidden && !one.parentNode.hidden).map((one) => one.id).join(" ");
"""
NARROW = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
PHONE = {"width": 375, "height": 740, "deviceScaleFactor": 1, "mobile": True}


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
                type_into(page, "#filter input", "DELETE /books")
                assert page.evaluate(FILTER) == "delete_books_book_id"
                page.call("Emulation.setDeviceMetricsOverride", **PHONE)
                assert page.evaluate(NARROW), "the page is wider than a phone"
                # A 404 that was asked for is in the browser's log like any other.
                assert [text for text in page.problems if "404" not in text] == []


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("tests.apps.described:all", workers=1) as server:
        yield server


@pytest.fixture(scope="module")
def browsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.page("about:blank", tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browsing: browser.Page) -> Iterator[browser.Page]:
    browsing.problems.clear()
    yield browsing
    # What was answered by an error is in the browser's log as well, sooner or later.
    assert [text for text in browsing.problems if '"source": "network"' not in text] == []


def visit(page: browser.Page, server: Server, path: str) -> None:
    host, port = server.address
    page.call("Page.navigate", url="about:blank")
    page.call("Page.navigate", url=f"http://{host}:{port}{path}")
    page.wait("document.querySelector('#operations > section') !== null")


def type_into(page: browser.Page, selector: str, text: str) -> None:
    element = f"document.querySelector({json.dumps(selector)})"
    page.evaluate(f"{element}.value = {json.dumps(text)}")
    page.evaluate(f"{element}.dispatchEvent(new Event('input', {{ bubbles: true }}))")


def choose_version(page: browser.Page, version: str) -> None:
    select = "document.querySelector('#versions select')"
    page.evaluate(f"{select}.value = '{version}'; {select}.dispatchEvent(new Event('change'))")
    has_delete = "document.querySelector('#delete_things_thing_id') !== null"
    page.wait(f"{has_delete} === {'true' if version == '1.1' else 'false'}")


def text_of(page: browser.Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({json.dumps(selector)}).textContent"))


def value_of(page: browser.Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({json.dumps(selector)}).value"))


def send(page: browser.Page, operation: str) -> str:
    """Returns what the page shows of the answer."""
    page.evaluate(f"document.querySelector('#{operation}').open = true")
    page.evaluate(f"document.querySelector('#{operation} form button').click()")
    page.wait(f"document.querySelector('#{operation} .output details') !== null")
    return text_of(page, f"#{operation} .output")


@pytest.mark.parametrize(
    "path",
    ["/plain/docs", "/slash/docs/", "/apart/docs", "/deep/for/people/docs", "/stripped/docs"],
)
def test_the_page_finds_what_it_asks_for_however_it_is_reached(
    page: browser.Page, server: Server, path: str
) -> None:
    visit(page, server, path)
    shown = send(page, "get_things")
    assert shown.startswith("200")
    prefix = path.split("/")[1]
    assert f":{server.address[1]}/{prefix}/things'" in shown
    assert page.evaluate("document.styleSheets[0].cssRules.length > 0")
    link = page.evaluate("fetch(document.querySelector('header a').href).then((a) => a.status)")
    assert link == 200


def test_the_body_that_is_filled_in_is_taken(page: browser.Page, server: Server) -> None:
    visit(page, server, "/plain/docs")
    body = json.loads(value_of(page, "#post_things-body"))
    assert send(page, "post_things").startswith("200")
    assert body["told"] == "ABC"
    assert body["shape"] == {"side": 1}
    assert body["either"] == {"left": "l"}


def test_a_schema_that_stands_elsewhere_and_is_within_itself_is_followed(
    page: browser.Page, server: Server
) -> None:
    visit(page, server, "/plain/docs")
    assert json.loads(value_of(page, "#patch_things_thing_id-body")) == {"name": "textt"}
    names = "[...document.querySelectorAll('#patch_things_thing_id form .told code')]"
    assert page.evaluate(f"{names}.map((one) => one.textContent).join(' ')") == "name above"


def test_a_query_of_any_names_is_sent_as_it_is_written(page: browser.Page, server: Server) -> None:
    visit(page, server, "/plain/docs")
    type_into(page, "#get_found-query-query", "colour=red&of=a%26b")
    assert "/found?colour=red&of=a%26b'" in send(page, "get_found")


def test_markdown_is_shown_and_no_script_can_come_of_it(page: browser.Page, server: Server) -> None:
    visit(page, server, "/plain/docs")
    shown = page.evaluate("document.querySelector('#description').innerHTML")
    assert shown == (
        "<p>Two lines\nof <strong>bold</strong> and <em>plain</em> words, <code>x * y * z</code>, and a"
        ' <a href="https://example.org/a_b?c=d" target="_blank" rel="noopener">link</a>.</p>'
        "<ul><li>one</li><li>[two](javascript://%0adocument.title=1)\n  goes on</li></ul>"
        '<ol start="3"><li>three\n&lt;img src=x onerror="document.title = \'broken\'"&gt; '
        '<a href="https://example.org/&quot;onclick=&quot;alert" target="_blank" rel="noopener">'
        "<strong>x</strong></a></li></ol>"
    )
    assert page.evaluate("document.querySelector('#get_things summary em').textContent") == "things"


@pytest.mark.parametrize("value", [".", ".."])
def test_a_path_value_that_leads_elsewhere_is_not_sent(
    page: browser.Page, server: Server, value: str
) -> None:
    visit(page, server, "/plain/docs")
    field = "#get_things_thing_id-path-thing_id"
    type_into(page, field, value)
    page.evaluate("document.querySelector('#get_things_thing_id').open = true")
    page.evaluate("document.querySelector('#get_things_thing_id form button').click()")
    assert text_of(page, "#get_things_thing_id .output") == ""
    assert "cannot carry . or .." in text_of(page, f"{field}-refused")
    type_into(page, field, "..a")
    assert text_of(page, f"{field}-refused") == ""
    assert "/things/..a'" in send(page, "get_things_thing_id")


def test_a_header_that_is_not_sent_is_named_and_left_out_of_curl(
    page: browser.Page, server: Server
) -> None:
    visit(page, server, "/plain/docs")
    lines = "Cookie: a=b\ncontent-length: 3\nno colon\nBad Name: x\nX-Good: 1\naccept: application/json\n"
    type_into(page, "#headers textarea", lines)
    said = page.evaluate("[...document.querySelectorAll('#not-sent li')].map((o) => o.textContent)")
    assert said == [
        "Not sent: Cookie: a=b. A browser does not send Cookie.",
        "Not sent: content-length: 3. A browser does not send content-length.",
        "Not sent: no colon. A header is a name, a colon and a value in Latin-1.",
        "Not sent: Bad Name: x. A header is a name, a colon and a value in Latin-1.",
    ]
    curl = send(page, "post_things").partition("curl -X")[2]
    headers = [line.strip(" \\") for line in curl.splitlines() if line.startswith("  -H")]
    assert headers == [
        "-H 'Content-Type: application/json'",
        "-H 'OpenStack-API-Version: things 1.1'",
        "-H 'X-Good: 1'",
        "-H 'accept: application/json'",
    ]


def test_what_was_typed_and_the_link_keep_through_a_change_of_version(
    page: browser.Page, server: Server
) -> None:
    visit(page, server, "/plain/docs#get_things")
    assert page.evaluate("document.querySelector('#get_things').open") is True
    type_into(page, "#get_things-query-size", "7")
    type_into(page, "#post_things-body", "{}")
    form, body = (f"#post_things_thing_id_action-{name}" for name in ("form", "body"))
    type_into(page, form, "weigh")
    assert json.loads(value_of(page, body)) == {"weigh": 1}
    type_into(page, body, "{...}")
    choose_version(page, "1.0")
    assert (value_of(page, form), value_of(page, body)) == ("weigh", "{...}")
    type_into(page, form, "paint")  # of which nothing was typed
    choose_version(page, "1.1")
    choose_version(page, "1.0")
    assert json.loads(value_of(page, body)) == {"paint": 1}
    assert value_of(page, "#get_things-query-size") == "7"
    assert value_of(page, "#post_things-body") == "{}"
    assert page.evaluate("location.search + location.hash") == "?version=1.0#get_things"
    visit(page, server, "/plain/docs?version=1.0#get_things")
    assert value_of(page, "#versions select") == "1.0"
    assert page.evaluate("document.querySelector('#delete_things_thing_id')") is None


def test_a_link_to_a_version_that_there_is_not_says_so(page: browser.Page, server: Server) -> None:
    host, port = server.address
    page.call("Page.navigate", url=f"http://{host}:{port}/plain/docs?version=9.9")
    page.wait("document.querySelector('#operations')?.textContent.includes('9.9 cannot be')")
    choose_version(page, "1.1")


def test_a_filter_without_a_hit_says_so(page: browser.Page, server: Server) -> None:
    visit(page, server, "/plain/docs")
    type_into(page, "#filter input", "no such")
    assert text_of(page, "#notice") == 'No operation has "no" and "such".'
    type_into(page, "#filter input", "")
    assert text_of(page, "#notice") == ""


def test_what_a_browser_cannot_send_is_not_offered(page: browser.Page, server: Server) -> None:
    visit(page, server, "/plain/docs")
    assert page.evaluate("document.querySelector('#trace_traced button')") is None
    assert "A browser does not send TRACE" in text_of(page, "#trace_traced")


def test_a_body_that_may_be_left_out_is_left_out_when_it_is_empty(
    page: browser.Page, server: Server
) -> None:
    visit(page, server, "/plain/docs")
    operation = "document.getElementById('get_/by/others')"
    page.evaluate(f"{operation}.querySelector('textarea').value = ''")
    page.evaluate(f"{operation}.querySelector('form button').click()")
    page.wait(f"{operation}.querySelector('.output').textContent.startsWith('404')")


def test_every_field_has_a_label_and_its_limits(page: browser.Page, server: Server) -> None:
    visit(page, server, "/plain/docs")
    unlabelled = "[...document.querySelectorAll('.value')].filter((one) => !one.labels.length)"
    assert page.evaluate(f"{unlabelled}.length") == 0
    described = page.evaluate(
        "document.querySelector('#get_things-query-size').getAttribute('aria-describedby')"
    )
    about = text_of(page, f"#{described.split()[0]}")
    assert about == "integer, at most 9, more than 0"


def test_the_keyboard_reaches_what_scrolls(page: browser.Page, server: Server) -> None:
    visit(page, server, "/plain/docs")
    send(page, "get_things")
    unreached = "[...document.querySelectorAll('pre')].filter((one) => one.tabIndex !== 0 || !one.ariaLabel)"
    assert page.evaluate(f"{unreached}.length") == 0
    outside = "[...document.body.children].map((one) => one.localName).join(' ')"
    assert page.evaluate(outside) == "header main"


def test_a_long_word_is_no_wider_than_a_phone(page: browser.Page, server: Server) -> None:
    page.call("Emulation.setDeviceMetricsOverride", **PHONE)
    try:
        visit(page, server, "/long/docs")
        assert page.evaluate(NARROW)
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")
