"""Media types, files, faults of both kinds, languages, preconditions and trailing slashes."""

from __future__ import annotations

import importlib.metadata
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webob
from webob import exc

from wsgisrv import api
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

NAMED = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "additionalProperties": False,
}


class Translated:
    """A message as oslo.i18n makes them."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def __str__(self) -> str:
        return self.texts["en"]

    def translation(self, locale: str) -> str:
        return self.texts.get(locale, str(self))


class Things:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = {"n": 1}

    def file(self, request: api.Request) -> Any:
        return api.File(self.path, download_as="a \u00e9.txt")

    def opened(self, request: api.Request) -> Any:
        return self.path.open("rb")

    def in_memory(self, request: api.Request) -> Any:
        return io.BytesIO(b"abc")

    @api.produces("image/png")
    def picture(self, request: api.Request) -> Any:
        return api.File(self.path, content_type="image/png")

    @api.produces("application/json", "text/csv")
    def table(self, request: api.Request) -> Any:
        if request.best_match(["application/json", "text/csv"]) == "application/json":
            return {"a": 1}
        response = webob.Response(b"a\r\n1\r\n", content_type="text/csv")
        response.vary = ["X-Else"]
        return response

    @api.sub_action("print")
    @api.produces("application/pdf")
    def print(self, request: api.Request) -> Any:
        return api.File(self.path, content_type="application/pdf")

    def lines(self, request: api.Request) -> Any:
        yield {"a": 1}

    def iterator(self, request: api.Request) -> Iterator[Any]:
        return iter([1])

    def no_file(self, request: api.Request) -> Any:
        return api.File("/nowhere/at/all")

    def echo(self, request: api.Request, body: Any) -> Any:
        return {"was": body}

    def many(self, request: api.Request) -> Any:
        raise api.InvalidFields({"/a/b": "is wrong", "?c": "is not known", "": "is empty"})

    def later(self, request: api.Request) -> Any:
        message = Translated(en="later", de="sp\u00e4ter", pt_BR="depois")
        raise exc.HTTPServiceUnavailable(message, headers={"Retry-After": "7"})

    def bug(self, request: api.Request) -> Any:
        raise RuntimeError("swordfish")

    @api.conditional()
    def show(self, request: api.Request) -> Any:
        request.check_etag(api.etag_of(self.state))
        return self.state

    @api.conditional()
    def change(self, request: api.Request) -> Any:
        request.check_etag(api.etag_of(self.state))
        self.state = {"n": self.state["n"] + 1}
        return self.state

    @api.returns(NAMED)
    def right(self, request: api.Request) -> Any:
        return {"name": "x"}

    @api.returns(NAMED)
    def wrong(self, request: api.Request) -> Any:
        return {"name": 1, "secret": 2}


def make(tmp_path: Path, **more: Any) -> Client:
    (tmp_path / "file.txt").write_bytes(b"0123456789")
    things = Things(tmp_path / "file.txt")
    router = api.Router()
    for name in [
        "file",
        "opened",
        "in_memory",
        "picture",
        "table",
        "no_file",
        "lines",
        "iterator",
        "many",
        "later",
        "bug",
        "show",
        "right",
        "wrong",
    ]:
        router.connect(f"/{name}", controller=things, action=name, methods=["GET"])
    router.connect("/echo", controller=things, action="echo", methods=["POST"])
    router.connect("/show", controller=things, action="change", methods=["PUT"])
    router.sub_actions("/act", controller=things)
    return Client(api.API(router, **more))


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return make(tmp_path)


# Results


def test_a_file_is_sent_with_its_length_type_and_name(client: Client) -> None:
    response = client.get("/file")
    assert (response.body, response.content_type) == (b"0123456789", "text/plain")
    assert response.headers["Content-Length"] == "10"
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20%C3%A9.txt"
    assert response.headers["Last-Modified"].endswith("GMT")
    assert client.head("/file").headers["Content-Length"] == "10"
    assert client.get("/opened").headers["Content-Length"] == "10"
    assert client.get("/in_memory").body == b"abc"


def test_a_file_goes_through_the_servers_wrapper(client: Client) -> None:
    wrapped: list[Any] = []

    def wrapper(file: Any, size: int) -> Any:
        wrapped.append(file)
        return iter([file.read()])

    client.get("/opened", extra_environ={"wsgi.file_wrapper": wrapper})
    wrapped[0].close()


def test_a_file_that_is_not_there_is_a_fault(client: Client) -> None:
    client.errors(client.get("/no_file", status=500))


# Media types


def test_a_body_of_another_media_type_is_415_and_says_which_there_are(client: Client) -> None:
    response = client.post("/echo", b"<a/>", content_type="text/xml", status=415)
    assert client.errors(response) == ["the body has to be application/json, in UTF-8"]
    assert response.headers["Accept"] == "application/json"


class _Point:
    def __init__(self, found: Any) -> None:
        self.found = found

    def load(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def plug(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    def entry_points(*, group: str, name: str) -> list[_Point]:
        is_it = (group, name) == ("wsgisrv.api.media_types", "application/x-text")
        return [_Point(found)] if is_it else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def load_text(body: bytes) -> Any:
    if b"!" in body:
        raise ValueError("it may not shout")
    return body.decode()


def test_a_media_type_is_plugged_in_by_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = api.MediaType("application/x-text", load_text, lambda value: repr(value).encode())
    plug(monkeypatch, text)
    client = make(tmp_path, media_types=("application/json", "application/x-text"))
    sent = client.post("/echo", b"hello", content_type="application/x-text")
    assert sent.json == {"was": "hello"}
    wanted = client.post_json("/echo", [1], headers={"Accept": "application/x-text"})
    assert (wanted.content_type, wanted.body) == ("application/x-text", b"{'was': [1]}")
    better = {"Accept": "application/json;q=0.5, application/x-text;q=0.6"}
    assert client.post_json("/echo", [1], headers=better).content_type == "application/x-text"
    shouted = client.post("/echo", b"a!", content_type="application/x-text", status=400)
    assert client.errors(shouted) == ["the body is not application/x-text: it may not shout"]
    refused = client.post_json("/echo", 1, headers={"Accept": "text/html"}, status=406)
    assert "application/json or application/x-text" in client.errors(refused)[0]
    client.post("/echo", b"", content_type="image/png", status=415)


@pytest.mark.parametrize("found", [None, "no media type", ImportError("no such module")])
def test_a_media_type_that_is_none_fails_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    if found is not None:
        plug(monkeypatch, found)
    with pytest.raises(ConfigError, match="application/x-text"):
        make(tmp_path, media_types=("application/x-text",))


def test_an_action_may_produce_what_is_none_of_the_apis_media_types(client: Client) -> None:
    for accept in ("image/png", "image/*", "*/*", ""):
        response = client.get("/picture", headers={"Accept": accept})
        assert (response.content_type, "Vary" in response.headers) == ("image/png", False)
    for accept in ("application/json", "text/csv, image/webp"):
        refused = client.get("/picture", headers={"Accept": accept}, status=406)
        assert client.errors(refused) == ["/picture answers in image/png"]


def test_an_action_may_choose_among_what_it_produces(client: Client) -> None:
    table = client.get("/table", headers={"Accept": "text/csv"})
    assert table.content_type == "text/csv"
    assert table.headers.getall("Vary") == ["X-Else", "Accept"]
    for accept in ("*/*", "application/json", "text/csv;q=0.5, application/json"):
        found = client.get("/table", headers={"Accept": accept})
        assert (found.json, found.headers["Vary"]) == ({"a": 1}, "Accept")
    client.get("/table", headers={"Accept": "text/html"}, status=406)


def test_a_sub_action_may_produce_something_of_its_own(client: Client) -> None:
    pdf = client.post_json("/act", {"print": {}}, headers={"Accept": "application/pdf"})
    assert pdf.content_type == "application/pdf"
    client.post_json("/act", {"print": {}}, headers={"Accept": "application/json"}, status=406)


@pytest.mark.parametrize("wrong", [(), ("png",), ("text/csv; charset=utf-8",), ("Text/CSV",)])
def test_what_is_no_media_type_is_not_produced(wrong: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=rf"^{__file__}:\d+: an action produces media types"):
        api.produces(*wrong)


def test_caches_are_told_what_an_answer_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Vary" not in make(tmp_path).get("/right").headers
    plug(monkeypatch, api.MediaType("application/x-text", load_text, lambda value: b"x"))
    versions = api.Microversions("shelf", "1.0", "1.1")
    client = make(
        tmp_path, media_types=("application/json", "application/x-text"), versions=versions
    )
    assert client.get("/right").headers["Vary"] == "Accept, OpenStack-API-Version"
    assert client.get("/many", status=400).headers["Vary"] == "Accept, OpenStack-API-Version"
    assert make(tmp_path).get("/many", status=400).headers["Vary"] == "Accept"


def test_json_lines_are_for_actions_that_give_them(client: Client) -> None:
    lines = {"Accept": "application/jsonl"}
    assert client.get("/lines", headers=lines).content_type == "application/jsonl"
    assert client.get("/iterator", headers=lines).content_type == "application/jsonl"
    assert client.get("/lines", headers={"Accept": "*/*"}).content_type == "application/jsonl"
    for path, accept, offered in (
        ("/right", "application/jsonl", "application/json"),
        ("/lines", "application/json", "application/jsonl"),
        ("/iterator", "application/json", "application/jsonl"),
    ):
        refused = client.get(path, headers={"Accept": accept}, status=406)
        assert client.errors(refused) == [f"this API answers in {offered}"]


@pytest.mark.parametrize(
    "accept", ["application/json;q=0, */*", "application/json;q=0, application/*", "*/*;q=0", "text/*"]
)  # fmt: skip
def test_a_client_that_does_not_want_json_is_refused_before_the_action(
    client: Client, accept: str
) -> None:
    client.get("/bug", headers={"Accept": accept}, status=406)


@pytest.mark.parametrize(
    "accept",
    ["application/json;charset=utf-8", 'application/json; charset="UTF-8";q=0.5',
     "application/json;charset=utf8", "text/html, application/json ; charset = utf-8",
     "application/problem+json", "application/problem+json;charset=utf-8, application/json;q=0"],
)  # fmt: skip
def test_json_is_asked_for_with_its_charset_and_errors_alone_by_name(
    client: Client, accept: str
) -> None:
    assert client.get("/right", headers={"Accept": accept}).content_type == "application/json"


@pytest.mark.parametrize("accept", ["json", "a/b/c", "application/json;q=2", "x" * 9000])
def test_a_malformed_accept_is_as_good_as_none(client: Client, accept: str) -> None:
    assert client.get("/right", headers={"Accept": accept}).content_type == "application/json"


def nested(levels: int, times: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] * times
    return value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"a": [b"x"]}, "at /a/0: bytes is no JSON value"),
        ({1: 2}, "has a key that is int, not a text"),
        ({"a": {"\ud800": 1}}, "at /a: has half a surrogate pair in a text"),
        ([float("nan")], "at /0: nan is no JSON value"),
        ({"a": {1}}, "at /a: set is no JSON value"),
        (nested(40, 1), "is nested deeper than 32 levels"),
        (nested(10, 10), "more values than JSON"),
    ],
)  # fmt: skip
def test_what_a_loader_finds_that_json_has_not_is_400(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, problem: str
) -> None:
    plug(monkeypatch, api.MediaType("application/x-text", lambda _: value, lambda _: b""))
    client = make(tmp_path, media_types=("application/json", "application/x-text"))
    refused = client.post("/echo", b"x" * 40, content_type="application/x-text", status=400)
    (error,) = client.errors(refused)
    assert error.startswith("the body has what JSON has not: ")
    assert problem in error


def fail_deep(_body: bytes) -> Any:
    raise RecursionError


def test_a_loader_that_cannot_go_as_deep_is_400_and_a_dump_that_fails_is_500(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, api.MediaType("application/x-text", fail_deep, bytes.fromhex))
    client = make(tmp_path, media_types=("application/json", "application/x-text"))
    refused = client.post("/echo", b"x", content_type="application/x-text", status=400)
    assert client.errors(refused) == ["the body is nested deeper than 32 levels"]
    failed = client.get("/right", headers={"Accept": "application/x-text"}, status=500)
    assert client.errors(failed) == ["the server failed; its log has the request id"]


# Faults


def test_problem_json_is_for_clients_that_ask(client: Client) -> None:
    response = client.get("/many", headers={"Accept": "application/problem+json"}, status=400)
    assert response.content_type == "application/problem+json"
    problem = response.json
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert problem["request_id"] == response.headers["X-OpenStack-Request-ID"]
    assert problem["errors"] == [
        {"detail": "is wrong", "pointer": "#/a/b"},
        {"detail": "is not known", "parameter": "c"},
        {"detail": "is empty", "pointer": "#"},
    ]
    both = {"Accept": "application/json, application/problem+json;q=0.5"}
    assert client.get("/many", headers=both, status=400).content_type == "application/json"


def test_problem_json_may_be_the_default(tmp_path: Path) -> None:
    client = make(tmp_path, problem_json=True)
    assert client.get("/many", status=400).content_type == "application/problem+json"
    asked = client.get("/many", headers={"Accept": "application/json"}, status=400)
    assert asked.content_type == "application/json"
    assert client.get("/bug", status=500).json["detail"].startswith("the server failed")


@pytest.mark.parametrize(
    ("languages", "header", "detail", "said"),
    [
        (["de", "pt_BR"], "de-AT, en;q=0.5", "sp\u00e4ter", "de"),
        (["de", "pt_BR"], "pt-BR", "depois", "pt-BR"),
        (["de", "pt_BR"], "fr", "later", None),
        (["de", "pt_BR"], "en, de;q=0.5", "later", None),
        (["de", "pt_BR"], "de" + "-x" * 1000, "later", None),
        (["de", "pt_BR"], "", "later", None),
        ([], "de", "later", None),
    ],
)
def test_messages_are_translated_for_the_client(
    tmp_path: Path, languages: list[str], header: str, detail: str, said: str | None
) -> None:
    client = make(tmp_path, languages=languages)
    response = client.get("/later", headers={"Accept-Language": header}, status=503)
    assert client.errors(response) == [detail]
    assert response.headers.get("Content-Language") == said
    assert response.headers["Vary"] == ("Accept, Accept-Language" if languages else "Accept")
    assert response.headers["Retry-After"] == "7"


def test_the_language_that_messages_are_written_in_takes_part(tmp_path: Path) -> None:
    client = make(tmp_path, languages=["de"], source_language="sv")
    for header, detail in (("sv, de;q=0.5", "later"), ("en, de;q=0.5", "sp\u00e4ter")):
        response = client.get("/later", headers={"Accept-Language": header}, status=503)
        assert client.errors(response) == [detail]


def test_what_is_not_translated_has_no_language(tmp_path: Path) -> None:
    client = make(tmp_path, languages=["de"])
    response = client.get("/many", headers={"Accept-Language": "de"}, status=400)
    assert "Content-Language" not in response.headers


class LateError(Exception):
    """One of a service's own."""


def test_problems_and_messages_of_the_services_exceptions_are_translated(tmp_path: Path) -> None:
    message = Translated(en="later", de="sp\u00e4ter")
    schema = {"properties": {"a": {"minLength": 2, "x-says": {"minLength": message}}}}

    class Refusing:
        def fields(self, request: api.Request) -> Any:
            raise api.InvalidFields({"/a": message, "?b": "is not known"})

        def late(self, request: api.Request) -> Any:
            raise LateError(message)

        def taken(self, request: api.Request, body: Any) -> Any:
            return body

    router = api.Router()
    controller = Refusing()
    Refusing.taken = api.body(schema)(Refusing.taken)  # type: ignore[method-assign]
    for name in ("fields", "late", "taken"):
        router.connect(f"/{name}", controller=controller, action=name, methods=["POST"])
    client = Client(api.API(router, languages=["de"], faults={LateError: exc.HTTPConflict}))
    for headers, detail in (({"Accept-Language": "de"}, "sp\u00e4ter"), ({}, "later")):
        fields = client.post_json("/fields", {}, headers=headers, status=400)
        assert client.errors(fields) == [f"/a: {detail}", "?b: is not known"]
        assert client.errors(client.post_json("/late", {}, headers=headers, status=409)) == [detail]
        taken = client.post_json("/taken", {"a": ""}, headers=headers, status=400)
        assert client.errors(taken) == [f"/a: {detail}"]
        problem = client.post_json(
            "/fields", {}, headers={**headers, "Accept": "application/problem+json"}, status=400
        )
        assert problem.json["errors"][0] == {"detail": detail, "pointer": "#/a"}


def test_pointers_keep_their_blanks_and_are_quoted_in_a_fragment(tmp_path: Path) -> None:
    class Refusing:
        def index(self, request: api.Request) -> Any:
            raise api.InvalidFields(
                {"/a  b/\u00e9%": "is\n wrong", "/": "is wrong", "?": "is empty"}
            )

    router = api.Router()
    router.connect("/", controller=Refusing(), action="index", methods=["GET"])
    client = Client(api.API(router))
    errors = client.get("/", status=400).json["errors"]
    assert [error["detail"] for error in errors] == [
        "/a  b/\u00e9%: is wrong",
        "/: is wrong",
        "the query: is empty",
    ]
    problem = client.get("/", headers={"Accept": "application/problem+json"}, status=400).json
    assert problem["errors"] == [
        {"detail": "is wrong", "pointer": "#/a%20%20b/%C3%A9%25"},
        {"detail": "is wrong", "pointer": "#/"},
        {"detail": "is empty"},
    ]


def test_oslo_i18n_messages_are_translated(tmp_path: Path) -> None:
    message = pytest.importorskip("oslo_i18n._message").Message("plain", domain="none")
    router = api.Router()

    class Refusing:
        def index(self, request: api.Request) -> Any:
            raise exc.HTTPConflict(message)

    router.connect("/", controller=Refusing(), action="index", methods=["GET"])
    client = Client(api.API(router, languages=["de"]))
    assert client.errors(
        client.get("/", headers={"Accept-Language": "de"}, status=409)
    ) == ["plain"]  # fmt: skip


# Results and their schemas


def test_a_result_that_breaks_its_schema_is_logged_or_500(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path).get("/right")
    assert not caplog.records
    make(tmp_path).get("/wrong", status=200)
    assert "the result of Things.wrong" in caplog.text
    assert "/secret: is not known; there are name" in caplog.text
    caplog.clear()
    response = make(tmp_path, result_errors="fail").get("/wrong", status=500)
    assert "secret" not in response.text
    assert caplog.records[0].levelno == logging.ERROR
    caplog.clear()
    make(tmp_path, result_errors="ignore").get("/wrong", status=200)
    assert not caplog.records


@pytest.mark.parametrize("option", ["result_errors", "trailing_slash"])
def test_a_wrong_option_fails_at_start(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} is one of"):
        make(tmp_path, **{option: "sometimes"})


# Preconditions


def test_a_reader_who_has_it_gets_304(client: Client) -> None:
    tag = client.get("/show").headers["ETag"]
    for header in (tag, f'"x", W/{tag}', f',"x", ,,{tag}, ', "*"):
        response = client.get("/show", headers={"If-None-Match": header}, status=304)
        assert (response.headers["ETag"], response.body) == (tag, b"")
    client.get("/show", headers={"If-None-Match": '"x"'}, status=200)


def test_a_writer_who_has_seen_another_state_gets_412(client: Client) -> None:
    tag = client.get("/show").headers["ETag"]
    client.put_json("/show", {}, headers={"If-Match": tag}, status=200)
    refused = client.put_json("/show", {}, headers={"If-Match": tag}, status=412)
    assert "If-Match" in client.errors(refused)[0]
    now = client.get("/show").headers["ETag"]
    client.put_json("/show", {}, headers={"If-Match": f"W/{now}"}, status=412)
    client.put_json("/show", {}, headers={"If-None-Match": "*"}, status=412)
    client.put_json("/show", {}, headers={"If-Match": "*"}, status=200)
    client.put_json("/show", {}, status=200)


@pytest.mark.parametrize("header", ["x", '"a" "b"', "", " , ", '"a",b', '"' + "a" * 5000])
def test_a_malformed_precondition_is_400(client: Client, header: str) -> None:
    client.put_json("/show", {}, headers={"If-Match": header}, status=400)


# Slashes


@pytest.mark.parametrize(("rule", "status"), [("strict", 404), ("ignore", 200), ("redirect", 308)])
def test_a_trailing_slash_is_what_the_option_says(tmp_path: Path, rule: str, status: int) -> None:
    client = make(tmp_path, trailing_slash=rule)
    response = client.get("/right/?a=b", status=status)
    if status == 308:
        assert response.headers["Location"] == "http://localhost/right?a=b"
    client.get("/right//", status=404)
    client.get("//elsewhere.example/", status=404)
    client.get("/nothing/", status=404)
    client.options("/nothing/", status=404)
    refused = client.post("/right/", b"", status={"ignore": 405}.get(rule, status))
    asked = client.options("/right/", status={"ignore": 204}.get(rule, status))
    if rule == "ignore":
        assert refused.headers["Allow"] == asked.headers["Allow"] == "GET, HEAD, OPTIONS"
