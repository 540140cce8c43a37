"""An app that is called so that another answer may take its place, should it fail: in its call or later.

Rules: the app's head waits until the first piece of its body is there, so that until then another answer
takes its place without a trace. PEP 3333's exc_info alone does not do: WebOb, which others' filters in front
are made with, raises whatever start_response is given with it, sent or not. From the first piece on it is
what there is, and the server raises the error when the head was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Answer = Callable[[Exception, bool], Iterable[bytes]]
"""Makes the body that takes the place of what failed, or raises. The flag says that the head is out of our
hands, so that exc_info has to be given."""

_END: Any = object()
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


def call_guarded(
    app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse, answer: Answer
) -> Iterable[bytes]:
    """Calls the app and returns its body, or the answer in its place.

    A file wrapper reaches the server as it is (PEP 3333), and so do lists and tuples.
    """
    head = _Head(start_response)
    try:
        result = app(environ, head.start)
        if type(result) is list or _is_whole(result, environ):
            head.send()
            return result
        return _Guarded(head, result, answer)
    except Exception as error:
        return answer(error, head.is_sent)


def _is_whole(result: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(result, (list, tuple)) or (
        isinstance(wrapper, type) and isinstance(result, wrapper)
    )


class _Head:
    """The app's head, while it waits."""

    __slots__ = ("_said", "_server_write", "_start_response", "is_sent")

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response = start_response
        self._said: tuple[str, list[tuple[str, str]]] | None = None
        self._server_write: Any = None
        self.is_sent = False

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """As PEP 3333 says."""
        if self.is_sent:
            # Without exc_info it is a mistake of the app's, which the server names.
            more: Any = () if exc_info is None else (exc_info,)
            return self._start_response(status, headers, *more)
        if self._said is not None and exc_info is None:
            raise AssertionError("start_response() was called twice without exc_info")
        self._said = status, headers
        return self._write

    def send(self) -> None:
        """Hands the head on; where there is none, the server says what is wrong."""
        if self._said is not None and not self.is_sent:
            self._server_write = self._start_response(*self._said)
            self.is_sent = True

    def _write(self, data: bytes) -> object:
        self.send()
        return self._server_write(data)


class _Guarded:
    __slots__ = ("_answer", "_head", "_pieces", "_result")

    def __init__(self, head: _Head, result: Iterable[bytes], answer: Answer) -> None:
        self._head = head
        self._result = result
        self._pieces = iter(result)
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        head = self._head
        try:
            piece = next(self._pieces, _END)
            if not head.is_sent:
                head.send()
        except Exception as error:
            self._pieces = iter(self._answer(error, head.is_sent))
            head.is_sent = True
            piece = next(self._pieces, _END)
        if piece is _END:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Closes the app's result."""
        close = getattr(self._result, "close", None)
        if close is not None:
            close()
