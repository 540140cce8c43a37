"""The router, with routes.Mapper.match as the oracle of what a path means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from webob import exc

from wsgisrv.api import Request, Router
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


class Books:
    def index(self, request: Request) -> None: ...
    def show(self, request: Request, book_id: str) -> None: ...
    def _secret(self, request: Request) -> None: ...

    wanted = "not an action"


METHODS = ["GET", "POST", "PUT", "DELETE"]
ACTIONS = ["index", "create", "show", "update", "search"]
WORDS = ["a", "b", "new", "1", "12", "a.b", "a-b", "a.xml", "b;c", "", "\u00e9"]
PARTS = [
    "a", "a", "b", "1", "{%s}", "{%s}", "new", r"{%s:\d+}", "{%s:[ab]+}", "{%s:a|1}", "{%s:.+}", "{%s:[^/]+}",
    r"{%s:\D*}", "a{%s}", "{%s}.xml", "{%s}-b", ":(%s)", "a{.%s}", "*%s", "",
]  # fmt: skip


@st.composite
def templates(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
    return "/" + "/".join(part % f"v{n}" if "%s" in part else part for n, part in enumerate(parts))


@st.composite
def routers(draw: st.DrawFn) -> Router:
    router = Router()
    anything = Anything()
    prefixes = st.sampled_from(["", "a", "{project}"])
    unused = draw(st.lists(prefixes, max_size=3, unique=True))
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.integers(0, 9))
        if kind == 0 and unused:
            prefix = unused.pop()
            router.resource(
                "b", "b", controller=anything, path_prefix=prefix,
                collection={"search": "GET"}, member={"search": "POST"},
            )  # fmt: skip
        elif kind == 1:
            more = router.submapper(path_prefix=draw(templates()), controller=anything)
            more.connect(f"sub{number}", "/a{.format}", action="show")
        else:
            methods = draw(st.none() | st.lists(st.sampled_from(METHODS), min_size=1, unique=True))
            extra: dict[str, Any] = draw(
                st.sampled_from(
                    [{}, {}, {"kind": "x"}, {"v1": "y"}, {"_minimize": True, "v1": "z"}]
                )
            )
            if draw(st.booleans()):
                extra["requirements"] = {"v0": draw(st.sampled_from([r"\w+", "[a-c0-9]+", ".*"]))}
            try:
                router.connect(
                    draw(templates()), controller=anything, action=draw(st.sampled_from(ACTIONS)),
                    methods=methods, **extra,
                )  # fmt: skip
            except ConfigError:  # Routes' minimizing makes a wrong regexp of some
                reject()
    try:
        router.freeze()
    except ConfigError:  # of two routes alike
        reject()
    return router


@st.composite
def paths(draw: st.DrawFn) -> str:
    return "/" + "/".join(draw(st.lists(st.sampled_from(WORDS), max_size=5)))


def answer(router: Router, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    found = router.find(method, path, {"REQUEST_METHOD": method})
    return None if found is None else (found[0].name, found[1])


def oracle(router: Router, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    router.mapper.create_regs(list(router.mapper.controllers))
    found = router.mapper.match(path, {"REQUEST_METHOD": method})
    if found is None:
        return None
    controller, action = found.pop("controller"), found.pop("action")
    return f"{controller}.{action}", found


@settings(max_examples=100)
@given(routers(), st.lists(paths(), min_size=1, max_size=8), st.sampled_from([*METHODS, "PURGE"]))
def test_a_path_means_what_it_means_to_routes(
    router: Router, some_paths: list[str], method: str
) -> None:
    for path in some_paths:
        assert answer(router, method, path) == oracle(router, method, path), path


@settings(max_examples=100)
@given(routers(), paths())
def test_head_is_answered_by_get(router: Router, path: str) -> None:
    assert answer(router, "HEAD", path) == oracle(router, "GET", path)


@settings(max_examples=100)
@given(routers(), paths())
def test_allow_names_exactly_the_methods_that_are_answered(router: Router, path: str) -> None:
    allowed = router.allowed(path)
    answered = {method for method in METHODS if oracle(router, method, path)}
    assert answered == set(allowed) & set(METHODS)
    assert ("OPTIONS" in allowed) == bool(allowed)


def routes_for(*paths: str) -> Router:
    router = Router()
    anything = Anything()
    for path, action in zip(paths, ACTIONS, strict=False):
        router.connect(path, controller=anything, action=action, methods=["GET"])
    router.freeze()
    return router


def test_the_longest_literal_beginning_is_tried_first() -> None:
    router = routes_for("/{v0}/b", "/a/{v1}")
    expected = ("Anything.create", {"v1": "b"})
    assert answer(router, "GET", "/a/b") == oracle(router, "GET", "/a/b") == expected


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
        ("/x/{a}/{a}", "index", "redefinition of group name"),
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


@pytest.mark.parametrize(
    ("methods", "conditions", "complaint"),
    [
        (["get"], {}, "no method 'get': they are written in capitals"),
        (["GET", 7], {}, "no method 7"),
        (["GET"], {"methods": ["GET"]}, "no condition 'methods'; there are function and method"),
        (["GET"], {"sub_domain": True}, "no condition 'sub_domain'"),
        (["GET"], {"function": "is_internal"}, "the condition function is a callable"),
    ],
)
def test_a_condition_that_could_never_hold_fails_at_start(
    methods: Any, conditions: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Router().connect(
            "/x", controller=Books(), action="index", methods=methods, conditions=conditions
        )
    assert str(caught.value).startswith(f"{__file__}:")
    assert f": /x: {complaint}" in str(caught.value)


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


def test_nothing_that_clients_send_is_kept() -> None:
    router = shelf()
    router.freeze()
    index = router._indexes["GET"]
    before = len(index._literal)
    for number in range(1000):
        router.find("GET", f"/books/{number}")
        router.find("GET", f"/{number}")
        router.find(f"M{number}", "/books")
    assert len(index._literal) == before
    assert "M1" not in router._indexes
