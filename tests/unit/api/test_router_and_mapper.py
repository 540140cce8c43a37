"""The router, with a plain routes.Mapper that gets the same declarations as the oracle of what a path means.

What is meant to differ is said to the mapper in other words, in ``Both``: a resource has ``patch``, and may
have another argument than ``id``. The controllers take any argument and have all actions, since a router
leaves out those that a controller has not, and formats that an action does not take.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import routes
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from wsgisrv.api import Request, Router
from wsgisrv.api.route_checks import KNOWN_METHODS
from wsgisrv.errors import ConfigError


class Anything:
    """Has every action of a resource and a few more, and takes whatever the path says."""

    def index(self, request: Request, **arguments: Any) -> None: ...
    def create(self, request: Request, **arguments: Any) -> None: ...
    def new(self, request: Request, **arguments: Any) -> None: ...
    def show(self, request: Request, **arguments: Any) -> None: ...
    def edit(self, request: Request, **arguments: Any) -> None: ...
    def update(self, request: Request, **arguments: Any) -> None: ...
    def patch(self, request: Request, **arguments: Any) -> None: ...
    def delete(self, request: Request, **arguments: Any) -> None: ...
    def search(self, request: Request, **arguments: Any) -> None: ...
    def lend(self, request: Request, **arguments: Any) -> None: ...


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
ACTIONS = ["index", "create", "show", "update", "search", "lend"]
WORDS = [
    "a", "b", "new", "1", "12", "a.b", "a-b", "a.xml", "b;c", "", "\u00e9", "search", "lend", "c.d.e",
    "edit", "x\\", "regions",
]  # fmt: skip
PARTS = [
    "a", "a", "b", "1", "{%s}", "{%s}", "new", r"{%s:\d+}", "{%s:[ab]+}", "{%s:a|1}", "{%s:.+}", "{%s:.*}",
    "{%s:[^/]+}", r"{%s:\D*}", "a{%s}", "{%s}.xml", "{%s}-b", "a-{%s}-b", ":(%s)", "a{.%s}", "{.%s}", "*%s",
    "a{%s:.*}b", "{%s:(?!a).*}", "{%s:(?!a)[^/]+}", "{%s:x?}", "*(%s)", "",
]  # fmt: skip
MEMBER = {"id": r"[^\/]+(?<!\\)"}


def leaves_a_note(environ: dict[str, Any], found: dict[str, Any]) -> bool:
    environ["note"] = "left"
    found["more"] = environ.get("HTTP_X")
    return environ.get("HTTP_X") == "a"


class Both:
    """A router and a mapper with the same routes."""

    def __init__(self) -> None:
        self.router = Router()
        self.mapper = routes.Mapper(controller_scan=None, register=False)
        self.anything = Anything()

    def connect(self, path: str, action: str, methods: list[str] | None, **more: Any) -> None:
        self.router.connect(
            path, controller=self.anything, action=action, methods=methods, **copy.deepcopy(more)
        )
        conditions: dict[str, Any] = more.pop("conditions", {})
        if methods:
            conditions = {**conditions, "method": methods}
        self.mapper.connect(
            None, path, controller="Anything", action=action, conditions=conditions, **more
        )

    def resource(self, name: str, argument: str, **more: Any) -> None:
        self.router.resource(
            name, name, controller=self.anything, argument=argument, **copy.deepcopy(more)
        )
        prefix = "/" + (more.get("path_prefix") or "")
        if "parent_resource" in more:
            prefix = "/regions/:region_id"
        if argument != "id":
            self.mapper.make_route = renaming(f"{prefix.rstrip('/')}/{name}/:(id)", argument)
        self.mapper.resource(name, name, controller="Anything", **more)
        for suffix in (".:(format)", ""):
            self.mapper.connect(
                None, f"{prefix.rstrip('/')}/{name}/:(id){suffix}", controller="Anything",
                action="patch", conditions={"method": ["PATCH"]}, requirements=MEMBER,
            )  # fmt: skip
        self.mapper.__dict__.pop("make_route", None)

    def in_both(self, declare: Callable[[Any, object], None]) -> None:
        declare(self.router, self.anything)
        declare(self.mapper, "Anything")

    def freeze(self) -> None:
        self.router.freeze()
        self.mapper.create_regs(["Anything"])

    def answer(
        self, method: str, path: str, environ: dict[str, Any]
    ) -> tuple[str, dict[str, Any]] | None:
        found = self.router.find(method, path, environ)
        environ.pop("wsgisrv.route", None)
        return None if found is None else (found[0].name, found[1])

    def oracle(
        self, method: str, path: str, environ: dict[str, Any]
    ) -> tuple[str, dict[str, Any]] | None:
        found = self.mapper.match(path, environ | {"REQUEST_METHOD": method})
        if found is None:
            return None
        controller, action = found.pop("controller"), found.pop("action")
        return f"{controller}.{action}", found


def renaming(member: str, argument: str) -> Any:
    """Returns what makes routes of a resource whose member has another argument than ``id``."""

    def make_route(name: str | None, path: str, **more: Any) -> Any:
        if path.startswith(member):
            path = path.replace(member, member.replace(":(id)", f":({argument})"))
            more["requirements"] = {argument: MEMBER["id"]}
        return routes.route.Route(name, path, **more)

    return make_route


@st.composite
def templates(draw: st.DrawFn, first: str = "v") -> str:
    parts = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
    return "/" + "/".join(
        part % f"{first}{n}" if "%s" in part else part for n, part in enumerate(parts)
    )


@st.composite
def options(draw: st.DrawFn, path: str) -> dict[str, Any]:
    extra: dict[str, Any] = draw(
        st.sampled_from([{}, {}, {"kind": "x"}, {"v1": "y"}, {"_minimize": True, "v1": "z"}])
    )
    found: dict[str, Any] = {**extra}
    if "v0" in path and draw(st.booleans()):
        found["requirements"] = {"v0": draw(st.sampled_from([r"\w+", "[a-c0-9]+", ".*", "a|b"]))}
    if draw(st.integers(0, 4)) == 0:
        found["conditions"] = {"function": leaves_a_note}
    return found


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    where: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            {}, {"path_prefix": "a"}, {"path_prefix": "{project}"}, {"path_prefix": "{v:.*}"},
            {"parent_resource": {"member_name": "region", "collection_name": "regions"}},
        ]
    )  # fmt: skip
    found |= draw(where)
    for option, some in (
        ("collection", [{"search": "GET"}, {"lend": "POST"}, {"search": "PUT", "lend": "GET"}]),
        ("member", [{"search": "POST"}, {"lend": "GET"}, {"lend": "DELETE"}, {"lend": "PATCH"}]),
        ("new", [{"search": "GET"}, {"lend": "POST"}]),
    ):
        if draw(st.booleans()):
            found[option] = dict(draw(st.sampled_from(some)))
    return found


@st.composite
def declarations(draw: st.DrawFn) -> Both:
    both = Both()
    names = draw(st.permutations(["a", "b", "things"]))
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.integers(0, 9))
        if kind <= 1 and names:
            argument = draw(st.sampled_from(["id", "thing_id"]))
            both.resource(names.pop(), argument, **draw(resources()))
        elif kind == 2:
            prefix, formatted = draw(templates("p")), draw(st.booleans())
            method = draw(st.sampled_from(METHODS))

            def below(mapper: Any, controller: object) -> None:
                made = mapper.submapper(path_prefix=prefix, controller=controller)  # noqa: B023
                made.connect(f"s{number}", "/a{.format}", action="show")  # noqa: B023
                made.link("lend", action="lend", method=method, formatted=formatted)  # noqa: B023
                with made.submapper(path_prefix="/{v1:[0-9]+}") as inner:
                    inner.action("u", action="update", method="PUT", formatted=formatted)  # noqa: B023

            both.in_both(below)
        elif kind == 3 and names:
            name = names.pop()

            def collection(mapper: Any, controller: object) -> None:
                made = mapper.collection(name, f"{name}x", controller=controller)  # noqa: B023
                made.member.link("lend", method="POST")

            both.in_both(collection)
        else:
            path = draw(templates())
            methods = draw(st.none() | st.lists(st.sampled_from(METHODS), min_size=1, unique=True))
            try:
                both.connect(path, draw(st.sampled_from(ACTIONS)), methods, **draw(options(path)))
            except ConfigError:  # Routes' minimizing makes a wrong regexp of some
                reject()
    try:
        both.freeze()
    except ConfigError:  # of two routes alike
        reject()
    return both


@st.composite
def paths(draw: st.DrawFn) -> str:
    start = draw(
        st.sampled_from(["", "", "/a", "/things", "/regions/5/a", "/a/b", "/regions/1/things"])
    )
    path = start + "".join(
        f"/{word}" for word in draw(st.lists(st.sampled_from(WORDS), max_size=5))
    )
    return (path or "/") + draw(st.sampled_from(["", "", "", "/", ".xml", "b"]))


@settings(max_examples=150)
@given(
    declarations(), st.lists(paths(), min_size=1, max_size=8), st.sampled_from([*METHODS, "X-O"]),
    st.sampled_from(["a", "z"]),
)  # fmt: skip
def test_a_path_means_what_it_means_to_routes(
    both: Both, some_paths: list[str], method: str, header: str
) -> None:
    for path in some_paths:
        environ = {"REQUEST_METHOD": method, "HTTP_X": header}
        assert both.answer(method, path, environ) == both.oracle(
            method, path, {"HTTP_X": header}
        ), path
        assert environ["REQUEST_METHOD"] == method


@settings(max_examples=75)
@given(declarations(), paths())
def test_head_is_answered_by_get(both: Both, path: str) -> None:
    environ = {"HTTP_X": "a"}
    assert both.answer("HEAD", path, {**environ}) == both.oracle("GET", path, environ)


@settings(max_examples=75)
@given(declarations(), paths())
def test_allow_names_exactly_the_methods_that_are_answered(both: Both, path: str) -> None:
    environ = {"REQUEST_METHOD": "GET", "HTTP_X": "a"}
    allowed = both.router.allowed(path, environ)
    answered = {method for method in METHODS if both.oracle(method, path, {"HTTP_X": "a"})}
    assert answered == set(allowed) & set(METHODS)
    assert ("OPTIONS" in allowed) == bool(allowed)
    assert environ == {"REQUEST_METHOD": "GET", "HTTP_X": "a"}


KINDS = [
    ("/r%d/{id}", "/r%d/7"),
    ("/r%d", "/r%d"),
    ("/r%d{.format}", "/r%d.json"),
    ("/r%d.:(format)", "/r%d.json"),
    ("/{p}/r%d", "/x/r%d"),
    ("/{p:(?!v1)[^/]+}/r%d", "/x/r%d"),
    ("/{p:.*}/r%d", "/x/y/z/r%d"),
    ("/{p:.*}/r%d/{id}", "/x/y/r%d/7"),
    ("/{p:.*}.r%d", "/x/y/z.r%d"),
    ("/r%d/{p:.*}", "/r%d/x/y"),
    ("/r%d-{p:.*}", "/r%d-x/y"),
    ("/a-%d-{id}", "/a-%d-7"),
    ("/{id}-r%d", "/7-r%d"),
    ("/a-{id}-r%d", "/a-7-r%d"),
]
MINIMIZED = [("/r%d/{id}", "/r%d/7"), ("/r%d,{id}", "/r%d,7"), ("/x/r%d", "/x/r%d/")]


@pytest.mark.parametrize(
    ("template", "path", "minimized"),
    [*((*kind, False) for kind in KINDS), *((*kind, True) for kind in MINIMIZED)],
)
def test_few_routes_are_asked_however_many_there_are(
    template: str, path: str, minimized: bool
) -> None:
    both = Both()
    for number in range(120):
        both.connect(template % number, "index", ["GET"], _minimize=minimized)
    both.freeze()
    index = both.router._indexes["GET"]
    for number in (0, 7, 119):
        for some_path in (
            path % number,
            f"{path % number}/{'x/' * 50}",
            "/" * 5000 + path % number,
        ):
            candidates = index._candidates(some_path, some_path.split("/", index._most_segments))
            assert len(candidates) <= 3, some_path
            assert both.answer("GET", some_path, {}) == both.oracle("GET", some_path, {})
        assert both.answer("GET", path % number, {}) is not None


def test_every_kind_of_collection_and_resource_is_found_by_the_index() -> None:
    both = Both()

    def declare(mapper: Any, controller: object) -> None:
        for number in range(50):
            mapper.collection(f"r{number}", f"q{number}", controller=controller)
            mapper.submapper(path_prefix=f"/t{number}", controller=controller).action("index")

    both.in_both(declare)
    for number in range(50):
        both.resource(f"s{number}", "id")
    both.freeze()
    index = both.router._indexes["GET"]
    for path in (
        "/r7",
        "/r7.json",
        "/r7/8",
        "/r7/8.json",
        "/s7.json",
        "/s7/8/edit",
        "/t7",
        "/t7.json",
    ):
        assert len(index._candidates(path, path.split("/", index._most_segments))) <= 3, path
        assert both.answer("GET", path, {}) == both.oracle("GET", path, {}) != None  # noqa: E711


def test_nothing_that_clients_send_is_kept() -> None:
    both = Both()
    both.connect("/books/{id}", "show", ["GET"])
    both.connect("/books{.format}", "index", ["GET"])
    both.freeze()
    index = both.router._indexes["GET"]
    before = sorted(index._literal)
    for number in range(1000):
        for path in (f"/books/{number}", f"/{number}", f"/books.{number}"):
            both.router.find("GET", path)
            both.router.find(f"M{number}", path)
    assert sorted(index._literal) == before == ["/books"]
    assert sorted(both.router._indexes) == sorted(KNOWN_METHODS)
