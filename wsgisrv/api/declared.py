"""What is declared beside an action, by decorators: status, versions, schemas, hooks.

Rules: decorators only note; the resolver reads the notes at start and refuses what makes no sense, with
file and line. A decorated function stays a plain function, so the order of decorators does not matter.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import string
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from wsgisrv.api.hooks import Around, Before, Hook
from wsgisrv.errors import ConfigError

if TYPE_CHECKING:
    from wsgisrv.api.pagination import Collection

_Function = TypeVar("_Function", bound=Callable[..., Any])
_DECLARED = "wsgisrv_declared"
_PLACE = "wsgisrv_place"
_FRAMEWORK = (f"{__package__}.", "routes.")
_NOTED = "_wsgisrv_noted"  # of a class: the names and notes of its methods that have some
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")  # RFC 6838, 4.2


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """From one microversion to another, both within; "" is the first or the last that the API has.

    Args:
        place: ``file:line`` of the declaration.
    """

    first: str
    last: str
    place: str

    def __str__(self) -> str:
        return f"{self.first or 'the first'} to {self.last or 'the last'}"


@dataclasses.dataclass(frozen=True, slots=True)
class DeclaredSchema:
    """A JSON Schema and the microversions in which it holds."""

    schema: Mapping[str, Any]
    span: Span


@dataclasses.dataclass(slots=True)
class Declared:
    """The notes on one function."""

    status: int = 0
    location: str = ""
    media_types: Sequence[str] = ()
    span: Span | None = None
    implements: str = ""
    sub_action: str = ""
    bodies: list[DeclaredSchema] = dataclasses.field(default_factory=list)
    queries: list[DeclaredSchema] = dataclasses.field(default_factory=list)
    responses: list[DeclaredSchema] = dataclasses.field(default_factory=list)
    before: list[Hook] = dataclasses.field(default_factory=list)
    around: list[Hook] = dataclasses.field(default_factory=list)
    rules: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    collections: list[tuple[Collection, Span]] = dataclasses.field(default_factory=list)
    answers: dict[int, str] = dataclasses.field(default_factory=dict)
    is_conditional: bool = False
    needs_if_match: bool = False
    earlier: Callable[..., Any] | None = None

    @property
    def spans(self) -> list[Span]:
        """Of all that holds in some versions only."""
        schemas = [one.span for one in (*self.bodies, *self.queries, *self.responses)]
        return schemas + [span for _, span in self.collections]


def declared_of(function: Callable[..., Any]) -> Declared:
    """Returns the notes on a function or method; empty ones when there are none."""
    found = getattr(function, _DECLARED, None)
    return found if isinstance(found, Declared) else Declared()


def refuse_lost(kind: type) -> None:
    """Refuses a class of which declarations are lost, a policy among them perhaps.

    That is so when a later method of the same name has taken the place of one, or a decorator above them
    returns another function and does not say so by functools.wraps.

    Raises:
        ConfigError: when there is one.
    """
    for name, notes, place in vars(kind).get(_NOTED, ()):
        latest = _plain(vars(kind).get(name))
        found = latest
        while callable(found) and declared_of(found) is not notes:
            found = declared_of(found).earlier
        if callable(latest) and found is None:
            raise ConfigError(
                f"{place_of(latest)}: {kind.__name__}.{name}: what {place} declares of it is lost: it is"
                " hidden by this one, or behind a decorator without functools.wraps"
            )


def place_of(function: Callable[..., Any]) -> str:
    """Returns ``file:line`` of a function; of the innermost, where others are wrapped around it."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else "?"


def responds(status: int, *, location: str = "") -> Callable[[_Function], _Function]:
    """Declares how an action's result is sent.

    Args:
        status: of HTTP, 200 to 299.
        location: the Location header, below where the API is mounted, with fields of the result, and
            arguments of the path, in braces: ``/books/{id}``. With 202 and no result it is the place of
            the task.

    Raises:
        ConfigError: when it is no such status, or the location no such text.
    """
    place = caller()
    if type(status) is not int or not 200 <= status <= 299 or status not in set(HTTPStatus):
        raise ConfigError(
            f"{place}: an action responds with a status of 200 to 299, not {status!r}"
        )
    try:
        fields = fields_of(location)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place}: location = {location!r}: {error}") from None
    if not all(map(str.isidentifier, fields)):
        raise ConfigError(
            f"{place}: location = {location!r}: braces name a field of the result, or an argument"
        )

    def note(declared: Declared) -> None:
        _once(declared.status, "responds", place)
        declared.status, declared.location = status, location

    return _noting(note)


def fields_of(location: str) -> list[str]:
    """Returns the names in the braces of a location."""
    return [field for _, field, _, _ in string.Formatter().parse(location) if field is not None]


def produces(*media_types: str) -> Callable[[_Function], _Function]:
    """Declares what an action answers in, where that is not the API's media types: a file, a response.

    A client that takes none of them gets 406 before the action is called. Of two or more, the action chooses
    by ``request.best_match``. JSON lines need no such word.

    Args:
        media_types: as in ``text/csv``; the preferred one first.

    Raises:
        ConfigError: when there is none, or one is no media type.
    """
    place = caller()
    if not media_types or not all(
        isinstance(name, str) and _MEDIA_TYPE.fullmatch(name) for name in media_types
    ):
        named = ", ".join(map(repr, media_types)) or "nothing"
        raise ConfigError(f"{place}: an action produces media types as text/csv, not {named}")

    def note(declared: Declared) -> None:
        _once(declared.media_types, "produces", place)
        declared.media_types = media_types

    return _noting(note)


def version(first: str, last: str = "", *, of: str = "") -> Callable[[_Function], _Function]:
    """Declares the microversions in which an implementation serves its action.

    Args:
        first: as in ``1.3``.
        last: likewise, within; "" for all that follow.
        of: the action's name, where the method has another. Without it, several methods of one name,
            each with versions of its own, are implementations of one action as well.
    """
    span = Span(first, last, caller())

    def declare(function: _Function) -> _Function:
        notes = _noted(function)
        notes.span, notes.implements = span, of
        plain = _plain(function)
        earlier = _class_body(plain).get(plain.__name__)
        if callable(_plain(earlier)) and _plain(earlier) is not plain:
            notes.earlier = earlier
        return function

    return _decorator(declare)


def sub_action(name: str) -> Callable[[_Function], _Function]:
    """Declares what ``{"name": {...}}`` in the body of ``Router.sub_actions`` asks for.

    The method gets what stands under the name as ``body``.

    Raises:
        ConfigError: when the name is no text.
    """
    place = caller()
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{place}: a sub-action has a name, not {name!r}")

    def note(declared: Declared) -> None:
        _once(declared.sub_action, "sub_action", place)
        declared.sub_action = name

    return _noting(note)


def body(
    schema: Mapping[str, Any], first: str = "", last: str = ""
) -> Callable[[_Function], _Function]:
    """Declares the JSON Schema of the body, in some microversions or in all; the action gets ``body``."""
    declared_schema = DeclaredSchema(schema, Span(first, last, caller()))
    return _noting(lambda declared: declared.bodies.append(declared_schema))


def query(
    schema: Mapping[str, Any], first: str = "", last: str = ""
) -> Callable[[_Function], _Function]:
    """Declares the JSON Schema of the query, likewise; the action may take ``query``.

    A text becomes the boolean, the whole number or the number that it reads as, where the schema takes one:
    by ``type``, ``enum`` or ``const``, also through ``$ref``, ``anyOf`` and the like; else it stays a text.
    Where the schema takes a list, it is what is between the commas, and ``ids=1&ids=2`` is the same as
    ``ids=1,2``; where it takes something else besides, only with a comma. Nothing becomes null.
    """
    declared_schema = DeclaredSchema(schema, Span(first, last, caller()))
    return _noting(lambda declared: declared.queries.append(declared_schema))


def returns(
    schema: Mapping[str, Any], first: str = "", last: str = ""
) -> Callable[[_Function], _Function]:
    """Declares the JSON Schema of the result, likewise; API says what happens to one that breaks it.

    Of an iterator it is the schema of each item, checked as it is sent. None is a result as well; files and
    responses are not looked at.
    """
    declared_schema = DeclaredSchema(schema, Span(first, last, caller()))
    return _noting(lambda declared: declared.responses.append(declared_schema))


def lists(
    collection: Collection, first: str = "", last: str = ""
) -> Callable[[_Function], _Function]:
    """Declares that the action lists a collection, likewise; the action gets ``page``."""
    span = Span(first, last, caller())
    return _noting(lambda declared: declared.collections.append((collection, span)))


def before(hook: Before | str) -> Callable[[_Function], _Function]:
    """Declares a hook that runs before the body is read: authorization, a rate.

    Args:
        hook: is called with the request and a dict of the path arguments, ``hook(request, arguments)``,
            and raises to refuse. Or the name of a method of the controller that takes the same.

    Raises:
        ConfigError: when it is neither.
    """
    declared_hook = Hook(hook, "before", caller())
    return _noting(lambda declared: declared.before.insert(0, declared_hook))


def around(hook: Around | str) -> Callable[[_Function], _Function]:
    """Declares a hook that runs around the action, after validation: a quota that is given back.

    Args:
        hook: is called with the request and a dict of all arguments, ``hook(request, arguments)``, and
            returns a context manager (``contextlib.contextmanager`` makes one of a generator), which is
            left when the action has returned or raised. Or the name of a method of the controller that
            does.

    Raises:
        ConfigError: when it is neither.
    """
    declared_hook = Hook(hook, "around", caller())
    return _noting(lambda declared: declared.around.insert(0, declared_hook))


def policy(rule: str) -> Callable[[_Function], _Function]:
    """Declares the rule that the API's enforcer is asked before the action."""
    place = caller()
    return _noting(lambda declared: declared.rules.append((rule, place)))


def answers(status: int, meaning: str) -> Callable[[_Function], _Function]:
    """Declares an error of the action's own, for the OpenAPI document: ``answers(409, "it is lent")``.

    Raises:
        ConfigError: when it is no status of 200 to 599, or the meaning no text.
    """
    if complaint := wrong_answer(status, meaning):
        raise ConfigError(f"{caller()}: {complaint}")

    def note(declared: Declared) -> None:
        declared.answers[status] = meaning

    return _noting(note)


def wrong_answer(status: Any, meaning: Any) -> str:
    """Returns why these cannot stand in a document as an answer, or ""."""
    if type(status) is not int or not 200 <= status <= 599:
        return f"an answer has a status of 200 to 599, not {status!r}"
    return "" if isinstance(meaning, str) else f"the answer {status} needs a text, not {meaning!r}"


def conditional(*, required: bool = False) -> Callable[[_Function], _Function]:
    """Declares that the action calls ``request.check_etag``, which answers for If-Match and If-None-Match.

    What does not say so has no ETag: If-Match with one is 412 before the action is called, and so is
    ``If-None-Match: *`` for what is no GET.

    Args:
        required: whether a request that is no GET and has no If-Match is refused with 428 (RFC 6585).
    """

    def note(declared: Declared) -> None:
        declared.is_conditional, declared.needs_if_match = True, required

    return _noting(note)


def _noting(note: Callable[[Declared], None]) -> Callable[[_Function], _Function]:
    def declare(function: _Function) -> _Function:
        note(_noted(function))
        return function

    return _decorator(declare)


def _decorator(declare: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    """Returns the decorator, which knows where it was made: in case it is put on nothing."""
    setattr(declare, _PLACE, caller())
    return declare


def uncalled(member: object) -> str:
    """Returns the place of a decorator that was written without its call, ``@api.policy``; else ""."""
    place = getattr(member, _PLACE, "")
    return place if isinstance(place, str) else ""


def _once(known: object, name: str, place: str) -> None:
    if known:
        raise ConfigError(f"{place}: {name} is said twice of one action")


def _noted(function: Callable[..., Any]) -> Declared:
    """Returns the notes that are the function's own, and not another's that it wraps."""
    function = _plain(function)
    found = vars(function).get(_DECLARED)
    if isinstance(found, Declared):
        return found
    notes = Declared()
    setattr(function, _DECLARED, notes)
    name = getattr(function, "__name__", "")
    _class_body(function).setdefault(_NOTED, []).append((name, notes, place_of(function)))
    return notes


def _plain(function: Any) -> Any:
    """Returns the function of a static or class method."""
    return function.__func__ if isinstance(function, staticmethod | classmethod) else function


def _class_body(function: Any) -> dict[str, Any]:
    """Returns the names of the class whose body is being read; of none, a dict that nobody looks at."""
    owner, _, _ = getattr(function, "__qualname__", "").rpartition(".")
    frame = inspect.currentframe()
    while frame is not None and owner:
        if frame.f_locals.get("__qualname__") == owner:
            return frame.f_locals
        frame = frame.f_back
    return {}


def caller() -> str:
    """Returns ``file:line`` of whoever declares: the first frame outside of the framework."""
    frame = inspect.currentframe()  # inspect.stack() would read the sources of every frame
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(_FRAMEWORK):
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
