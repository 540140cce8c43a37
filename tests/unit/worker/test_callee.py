"""What a frame calls, told by the text of the call and the names that it sees."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from wsgisrv.worker.callee import modules_of


class Holder:
    __slots__ = ("connection",)

    connection: sqlite3.Connection

    @property
    def trap(self) -> Any:
        raise AssertionError("a property of the app's was run")


class Stopped(Exception):  # noqa: N818 -- a way out, not an error
    """Carries the frame out of the C code that calls back."""


def look(*_: object) -> int:
    """Called by C code: the frame above is the one that has called into it."""
    found: FrameType | None = sys._getframe(1)
    SEEN.append(list(modules_of(found)) if found is not None else [])
    return 0


SEEN: list[list[str]] = []


def by_method(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT look()")


def by_slot(connection: sqlite3.Connection) -> None:
    holder = Holder()
    holder.connection = connection
    holder.connection.execute(
        "SELECT look()",
    )


def by_iteration(connection: sqlite3.Connection) -> None:
    cursor = connection.execute("SELECT 1 UNION ALL SELECT look() FROM (SELECT 1)")
    for _ in cursor:
        pass


def by_call(connection: sqlite3.Connection) -> None:
    some = [connection]
    some.copy()[0].execute("SELECT look()")


def by_chain(connection: sqlite3.Connection) -> None:
    connection.cursor().execute("SELECT look()").fetchall()


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    SEEN.clear()
    connection = sqlite3.connect(":memory:")
    connection.create_function("look", 0, look)
    yield connection
    connection.close()


@pytest.mark.parametrize("call", [by_method, by_slot, by_iteration])
def test_a_call_into_c_is_known_by_its_names(
    call: Callable[[sqlite3.Connection], None], connection: sqlite3.Connection
) -> None:
    call(connection)
    assert SEEN[0][0] in ("sqlite3.Connection.execute", "sqlite3.Cursor")
    assert SEEN[0][1] == __name__


def test_a_method_of_what_a_call_has_returned_is_known_by_that_call(
    connection: sqlite3.Connection,
) -> None:
    by_chain(connection)
    assert SEEN[0][:2] == ["sqlite3.Connection.cursor", __name__]


def test_what_cannot_be_told_is_not_guessed(connection: sqlite3.Connection) -> None:
    by_call(connection)
    assert SEEN[0][0] == __name__


def test_a_function_of_a_module_is_known() -> None:
    def key(_: object) -> int:
        return look()

    SEEN.clear()
    sleep = time.sleep
    assert sorted([1], key=key) == [1]
    assert SEEN[0][0] == __name__
    from wsgisrv.worker import callee

    assert callee._name_of(sleep) == "time.sleep"


def test_a_property_is_not_run() -> None:
    from wsgisrv.worker import callee

    assert isinstance(callee._static(Holder(), "trap"), property)
    assert callee._static(Holder(), "connection") is callee._NOTHING
