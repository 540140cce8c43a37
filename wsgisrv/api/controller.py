"""Controllers: any object whose public methods are actions.

Rules: an action takes the request and its named path arguments and returns what it means:

- a dict or a list: sent as JSON;
- None: 204, or the declared status without a body;
- an iterator, so a generator as well: JSON lines, streamed as they come;
- a webob.Response: sent as it is.

What else belongs to the answer is declared beside the action, by ``responds``. Everything about an action
that can be known at start is worked out here, once.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])
_DECLARED = "wsgisrv_responds"


def responds(status: int, *, location: str = "") -> Callable[[_Function], _Function]:
    """Declares how an action's result is sent.

    Args:
        status: of HTTP, 200 to 299.
        location: the Location header, below where the API is mounted, with fields of the result in
            braces: ``/books/{id}``.

    Raises:
        ValueError: when it is no such status.
    """
    if not 200 <= status <= 299:
        raise ValueError(f"an action responds with 200 to 299, not {status}")
    declared = (f"{status} {HTTPStatus(status).phrase}", location)

    def declare(function: _Function) -> _Function:
        setattr(function, _DECLARED, declared)
        return function

    return declare


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """One action of one controller.

    Args:
        name: ``Books.show``, for logs.
        call: the bound method.
        status: of an answer with a body, as in a status line.
        empty_status: of one without.
        location: as for ``responds``.
    """

    name: str
    call: Callable[..., Any]
    status: str
    empty_status: str
    location: str

    def complaint(self, arguments: Iterable[str]) -> str:
        """Returns why the action cannot be called with these named path arguments, or ""."""
        try:
            inspect.signature(self.call).bind(None, **dict.fromkeys(arguments))
        except TypeError as error:
            return f"{self.name}: {error}"
        return ""

    def takes(self, argument: str) -> bool:
        """Whether it has a parameter of that name, or takes any."""
        parameters = inspect.signature(self.call).parameters
        return argument in parameters or any(
            parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
        )


def actions_of(controller: object) -> dict[str, Action]:
    """Returns the actions by name: the methods that the controller's class shows to the public."""
    return {
        name: _action(controller, name)
        for name in dir(type(controller))
        if not name.startswith("_") and inspect.isroutine(getattr(type(controller), name))
    }


def _action(controller: object, name: str) -> Action:
    call = getattr(controller, name)
    declared = getattr(call, _DECLARED, None)
    status, location = declared or ("200 OK", "")
    return Action(
        name=f"{type(controller).__name__}.{name}",
        call=call,
        status=status,
        empty_status=status if declared else "204 No Content",
        location=location,
    )
