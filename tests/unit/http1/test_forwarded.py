"""Whom proxies vouch for: read from the right, from those that are trusted, as far as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgisrv.config import PROXY_HEADERS, check_proxy_headers
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.forwarded import Origin, origin_of, without_unread
from wsgisrv.networks import Networks

TRUSTED = Networks(("10.0.0.0/8", "fd00::/8", "unix"))
X = tuple(name for name in PROXY_HEADERS if name != "forwarded")


def ask(peer: str = "10.0.0.1", believed: tuple[str, ...] = X, **fields: str) -> Origin | None:
    named = {f"HTTP_{name.upper()}": value for name, value in fields.items()}
    return origin_of(named, peer, TRUSTED, believed)


@pytest.mark.parametrize(
    ("value", "address", "port"),
    [
        ("203.0.113.7", "203.0.113.7", ""),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7", ""),
        ("203.0.113.7, 10.1.1.1", "203.0.113.7", ""),
        ("evil, 203.0.113.7, 10.1.1.1,10.2.2.2", "203.0.113.7", ""),
        ("10.9.9.9, 10.1.1.1", "10.9.9.9", ""),
        ("203.0.113.7:4711", "203.0.113.7", "4711"),
        ("[2001:db8::7]:4711", "2001:db8::7", "4711"),
        ("2001:db8::7", "2001:db8::7", ""),
        ("203.0.113.7, fd00::1", "203.0.113.7", ""),
        ("unknown", "", ""),
        ("203.0.113.7, unknown, 10.1.1.1", "10.1.1.1", ""),
        ("203.0.113.7, <script>", "", ""),
        (" , 203.0.113.7 ,, ", "203.0.113.7", ""),
        ("", "", ""),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(
    value: str, address: str, port: str
) -> None:
    origin = ask(x_forwarded_for=value)
    assert origin is not None
    assert (origin.address, origin.port) == (address, port)


def test_nobody_else_is_believed() -> None:
    assert ask("203.0.113.9", x_forwarded_for="198.51.100.1", x_forwarded_proto="https") is None
    assert ask("", x_forwarded_for="198.51.100.1") is not None, "unix is trusted here"
    assert origin_of({"HTTP_X_FORWARDED_FOR": "1.2.3.4"}, "", Networks(("10.0.0.0/8",)), X) is None
    assert ask("::ffff:10.0.0.1", x_forwarded_for="198.51.100.1") is not None


def test_what_the_proxies_do_not_set_is_not_read() -> None:
    origin = ask(
        believed=("x-forwarded-for",), x_forwarded_for="203.0.113.7", x_forwarded_host="evil",
        x_forwarded_proto="https", forwarded="for=1.2.3.4;host=evil",
    )  # fmt: skip
    assert origin == Origin("203.0.113.7")


def test_of_several_values_the_one_of_the_same_proxy_counts() -> None:
    origin = ask(
        x_forwarded_for="1.1.1.1, 203.0.113.7, 10.1.1.1", x_forwarded_proto="ftp, https, http",
        x_forwarded_host="evil, api.test, inner", x_forwarded_port="1,8443, 80",
    )  # fmt: skip
    assert origin == Origin("203.0.113.7", "", "https", "api.test", "8443")
    origin = ask(x_forwarded_for="203.0.113.7, 10.1.1.1", x_forwarded_proto="https")
    assert origin == Origin("203.0.113.7", "", "https")
    origin = ask(x_forwarded_proto="https,http")
    assert origin == Origin(scheme="http"), (
        "the nearest proxy's, whatever the client has put before"
    )


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("for=203.0.113.7", Origin("203.0.113.7")),
        ('For=203.0.113.7;Proto=HTTPS;Host="api.test:8443"',
         Origin("203.0.113.7", "", "https", "api.test:8443")),
        ('for="[2001:db8::7]:4711"', Origin("2001:db8::7", "4711")),
        ('for=evil;host="a,b;c=\\"d\\"", for=203.0.113.7;host=api.test, for=10.1.1.1;host=inner',
         Origin("203.0.113.7", "", "", "api.test")),
        ("for=_hidden, for=10.1.1.1", Origin("10.1.1.1")),
        ("for=unknown;proto=https", Origin("", "", "https")),
        ("proto=https", Origin("", "", "https")),
    ],
)  # fmt: skip
def test_forwarded_says_it_by_element(value: str, wanted: Origin) -> None:
    assert ask(believed=("forwarded",), forwarded=value) == wanted


@pytest.mark.parametrize(
    "fields",
    [
        {"x_forwarded_proto": "gopher"},
        {"x_forwarded_host": "a b"},
        {"x_forwarded_host": "api.test/path"},
        {"x_forwarded_host": "a@b"},
        {"x_forwarded_port": "99999"},
        {"x_forwarded_port": "https"},
        {"x_forwarded_prefix": "api"},
        {"x_forwarded_prefix": "//evil.test/x"},
        {"x_forwarded_prefix": "/a/../b"},
        {"forwarded": "for"},
        {"forwarded": "for=a b"},
        {"forwarded": 'for="a'},
        {"forwarded": "for=1.2.3.4;host=api.test:80"},
        {"forwarded": "for=1.2.3.4;for=5.6.7.8"},
        {"forwarded": "for=1.2.3.4;host=a/b"},
        {"forwarded": "for=1.2.3.4;;proto=http"},
    ],
)
def test_what_no_proxy_would_say_is_refused(fields: dict[str, str]) -> None:
    believed = ("forwarded",) if "forwarded" in fields else X
    with pytest.raises(RefusedError) as refused:
        ask(believed=believed, **fields)
    assert refused.value.status == 400


ADDRESSES = st.ip_addresses().map(str)
CLIENTS = ADDRESSES.filter(lambda address: address not in TRUSTED)
PROXIES = st.integers(0, 255).map(lambda number: f"10.0.0.{number}")
LIES = st.lists(ADDRESSES | PROXIES | st.sampled_from(("unknown", "evil", "", "_x")), max_size=4)


@given(LIES, CLIENTS, st.lists(PROXIES, max_size=3), PROXIES)
def test_a_client_cannot_choose_its_address(
    lies: list[str], client: str, chain: list[str], peer: str
) -> None:
    value = ", ".join([*lies, client, *chain])
    origin = ask(peer, x_forwarded_for=value)
    assert origin is not None
    assert origin.address == client


def test_what_nobody_vouches_for_is_taken_out() -> None:
    for trusted, believed, left in (
        (True, ("x-forwarded-for",), {"HTTP_X_FORWARDED_FOR", "HTTP_ACCEPT"}),
        (False, ("x-forwarded-for",), {"HTTP_ACCEPT"}),
        (True, ("forwarded",), {"HTTP_FORWARDED", "HTTP_ACCEPT"}),
    ):
        environ: dict[str, object] = dict.fromkeys(
            ("HTTP_ACCEPT", "HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST"), ""
        )
        without_unread(environ, trusted, believed)
        assert environ.keys() == left


def test_a_choice_of_headers_is_checked() -> None:
    assert check_proxy_headers(X) == check_proxy_headers(("forwarded",)) == ""
    assert "stands alone" in check_proxy_headers(("forwarded", "x-forwarded-for"))
    assert "allowed are" in check_proxy_headers(("x-real-ip",))
