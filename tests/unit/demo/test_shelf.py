"""The shelf, loaded from its own paste file and called without a server."""

from __future__ import annotations

import contextlib
import gc
import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import pytest
import sqlalchemy
import webob
from paste.deploy import loadapp
from sqlalchemy.orm import Session

import wsgisrv.demo
from tests.support import wsgi
from wsgisrv.demo.app import shelf_app, shelf_factory
from wsgisrv.demo.db import Database
from wsgisrv.errors import ConfigError

INI = Path(wsgisrv.demo.__file__).parent / "api-paste.ini"
BOOK = {"title": "The Dispossessed", "author": "Ursula K. Le Guin", "year": 1974}


class Shelf:
    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def call(self, method: str, path: str, body: Any = None) -> webob.Response:
        if body is None:
            return wsgi.call(self.app, path, method)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return wsgi.call(self.app, path, method, body=data, Content_Type="application/json")

    def add(self, **more: Any) -> str:
        response = self.call("POST", "/v1/books", {**BOOK, **more})
        assert response.status_code == 201
        return str(response.json["id"])

    def act(self, book_id: str, body: Any) -> webob.Response:
        return self.call("POST", f"/v1/books/{book_id}/action", body)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shelf.sqlite"


@pytest.fixture
def shelf(url: str) -> Iterator[Shelf]:
    yield Shelf(loadapp(f"config:{INI}", global_conf={"database": url}))
    gc.collect()  # in this test, not in another, the connections are closed


def errors(response: webob.Response) -> list[str]:
    return [error["detail"] for error in response.json["errors"]]


def test_the_root_names_the_version_and_the_version_itself(shelf: Shelf) -> None:
    (version,) = shelf.call("GET", "/").json["versions"]
    assert (version["id"], version["status"]) == ("v1.0", "CURRENT")
    href = version["links"][0]["href"]
    assert shelf.call("GET", href).json == {"version": version}
    assert shelf.call("GET", href.rstrip("/")).json == {"version": version}


def test_the_health_check_asks_the_database(shelf: Shelf) -> None:
    assert shelf.call("GET", "/healthz").json == {"status": "ok"}


def test_a_book_is_added_found_changed_and_removed(shelf: Shelf) -> None:
    added = shelf.call("POST", "/v1/books", {**BOOK, "isbn": "9780060125639"})
    assert added.status_code == 201
    book = added.json
    assert book | BOOK == book
    assert (book["isbn"], book["lent_to"], book["lent_at"]) == ("9780060125639", None, None)
    path = added.headers["Location"]
    assert path == f"/v1/books/{book['id']}"
    assert shelf.call("GET", path).json == book
    changed = shelf.call("PATCH", path, {"year": None})
    assert changed.json | {"year": 1974, "updated_at": book["updated_at"]} == book
    replaced = shelf.call("PUT", path, {"title": "T", "author": "\u00c9"}).json
    assert (replaced["title"], replaced["author"], replaced["isbn"]) == ("T", "\u00c9", None)
    assert shelf.call("GET", "/v1/books").json["books"] == [replaced]
    assert shelf.call("DELETE", path).status_code == 204
    for method in ("GET", "DELETE"):
        assert shelf.call(method, path).status_code == 404
    assert shelf.call("PATCH", path, {}).status_code == 404


def test_a_book_is_lent_once_and_comes_back(shelf: Shelf) -> None:
    book_id = shelf.add()
    lent = shelf.act(book_id, {"lend": {"to": "Shevek"}})
    assert (lent.status_code, lent.json["lent_to"]) == (200, "Shevek")
    assert lent.json["lent_at"]
    again = shelf.act(book_id, {"lend": {"to": "Takver"}})
    assert (again.status_code, errors(again)) == (409, [f"the book {book_id} is lent already"])
    assert shelf.call("GET", f"/v1/books/{book_id}").json["lent_to"] == "Shevek"
    assert shelf.call("DELETE", f"/v1/books/{book_id}").status_code == 409
    back = shelf.act(book_id, {"return": {}})
    assert (back.json["lent_to"], back.json["lent_at"]) == (None, None)
    assert shelf.act(book_id, {"return": {}}).status_code == 409
    assert shelf.act(str(uuid.uuid4()), {"return": {}}).status_code == 404


def test_two_books_cannot_have_one_isbn(shelf: Shelf) -> None:
    shelf.add(isbn="080442957X")
    other = shelf.add()
    for response in (
        shelf.call("POST", "/v1/books", {**BOOK, "isbn": "080442957X"}),
        shelf.call("PATCH", f"/v1/books/{other}", {"isbn": "080442957X"}),
    ):
        assert (response.status_code, errors(response)) == (409, ["/isbn: another book has it"])
    shelf.add()
    assert len(shelf.call("GET", "/v1/books").json["books"]) == 3


def test_every_book_is_met_once_on_the_way_through_the_pages(shelf: Shelf) -> None:
    mine = {shelf.add(author="A & B") for _ in range(7)}
    shelf.add()
    path = "/v1/books?limit=2&author=A+%26+B"
    met: list[str] = []
    for _ in range(4):
        page = shelf.call("GET", path).json
        met += [book["id"] for book in page["books"]]
        path = page.get("links", [{}])[0].get("href", "")
    assert not path
    assert (len(met), set(met)) == (7, mine)


def test_a_list_is_filtered_by_title_and_author(shelf: Shelf) -> None:
    wanted = shelf.add(title="Lavinia")
    shelf.add(title="Lavinia", author="Somebody else")
    shelf.add()
    page = shelf.call("GET", "/v1/books?title=Lavinia&author=Ursula+K.+Le+Guin").json
    assert [book["id"] for book in page["books"]] == [wanted]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"title": None}, "/title: has to be a string"),
        ({"title": 7}, "/title: has to be a string"),
        ({"title": ""}, "/title: has to have 1 to 255 characters"),
        ({"title": "   "}, "/title: has to have 1 to 255 characters"),
        ({"author": "x" * 256}, "/author: has to have 1 to 255 characters"),
        ({"author": "\0"}, "/author: may not have a NUL character"),
        ({"year": "1974"}, "/year: has to be a whole number or null"),
        ({"year": 1974.0}, "/year: has to be a whole number or null"),
        ({"year": True}, "/year: has to be a whole number or null"),
        ({"year": 10**30}, "/year: has to be from -3000 to 9999"),
        ({"isbn": 1}, "/isbn: has to be a string or null"),
        ({"isbn": "9780060125638"}, "/isbn: has a wrong check digit"),
        ({"isbn": "0804429570"}, "/isbn: has a wrong check digit"),
        ({"isbn": "978-0060125639"}, "/isbn: has to have 10 or 13 digits, without hyphens"),
        ({"isbn": "\u0661" * 10}, "/isbn: has to have 10 or 13 digits, without hyphens"),
        ({"lent_to": "me"}, "/lent_to: is not known; there are title, author, isbn, year"),
        ({"a/b~": 1}, "/a~1b~0: is not known; there are title, author, isbn, year"),
    ],
)
def test_a_wrong_field_is_named(shelf: Shelf, change: dict[str, Any], named: str) -> None:
    book_id = shelf.add()
    for method, path in (
        ("POST", "/v1/books"),
        ("PUT", f"/v1/books/{book_id}"),
        ("PATCH", f"/v1/books/{book_id}"),
    ):
        body = change if method == "PATCH" else {**BOOK, **change}
        response = shelf.call(method, path, body)
        assert (response.status_code, errors(response)) == (400, [named])


def test_every_missing_field_is_named(shelf: Shelf) -> None:
    response = shelf.call("POST", "/v1/books", {"year": "x"})
    assert errors(response) == [
        "/title: is required",
        "/author: is required",
        "/year: has to be a whole number or null",
    ]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "the body: has to have exactly one key of lend, return"),
        (
            {"lend": {"to": "x"}, "return": {}},
            "the body: has to have exactly one key of lend, return",
        ),
        ({"eat": {}}, "the body: has to have exactly one key of lend, return"),
        ({"lend": "x"}, "/lend: has to be an object"),
        ({"lend": {}}, "/lend/to: is required"),
        ({"lend": {"to": 1}}, "/lend/to: has to be a string"),
        ({"return": {"to": "x"}}, "/return/to: is not known; there are none"),
        ([], "the body has to be a JSON object"),
        (b"[", "the body is not JSON: Expecting value: line 1 column 2 (char 1)"),
    ],
)
def test_a_wrong_action_is_named(shelf: Shelf, body: Any, named: str) -> None:
    response = shelf.act(shelf.add(), body)
    assert (response.status_code, errors(response)) == (400, [named])


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "?limit: has to be a whole number from 1 to 1000"),
        ("limit=1001", "?limit: has to be a whole number from 1 to 1000"),
        ("limit=-1", "?limit: has to be a whole number from 1 to 1000"),
        ("limit=%C2%B2", "?limit: has to be a whole number from 1 to 1000"),
        ("limit=", "?limit: has to be a whole number from 1 to 1000"),
        ("marker=1%27+or+1", "?marker: has to be the id of a book"),
        ("sort=x", "?sort: is not known; there are limit, marker, title, author"),
        ("limit=1&limit=2", "?limit: may stand once only"),
    ],
)
def test_a_wrong_query_is_named(shelf: Shelf, query: str, named: str) -> None:
    response = shelf.call("GET", f"/v1/books?{query}")
    assert (response.status_code, errors(response)) == (400, [named])


@pytest.mark.parametrize(
    "path", ["/v1/books/x", "/v1/books/", "/v1/book", "/v2", "/healthz/x", "/x"]
)
def test_what_is_not_there_is_404(shelf: Shelf, path: str) -> None:
    response = shelf.call("GET", path)
    assert (response.status_code, response.content_type) == (404, "application/json")


def test_a_busy_database_is_503_for_a_writer_and_none_of_a_readers_business(url: str) -> None:
    database = Database(url, busy_seconds=0)
    database.create_schema()
    app = shelf_app(database)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    body = json.dumps(BOOK).encode()
    busy = wsgi.call(app, "/books", "POST", body=body, Content_Type="application/json")
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
    assert wsgi.call(app, "/books").json == {"books": []}
    other.execute("ROLLBACK")
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM books").fetchone()
    beside = wsgi.call(app, "/books", "POST", body=body, Content_Type="application/json")
    assert beside.status_code == 201, "a reader kept a writer waiting"
    other.close()


def test_a_transaction_that_will_write_keeps_others_from_writing_from_its_beginning(
    url: str,
) -> None:
    database = Database(url, busy_seconds=0)
    database.create_schema()

    def work(session: Session) -> None:
        session.scalar(sqlalchemy.select(1))
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=0)
        with contextlib.closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")

    database.write(work)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "database is not set"),
        ("sqlite://", "workers share a file, not their memory"),
        ("sqlite:///:memory:", "workers share a file, not their memory"),
        ("sqlite:////nowhere/at/all/shelf.sqlite", "unable to open database file"),
        ("no url", "Could not parse"),
        ("nothing://x/y", "nothing"),
    ],
)
def test_a_wrong_database_is_one_line(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        shelf_factory({"database": url})
    assert "\n" not in str(caught.value)
