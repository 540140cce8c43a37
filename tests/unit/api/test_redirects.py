"""Redirects: of a trailing slash, and of paths that have moved. Location never has the client's Host."""

from __future__ import annotations

from typing import Any

import pytest

from wsgisrv.api import API, Request, Router
from wsgisrv.errors import ConfigError


class Books:
    def show(self, request: Request, rest: str = "") -> dict[str, str]:
        return {"rest": rest}


def call(app: API, path: str, method: str = "GET", **more: str) -> tuple[str, dict[str, str]]:
    said: list[Any] = []
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "SERVER_NAME": "here",
        "SERVER_PORT": "80", "HTTP_HOST": "evil.example", "wsgi.url_scheme": "http", **more,
    }  # fmt: skip
    b"".join(app(environ, lambda *answer: said.append(answer) or (lambda _: None)))  # type: ignore[func-returns-value]
    return said[0][0], dict(said[0][1])


def slashes(path: str = "/books") -> API:
    router = Router()
    router.connect(path, controller=Books(), action="show", methods=["GET"])
    return API(router, trailing_slash="redirect")


@pytest.mark.parametrize(
    ("path", "more", "location"),
    [
        ("/books/", {}, "/books"),
        ("/books/", {"QUERY_STRING": "a=%20"}, "/books?a=%20"),
        ("/books/", {"SCRIPT_NAME": "/v1"}, "/v1/books"),
    ],
)
def test_a_trailing_slash_is_redirected_without_a_host(
    path: str, more: dict[str, str], location: str
) -> None:
    status, headers = call(slashes(), path, **more)
    assert (status[:3], headers["Location"]) == ("308", location)


def test_no_path_makes_a_location_on_another_host() -> None:
    status, headers = call(slashes("/{rest:.*[^/]}"), "//evil.example/")
    assert (status[:3], headers["Location"]) == ("308", "/.//evil.example")


def test_a_method_that_nobody_knows_is_501_with_a_slash_too() -> None:
    assert call(slashes(), "/books/", "BREW")[0][:3] == "501"
    assert call(slashes(), "/books/", "PUT")[0][:3] == "308"


def moved(path: str, destination: str, **more: Any) -> API:
    router = Router()
    router.redirect(path, destination, **more)
    return API(router)


@pytest.mark.parametrize(
    ("path", "destination", "asked", "location"),
    [
        ("/home", "/", "/home", "/v1/"),
        ("/old/{url:.*}", "/new/{url}", "/old/a/b c", "/v1/new/a/b%20c"),
        ("/old/{url:.*}", "https://new.example/{url}", "/old/a", "https://new.example/a"),
        ("/old/{id}", "/new", "/old/7", "/v1/new?id=7"),
    ],
)
def test_a_path_that_has_moved_says_where(
    path: str, destination: str, asked: str, location: str
) -> None:
    status, headers = call(moved(path, destination), asked, SCRIPT_NAME="/v1")
    assert (status, headers["Location"]) == ("302 Found", location)


def test_an_argument_makes_no_other_host_of_a_destination() -> None:
    _, headers = call(moved("/old/{url:.*}", "/{url}"), "/old//evil.example")
    assert headers["Location"] == "/.//evil.example"


def test_a_redirect_has_the_status_and_the_methods_that_are_said() -> None:
    app = moved(
        "/old", "/new", _redirect_code="301 Moved Permanently", conditions={"method": ["GET"]}
    )
    assert call(app, "/old")[0] == "301 Moved Permanently"
    assert call(app, "/old", "PUT")[0][:3] == "405"


@pytest.mark.parametrize(
    ("destination", "more", "complaint"),
    [
        ("/new/{other}", {}, "'other' is no variable of the path"),
        ("new", {}, "a path begins with a slash"),
        ("/new/{", {}, "without its other half"),
        ("/new", {"_redirect_code": "200 OK"}, "no status of a redirect: '200 OK'"),
    ],
)
def test_a_redirect_that_leads_nowhere_fails_at_start(
    destination: str, more: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Router().redirect("/old/{url}", destination, **more)
    assert str(caught.value).startswith(f"{__file__}:")
    assert complaint in str(caught.value)
