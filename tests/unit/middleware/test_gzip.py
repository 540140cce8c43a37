"""egg:wsgisrv#gzip: what is compressed, what is not, and what the head says of it."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.support.wsgi import call
from wsgisrv import api
from wsgisrv.errors import ConfigError
from wsgisrv.middleware.accept_encoding import takes_gzip
from wsgisrv.middleware.gzip import SLICE_BYTES, Gzip, filter_factory

TEXT = b'{"name": "value"}' * 200
JSON = ("Content-Type", "application/json")


def answering(body: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers) or [JSON])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    return app


def starter(said: list[Any], write: Any = None) -> Any:
    def start_response(*head: Any) -> Any:
        said.append(head)
        return write

    return start_response


def ask(app: Any, method: str = "GET", accept: str = "gzip") -> Any:
    return call(Gzip(app), "/", method, Accept_Encoding=accept)


@pytest.mark.parametrize(
    ("field", "takes"),
    [
        ("gzip", True), ("x-gzip", True), ("GZIP", True), ("*", True), ("br, gzip;q=0.5", True),
        ("gzip;q=0", False), ("gzip;q=0.000", False), ("*;q=0", False), ("", False), ("br", False),
        ("*, gzip;q=0", False), ("gzip;q=0.5, identity", False), ("gzip ; q=1, identity;q=0.5", True),
        ("gzip;q=2", False), ("gzip;level=9", False), ("identity", False), ("gzip," * 1000, False),
    ],
)  # fmt: skip
def test_who_takes_gzip(field: str, takes: bool) -> None:
    assert takes_gzip(field) is takes


def test_a_whole_body_is_compressed_with_its_new_length_and_an_etag_of_its_own() -> None:
    length = ("Content-Length", str(len(TEXT)))
    answer = ask(answering([TEXT], JSON, length, ("ETag", '"a"'), ("Vary", "Accept")))
    assert gzip.decompress(answer.body) == TEXT
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["ETag"] == '"a-gzip"'
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"


def test_a_weak_etag_stays_as_it_is() -> None:
    assert ask(answering([TEXT], JSON, ("ETag", 'W/"a"'))).headers["ETag"] == 'W/"a"'


def test_who_does_not_take_it_learns_that_others_might() -> None:
    answer = ask(answering([TEXT], JSON, ("ETag", '"a"')), accept="br")
    assert (answer.body, answer.headers["Vary"]) == (TEXT, "Accept-Encoding")
    assert answer.headers["ETag"] == '"a"'


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", "image/png")],
        [JSON, ("Content-Encoding", "br")],
        [JSON, ("Cache-Control", "private, no-transform")],
        [JSON, ("Content-Range", "bytes 0-1/2")],
        [("X-No-Type", "1"), ("Content-Type", "application/octet-stream")],
    ],
)
def test_what_must_not_or_need_not_be_compressed_is_left_alone(headers: Any) -> None:
    answer = ask(answering([TEXT], *headers))
    assert answer.body == TEXT
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("said", [[], [("Content-Length", "5")]])
def test_what_is_short_is_not_worth_it(said: Any) -> None:
    assert ask(answering([b"short"], JSON, *said)).body == b"short"


def test_what_does_not_shrink_is_sent_as_it_is() -> None:
    noise = os.urandom(5000)
    answer = ask(answering([noise]))
    assert answer.body == noise
    assert "Content-Encoding" not in answer.headers


def test_206_is_never_compressed() -> None:
    answer = ask(answering([TEXT], JSON, status="206 Partial Content"))
    assert answer.body == TEXT


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_204_and_304_have_no_coding(status: str) -> None:
    headers = seen_and_answered(status, "GET", "gzip", {})[1]
    assert "Content-Encoding" not in headers
    assert headers["ETag"] == '"a"'


def seen_and_answered(
    status: str, method: str, accept: str, sent: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The preconditions that the app sees, and the headers of what it answers."""
    seen: dict[str, str] = {}
    said: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        seen.update({key: environ[key] for key in sent})
        start_response(status, [("ETag", '"a"')])
        return []

    environ = {"REQUEST_METHOD": method, "HTTP_ACCEPT_ENCODING": accept, **sent}
    Gzip(app)(environ, starter(said))
    return seen, dict(said[0][1])


@pytest.mark.parametrize(
    ("sent", "seen", "answered"),
    [
        ('"a-gzip"', '"a"', '"a-gzip"'),
        ('"x-gzip", W/"b", "a-gzip"', '"x", W/"b", "a"', '"a-gzip"'),
        ('W/"a-gzip"', 'W/"a"', '"a-gzip"'),
        ('"a"', '"a"', '"a"'),
        ('"x-gzip", "a"', '"x", "a"', '"a"'),
        ("*", "*", '"a"'),
    ],
)
def test_304_has_the_etag_that_the_client_has(sent: str, seen: str, answered: str) -> None:
    key = "HTTP_IF_NONE_MATCH"
    found, headers = seen_and_answered("304 Not Modified", "GET", "gzip", {key: sent})
    assert (found[key], headers["ETag"]) == (seen, answered)


def test_what_was_compressed_is_not_what_a_client_without_gzip_would_get() -> None:
    key = "HTTP_IF_NONE_MATCH"
    for accept in ("", "br", "gzip;q=0"):
        found, _ = seen_and_answered("304 Not Modified", "GET", accept, {key: '"a-gzip"'})
        assert found[key] == '"a-gzip"'


@pytest.mark.parametrize("accept", ["", "gzip"])
def test_a_writer_may_name_the_etag_of_what_was_compressed(accept: str) -> None:
    sent = {"HTTP_IF_MATCH": '"a-gzip", "b"', "HTTP_IF_NONE_MATCH": '"c-gzip"'}
    found, _ = seen_and_answered("204 No Content", "PATCH", accept, sent)
    assert found == {"HTTP_IF_MATCH": '"a", "b"', "HTTP_IF_NONE_MATCH": '"c"'}


def test_a_range_of_what_was_compressed_is_nothing_that_the_app_has() -> None:
    sent = {"HTTP_IF_RANGE": '"a-gzip"'}
    assert seen_and_answered("200 OK", "GET", "gzip", sent)[0] == sent


def test_an_api_takes_the_etag_of_a_compressed_answer_back() -> None:
    class Things:
        state = "x" * 2000

        @api.conditional()
        def show(self, request: api.Request) -> Any:
            request.check_etag(api.etag_of(self.state))
            return {"state": self.state}

    router = api.Router()
    router.connect("/thing", controller=Things(), action="show", methods=["GET", "PUT"])
    app = Gzip(api.API(router))
    shown = call(app, "/thing", Accept_Encoding="gzip")
    tag = shown.headers["ETag"]
    assert shown.headers["Content-Encoding"] == "gzip"
    again = call(app, "/thing", Accept_Encoding="gzip", If_None_Match=tag)
    assert (again.status_code, again.headers["ETag"]) == (304, tag)
    for accept in ("gzip", ""):
        written = call(app, "/thing", "PUT", Accept_Encoding=accept, If_Match=tag)
        assert written.status_code == 200
    assert call(app, "/thing", "PUT", If_Match='"other-gzip"').status_code == 412


def test_head_says_what_get_would_but_for_a_length_that_nobody_knows() -> None:
    length = ("Content-Length", str(len(TEXT)))
    answer = ask(answering([TEXT], JSON, length, ("ETag", '"a"')), "HEAD")
    assert answer.body == b""
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["ETag"] == '"a-gzip"'
    assert "Content-Length" not in answer.headers
    short = ask(answering([b"x"], JSON, ("Content-Length", "1")), "HEAD")
    assert short.headers["Content-Length"] == "1"


class Stream:
    """A generator's like, which starts its response when it is first asked."""

    def __init__(self, pieces: list[bytes], start: Any = None) -> None:
        self._pieces = pieces
        self._start = start
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        if self._start:
            self._start("200 OK", [JSON])
        yield from self._pieces

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("is_lazy", [False, True])
def test_each_piece_of_a_stream_can_be_read_when_it_comes(is_lazy: bool) -> None:
    made: list[Stream] = []

    def app(environ: Any, start_response: Any) -> Any:
        if not is_lazy:
            start_response("200 OK", [JSON])
        made.append(Stream([b"one", b"", b"two"], start_response if is_lazy else None))
        return made[0]

    said: list[Any] = []
    environ = {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": "gzip"}
    result = Gzip(app)(environ, starter(said))
    reader = zlib.decompressobj(31)
    pieces = [reader.decompress(piece) for piece in result]
    result.close()  # type: ignore[attr-defined]
    assert pieces[:3] == [b"one", b"", b"two"]
    assert reader.eof
    assert made[0].closed == 1
    assert ("Content-Encoding", "gzip") in said[0][1]


def test_an_empty_stream_has_a_head() -> None:
    answer = ask(answering(iter([])))
    assert (answer.status_code, answer.body) == (200, b"")
    assert "Content-Encoding" not in answer.headers


def test_a_long_body_gives_others_their_turn_after_each_slice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns: list[float] = []
    monkeypatch.setattr("wsgisrv.middleware.gzip.time.sleep", turns.append)
    long = os.urandom(1000) * 400
    answer = ask(answering([long]))
    assert gzip.decompress(answer.body) == long
    assert turns == [0] * (len(long) // SLICE_BYTES)


def test_an_error_may_take_the_place_of_what_was_not_sent() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [JSON])
        try:
            raise ValueError
        except ValueError as error:
            head = [("Content-Type", "text/plain"), ("Content-Length", "3")]
            start_response("500 No", head, (ValueError, error, error.__traceback__))
        return [b"bad"]

    answer = ask(app)
    assert (answer.status_code, answer.body) == (500, b"bad")


def test_what_goes_through_write_is_left_alone() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [JSON])
        write(TEXT)
        write(b"more")
        return []

    said: list[Any] = []
    written: list[bytes] = []
    environ = {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": "gzip"}
    result = Gzip(app)(environ, starter(said, written.append))
    assert written == [TEXT, b"more"]
    assert list(result) == []
    assert "Content-Encoding" not in dict(said[0][1])


def test_twice_in_a_pipeline_compresses_once() -> None:
    answer = call(Gzip(Gzip(answering([TEXT]))), "/", Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == TEXT


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"level": "0"}, "level = 0: allowed is a whole number from 1 to 9"),
        ({"min_bytes": "1k"}, "min_bytes = 1k: allowed is a whole number from 0"),
        ({"types": "json"}, "types = json: allowed is a media type"),
        ({"types": ""}, "types = : allowed"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(conf: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        filter_factory({}, **conf)
