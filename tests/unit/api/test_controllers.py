"""What a class may look like to be a controller, and what of it is never lost without a word."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wsgisrv import api
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

VERSIONS = api.Microversions("thing", "1.0", "1.2")
early = api.version("1.0", "1.0")


def later(function: Any) -> Any:
    return api.version("1.1")(function)


def show() -> None:
    """Has the name of an action, and is none."""


class Nobody:
    def knows(self, rule: str) -> bool:
        return True

    def allows(self, rule: str, target: Any, credentials: Any) -> bool:
        return False


def make(controller: object, action: str = "show", **more: Any) -> Client:
    router = api.Router()
    router.connect("/x", controller=controller, action=action, methods=["GET"])
    return Client(api.API(router, **more), service_type="thing")


def test_what_is_declared_above_a_static_or_class_method_holds() -> None:
    class Static:
        @api.policy("any")
        @staticmethod
        def show(request: api.Request) -> dict[str, Any]:
            return {}

        @api.policy("any")
        @classmethod
        def index(cls, request: api.Request) -> dict[str, Any]:
            return {}

        @staticmethod
        @api.responds(202)
        def update(request: api.Request) -> dict[str, Any]:
            return {}

    make(Static(), enforcer=Nobody()).get("/x", status=403)
    make(Static(), "index", enforcer=Nobody()).get("/x", status=403)
    make(Static(), "update", enforcer=Nobody()).get("/x", status=202)


def test_what_a_decorator_hides_is_not_lost_without_a_word() -> None:
    def loses(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            return function(*args, **more)

        return call

    def keeps(function: Callable[..., Any]) -> Callable[..., Any]:
        return functools.wraps(function)(loses(function))

    class Lost:
        @loses
        @api.policy("any")
        def show(self, request: api.Request) -> None: ...

    with pytest.raises(ConfigError, match=r"Lost.show: what .*:\d+ declares of it is lost"):
        make(Lost(), enforcer=Nobody())

    class Again:
        @api.policy("any")
        def show(self, request: api.Request) -> None: ...

        def show(self, request: api.Request) -> None: ...  # type: ignore[no-redef] # noqa: F811

    with pytest.raises(ConfigError, match=r"Again.show: what .*:\d+ declares of it is lost"):
        make(Again(), enforcer=Nobody())

    class Kept:
        @keeps
        @api.policy("any")
        def show(self, request: api.Request) -> None: ...

    make(Kept(), enforcer=Nobody()).get("/x", status=403)


def test_versions_may_be_named_once_and_used_often() -> None:
    class Versioned:
        @early
        def show(self, request: api.Request) -> list[int]:
            return [1]

        @later  # type: ignore[no-redef]
        def show(self, request: api.Request) -> list[int]:  # noqa: F811
            return [2]

    client = make(Versioned(), versions=VERSIONS)
    assert client.at("1.0").get("/x").json == [1]
    assert client.at("1.2").get("/x").json == [2]


def test_a_method_may_have_two_names() -> None:
    class Named:
        def update(self, request: api.Request) -> list[int]:
            return [1]

        patch = update
        listed = functools.partialmethod(update)

    for action in ("update", "patch", "listed"):
        assert make(Named(), action).get("/x").json == [1]


def test_methods_that_no_route_leads_to_are_helpers() -> None:
    class Helping:
        dump = max

        def show(self, request: api.Request) -> list[int]:
            return [1]

        async def later(self) -> None: ...

        def turn(self, page: int) -> None: ...

        @api.policy("of-another-api")
        @api.version("1.0", "1.1")
        def index(self, request: api.Request) -> None: ...

    assert make(Helping()).get("/x").json == [1]


def test_a_generator_checks_no_conditions() -> None:
    class Streaming:
        @api.conditional()
        def show(self, request: api.Request) -> Iterator[Any]:
            yield 1

    with pytest.raises(ConfigError, match="a generator runs too late to check conditions"):
        make(Streaming())
