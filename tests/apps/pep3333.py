"""Apps for the promises of PEP 3333, each with one behaviour, chosen by PATH_INFO."""

from __future__ import annotations

import io
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

from wsgisrv.http1.writer import ResponseError

TEXT = [("Content-Type", "text/plain")]


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    """``plain`` serves the apps as they are, ``validated`` behind wsgiref.validate."""
    return validator(serve) if app == "validated" else serve


def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    name = environ["PATH_INFO"].strip("/")
    return APPS[name](environ, start_response)


def say(text: str) -> None:
    """Leaves a line in the log, where the test looks for it."""
    os.write(2, f"{text}\n".encode())


class Closing:
    """An iterable whose close() leaves a line in the log."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        say("closed")


def a_list(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return [b"one ", b"two"]


def an_iterable(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return Closing([b"one ", b"", b"two"])


def a_generator_that_starts_late(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    yield b"one "
    yield b"two"


def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return []


def known_length(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "7")])
    return Closing([b"one ", b"two"])


def written(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"two")
    return []


def a_long_list(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return [b"a" * 60_000, b"", b"b" * 60_000]


def written_before_a_list(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response("200 OK", TEXT)
    write(b"one ")
    return [b"t", b"wo"]


def _file(data: bytes) -> IO[bytes]:
    """A file on disk, at its eighth byte; the server closes it."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- not closed here
    file.write(b"skipped " + data)
    file.seek(8)
    return file


def a_file(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](_file(b"one two"))


def a_part_of_a_file(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("206 Partial Content", [*TEXT, ("Content-Length", "7")])
    return environ["wsgi.file_wrapper"](_file(b"one two and more"))


def a_file_in_memory(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"one two"), 3)


def a_part_of_a_file_in_memory(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("206 Partial Content", [*TEXT, ("Content-Length", "7")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"one two and more"), 3)


def written_before_a_file(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response("200 OK", TEXT)
    write(b"one ")
    return environ["wsgi.file_wrapper"](_file(b"two"))


def a_file_that_is_too_short(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "8")])
    return environ["wsgi.file_wrapper"](_file(b"one two"))


def written_before_a_file_that_is_too_short(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Any:
    write = start_response("200 OK", [*TEXT, ("Content-Length", "8")])
    write(b"one ")
    return environ["wsgi.file_wrapper"](_file(b"two"))


def status(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Answers with the status of the query and no body."""
    start_response(f"{environ['QUERY_STRING']} Whatever", [])
    return []


def replaced_before_it_was_sent(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    try:
        raise ValueError
    except ValueError:
        start_response("503 Later", TEXT, sys.exc_info())
    return [b"one two"]


def replaced_after_it_was_sent(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response("200 OK", TEXT)
    write(b"one ")
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("503 Later", TEXT, sys.exc_info())
    return [b"two"]


def hints(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Gives two early hints where the protocol has them."""
    early_hints = environ.get("wsgi.early_hints")
    if early_hints is not None:
        early_hints([("Link", "</style.css>; rel=preload")])
        early_hints([("Link", "</script.js>; rel=preload")])
    start_response("200 OK", TEXT)
    if early_hints is not None:
        early_hints([("Link", "</late.js>; rel=preload")])
    return [b"one two"]


def forbidden_hints(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    environ["wsgi.early_hints"]([("Link", "</a>\r\n\r\nHTTP/1.1 200 OK")])
    return []


def fails_at_once(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    raise ValueError("at once")


def fails_after_start(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    raise ValueError("after start")


def _failing(pieces: list[bytes]) -> Iterator[bytes]:
    yield from pieces
    raise ValueError("in the body")


def fails_before_the_first_piece(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return Closing(_failing([b""]))


def fails_midway(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return Closing(_failing([b"one "]))


def fails_midway_with_a_length(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "7")])
    return Closing(_failing([b"one "]))


class _FailingToClose(Closing):
    def close(self) -> None:
        raise ValueError("in close()")


def fails_to_close(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "7")])
    return _FailingToClose([b"one ", b"two"])


def endless(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return Closing(itertools.repeat(bytes(100_000)))


class _KeepingWrite:
    """Calls write() of the request before, as an app does that has mixed up its requests."""

    def __init__(self) -> None:
        self._kept: Callable[[bytes], object] | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        said = "nothing was kept"
        if self._kept is not None:
            try:
                self._kept(b"stray")
                said = "it was sent"
            except ResponseError as error:
                said = str(error)
        self._kept = start_response("200 OK", TEXT)
        self._kept(said.encode())
        return []


def exits(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    sys.exit(3)


def times_out(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    import eventlet

    raise eventlet.Timeout


def never_starts(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    return [b"one two"]


def starts_twice(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"one two"]


def returns_text(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return ["one two"]


def yields_text(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return iter(["one two"])


def returns_none(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)


def too_short(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "8")])
    return [b"one two"]


def too_long(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return [b"one two"]


def too_short_in_pieces(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "8")])
    return Closing([b"one ", b"two"])


def too_long_in_pieces(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return Closing([b"one ", b"two"])


def _header(*header: Any) -> Callable[[WSGIEnvironment, StartResponse], Any]:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", [*TEXT, header])
        return [b"one two"]

    return app


def _status(text: Any) -> Callable[[WSGIEnvironment, StartResponse], Any]:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response(text, TEXT)
        return [b"one two"]

    return app


FORBIDDEN: dict[str, Callable[[WSGIEnvironment, StartResponse], Any]] = {
    "cr": _header("A", "b\rSet-Cookie: c"),
    "lf": _header("A", "b\nSet-Cookie: c"),
    "crlf": _header("A", "b\r\n\r\n<html>"),
    "nul": _header("A", "b\0"),
    "escape": _header("A", "\x1b[2J"),
    "not-latin": _header("A", "\u20ac"),
    "name-crlf": _header("A\r\nB", "c"),
    "name-colon": _header("A:", "c"),
    "name-space": _header("A b", "c"),
    "name-empty": _header("", "c"),
    "value-bytes": _header("A", b"c"),
    "value-int": _header("A", 1),
    "name-bytes": _header(b"A", "c"),
    "connection": _header("Connection", "close"),
    "transfer-encoding": _header("transfer-encoding", "chunked"),
    "keep-alive": _header("Keep-Alive", "timeout=5"),
    "upgrade": _header("Upgrade", "h2c"),
    "trailer": _header("Trailer", "A"),
    "length-text": _header("Content-Length", "seven"),
    "length-negative": _header("Content-Length", "-7"),
    "status-int": _status(200),
    "status-short": _status("20 OK"),
    "status-long": _status("2000 OK"),
    "status-text": _status("OK"),
    "status-crlf": _status("200 OK\r\nA: b"),
    "status-600": _status("600 Odd"),
    "status-bytes": _status(b"200 OK"),
}

APPS: dict[str, Any] = {
    **FORBIDDEN,
    "without_a_reason": _status("200"),
    "keeps_write": _KeepingWrite(),
} | {
    name: app
    for name, app in globals().items()
    if callable(app) and getattr(app, "__module__", "") == __name__ and not name.startswith("_")
}
