"""The demo, as ``tools/serve`` runs it: real workers over one SQLite file, a MariaDB, a PostgreSQL."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.support.databases import Database, MissingError, mariadb, postgresql
from tests.support.http import Client, Response
from tests.support.server import ROOT, Server, run
from wsgisrv.api.testing import Client as ApiClient
from wsgisrv.demo import db as shelf_database
from wsgisrv.demo.app import shelf_app

WRONG = "not-the-one"
NEWEST = "OpenStack-API-Version: shelf latest"
SERVERS = ["mysql+wsgisrv", "postgresql+psycopg"]
DRIVERS = {"mysql+wsgisrv": "MySQLdb", "postgresql+psycopg": "psycopg"}


def server_of(scheme: str, request: pytest.FixtureRequest) -> Database:
    """The session's server for a URL's scheme."""
    pytest.importorskip(DRIVERS[scheme], exc_type=ImportError)
    name = "mariadb_server" if scheme.startswith("mysql") else "postgresql_server"
    found: Database = request.getfixturevalue(name)
    return found


def empty(scheme: str, request: pytest.FixtureRequest) -> str:
    """The URL of a new database on a server."""
    shelf = server_of(scheme, request)
    return dataclasses.replace(shelf, name=shelf.make_database()).url(scheme)


@pytest.fixture(params=["sqlite", *SERVERS])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shelf.sqlite'}"
    return empty(request.param, request)


@pytest.fixture
def server(database: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        command = ["demo", "--database", database, "--bind", f"fd://{fd}", "--workers", "2"]
        with run(command, pass_fds=[fd], address=listener.getsockname()) as server:
            server.wait_ready()
            yield server


def post(client: Client, path: str, document: Any, header: str = "X-None: 1") -> Response:
    body = json.dumps(document)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{header}\r\n"
    client.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return client.response()


def test_a_book_is_added_lent_returned_and_removed(server: Server) -> None:
    with server.connect() as client:
        assert client.get("/").json()["versions"][0]["links"][0]["href"] == "http://test/v1/"
        created = post(client, "/v1/books", {"title": "Kindred", "author": "Octavia E. Butler"})
        assert created.status == 201
        place = created["location"]
        assert client.get(place).json()["title"] == "Kindred"
        assert post(client, f"{place}/action", {"lend": {"to": "Dana"}}).json()["lent_to"] == "Dana"
        assert client.get(place, method="DELETE").status == 409
        assert post(client, f"{place}/action", {"return": {}}).json()["lent_to"] is None
        assert client.get(place, method="DELETE").status == 204
        assert client.get(place).json()["errors"][0]["status"] == 404


def test_a_path_that_no_database_could_keep_is_no_error_of_the_servers(server: Server) -> None:
    with server.connect() as client:
        for book_id in ("a%00b", "x" * 5000, "%F0%9F%90%99", "%27%20OR%201=1"):
            for path in (f"/v1/books/{book_id}", f"/v1/authors/{book_id}"):
                assert client.get(path).status in (400, 404), path
                assert client.get(path, method="DELETE").status in (400, 404), path


def test_of_many_clients_that_want_one_book_exactly_one_gets_it(server: Server) -> None:
    with server.connect() as client:
        place = post(client, "/v1/books", {"title": "t", "author": "a"})["location"]

    def lend(number: int) -> int:
        with server.connect() as client:
            return post(client, f"{place}/action", {"lend": {"to": str(number)}}).status

    with ThreadPoolExecutor(20) as executor:
        statuses = Counter(executor.map(lend, range(40)))
    assert statuses == {200: 1, 409: 39}


def test_nobody_gets_more_than_the_quota(server: Server) -> None:
    with server.connect() as client:
        places = [
            post(client, "/v1/books", {"title": "t", "author": "a"})["location"] for _ in range(40)
        ]

    def lend(place: str) -> int:
        with server.connect() as client:
            return post(client, f"{place}/action", {"lend": {"to": "Dana"}}).status

    with ThreadPoolExecutor(20) as executor:
        assert Counter(executor.map(lend, places)) == {200: 20, 403: 20}


def test_of_many_clients_that_end_loans_and_lend_anew_no_loan_is_lost(server: Server) -> None:
    with server.connect() as client:
        place = post(client, "/v1/books", {"title": "t", "author": "a"})["location"]

    def lend_and_end(number: int) -> Counter[str]:
        """Each client ends every loan that it sees open, and lends the book to itself."""
        done: Counter[str] = Counter()
        with server.connect() as client:
            for _ in range(5):
                loans = client.get(f"{place}/loans", NEWEST).json()["loans"]
                for loan in [one for one in loans if one["returned_at"] is None]:
                    there = f"{place}/loans/{loan['id']}/action"
                    answer = post(client, there, {"return": {}}, NEWEST)
                    assert answer.status in (200, 409)
                    if answer.status == 200:
                        assert answer.json()["returned_at"]
                        done["ended"] += 1
                done["lent"] += (
                    post(client, f"{place}/loans", {"to": str(number)}, NEWEST).status == 201
                )
        return done

    with ThreadPoolExecutor(10) as executor:
        done = sum(executor.map(lend_and_end, range(10)), Counter())
    with server.connect() as client:
        loans = client.get(f"{place}/loans", NEWEST).json()["loans"]
        still = [loan for loan in loans if loan["returned_at"] is None]
        assert (done["lent"], done["ended"]) == (len(loans), len(loans) - len(still))
        book = client.get(place, NEWEST).json()
        assert book["lent_to"] == (still[0]["to"] if still else None)
        assert len(still) < 2


def test_who_ends_a_loan_does_not_end_what_was_lent_between_its_statements(
    request: pytest.FixtureRequest,
) -> None:
    url = empty("postgresql+psycopg", request)
    late = shelf_database.Database(url)
    impatient = f"{url}?options=-c%20lock_timeout%3D100"
    others = shelf_database.Database(impatient, busy_seconds=0)
    late.create_schema()
    slow, quick = (
        ApiClient(shelf_app(one), service_type="shelf", version="1.3") for one in (late, others)
    )
    book = f"/books/{slow.post_json('/books', {'title': 't', 'author': 'a'}).json['id']}"
    anns = slow.post_json(f"{book}/loans", {"to": "ann"}).json["id"]
    bobs: list[int] = []

    def between(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        """Two other clients, each a whole request, which may have to come back later."""
        if statement.startswith("SELECT loans") and not bobs:
            bobs.append(0)
            quick.post_json(f"{book}/loans/{anns}/action", {"return": {}}, status="*")
            lent = quick.post_json(f"{book}/loans", {"to": "bob"}, status="*")
            bobs[0] = lent.status_code

    event.listen(late._engine, "after_cursor_execute", between)
    ended = slow.post_json(f"{book}/loans/{anns}/action", {"return": {}}, status="*")
    assert bobs
    assert (bobs[0] == 201) is (slow.get(book).json["lent_to"] == "bob")
    assert (bobs[0] == 201) is (ended.status_code == 409)
    assert slow.get(f"{book}/loans/{anns}").json["returned_at"]


def test_fifty_clients_that_write_at_once_are_all_served(server: Server) -> None:
    def add(number: int) -> int:
        with server.connect() as client:
            return post(client, "/v1/books", {"title": str(number), "author": "a"}).status

    with ThreadPoolExecutor(50) as executor:
        assert Counter(executor.map(add, range(100))) == {201: 100}
    with server.connect() as client:
        assert len(client.get("/v1/books?limit=1000").json()["books"]) == 100


@pytest.mark.parametrize("scheme", SERVERS)
def test_the_paste_file_serves_another_database_with_its_one_line_changed(
    scheme: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    shipped = (ROOT / "wsgisrv/demo/api-paste.ini").read_text()
    line = "database = sqlite:///shelf.sqlite"
    assert shipped.count(line) == 1
    ini = tmp_path / "api-paste.ini"
    ini.write_text(shipped.replace(line, f"database = {empty(scheme, request)}".replace("%", "%%")))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, address = listener.fileno(), listener.getsockname()
        command = ["serve", str(ini), "--bind", f"fd://{fd}", "--workers", "1"]
        with run(command, pass_fds=[fd], address=address) as server:
            server.wait_ready()
            with server.connect() as client:
                book = {"title": "Kindred", "author": "Octavia E. Butler", "year": 1979}
                place = post(client, "/v1/books", book)["location"]
                assert client.get(place).json()["year"] == 1979
                assert client.get("/healthz").status == 200


@pytest.mark.parametrize("scheme", SERVERS)
def test_a_database_that_goes_away_is_a_503_and_comes_back(scheme: str) -> None:
    pytest.importorskip(DRIVERS[scheme], exc_type=ImportError)
    with contextlib.ExitStack() as stack:
        try:
            shelf = stack.enter_context(mariadb() if scheme.startswith("mysql") else postgresql())
        except MissingError as error:
            pytest.skip(str(error))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        fd = listener.fileno()
        command = [
            "demo",
            "--database",
            shelf.url(scheme),
            "--bind",
            f"fd://{fd}",
            "--workers",
            "1",
        ]
        served = run(command, pass_fds=[fd], address=listener.getsockname())
        server = stack.enter_context(served)
        server.wait_ready()
        client = stack.enter_context(server.connect())
        assert client.get("/healthz").status == 200
        shelf.stop()
        assert [client.get("/healthz").status for _ in range(3)] == [503] * 3
        shelf.start()
        assert client.get("/healthz").status == 200


@pytest.mark.parametrize("scheme", SERVERS)
def test_a_database_that_cannot_be_opened_is_one_line_without_its_password(
    scheme: str, request: pytest.FixtureRequest
) -> None:
    url = dataclasses.replace(server_of(scheme, request), password=WRONG).url(scheme)
    with run(["demo", "--database", url, "--bind", "127.0.0.1:0", "--workers", "1"]) as server:
        assert server.wait_exit() == 78
    said = {"mysql": "Access denied", "postgresql": "password authentication failed"}
    assert said[scheme.partition("+")[0]] in server.lines[-1]
    assert WRONG not in server.log
