"""The router: what it answers, refuses and says; test_router_and_mapper has what a path means."""

from __future__ import annotations

from typing import Any

import pytest
from webob import exc

from wsgisrv.api import Request, Router, sub_action
from wsgisrv.errors import ConfigError


class Anything:
    """Has every action of a resource and a few more, and takes whatever the path says."""

    def index(self, request: Request, **arguments: Any) -> None: ...
    def create(self, request: Request, **arguments: Any) -> None: ...
    def new(self, request: Request, **arguments: Any) -> None: ...
    def show(self, request: Request, **arguments: Any) -> None: ...
    def edit(self, request: Request, **arguments: Any) -> None: ...
    def update(self, request: Request, **arguments: Any) -> None: ...
    def delete(self, request: Request, **arguments: Any) -> None: ...
    def search(self, request: Request, **arguments: Any) -> None: ...
    def lend(self, request: Request, **arguments: Any) -> None: ...


class Books:
    def index(self, request: Request) -> None: ...
    def show(self, request: Request, book_id: str) -> None: ...
    def _secret(self, request: Request) -> None: ...

    wanted = "not an action"


def answer(router: Router, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    found = router.find(method, path, {"REQUEST_METHOD": method})
    return None if found is None else (found[0].name, found[1])


def routes_for(*paths: str) -> Router:
    router = Router()
    anything = Anything()
    for path, action in zip(paths, ("index", "create", "show", "update"), strict=False):
        router.connect(path, controller=anything, action=action, methods=["GET"])
    router.freeze()
    return router


def test_the_longest_literal_beginning_is_tried_first() -> None:
    router = routes_for("/{v0}/b", "/a/{v1}")
    assert answer(router, "GET", "/a/b") == ("Anything.create", {"v1": "b"})


def test_among_equals_the_first_declared_wins() -> None:
    router = routes_for("/a/{v0}", "/a/{v1:b}")
    assert answer(router, "GET", "/a/b") == ("Anything.index", {"v0": "b"})


@pytest.mark.parametrize("second", ["/a/{v0}", "/a/{other}"])
def test_two_actions_for_one_route_fail_at_start_with_both_places(second: str) -> None:
    router = Router()
    anything = Anything()
    router.connect("/a/{v0}", controller=anything, action="show", methods=["GET", "PUT"])
    router.connect(second, controller=anything, action="index", methods=["GET"])
    with pytest.raises(ConfigError, match=rf"^{__file__}:\d+: .* at {__file__}:\d+ too"):
        router.freeze()


def test_a_literal_segment_that_leads_nowhere_does_not_hide_a_variable_one() -> None:
    routes = ("/a", "/a/b/c", "/a/{v0}/d")
    assert answer(routes_for(*routes), "GET", "/a/b/d") == ("Anything.show", {"v0": "b"})
    router = routes_for(*routes, "/{rest:.*}")
    assert answer(router, "GET", "/a/b/d") == ("Anything.show", {"v0": "b"})
    assert answer(router, "GET", "/a/b/e") == ("Anything.update", {"rest": "a/b/e"})


def shelf(**controllers: Any) -> Router:
    router = Router(controllers)
    books = Books()
    router.connect("/books", controller=books, action="index", methods=["GET"])
    router.connect("/books/{book_id}", controller=books, action="show", methods=["GET", "PURGE"])
    return router


def test_a_head_of_its_own_comes_before_get() -> None:
    router = shelf()
    router.connect("/books", controller=Anything(), action="search", methods=["HEAD"])
    assert answer(router, "HEAD", "/books") == ("Anything.search", {})
    assert answer(router, "HEAD", "/books/1") == ("Books.show", {"book_id": "1"})


@pytest.mark.parametrize(
    ("method", "path", "kind", "allow"),
    [
        ("GET", "/nothing", exc.HTTPNotFound, None),
        ("GET", "/books/", exc.HTTPNotFound, None),
        ("GET", "/books/1/2", exc.HTTPNotFound, None),
        ("GET", "/books\n", exc.HTTPNotFound, None),
        ("DELETE", "/books", exc.HTTPMethodNotAllowed, "GET, HEAD, OPTIONS"),
        ("PURGE", "/books", exc.HTTPMethodNotAllowed, "GET, HEAD, OPTIONS"),
        ("BREW", "/books", exc.HTTPNotImplemented, None),
        ("get", "/books", exc.HTTPNotImplemented, None),
    ],
)
def test_a_refusal_says_what_is_missing(
    method: str, path: str, kind: type[exc.HTTPException], allow: str | None
) -> None:
    router = shelf()
    assert router.find(method, path) is None
    refusal = router.refusal(method, path)
    assert type(refusal) is kind
    assert refusal.headers.get("Allow") == allow


def test_a_method_that_a_route_names_is_known() -> None:
    assert answer(shelf(), "PURGE", "/books/1") == ("Books.show", {"book_id": "1"})


def test_the_path_never_reaches_what_is_no_action() -> None:
    router = shelf(books=Books())
    router.connect("/{controller}/do/{action}", controller="books", action="index", methods=["GET"])
    assert answer(router, "GET", "/books/do/index") == ("Books.index", {})
    for name in ("_secret", "__init__", "wanted", "show", "nothing"):
        assert answer(router, "GET", f"/books/do/{name}") is None, name


def test_a_condition_on_the_request_is_asked_with_the_method_in_question() -> None:
    def is_internal(environ: dict[str, Any], found: dict[str, Any]) -> bool:
        return environ["REQUEST_METHOD"] == "GET" and environ.get("REMOTE_ADDR") == "::1"

    router = shelf()
    router.connect(
        "/debug", controller=Books(), action="index", methods=["GET"],
        conditions={"function": is_internal},
    )  # fmt: skip
    near = {"REQUEST_METHOD": "HEAD", "REMOTE_ADDR": "::1"}
    assert router.find("HEAD", "/debug", near) is not None
    assert router.find("GET", "/debug", {**near, "REMOTE_ADDR": "::2"}) is None
    assert router.allowed("/debug", near) == ["GET", "HEAD", "OPTIONS"]


def test_a_resource_has_the_actions_that_its_controller_has() -> None:
    class Loans:
        def index(self, request: Request) -> None: ...
        def show(self, request: Request, id: str) -> None: ...  # noqa: A002 - the name is Routes'

    router = Router()
    router.resource("loan", "loans", controller=Loans())
    assert answer(router, "GET", "/loans") == ("Loans.index", {})
    assert answer(router, "GET", "/loans/new") == ("Loans.show", {"id": "new"})
    assert answer(router, "GET", "/loans/7/edit") is None
    assert router.allowed("/loans") == ["GET", "HEAD", "OPTIONS"]


def test_an_action_without_format_answers_no_path_that_has_one() -> None:
    router = Router()
    more = router.submapper(path_prefix="/books", controller=Books())
    more.connect("books", "{.format}", action="index")
    assert answer(router, "GET", "/books") == ("Books.index", {})
    assert answer(router, "GET", "/books.xml") is None


def test_two_controllers_of_one_class_are_two() -> None:
    router = Router()
    first, second = Books(), Books()
    router.connect("/1", controller=first, action="index", methods=["GET"])
    router.connect("/2", controller=second, action="index", methods=["GET"])
    for path, controller in (("/1", first), ("/2", second)):
        found = router.find("GET", path)
        assert found is not None
        assert getattr(found[0].call, "__self__", None) is controller


@pytest.mark.parametrize(
    ("path", "action", "complaint"),
    [
        ("/x", "nothing", "no action 'nothing'"),
        ("/x", "_secret", "no action '_secret'"),
        ("/x", "wanted", "no action 'wanted'"),
        ("/x", "show", "Books.show: missing a required argument: 'book_id'"),
        ("/x/{other}", "index", "Books.index: got an unexpected keyword argument 'other'"),
        ("/x/{a:[}", "index", "unterminated character set"),
        ("/x/{a}/{a}", "index", "the variable a is there twice"),
    ],
)
def test_a_wrong_declaration_fails_at_start_with_its_place(
    path: str, action: str, complaint: str
) -> None:
    router = Router()
    with pytest.raises(ConfigError) as caught:  # noqa: PT012 - some fail at once, some together
        router.connect(path, controller=Books(), action=action, methods=["GET"])
        router.freeze()
    assert str(caught.value).startswith(f"{__file__}:")
    assert f": {path}: {complaint}" in str(caught.value)


def test_one_method_need_be_no_list() -> None:
    router = Router()
    router.connect("/x", controller=Books(), action="index", methods="GET")
    assert router.allowed("/x") == ["GET", "HEAD", "OPTIONS"]


def test_a_missing_action_of_ones_own_on_a_resource_fails_at_start() -> None:
    router = Router()
    router.resource("loan", "loans", controller=Anything(), member={"shred": "POST"})
    with pytest.raises(ConfigError, match="no action 'shred'"):
        router.freeze()


def test_a_route_cannot_be_declared_too_late() -> None:
    router = shelf()
    router.freeze()
    with pytest.raises(ConfigError, match="declared after the router was put to use"):
        router.connect("/late", controller=Books(), action="index", methods=["GET"])


def test_an_unknown_controller_fails_at_start() -> None:
    router = Router()
    router.connect("/x", controller="nobody", action="index", methods=["GET"])
    with pytest.raises(ConfigError, match="/x: no controller 'nobody'"):
        router.freeze()


def test_a_condition_may_leave_arguments_and_what_it_likes_in_the_environ() -> None:
    class Referred:
        def show(self, request: Request, referer: str, default: str = "") -> None: ...

    def referer(environ: dict[str, Any], found: dict[str, Any]) -> bool:
        environ["seen"] = environ["REQUEST_METHOD"]
        found["referer"] = environ.get("HTTP_REFERER")
        return found["referer"] is not None

    router = Router()
    router.connect(
        "/x", controller=Referred(), action="show", methods=["GET"],
        conditions={"function": referer},
    )  # fmt: skip
    environ = {"REQUEST_METHOD": "HEAD", "HTTP_REFERER": "there"}
    found = router.find("HEAD", "/x", environ)
    assert found is not None
    assert found[1] == {"referer": "there"}
    assert (environ["seen"], environ["REQUEST_METHOD"]) == ("GET", "HEAD")
    asked = {"REQUEST_METHOD": "GET", "HTTP_REFERER": "there"}
    assert router.allowed("/x", asked) == ["GET", "HEAD", "OPTIONS"]
    assert "seen" not in asked


def test_a_route_may_have_a_name_and_its_methods_in_conditions_as_with_routes() -> None:
    router = Router()
    router.connect("home", "/home", controller=Books(), action="index", methods=["GET"])
    router.connect(
        "/more", controller=Books(), action="index", conditions={"method": ["GET", "PURGE"]}
    )
    assert answer(router, "GET", "/home") == ("Books.index", {})
    assert router.entries[0].route.name == "home"
    assert router.allowed("/more") == ["GET", "HEAD", "OPTIONS", "PURGE"]


def test_a_path_may_name_controller_and_action() -> None:
    router = Router({"books": Books()})
    router.connect("/{controller}/{action}", methods=None)
    assert answer(router, "GET", "/books/index") == ("Books.index", {})
    assert answer(router, "GET", "/other/index") is None


def test_a_member_is_where_the_collections_own_actions_are_not() -> None:
    class Servers:
        def index(self, request: Request) -> None: ...
        def show(self, request: Request, server_id: str) -> None: ...
        def patch(self, request: Request, server_id: str) -> None: ...
        def detail(self, request: Request) -> None: ...

    router, servers = Router(), Servers()
    server = router.resource(
        "server", "servers", controller=servers, argument="server_id", collection={"detail": "GET"}
    )
    assert server.path == "/servers/{server_id}"
    assert answer(router, "PATCH", "/servers/1") == ("Servers.patch", {"server_id": "1"})
    assert answer(router, "GET", "/servers/detail") == ("Servers.detail", {})


def test_any_method_is_said_of_an_action_by_any() -> None:
    router = Router()
    options: dict[str, Any] = {
        "member": {"lend": "any"},
        "collection": {"search": "ANY"},
    }
    router.resource("b", "bs", controller=Anything(), requirements={}, **options)
    for method in ("GET", "POST", "PUT", "X-OWN"):
        assert answer(router, method, "/bs/1/lend") == ("Anything.lend", {"id": "1"})
        assert answer(router, method, "/bs/search") == ("Anything.search", {})
    assert options == {"member": {"lend": "any"}, "collection": {"search": "ANY"}}


def test_the_requirements_of_a_resource_hold_below_it() -> None:
    class Below:
        def index(self, request: Request, thing_id: str) -> None: ...

        @sub_action("lend")
        def lend(self, request: Request, thing_id: str) -> None: ...

    router = Router()
    for argument, path in (("id", "as"), ("thing_id", "bs")):
        thing = router.resource(
            "thing", path, controller=Anything(), argument=argument,
            requirements={argument: r"\d+"},
        )  # fmt: skip
        below = thing.resource("c", "cs", controller=Below())
        thing.sub_actions(controller=Below())
        assert below.path.startswith(f"/{path}/{{thing_id}}/cs/")
    for path in ("as", "bs"):
        assert answer(router, "GET", f"/{path}/12") is not None
        assert answer(router, "GET", f"/{path}/12/cs") == ("Below.index", {"thing_id": "12"})
        assert answer(router, "POST", f"/{path}/12/action") is not None
        assert answer(router, "GET", f"/{path}/x") is None
        assert answer(router, "GET", f"/{path}/x/cs") is None
        assert answer(router, "POST", f"/{path}/x/action") is None


def test_a_collection_has_the_actions_that_its_controller_has() -> None:
    class Loans:
        def index(self, request: Request) -> None: ...
        def show(self, request: Request, id: str) -> None: ...  # noqa: A002 - the name is Routes'

    router = Router()
    router.collection("loans", "loan", controller=Loans())
    assert answer(router, "GET", "/loans") == ("Loans.index", {})
    assert answer(router, "GET", "/loans/new") == ("Loans.show", {"id": "new"})
    assert answer(router, "POST", "/loans") is None


def test_one_for_every_method_may_stand_behind_those_for_some() -> None:
    router = Router()
    router.connect("/x", controller=Anything(), action="show", methods=["GET"])
    router.connect("/x", controller=Anything(), action="search", methods=None)
    assert answer(router, "GET", "/x") == ("Anything.show", {})
    assert answer(router, "PUT", "/x") == ("Anything.search", {})
