"""Where the docs page and its files are, and what a client keeps of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from wsgisrv import api
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

FILES = ("/docs", "/docs/docs.css", "/docs/docs.js", "/docs/schemas.js", "/docs/text.js")


def client(trailing_slash: str = "strict", **paths: Any) -> Client:
    described = api.Described("Things", **paths)
    return Client(api.API(api.Router(), trailing_slash=trailing_slash, described=described))


@pytest.mark.parametrize("option", ["document_path", "page_path"])
@pytest.mark.parametrize(
    "path", ["", "/", "docs", "/docs/", "//docs", "/a//b", "/.", "/a/../b", "/{a}", "/:a", "/a b", "/d\n"]
)  # fmt: skip
def test_a_path_that_a_browser_would_not_find_again_is_refused(option: str, path: str) -> None:
    with pytest.raises(ConfigError, match=f"^{option} is a path as /docs or") as raised:
        client(**{option: path})
    assert str(raised.value).endswith(f"; not {path!r}")


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.js"])
def test_a_document_in_the_place_of_the_page_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=f"{path}: is declared at"):
        client(document_path=path)


def test_paths_may_be_deep_and_one_below_the_other() -> None:
    deep = client(page_path="/for/people/.docs", document_path="/for/people/.docs/v1.2_~.json")
    assert 'href="../../for/people/.docs/docs.css"' in deep.get("/for/people/.docs").text
    assert deep.get("/for/people/.docs/v1.2_~.json").json["info"]["title"] == "Things"


@pytest.mark.parametrize(("path", "root"), [("/docs", ""), ("/docs/", "../")])
def test_what_the_page_needs_is_named_from_where_it_was_asked_for(path: str, root: str) -> None:
    page = client(trailing_slash="ignore").get(path).text
    found = re.findall(r' (?:src|href|data-root)="(?!data:)([^"]*)"', page)
    assert found == [f"{root}docs/docs.css", f"{root}docs/docs.js", root, f"{root}openapi.json"]


def test_only_the_pages_own_files_are_below_it() -> None:
    for name in ("docs.html", "other.js", "..%2Fdocs.py"):
        client().get(f"/docs/{name}", status=404)


@pytest.mark.parametrize("path", FILES)
def test_a_file_that_the_client_has_is_304(path: str) -> None:
    found = client().get(path)
    assert found.headers["Cache-Control"] == "no-cache"
    headers = {"If-None-Match": found.headers["ETag"]}
    assert client().get(path, headers=headers, status=304).body == b""


def test_the_tag_is_of_what_is_sent() -> None:
    asked = client(trailing_slash="ignore")
    assert asked.get("/docs").headers["ETag"] != asked.get("/docs/").headers["ETag"]
