"""The shelf's microversions: authors from 1.1, loans from 1.2, no actions from 1.3 on; pages and ETags."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from paste.deploy import loadapp
from sqlalchemy import event

import wsgisrv.demo
from wsgisrv.api.testing import Client
from wsgisrv.demo.app import shelf_app
from wsgisrv.demo.db import Database
from wsgisrv.demo.models import Book
from wsgisrv.demo.shelf import MOST_LOANS

INI = Path(wsgisrv.demo.__file__).parent / "api-paste.ini"
BOOK = {"title": "Lavinia", "author": "Ursula K. Le Guin"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    app = loadapp(f"config:{INI}", global_conf={"database": f"sqlite:///{tmp_path}/shelf.sqlite"})
    yield Client(app, service_type="shelf")
    del app
    gc.collect()  # in this test, not in another, the connections are closed


def add(client: Client, **more: Any) -> Any:
    return client.post_json("/v1/books", {**BOOK, **more}, status=201).json


def test_the_versions_document_has_the_range(client: Client) -> None:
    (version,) = client.get("/").json["versions"]
    assert (version["min_version"], version["max_version"]) == ("1.0", "1.3")


def test_an_author_has_books(client: Client) -> None:
    newer = client.at("1.1")
    author = newer.post_json("/v1/authors", {"name": BOOK["author"]}, status=201)
    path = author.headers["Location"]
    assert newer.get(path).json == author.json
    again = newer.post_json("/v1/authors", {"name": BOOK["author"]}, status=409)
    assert client.errors(again) == ["/name: another author has it"]
    add(client, author="somebody else")
    book = add(client)
    assert newer.get(f"{path}/books").json["books"] == [book]
    assert newer.get("/v1/authors?name=in:x,Ursula+K.+Le+Guin").json["authors"] == [author.json]
    newer.delete(path, status=204)
    newer.get(f"{path}/books", status=404)
    client.get("/v1/authors", status=404)


def test_a_loan_is_a_resource_from_1_2_on(client: Client) -> None:
    book = add(client)
    loans = f"/v1/books/{book['id']}/loans"
    client.at("1.1").get(loans, status=404)
    newer = client.at("1.2")
    loan = newer.post_json(loans, {"to": "Shevek"}, status=201)
    assert loan.headers["Location"] == f"{loans}/{loan.json['id']}"
    assert newer.get(loan.headers["Location"]).json == loan.json
    assert newer.post_json(loans, {"to": "Takver"}, status=409)
    assert client.get(f"/v1/books/{book['id']}").json["lent_to"] == "Shevek"
    assert client.at("1.3").get(f"/v1/books/{book['id']}").json["loan"] == loan.json
    place = f"{loan.headers['Location']}/action"
    assert newer.post_json(place, {"return": {}}, status=200).json["returned_at"]
    newer.post_json(place, {"return": {}}, status=409)
    assert newer.get(loan.headers["Location"]).json["returned_at"]
    other = add(client)
    newer.get(f"/v1/books/{other['id']}/loans/{loan.json['id']}", status=404)
    newer.get(f"/v1/books/{uuid.uuid4()}/loans", status=404)
    client.delete(f"/v1/books/{book['id']}", status=204)


def test_the_action_of_1_0_makes_loans_too_and_is_gone_in_1_3(client: Client) -> None:
    book = add(client)
    action = f"/v1/books/{book['id']}/action"
    client.post_json(action, {"lend": {"to": "Shevek"}}, status=200)
    (loan,) = client.at("1.2").get(f"/v1/books/{book['id']}/loans").json["loans"]
    assert (loan["to"], loan["returned_at"]) == ("Shevek", None)
    client.at("1.2").post_json(action, {"return": {}}, status=200)
    client.at("1.3").post_json(action, {"lend": {"to": "Shevek"}}, status=404)
    assert client.at("1.3").get(f"/v1/books/{book['id']}").json["loan"] is None


def test_nobody_has_more_books_than_the_quota(client: Client) -> None:
    newer = client.at("1.2")
    first, *more = [add(client) for _ in range(MOST_LOANS)]
    for one in (first, *more):
        newer.post_json(f"/v1/books/{one['id']}/loans", {"to": "Dana"}, status=201)
    book = add(client)
    path = f"/v1/books/{book['id']}/loans"
    refused = newer.post_json(path, {"to": "Dana"}, status=403)
    assert client.errors(refused) == [f"nobody may have more than {MOST_LOANS} books"]
    newer.post_json(path, {"to": "Kevin"}, status=201)
    client.post_json(f"/v1/books/{book['id']}/action", {"return": {}}, status=200)
    newer.post_json(path, {"to": "Dana"}, status=403)
    (loan, *_) = newer.get(f"/v1/books/{first['id']}/loans").json["loans"]
    newer.post_json(f"/v1/books/{first['id']}/loans/{loan['id']}/action", {"return": {}})
    newer.post_json(path, {"to": "Dana"}, status=201)
    newer.post_json(f"/v1/books/{first['id']}/loans", {"to": "Dana"}, status=403)


def test_a_change_on_an_older_state_is_refused(client: Client) -> None:
    path = f"/v1/books/{add(client)['id']}"
    tag = client.get(path).headers["ETag"]
    client.get(path, headers={"If-None-Match": tag}, status=304)
    client.patch_json(path, {"year": 2008}, headers={"If-Match": tag}, status=200)
    client.patch_json(path, {"year": 2009}, headers={"If-Match": tag}, status=412)
    client.delete(path, headers={"If-Match": tag}, status=412)
    client.delete(path, headers={"If-Match": client.get(path).headers["ETag"]}, status=204)


def test_an_etag_is_of_what_its_version_shows(client: Client) -> None:
    book = add(client)
    path, loans = f"/v1/books/{book['id']}", f"/v1/books/{book['id']}/loans"
    newest = client.at("1.3")
    assert client.get(path).headers["ETag"] != newest.get(path).headers["ETag"]
    first = newest.post_json(loans, {"to": "Shevek"}).json
    tag = newest.get(path).headers["ETag"]
    newest.get(path, headers={"If-None-Match": tag}, status=304)
    newest.post_json(f"{loans}/{first['id']}/action", {"return": {}})
    newest.post_json(loans, {"to": "Shevek"})
    found = newest.get(path, headers={"If-None-Match": tag}, status=200)
    assert found.json["loan"]["id"] != first["id"]
    newest.patch_json(path, {"year": 1}, headers={"If-Match": tag}, status=412)
    newest.patch_json(path, {"year": 1}, headers={"If-Match": found.headers["ETag"]}, status=200)


def test_authors_and_loans_have_etags_too(client: Client) -> None:
    newest = client.at("1.3")
    author = newest.post_json("/v1/authors", {"name": "Dana"}).headers["Location"]
    loans = f"/v1/books/{add(client)['id']}/loans"
    loan = newest.post_json(loans, {"to": "Dana"}).headers["Location"]
    tags = {}
    for path in (author, loan):
        tags[path] = newest.get(path).headers["ETag"]
        newest.get(path, headers={"If-None-Match": tags[path]}, status=304)
    wrong = {"If-Match": '"x"'}
    newest.delete(author, headers=wrong, status=412)
    newest.delete(author, headers={"If-Match": tags[author]}, status=204)
    newest.post_json(f"{loan}/action", {"return": {}}, headers=wrong, status=412)
    right = {"If-Match": tags[loan]}
    newest.post_json(f"{loan}/action", {"return": {}}, headers=right, status=200)
    newest.post_json(f"{loan}/action", {"return": {}}, headers=right, status=412)
    assert newest.get(loan).headers["ETag"] != tags[loan]
    newest.post_json(loans, {"to": "Dana"}, headers=wrong, status=412)
    assert len(newest.get(loans).json["loans"]) == 1


def test_lists_are_sorted_filtered_counted_and_narrowed_from_1_1_on(client: Client) -> None:
    for year in (None, 1974, 2008, 1969):
        add(client, title=f"in {year}", year=year)
    newer = client.at("1.1")
    page = newer.get("/v1/books?sort=year:desc&fields=year&year=gt:1970&with_count=true").json
    assert page == {"books": [{"year": 2008}, {"year": 1974}], "count": 2}
    titles = [b["title"] for b in newer.get("/v1/books?sort=year").json["books"]]
    assert titles == ["in 1969", "in 1974", "in 2008", "in None"]
    client.get("/v1/books?sort=year", status=400)


def test_a_database_of_an_earlier_release_gets_its_indexes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/shelf.sqlite")
    database.create_schema()
    database.write(lambda session: session.execute(sqlalchemy.text("DROP INDEX ix_books_year_id")))
    database.create_schema()
    indexes = sqlalchemy.inspect(database._engine).get_indexes("books")
    assert "ix_books_year_id" in [index["name"] for index in indexes]


def test_no_page_reads_the_whole_table(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/shelf.sqlite")
    database.create_schema()
    rows = [{"title": f"{n % 97}", "author": f"{n % 89}"} for n in range(500)]
    database.write(lambda session: session.execute(sqlalchemy.insert(Book), rows))
    client = Client(shelf_app(database), service_type="shelf", version="1.1")
    asked: list[tuple[str, Any]] = []
    event.listen(database._engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    for sort in ("title", "author:desc", "created_at"):
        first = client.get(f"/books?limit=10&sort={sort}").json
        for rel in ("next", "prev"):
            links = {link["rel"]: link["href"] for link in first["links"]}
            first = client.get(links[rel].replace("http://localhost", "")).json
    pages = [one for one in asked if "LIMIT" in one[0]]
    assert len(pages) == 9
    with database._engine.connect() as connection:
        for statement, parameters in pages:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in plan if not row[3].startswith("SCALAR SUBQUERY")]
            assert not any("TEMP B-TREE" in step for step in steps), (statement, steps)
            assert all("USING INDEX" in step for step in steps), (statement, steps)
    del client
    gc.collect()
