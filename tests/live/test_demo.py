"""The demo, as ``tools/serve`` runs it: real workers over one SQLite file, or over a MariaDB."""

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

from tests.support.databases import Database, MissingError, mariadb
from tests.support.http import Client, Response
from tests.support.server import Server, run

WRONG = "not-the-one"


@pytest.fixture(params=["sqlite", "mysql+wsgisrv"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shelf.sqlite'}"
    shelf: Database = request.getfixturevalue("mariadb_server")
    return dataclasses.replace(shelf, name=shelf.make_database()).url(request.param)


@pytest.fixture
def server(database: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        command = ["demo", "--database", database, "--bind", f"fd://{fd}", "--workers", "2"]
        with run(command, pass_fds=[fd], address=listener.getsockname()) as server:
            server.wait_ready()
            yield server


def post(client: Client, path: str, document: Any) -> Response:
    body = json.dumps(document)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
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


def test_of_many_clients_that_want_one_book_exactly_one_gets_it(server: Server) -> None:
    with server.connect() as client:
        place = post(client, "/v1/books", {"title": "t", "author": "a"})["location"]

    def lend(number: int) -> int:
        with server.connect() as client:
            return post(client, f"{place}/action", {"lend": {"to": str(number)}}).status

    with ThreadPoolExecutor(20) as executor:
        statuses = Counter(executor.map(lend, range(40)))
    assert statuses == {200: 1, 409: 39}


def test_fifty_clients_that_write_at_once_are_all_served(server: Server) -> None:
    def add(number: int) -> int:
        with server.connect() as client:
            return post(client, "/v1/books", {"title": str(number), "author": "a"}).status

    with ThreadPoolExecutor(50) as executor:
        assert Counter(executor.map(add, range(100))) == {201: 100}
    with server.connect() as client:
        assert len(client.get("/v1/books?limit=1000").json()["books"]) == 100


def test_a_database_that_goes_away_is_a_503_and_comes_back() -> None:
    pytest.importorskip("MySQLdb", exc_type=ImportError)
    with contextlib.ExitStack() as stack:
        try:
            shelf = stack.enter_context(mariadb())
        except MissingError as error:
            pytest.skip(str(error))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        fd = listener.fileno()
        command = [
            "demo",
            "--database",
            shelf.url("mysql+wsgisrv"),
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


def test_a_database_that_cannot_be_opened_is_one_line_without_its_password(
    mariadb_server: Database,
) -> None:
    url = dataclasses.replace(mariadb_server, password=WRONG).url("mysql+wsgisrv")
    with run(["demo", "--database", url, "--bind", "127.0.0.1:0", "--workers", "1"]) as server:
        assert server.wait_exit() == 78
    assert "Access denied" in server.lines[-1]
    assert WRONG not in server.log
