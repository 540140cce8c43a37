"""The shelf in several processes at once, as workers have it, on one SQLite file."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import pytest

from tests.support import wsgi
from wsgisrv.demo.app import shelf_app
from wsgisrv.demo.db import Database
from wsgisrv.demo.shelf import MOST_LOANS

WORKERS = 4
CLIENTS = 13  # of each worker: 52 together
DEADLINE = 60.0  # seconds

_SPAWN = multiprocessing.get_context("spawn")


def post(app: WSGIApplication, path: str, body: Any) -> int:
    data = json.dumps(body).encode()
    return int(wsgi.call(app, path, "POST", body=data, Content_Type="application/json").status_code)


def work(url: str, barrier: Barrier, task: Any, results: Any) -> None:
    """Runs in a process of its own: opens the database when all others do, and does the task."""
    barrier.wait(DEADLINE)
    database = Database(url)
    try:
        database.create_schema()
        results.put(task(shelf_app(database)))
    except BaseException as error:
        results.put(error)
        raise


def in_workers(url: str, task: Callable[[WSGIApplication], Any]) -> list[Any]:
    barrier, results = _SPAWN.Barrier(WORKERS), _SPAWN.Queue()
    workers = [
        _SPAWN.Process(target=work, args=(url, barrier, task, results)) for _ in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    try:
        return [results.get(timeout=DEADLINE) for _ in workers]
    finally:
        for worker in workers:
            worker.join(DEADLINE)
            worker.kill()
            worker.join()
            assert worker.exitcode == 0
            worker.close()


def by_clients(task: Callable[[int], int]) -> Counter[int]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        return Counter(clients.map(task, range(CLIENTS)))


def add_and_list(app: WSGIApplication) -> list[int]:
    added = post(app, "/books", {"title": "T", "author": "A"})
    return [added, wsgi.call(app, "/books").status_code]


def lend_every_book(app: WSGIApplication) -> Counter[int]:
    ids = [book["id"] for book in wsgi.call(app, "/books").json["books"]]
    total: Counter[int] = Counter()
    for book_id in ids:
        path = f"/books/{book_id}/action"
        total += by_clients(lambda n, path=path: post(app, path, {"lend": {"to": f"{n}"}}))  # type: ignore[misc]
    return total


def lend_all_to_one(app: WSGIApplication) -> Counter[int]:
    books = [book["id"] for book in wsgi.call(app, "/books").json["books"]]

    def lend(number: int) -> int:
        return post(app, f"/books/{books[number]}/action", {"lend": {"to": "Dana"}})

    total: Counter[int] = Counter()
    for number in range(0, len(books), CLIENTS):
        with ThreadPoolExecutor(CLIENTS) as clients:
            total.update(clients.map(lend, range(number, min(number + CLIENTS, len(books)))))
    return total


def add_books(app: WSGIApplication) -> Counter[int]:
    total: Counter[int] = Counter()
    for _ in range(4):
        total += by_clients(lambda n: post(app, "/books", {"title": f"T{n}", "author": "A"}))
    return total


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shelf.sqlite"


def test_workers_that_start_together_make_one_schema(url: str) -> None:
    assert in_workers(url, add_and_list) == [[201, 200]] * WORKERS


def test_of_all_clients_that_lend_one_book_exactly_one_gets_it(url: str) -> None:
    database = Database(url)
    database.create_schema()
    app = shelf_app(database)
    books = 5
    for _ in range(books):
        assert post(app, "/books", {"title": "T", "author": "A"}) == 201
    total: Counter[int] = sum(in_workers(url, lend_every_book), Counter())
    assert total == {200: books, 409: books * (WORKERS * CLIENTS - 1)}


def test_nobody_gets_more_than_the_quota_from_all_workers_together(url: str) -> None:
    database = Database(url)
    database.create_schema()
    app = shelf_app(database)
    for _ in range(2 * MOST_LOANS):
        assert post(app, "/books", {"title": "T", "author": "A"}) == 201
    total: Counter[int] = sum(in_workers(url, lend_all_to_one), Counter())
    assert total[200] == MOST_LOANS
    assert total.keys() == {200, 403, 409}


def test_fifty_clients_write_at_once_and_all_are_answered(url: str) -> None:
    total: Counter[int] = sum(in_workers(url, add_books), Counter())
    assert total == {201: 4 * WORKERS * CLIENTS}
