"""Controllers: any object whose public methods are actions.

Rules: an action takes the request and its named path arguments and returns what it means:

- a dict, a list or a tuple, or one of a subclass: sent as JSON, or what else the client takes;
- None: 204, or the declared status without a body;
- an iterator, so a generator as well: JSON lines, streamed as they come; an action that returns one without
  being a generator function is annotated so, ``-> Iterator[Any]``, for who takes nothing but JSON lines;
- a File, or a file opened for reading bytes: sent by the server's wsgi.file_wrapper;
- a webob.Response: sent as it is.

One that has a parameter ``body``, ``query`` or ``page`` gets the body, the query or the page, checked against
what is declared of it. What else belongs to the answer is declared beside the action, by the decorators of
``declared``. Everything about an action that can be known at start is worked out then, once.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Collection as Sized
from typing import TYPE_CHECKING, Any

from wsgisrv.api.declared import fields_of

if TYPE_CHECKING:
    from wsgisrv.api.declared import Declared
    from wsgisrv.api.pagination import Collection
    from wsgisrv.api.request import Request
    from wsgisrv.api.schema import Check

SUPPLIED = ("body", "query", "page")
"""Parameters of an action that are no path arguments."""

Prepare = Callable[["Request", dict[str, Any]], None]
"""Completes the arguments of an action by what it takes besides the path's, or raises."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is to be done for one action in one microversion.

    Args:
        name: ``Books.show``, for logs.
        call: the bound method, within its hooks.
        method: the bound method.
        declared: what was said of it.
        status: of an answer with a body, as in a status line.
        empty_status: of one without.
        location: as for ``responds``.
        prepare: None when the action takes path arguments alone and nothing is checked.
        is_valid_result: whether a result fits its schema; None when that is not checked.
        blame_result: says what is wrong with a result that does not.
        subs: by name, where the body chooses among sub-actions.
        subs_elsewhere: the names of those that only other versions have.
        offers: the media types that it answers in; none for the API's.
        is_stream: whether it answers in JSON lines.
        body: the schema of the body, if there is one; ``query``, ``result`` and ``collection`` likewise.
    """

    name: str
    call: Callable[..., Any]
    method: Callable[..., Any]
    declared: Declared
    status: str
    empty_status: str
    location: str = ""
    prepare: Prepare | None = None
    is_valid_result: Callable[[Any], bool] | None = None
    blame_result: Callable[[Request, Any], None] | None = None
    subs: Mapping[str, Plan] | None = None
    subs_elsewhere: frozenset[str] = frozenset()
    offers: tuple[str, ...] = ()
    is_stream: bool = False
    body: Check | None = None
    query: Check | None = None
    result: Check | None = None
    collection: Collection | None = None

    def missing_in_location(self, arguments: Sized[str]) -> str:
        """Returns a name in the location that neither the arguments have nor the result may have, or ""."""
        schema = self.result.schema if self.result is not None else {}
        if schema.get("additionalProperties", True) is not False:
            return ""
        known = {*arguments, *schema.get("properties", ())}
        return next((name for name in fields_of(self.location) if name not in known), "")


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """One action of one controller.

    Args:
        name: ``Books.show``.
        at: its plan by the index of the microversion; None in those that do not have it.
        place: ``file:line`` of an implementation.
    """

    name: str
    at: Sequence[Plan | None]
    place: str

    @property
    def plans(self) -> list[Plan]:
        """The plans, each once, from the first version on."""
        found: list[Plan] = []
        for plan in self.at:
            if plan is not None and not any(plan is known for known in found):
                found.append(plan)
        return found

    @property
    def call(self) -> Callable[..., Any]:
        """The newest implementation: a bound method."""
        return self.plans[-1].method

    def complaint(self, arguments: Iterable[str], *, may_lack: bool = False) -> str:
        """Returns why the action cannot be called with these named path arguments, or "".

        Args:
            may_lack: whether more of them are known only when a request is there.
        """
        names = set(arguments)
        for method in self.methods:
            signature = inspect.signature(method)
            supplied = [name for name in SUPPLIED if name in signature.parameters]
            if names & set(SUPPLIED):
                both = ", ".join(sorted(names & set(SUPPLIED)))
                return f"{self.name}: {both} cannot be a path argument"
            try:
                bind = signature.bind_partial if may_lack else signature.bind
                bind(None, **dict.fromkeys([*names, *supplied]))
            except TypeError as error:
                return f"{self.name}: {error}"
        for plan in self.plans:
            if missing := plan.missing_in_location(names):
                return f"{self.name}: location = {plan.location!r}: no {missing} in the result or the path"
        return ""

    def takes(self, argument: str) -> bool:
        """Whether it has a parameter of that name, or takes any."""
        return all(takes(method, argument) for method in self.methods)

    @property
    def methods(self) -> list[Callable[..., Any]]:
        """Every implementation: bound methods."""
        return [
            one.method
            for plan in self.plans
            for one in (plan.subs.values() if plan.subs is not None else (plan,))
        ]


def takes(method: Callable[..., Any], argument: str) -> bool:
    """Whether a method has a parameter of that name, or takes any."""
    parameters = inspect.signature(method).parameters
    return argument in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )
