"""What an action returns: which kinds of values are documents, and how they are held against their schema."""

from __future__ import annotations

import collections
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import webob
from webob import exc

from tests.support import wsgi
from wsgisrv import api

ITEM = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "integer"}},
    "additionalProperties": False,
}


class Name(str):
    """A key as an ORM may make it."""

    __slots__ = ()


class Pair(NamedTuple):
    first: int
    second: int


def app_of(result: Callable[[], Any], **more: Any) -> api.API:
    class Things:
        @api.returns(ITEM)
        def show(self, request: api.Request) -> Any:
            return result()

        def free(self, request: api.Request) -> Any:
            return result()

        @api.returns(ITEM)
        def stream(self, request: api.Request) -> Iterator[Any]:
            yield from result()

    router = api.Router()
    things = Things()
    for name in ("show", "free", "stream"):
        router.connect(f"/{name}", controller=things, action=name, methods=["GET"])
    return api.API(router, **more)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (collections.OrderedDict(a=1), '{"a":1}'),
        (collections.defaultdict(int, a=1), '{"a":1}'),
        ((1, 2), "[1,2]"),
        (Pair(1, 2), "[1,2]"),
    ],
)
def test_a_dict_list_or_tuple_of_any_kind_is_a_document(result: Any, text: str) -> None:
    response = wsgi.call(app_of(lambda: result), "/free")
    assert (response.content_type, response.text) == ("application/json", text)


@pytest.mark.parametrize("result", [{1, 2}, range(2), "text", b"bytes", 5, {"a": {1}}, {"a": b"x"}])
def test_what_is_no_document_is_a_bug(result: Any) -> None:
    assert wsgi.call(app_of(lambda: result), "/free").status_code == 500


def test_a_file_that_is_opened_for_text_is_a_bug(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    path.write_text("a\nb\n")
    for opened in (path.open, lambda: io.StringIO("a")):
        caplog.clear()
        assert wsgi.call(app_of(opened), "/free").status_code == 500
        assert "a file is opened for reading bytes" in caplog.text


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ({"id": "x"}, "/id: has to be a whole number"),
        ({"id": 1, 2: 3}, "/: has a key that is int, not a text"),
        ((1,), "/: has to be an object"),
        (None, "/: has to be an object"),
    ],
)
def test_a_wrong_result_is_blamed_as_the_api_says(
    result: Any, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    status = 204 if result is None else 200
    assert wsgi.call(app_of(lambda: result), "/show").status_code == status
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().endswith(f"the result of Things.show: {problem}")
    caplog.clear()
    ignoring = app_of(lambda: result, result_errors="ignore")
    assert wsgi.call(ignoring, "/show").status_code == status
    assert not caplog.records
    failing = app_of(lambda: result, result_errors="fail")
    assert wsgi.call(failing, "/show").status_code == 500


def test_a_result_whose_keys_are_kinds_of_texts_is_right() -> None:
    failing = app_of(lambda: {Name("id"): 1}, result_errors="fail")
    assert wsgi.call(failing, "/show").json == {"id": 1}
    wrong = app_of(lambda: {Name("id"): "x"}, result_errors="fail")
    assert wsgi.call(wrong, "/show").status_code == 500


def test_each_line_is_held_against_the_schema(caplog: pytest.LogCaptureFixture) -> None:
    items = [{"id": 1}, {"id": "x"}]
    response = wsgi.call(app_of(lambda: items), "/stream")
    assert [json.loads(line) for line in response.body.splitlines()] == items
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "has to be a whole number"
    ]
    first = app_of(lambda: items[1:], result_errors="fail")
    assert wsgi.call(first, "/stream").status_code == 500


def test_a_response_whose_body_refuses_at_its_start_is_a_fault() -> None:
    def refusing() -> Iterator[bytes]:
        yield refuse()

    def refuse() -> bytes:
        raise exc.HTTPNotFound("gone")

    response = wsgi.call(app_of(lambda: webob.Response(app_iter=refusing())), "/free")
    assert (response.status_code, response.json["errors"][0]["detail"]) == (404, "gone")
    pieces = (piece for piece in (b"a", b"b"))
    assert wsgi.call(app_of(lambda: webob.Response(app_iter=pieces)), "/free").body == b"ab"
