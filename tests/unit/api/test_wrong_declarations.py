"""What is declared wrongly fails at start, in one line that begins with the place of the declaration."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wsgisrv import api
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

HERE = re.escape(__file__)
SHOWN = {"type": "object", "properties": {"id": {}}, "additionalProperties": False}


def make(controller: Any = None, path: str = "/x", **more: Any) -> Client:
    router = api.Router()
    if controller is not None:
        router.connect(path, controller=controller, action="show", methods=["POST"])
    return Client(api.API(more.pop("router", router), **more))


def refused(declare: Callable[[], Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        declare()
    text = str(caught.value)
    assert re.match(rf"{HERE}:\d+: ", text), text
    assert "\n" not in text
    return text


def one_argument(request: Any) -> None: ...


def not_a_manager(request: Any, arguments: Any) -> None: ...


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: api.before(5), "before: a hook takes the request and a dict of arguments"),  # type: ignore[arg-type]
        (lambda: api.before(one_argument), "too many positional arguments"),  # type: ignore[arg-type]
        (lambda: api.around(one_argument), "around: a hook takes"),  # type: ignore[arg-type]
        (lambda: api.responds("201"), "a status of 200 to 299, not '201'"),  # type: ignore[arg-type]
        (lambda: api.responds(201, location=None), "location = None"),  # type: ignore[arg-type]
        (lambda: api.responds(201, location="/x/{0}"), "braces name a field"),
        (lambda: api.responds(201, location="/x/{a[b]}"), "braces name a field"),
        (lambda: api.responds(201, location="/x/{"), "location = '/x/{'"),
        (lambda: api.produces(5), "media types as text/csv, not 5"),  # type: ignore[arg-type]
        (lambda: api.sub_action(5), "a sub-action has a name, not 5"),  # type: ignore[arg-type]
        (lambda: api.answers("409", "x"), "a status of 200 to 599, not '409'"),  # type: ignore[arg-type]
        (lambda: api.responds(201)(api.responds(202)(one_argument)), "responds is said twice"),
        (lambda: make(router=None), "router is a Router, not None"),
        (lambda: make(versions="1.0"), "versions is a Microversions, not '1.0'"),
        (lambda: make(described="x"), "described is a Described, not 'x'"),
        (lambda: make(request_class=object), "request_class is a subclass of api.Request"),
        (lambda: make(trailing_slash="x"), "trailing_slash is one of strict, ignore, redirect"),
        (lambda: make(faults=[KeyError]), "faults is a dict of exception classes"),
        (lambda: make(faults={KeyError: 404}), "faults is a dict of exception classes"),
        (lambda: make(faults={"KeyError": str}), "faults is a dict of exception classes"),
        (lambda: make(formats={"isbn": 5}), "formats is a dict of names and functions"),
        (lambda: make(enforcer=object()), "enforcer is an api.Enforcer"),
        (lambda: make(media_types="application/json"), "media_types"),
        (lambda: make(media_types=("application/x-none",)), "no media type 'application/x-none'"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(declare: Callable[[], Any], complaint: str) -> None:
    assert complaint in refused(declare)


def test_a_wrong_action_is_named() -> None:
    class Async:
        async def show(self, request: api.Request) -> None: ...

    assert "an action is a plain function" in refused(lambda: make(Async()))

    class Uncalled:
        @api.policy  # type: ignore[arg-type]
        def show(self, request: api.Request) -> None: ...  # type: ignore[misc]

    assert "Uncalled.show: a decorator without its (...)" in refused(lambda: make(Uncalled()))

    class Empty:
        @api.responds(204)
        @api.returns(SHOWN)
        def show(self, request: api.Request) -> None: ...

    assert "responds with 204, which has no result" in refused(lambda: make(Empty()))

    class Elsewhere:
        @api.responds(201, location="/x/{other}")
        @api.returns(SHOWN)
        def show(self, request: api.Request) -> Any: ...

    assert "no other in the result or the path" in refused(lambda: make(Elsewhere()))

    class Listing:
        @api.lists({"key": "x"})  # type: ignore[arg-type]
        def show(self, request: api.Request) -> Any: ...

    assert "lists takes a Collection" in refused(lambda: make(Listing()))

    class Hooked:
        @api.around("_hook")
        def show(self, request: api.Request) -> Any: ...

        def _hook(self, request: api.Request) -> None: ...

    assert "around: a hook takes the request" in refused(lambda: make(Hooked()))


def test_the_place_is_the_actions_own_and_not_that_of_what_wraps_it() -> None:
    def wrapped(function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **more: Any) -> Any:
            return function(*args, **more)

        return call

    class Wrapped:
        @wrapped
        @api.version("1.0")
        def show(self, request: api.Request) -> None: ...

    line = Wrapped.show.__wrapped__.__code__.co_firstlineno
    text = refused(lambda: make(Wrapped(), versions=None))
    assert int(text.split(":")[1]) in (line, line + 1)


def test_a_location_is_made_of_the_result_and_the_path() -> None:
    class Tasks:
        @api.responds(202, location="/tasks/{task_id}")
        def show(self, request: api.Request, task_id: str) -> None: ...

    assert (
        make(Tasks(), "/x/{task_id}").post("/x/a b", status=202).headers["Location"]
        == "/tasks/a%20b"
    )


def test_a_location_that_cannot_be_made_does_not_hide_that_the_work_is_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Lacking:
        @api.responds(201, location="/x/{id}")
        def show(self, request: api.Request) -> dict[str, Any]:
            return {"name": "a"}

    assert "Location" not in make(Lacking()).post("/x", status=201).headers
    assert "Lacking.show: no 'id' for its location" in caplog.text


def test_hooks_get_the_request_and_the_arguments() -> None:
    seen: list[Any] = []

    def before(request: api.Request, arguments: Any) -> None:
        seen.append(dict(arguments))

    @contextlib.contextmanager
    def around(request: api.Request, arguments: Any) -> Iterator[None]:
        seen.append(dict(arguments))
        yield
        seen.append("left")

    class Hooked:
        @api.before(before)
        @api.around(around)
        def show(self, request: api.Request, id: str, body: Any) -> None: ...  # noqa: A002

    make(Hooked(), "/x/{id}").post_json("/x/1", {"a": 1}, status=204)
    assert seen == [{"id": "1"}, {"id": "1", "body": {"a": 1}}, "left"]
