"""PEP 3333 to the letter, and what an app does wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apps.pep3333 import FORBIDDEN
from tests.support.http import Client
from tests.support.server import Server, serve

GOOD = [
    "a_list",
    "an_iterable",
    "a_generator_that_starts_late",
    "known_length",
    "written",
    "a_file",
    "a_part_of_a_file",
    "a_file_in_memory",
    "a_part_of_a_file_in_memory",
    "written_before_a_list",
    "written_before_a_file",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("tests.apps.pep3333:plain", workers=1) as server:
        server.may_log_traceback = True  # of the apps that fail
        yield server


@pytest.fixture(scope="module")
def validated() -> Iterator[Server]:
    with serve("tests.apps.pep3333:validated", workers=1) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.connect() as client:
        yield client


def assert_kept(client: Client) -> None:
    assert client.get("/a_list").body == b"one two"


@pytest.mark.parametrize("name", GOOD)
def test_every_way_to_give_a_body_reaches_the_client_and_keeps_the_connection(
    name: str, client: Client
) -> None:
    assert client.get(f"/{name}").body == b"one two"
    assert_kept(client)


@pytest.mark.parametrize(
    "name", [*(name for name in GOOD if not name.startswith("a_part_of")), "nothing"]
)
def test_wsgiref_validate_finds_nothing(name: str, validated: Server) -> None:
    with validated.connect() as client:
        for method in ("GET", "HEAD"):
            assert client.get(f"/{name}", method=method).status in (200, 206)
        client.send(
            f"POST /{name}?q HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello".encode()
        )
        assert client.response().status in (200, 206)


@pytest.mark.parametrize(
    "name",
    ["a_list", "a_long_list", "a_file", "a_part_of_a_file", "known_length", "nothing"],
)
def test_a_length_that_is_known_is_declared(name: str, client: Client) -> None:
    response = client.get(f"/{name}")
    assert int(response["content-length"]) == len(response.body)


@pytest.mark.parametrize("name", ["an_iterable", "written", "a_file_in_memory"])
def test_a_length_that_is_not_known_is_chunked(name: str, client: Client) -> None:
    assert client.get(f"/{name}")["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("name", ["an_iterable", "written", "a_file_in_memory"])
def test_a_length_that_is_not_known_ends_an_http_1_0_connection(name: str, client: Client) -> None:
    client.send(f"GET /{name} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
    response = client.response()
    assert "transfer-encoding" not in response
    assert (response["connection"], response.body) == ("close", b"one two")


def test_http_1_0_keeps_the_connection_when_it_asks_and_the_length_is_known(client: Client) -> None:
    client.send(b"GET /a_list HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert client.response()["connection"] == "keep-alive"
    assert_kept(client)


@pytest.mark.parametrize("name", GOOD)
def test_head_has_the_fields_and_no_body(name: str, client: Client) -> None:
    response = client.get(f"/{name}", method="HEAD")
    assert (response.status, response.body) in ((200, b""), (206, b""))
    assert response["content-type"] == "text/plain"
    assert_kept(client)


@pytest.mark.parametrize("status", [204, 304])
def test_204_and_304_have_no_body_and_no_framing(status: int, client: Client) -> None:
    response = client.get(f"/status?{status}")
    assert response.status == status
    assert "content-length" not in response
    assert_kept(client)


def test_an_interim_status_from_an_app_ends_the_connection(client: Client) -> None:
    response = client.get("/status?102")
    assert (response.status, response["connection"]) == (102, "close")
    client.assert_eof()


def test_early_hints_come_before_the_response(client: Client) -> None:
    client.send(b"GET /hints HTTP/1.1\r\nHost: x\r\n\r\n")
    hints = [client.response() for _ in range(3)]
    assert [(hint.status, hint["link"]) for hint in hints] == [
        (103, "</style.css>; rel=preload"),
        (103, "</script.js>; rel=preload"),
        (103, "</late.js>; rel=preload"),
    ]
    assert client.response().body == b"one two"
    assert_kept(client)


def test_an_http_1_0_client_gets_no_early_hints(client: Client) -> None:
    client.send(b"GET /hints HTTP/1.0\r\n\r\n")
    assert client.response().status == 200


def test_early_hints_cannot_end_their_head(client: Client) -> None:
    assert client.get("/forbidden_hints").status == 500


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "name", ["an_iterable", "fails_before_the_first_piece", "fails_midway", "too_long_in_pieces"]
)
def test_close_is_called_once_whatever_happens(name: str, method: str, server: Server) -> None:
    seen = len(server.lines)
    with server.connect() as client:
        head = f"{method} /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        client.send(head.encode())
        read_to_the_end(client)
    server.wait_line("^closed$", after=seen)
    with server.connect() as client:
        assert_kept(client)
    server.wait_line("GET /a_list", after=seen)
    assert server.lines[seen:].count("closed") == 1


def test_close_is_called_when_the_client_goes_away(server: Server) -> None:
    seen = len(server.lines)
    with server.connect() as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        client.socket.recv(1000)
    server.wait_line("^closed$", after=seen)


def test_a_close_that_fails_is_logged_and_destroys_no_response(
    server: Server, client: Client
) -> None:
    seen = len(server.lines)
    assert client.get("/fails_to_close").body == b"one two"
    client.assert_eof()  # and no reset, which could overtake the body
    server.wait_line(r"ValueError: in close\(\)", after=seen)


def test_write_of_a_request_that_has_ended_sends_nothing_to_the_next_one(client: Client) -> None:
    assert client.get("/keeps_write").body == b"nothing was kept"
    assert client.get("/keeps_write").body == b"write() was called after the response had ended"
    assert_kept(client)


def test_a_status_without_a_reason_is_a_well_formed_status_line(client: Client) -> None:
    response = client.get("/without_a_reason")
    assert (response.status, response.reason, response.body) == (200, "", b"one two")


def read_to_the_end(client: Client) -> bytes:
    """Returns all that came before the end, be it FIN or RST."""
    try:
        return client.raw_until_eof()
    except ConnectionResetError:
        return client._buffer


def test_start_response_with_exc_info_replaces_what_was_not_sent(client: Client) -> None:
    assert client.get("/replaced_before_it_was_sent").status == 503
    assert_kept(client)


BEFORE = [
    ("fails_at_once", r"GET /fails_at_once HTTP/1\.1 failed"),
    ("fails_after_start", r"GET /fails_after_start HTTP/1\.1 failed"),
    ("fails_before_the_first_piece", "failed"),
    ("exits", r"GET /exits HTTP/1\.1 failed"),
    ("times_out", r"GET /times_out HTTP/1\.1 failed"),
    ("never_starts", r"the app did not call start_response\(\)"),
    ("starts_twice", r"start_response\(\) was called twice"),
    ("returns_text", "the response body has str, not bytes"),
    ("yields_text", "the response body has str, not bytes"),
    ("returns_none", "failed"),
    ("too_short", "Content-Length is 8, the body has 7 bytes"),
    ("too_long", "Content-Length is 6, the body has 7 bytes"),
    ("a_file_that_is_too_short", "Content-Length is 8, the body has 7 bytes"),
    *((name, rf"ERROR wsgisrv\.app: \[req-\S+\] GET /{name} HTTP/1\.1: ") for name in FORBIDDEN),
]


@pytest.mark.parametrize(("name", "line"), BEFORE)
def test_what_goes_wrong_before_anything_was_sent_is_a_500_that_tells_nothing(
    name: str, line: str, server: Server, client: Client
) -> None:
    seen = len(server.lines)
    response = client.get(f"/{name}")
    assert response.status == 500
    assert response.body == b"the server failed to answer this request\n"
    assert {field for field, _ in response.fields} == {
        "date", "content-type", "content-length", "connection",
    }  # fmt: skip
    client.assert_eof()
    server.wait_line(line, after=seen)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("fails_midway", "failed"),
        ("fails_midway_with_a_length", "failed"),
        ("replaced_after_it_was_sent", "failed"),
        ("too_short_in_pieces", "the body is 1 bytes shorter than its Content-Length"),
        ("too_long_in_pieces", "the body is longer than its Content-Length"),
        (
            "written_before_a_file_that_is_too_short",
            "the body is 1 bytes shorter than its Content-Length",
        ),
    ],
)
def test_what_goes_wrong_later_never_looks_like_a_whole_response(
    name: str, line: str, server: Server, client: Client
) -> None:
    seen = len(server.lines)
    client.send(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    with pytest.raises((ConnectionResetError, AssertionError)):
        client.response()
    server.wait_line(line, after=seen)


def test_a_client_that_goes_away_is_no_error() -> None:
    with serve("tests.apps.streams:endless", workers=1) as server:
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.socket.recv(1000)
        server.wait_line(r'"GET / HTTP/1\.1" status: 200')
        assert "ERROR" not in server.log
