"""An app's result that is watched while it is iterated, since an app may fail there, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import WSGIEnvironment

Answer = Callable[[Exception], Iterable[bytes]]
"""Makes the body that takes the place of what failed, or raises."""


def guarded(environ: WSGIEnvironment, result: Iterable[bytes], answer: Answer) -> Iterable[bytes]:
    """Returns ``result`` watched, or itself where nothing can go wrong.

    That is a list or a tuple; and a file wrapper, which has to reach the server as it is (PEP 3333).
    """
    if type(result) is list or isinstance(result, (list, tuple)):
        return result
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(result, wrapper):
        return result
    return Guarded(result, answer)


class Guarded:
    """Args:
    result: the app's.
    answer: what to do about an error; it raises when the head was sent.
    """

    __slots__ = ("_answer", "_pieces", "_result")

    def __init__(self, result: Iterable[bytes], answer: Answer) -> None:
        self._result = result
        self._pieces = iter(result)
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            raise
        except Exception as error:
            self._pieces = iter(self._answer(error))
        return next(self._pieces)

    def close(self) -> None:
        """Closes the app's result."""
        close = getattr(self._result, "close", None)
        if close is not None:
            close()
