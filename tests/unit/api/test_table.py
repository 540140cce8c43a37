"""The rows of an app's routes: every API is found that the app may pass a request on to."""

from __future__ import annotations

from typing import Any

import pytest

from wsgisrv.api import API, Request, Router
from wsgisrv.api.table import routes_of
from wsgisrv.errors import ConfigError
from wsgisrv.middleware.urlmap import URLMap


class Things:
    def index(self, request: Request) -> None: ...
    def show(self, request: Request, thing_id: str) -> None: ...


def make(path: str = "/things") -> API:
    router = Router()
    router.connect("list", path, controller=Things(), action="index", methods=["GET"])
    return API(router)


def paths(app: Any) -> list[str]:
    return [row.path for row in routes_of(app)]


class Filter:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class Slotted:
    __slots__ = ("__app", "unset")

    def __init__(self, app: Any) -> None:
        self.__app = app

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


@pytest.mark.parametrize("within", [Filter, Slotted])
@pytest.mark.parametrize(
    "held",
    [lambda app: app, lambda app: [app], lambda app: {"a": app}, lambda app: ({"a": [app]},)],
)
def test_an_api_is_found_behind_slots_and_in_lists_and_dicts(within: Any, held: Any) -> None:
    assert paths(within(held(make()))) == ["/things"]


def test_what_is_mounted_twice_is_shown_twice() -> None:
    shared = Filter(make())
    assert paths(URLMap({"/v1": shared, "/v2": shared})) == ["/v1/things", "/v2/things"]


def test_what_holds_itself_ends() -> None:
    app = Filter(make())
    app.self = [app, {"again": app}]  # type: ignore[attr-defined]
    assert paths(app) == ["/things"]


def test_the_root_of_what_is_mounted_is_where_it_is_mounted() -> None:
    assert paths(URLMap({"/healthz": make("/"), "": make("/")})) == ["/", "/healthz"]


def test_a_path_is_shown_as_it_would_be_declared() -> None:
    router = Router()
    router.resource(
        "thing", "things", controller=Things(), argument="thing_id",
        requirements={"thing_id": r"\d{2}"},
    )  # fmt: skip
    assert paths(API(router)) == ["/things", r"/things/{thing_id:\d{2}}"]


def test_a_row_has_the_name_and_the_condition_of_the_route() -> None:
    def is_near(environ: Any, found: Any) -> bool:
        return True

    router = Router()
    router.connect(
        "list", "/things", controller=Things(), action="index", methods=["GET"],
        conditions={"function": is_near},
    )  # fmt: skip
    (row,) = routes_of(API(router))
    assert row.name == "list"
    assert row.condition.endswith("is_near")


def test_a_class_is_no_app() -> None:
    with pytest.raises(ConfigError, match="Things is a class, and no app"):
        routes_of(Things)
