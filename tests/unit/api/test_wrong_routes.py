"""Routes that would never answer, or not as they look, are refused at start with their place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from wsgisrv.api import API, Described, Microversions, Request, Router, sub_action, version
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError


class Anything:
    def index(self, request: Request, **arguments: Any) -> None: ...
    def show(self, request: Request, **arguments: Any) -> None: ...
    def lend(self, request: Request, **arguments: Any) -> None: ...


class Nothing:
    def lst(self, request: Request) -> None: ...


def refused(declare: Callable[[Router], Any], **settings: Any) -> str:
    """Returns why the declaration, or the API with it, is refused, without its place, which is this file."""
    router = Router()
    with pytest.raises(ConfigError) as caught:  # noqa: PT012 - some fail at once, some together
        declare(router)
        API(router, **settings)
    found = re.fullmatch(rf"{re.escape(__file__)}:\d+: (.*)", str(caught.value))
    assert found, caught.value
    return found[1]


CONNECT = {
    "x": "x: a path begins with a slash",
    "": "'': a path begins with a slash",
    5: "5: a path is a text, not int",
    "/x/{id": "a '{' without its other half",
    "/x/id}": "a '}' without its other half",
    "/x/:(id": "a ':(' without its other half",
    r"/x/{id:\d{4}}": "a '{' without its other half; such a requirement is written as requirements={...}",
    r"/x/{id:\d+:\d+}": "a second colon in {id:",
    "/x/{id:(?:a|b)}": "a second colon in {id:(?:a|b)}; such a requirement is written as requirements={...}",
    "/x/{}": "a variable has a name",
    "/x/{.}": "a variable has a name",
    "/x/{:a}": "a variable has a name",
    "/x/{x-id}": "no name of a variable: 'x-id'",
    "/x/{id}/{id}": "the variable id is there twice",
    "/x/{id:[}": "unterminated character set",
}


@pytest.mark.parametrize(("path", "complaint"), CONNECT.items())
def test_a_wrong_path(path: Any, complaint: str) -> None:
    assert complaint in refused(
        lambda r: r.connect(path, controller=Anything(), action="show", methods=["GET"])
    )


@pytest.mark.parametrize(
    "path", [r"/x/\{a\}", r"/x/{id:\d\{4\}}", "/x/{id:[0-9]+}", "/x/*(rest)", "/:a"]
)
def test_a_path_that_routes_reads_as_it_looks_is_taken(path: str) -> None:
    router = Router()
    router.connect(path, controller=Anything(), action="show", methods=["GET"])
    router.freeze()
    if "4" in path:
        assert router.find("GET", "/x/1234") is not None
        assert router.find("GET", "/x/123") is None


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"methods": ["get"]}, "no method 'get': they are written in capitals"),
        ({"methods": ["GET", 7]}, "no method 7"),
        ({"methods": ["GTE"]}, "no method 'GTE' (is 'GET' meant?)"),
        ({"methods": ["ANY"]}, "no method 'ANY'"),
        ({"methods": []}, "an empty list of methods: None is every one"),
        ({"methods": 5}, "methods are a list of texts, not 5"),
        ({}, "says no methods; methods=None is every one"),
        ({"methods": None, "conditions": {"method": ["GET"]}}, "both conditions and methods say"),
        ({"conditions": {"method": None}}, "methods are a list of texts, not None"),
        ({"methods": ["GET"], "conditions": ["GET"]}, "conditions are a dict, not list"),
        ({"methods": ["GET"], "conditions": {"methods": 1}}, "no condition 'methods'; there are"),
        (
            {"methods": ["GET"], "conditions": {"sub_domain": True}},
            "function can look at HTTP_HOST",
        ),
        ({"methods": ["GET"], "conditions": {"function": "f"}}, "function is a callable"),
        ({"methods": ["GET"], "name": "x"}, "a route's name stands before its path"),
        ({"methods": ["GET"], "requirements": ["id"]}, "requirements are a dict of regexps"),
        ({"methods": ["GET"], "requirements": {"id": int}}, "the requirement of 'id' is a regexp"),
        ({"methods": ["GET"], "requirements": {"id": re.compile("a")}}, "is a regexp as text"),
        ({"methods": ["GET"], "requirements": {"idd": "a"}}, "of 'idd', which is no variable of"),
    ],
)
def test_wrong_methods_conditions_and_requirements(more: dict[str, Any], complaint: str) -> None:
    assert complaint in refused(
        lambda r: r.connect("/x/{id}", controller=Anything(), action="show", **more)
    )


@pytest.mark.parametrize("method", ["PURGE", "PROPFIND", "X-OWN", "QUERY"])
def test_a_registered_method_or_ones_own_is_taken(method: str) -> None:
    router = Router()
    router.connect("/x", controller=Anything(), action="show", methods=method)
    assert method in router.allowed("/x")


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (
            {"colection": {}},
            "no option 'colection' (is 'collection' meant?); there are collection,",
        ),
        ({"conditions": {}}, "no option 'conditions' (is 'collection' meant?)"),
        ({"member": {"lend": ["POST"]}}, "member: 'lend' has one method as text, or 'any', not"),
        ({"member": {"lend": "PSOT"}}, "member: no method 'PSOT' (is 'POST' meant?)"),
        ({"member": ["lend"]}, "member: a dict of methods by action, not list"),
        ({"member": {"shred": "POST"}}, "no action 'shred'"),
        ({"argument": ""}, "argument names a variable, not ''"),
        (
            {"parent_resource": {"member_name": "a"}},
            "parent_resource is a dict with collection_name",
        ),
        ({"path_prefix": 5}, "path_prefix is a text, not 5"),
        ({"requirements": {"id": 5}}, "the requirement of 'id' is a regexp as text, not 5"),
        (
            {"requirements": {"idd": "a"}},
            "of 'idd', which is no variable of the path (is 'id' meant",
        ),
    ],
)
def test_wrong_options_of_a_resource(more: dict[str, Any], complaint: str) -> None:
    assert complaint in refused(lambda r: r.resource("x", "xs", controller=Anything(), **more))


def test_a_sub_resource_stands_where_its_resource_is() -> None:
    assert "path_prefix: it stands below /xs/{x_id}" in refused(
        lambda r: r.resource("x", "xs", controller=Anything()).resource(
            "y", "ys", controller=Anything(), path_prefix="/q"
        )
    )


def test_a_class_is_no_controller() -> None:
    complaint = "a controller is an object: Anything(), not the class Anything"
    assert complaint in refused(lambda r: r.resource("x", "xs", controller=Anything))
    assert complaint in refused(
        lambda r: r.connect("/x", controller=Anything, action="index", methods=["GET"])
    )
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        Router({"anything": Anything})


def test_a_controller_without_an_action_is_none_of_a_resource() -> None:
    complaint = "Nothing has none of the actions index, create, new, show"
    assert complaint in refused(lambda r: r.resource("x", "xs", controller=Nothing()))
    assert complaint in refused(lambda r: r.collection("xs", "x", controller=Nothing()))


def test_an_unknown_action_of_a_collection() -> None:
    assert "collection_actions: no 'lst'; there are index, create, new" in refused(
        lambda r: r.collection("xs", "x", controller=Anything(), collection_actions=["lst"])
    )


def test_a_route_for_every_method_hides_none_behind_it() -> None:
    def declare(router: Router) -> None:
        anything = Anything()
        router.connect("/x/{a}", controller=anything, action="index", methods=None)
        router.connect("/x/{b}", controller=anything, action="show", methods=["GET"])

    assert re.fullmatch(
        rf"/x/{{b}}: is declared at {re.escape(__file__)}:\d+ too", refused(declare)
    )


def test_an_implementation_of_no_action() -> None:
    class Versioned:
        @version("1.0", "1.1")
        def show(self, request: Request, **arguments: Any) -> None: ...

        @version("1.2", of="shwo")
        def show_more(self, request: Request, **arguments: Any) -> None: ...

    text = refused(
        lambda r: r.resource("x", "xs", controller=Versioned()),
        versions=Microversions("s", "1.0", "1.2"),
    )
    assert text.startswith("Versioned.show_more: of='shwo': no route has that action, nor another")


class Acting:
    def show(self, request: Request, **arguments: Any) -> None: ...

    @sub_action("lend")
    def lend(self, request: Request, **arguments: Any) -> None: ...


def test_a_sub_action_that_nothing_serves_may_be_meant(caplog: pytest.LogCaptureFixture) -> None:
    router = Router()
    router.resource("x", "xs", controller=Acting())
    API(router)
    assert "Acting.lend: no sub_actions() serves the sub-action 'lend'" in caplog.text


def test_a_sub_action_that_another_of_its_class_serves_is_no_mistake() -> None:
    router = Router()
    router.resource("x", "xs", controller=Acting()).sub_actions(controller=Acting())
    router.resource("y", "ys", controller=Acting())
    API(router)


def test_a_router_is_of_one_api() -> None:
    def declare(router: Router) -> None:
        router.resource("x", "xs", controller=Anything())
        API(router)

    assert re.fullmatch(rf"the router is of the API at {re.escape(__file__)}:\d+", refused(declare))
    assert "declared after the router was put to use" in refused(declare, described=Described("x"))


def test_what_is_not_there_of_routes_says_what_to_use() -> None:
    assert "below a submapper(path_prefix=...)" in refused(lambda r: r.extend([]))
    assert "use Router.redirect" in refused(lambda r: r.mapper.redirect("/a", "/b"))

    def prefix(router: Router) -> None:
        router.mapper.prefix = "/v1"

    assert "use urlmap" in refused(prefix)


def test_a_declaration_without_a_module_has_a_place_too() -> None:
    scope = {"router": Router(), "anything": Anything()}
    code = "router.connect('x', controller=anything, action='show', methods=None)"
    with pytest.raises(ConfigError, match=r"^<here>:1: x: a path begins"):
        exec(compile(code, "<here>", "exec"), scope)  # noqa: S102 - of this test alone


def test_a_submapper_needs_no_controller_of_its_own() -> None:
    router = Router()
    router.submapper(path_prefix="/x").action(action="index", controller=Anything())
    assert router.find("GET", "/x") is not None


def test_the_dicts_of_the_caller_are_not_changed() -> None:
    requirements, member = {"p": "x"}, {"lend": "POST"}
    router = Router()
    router.connect(
        "/a/{q:[0-9]+}/{p}", controller=Anything(), action="show", methods=["GET"],
        requirements=requirements,
    )  # fmt: skip
    router.resource("x", "xs", controller=Anything(), member=member)
    assert (requirements, member) == ({"p": "x"}, {"lend": "POST"})


class Hidden:
    def wipe(self, request: Request, **arguments: Any) -> dict[str, Any]:
        return {"wiped": True}


def test_a_path_names_only_controllers_that_the_router_was_given_by_name() -> None:
    router = Router({"public": Anything()})
    router.connect("/{controller}/{action}", methods=["GET"])
    router.connect("/only/by/post", controller=Hidden(), action="wipe", methods=["POST"])
    router.redirect("/old", "/new")
    client = Client(API(router, described=Described("x")))
    for path in ("/Hidden/wipe", "/Redirect/check", "/Redirect/redirect", "/Documentation/page"):
        client.get(path, status=404)
    client.get("/public/show", status=204)
    client.get("/old", status=302)
    assert "GET" in client.options("/old", status=204).headers["Allow"]


def test_requirements_of_a_resource_may_be_of_what_is_below_it() -> None:
    class Listing:
        def index(self, request: Request, **arguments: Any) -> None: ...

    router = Router()
    numbers = {"thing_id": "[0-9]+", "format": "json|xml"}
    thing = router.resource(
        "thing", "things", controller=Listing(), argument="thing_id", requirements=numbers
    )
    thing.resource("order", "orders", controller=Listing())
    thing.sub_actions(controller=Acting())
    client = Client(API(router))
    client.get("/things/7/orders", status=204)
    client.get("/things/x/orders", status=404)


def test_a_method_of_ones_own_is_none_that_looks_misspelt() -> None:
    router = Router()
    for method in ("NOTIFY", "SUBSCRIBE", "BREW", "X-GETS"):
        router.connect("/x", controller=Anything(), action="show", methods=[method])
    with router.submapper(controller=Anything(), path_prefix="/below") as below:
        below.connect("/y", action="show", methods=["PUT"])
    client = Client(API(router))
    assert "NOTIFY" in client.options("/x").headers["Allow"]
    client.put("/below/y", status=204)
    client.post("/below/y", status=405)
    text = refused(lambda r: r.connect("/x", controller=Anything(), action="show", methods=["GTE"]))
    assert "no method 'GTE' (is 'GET' meant?)" in text
