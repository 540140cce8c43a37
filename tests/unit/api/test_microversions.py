"""Microversions: what a request's header asks for, and which declarations make no sense."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from wsgisrv import api
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

HERE = Path(__file__).name
NAME = {"type": "object", "required": ["name"]}
VERSIONS = api.Microversions("shelf", "1.0", "1.5")


class Things:
    def index(self, request: api.Request) -> Any:
        return []


def start(controller: object) -> Client:
    router = api.Router()
    router.resource("thing", "things", controller=controller)
    return Client(api.API(router, versions=VERSIONS), service_type="shelf")


def refused(controller: object) -> str:
    with pytest.raises(ConfigError) as caught:
        start(controller)
    text = str(caught.value)
    assert re.match(rf"{re.escape(__file__)}:[0-9]+: ", text)
    assert "\n" not in text
    return text


@pytest.fixture
def client() -> Client:
    return start(Things())


@pytest.mark.parametrize(
    ("header", "answered"),
    [
        (None, "1.0"),
        ("shelf 1.2", "1.2"),
        ("shelf latest", "1.5"),
        ("compute 2.90", "1.0"),
        ("compute 2.90, shelf 1.3", "1.3"),
        ("  shelf   1.4 ", "1.4"),
        ("Shelf 1.4", "1.4"),
    ],
)
def test_the_header_chooses_the_version_and_the_answer_says_it(
    client: Client, header: str | None, answered: str
) -> None:
    response = client.get("/things", headers={"OpenStack-API-Version": header} if header else {})
    assert response.headers["OpenStack-API-Version"] == f"shelf {answered}"
    assert response.headers["Vary"] == "OpenStack-API-Version"


@pytest.mark.parametrize(
    "header",
    [
        "", " , ,", "compute", "compute latest foo", "compute xyz, \xff", "shelf=1.2", '"shelf 1.2"',
        "shelf\xa01.2", "2", "compute 2.1, compute 2.2",
    ],
)  # fmt: skip
def test_what_is_not_of_this_service_leaves_the_first_version(client: Client, header: str) -> None:
    response = client.get("/things", headers={"OpenStack-API-Version": header}, status=200)
    assert response.headers["OpenStack-API-Version"] == "shelf 1.0"


@pytest.mark.parametrize(
    "header",
    ["shelf 1.2,", ",shelf 1.2", "shelf 1.2, ,compute 2.1", "compute latest foo, shelf 1.2",
     "\tshelf\t1.2\t", "compute,shelf 1.2", "compute xyz, shelf 1.2", "compute 1, compute 1, SHELF 1.2"],
)  # fmt: skip
def test_empty_elements_and_other_services_are_passed_over(client: Client, header: str) -> None:
    response = client.get("/things", headers={"OpenStack-API-Version": header}, status=200)
    assert response.headers["OpenStack-API-Version"] == "shelf 1.2"


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("1.2", "'1.2' has no service type in front of it"),
        ("compute 2.1, latest", "'latest' has no service type in front of it"),
        ("shelf", "'shelf': has to be a service type and a version, as in shelf 1.5"),
        ("shelf 1.2 x", "'shelf 1.2 x': has to be a service type and a version"),
        ("shelf 1", "'1' is no version"), ("shelf 1.2.3", "'1.2.3' is no version"),
        ("shelf x", "'x' is no version"), ("shelf 01.2", "'01.2' is no version"),
        ("shelf 1.02", "'1.02' is no version"), ("shelf -1.2", "'-1.2' is no version"),
        ("shelf 0.9", "'0.9' is no version"), ("shelf \xb2.1", "'\\xb2.1' is no version"),
        ("shelf 1.2\x85", "'1.2\\x85' is no version"), ("shelf LATEST", "'LATEST' is no version"),
        ("shelf 1." + "9" * 500, "is no version"),
        ("shelf 1.1, shelf 1.2", "names shelf twice"), ("shelf 1.1, Shelf 1.1", "names shelf twice"),
    ],
)  # fmt: skip
def test_a_malformed_version_is_400_with_the_range(
    client: Client, header: str, detail: str
) -> None:
    response = client.get("/things", headers={"OpenStack-API-Version": header}, status=400)
    (said,) = client.errors(response)
    assert said.startswith("the header OpenStack-API-Version")
    assert detail in said
    assert said.endswith("; there are 1.0 to 1.5, and latest")
    error = response.json["errors"][0]
    assert (error["min_version"], error["max_version"]) == ("1.0", "1.5")
    assert response.headers["OpenStack-API-Version"] == "shelf 1.0"
    assert response.headers["Vary"] == "OpenStack-API-Version, Accept"


@pytest.mark.parametrize("version", ["1.6", "1.10", "2.0", "1.10000", "10000.1", f"1.{'9' * 90}"])
def test_a_version_out_of_range_is_406_with_the_range(client: Client, version: str) -> None:
    response = client.at(version).get("/things", status=406)
    (detail,) = client.errors(response)
    assert f"no version {version}; there are 1.0 to 1.5" in detail
    error = response.json["errors"][0]
    assert (error["min_version"], error["max_version"]) == ("1.0", "1.5")
    assert response.headers["OpenStack-API-Version"] == f"shelf {version}"
    assert response.headers["Vary"] == "OpenStack-API-Version, Accept"


def test_few_headers_are_kept() -> None:
    versions = api.Microversions("shelf", "1.0", "1.5")
    for number in range(1000):
        assert versions.index_of(f"other {number}, shelf 1.1") == 1
    assert len(versions._kept) <= 64


@pytest.mark.parametrize(
    ("service", "first", "last", "complaint"),
    [
        ("shelf", "1", "2", "no microversion: '1'"),
        ("shelf", "1.2", "1.1", "no range of microversions: 1.2 to 1.1"),
        ("shelf", "1.0", "2.0", "no range of microversions: 1.0 to 2.0"),
        ("shelf", "0.1", "0.2", "no microversion: '0.1'"),
        ("shelf", "1.0", 1.1, "no microversion: 1.1; it is a text, as in '1.3'"),
        ("shelf", None, "1.1", "no microversion: None; it is a text"),
        ("a b", "1.0", "1.1", "no service type: 'a b'"),
        (7, "1.0", "1.1", "no service type: 7"),
    ],
)
def test_wrong_microversions_fail_at_start(
    service: Any, first: Any, last: Any, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=rf"{HERE}:\d+: {complaint}"):
        api.Microversions(service, first, last)


# Declarations


def test_a_version_that_is_no_text_fails_at_start() -> None:
    class Numbered:
        @api.version(1.3)  # type: ignore[arg-type]
        def index(self, request: api.Request) -> None: ...

    assert "no microversion: 1.3; it is a text" in refused(Numbered())

    class NumberedSchema:
        @api.returns(NAME, None)  # type: ignore[arg-type]
        def index(self, request: api.Request) -> None: ...

    assert "no microversion: None; it is a text" in refused(NumberedSchema())


def test_an_implementation_that_a_later_method_of_its_name_hides_fails_at_start() -> None:
    class Hiding:
        @api.version("1.0", "1.1")
        def index(self, request: api.Request) -> Any:
            return ["old"]

        def index(self, request: api.Request) -> Any:  # type: ignore[no-redef]  # noqa: F811
            return ["plain"]

    class Below(Hiding):
        pass

    for controller in (Hiding(), Below()):
        text = refused(controller)
        assert re.search(
            rf"{HERE}:\d+: Hiding.index: what {re.escape(__file__)}:\d+ declares of it is lost",
            text,
        )

    class Three:
        @api.version("1.0", "1.1")
        def index(self, request: api.Request) -> Any: ...

        def index(self, request: api.Request) -> Any: ...  # type: ignore[no-redef]  # noqa: F811

        @api.version("1.3")  # type: ignore[no-redef]
        def index(self, request: api.Request) -> Any: ...  # noqa: F811

    assert "declares of it is lost" in refused(Three())


def test_a_wrapped_implementation_is_hidden_by_nothing() -> None:
    def wrapping(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **more: Any) -> Any:
            return [*function(*args, **more), "wrapped"]

        return wrapper

    class Wrapped:
        @wrapping
        @api.version("1.0", "1.0")
        def index(self, request: api.Request) -> Any:
            return [0]

        @wrapping  # type: ignore[no-redef]
        @api.version("1.1")
        def index(self, request: api.Request) -> Any:  # noqa: F811
            return [1]

        @api.version("1.5")
        def show(self, request: api.Request, id: str) -> Any: ...  # noqa: A002

        del show

    class Below(Wrapped):
        @api.version("1.2")
        def index(self, request: api.Request) -> Any:
            return [2]

    router = api.Router()
    router.connect("/wrapped", controller=Wrapped(), action="index", methods=["GET"])
    router.connect("/below", controller=Below(), action="index", methods=["GET"])
    client = Client(api.API(router, versions=VERSIONS), service_type="shelf")
    assert client.get("/wrapped").json == [0, "wrapped"]
    assert client.at("1.5").get("/wrapped").json == [1, "wrapped"]
    client.get("/below", status=404)
    assert client.at("1.2").get("/below").json == [2]


@pytest.mark.parametrize("kind", [api.body, api.query, api.returns, api.lists])
def test_what_no_version_of_the_action_has_fails_at_start(kind: Any) -> None:
    declared: Any = api.Collection("things") if kind is api.lists else NAME

    class Typo:
        @api.version("1.3")
        @kind(declared, "1.0", "1.2")  # type: ignore[untyped-decorator, unused-ignore]
        def index(self, request: api.Request) -> None: ...

    text = refused(Typo())
    assert text.endswith(": Typo.index is in none of the versions 1.0 to 1.2")

    class Partly:
        @api.version("1.3")
        @kind(declared, "1.0", "1.3")  # type: ignore[untyped-decorator, unused-ignore]
        def index(self, request: api.Request) -> None: ...

    start(Partly())
