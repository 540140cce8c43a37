"""The opening handshake: whatever a client sends, it is agreed with or refused with an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgisrv.websocket.handshake import SAME_HOST, Agreed, RefusedHandshakeError, agree

RIGHT = {
    "REQUEST_METHOD": "GET",
    "HTTP_HOST": "test",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "wsgisrv.upgrade": None,
}
VALUES = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40)
OFFERS = st.lists(
    st.sampled_from(
        [
            "permessage-deflate", "; ", ", ", "=", "client_max_window_bits", "15", "9", "8", "x", "-1",
            "server_max_window_bits", "client_no_context_takeover", '"', "\xb2", "",
        ]
    ),
    max_size=10,
).map("".join)  # fmt: skip
ORIGINS = st.sampled_from(["http://test:80", "http://[", "http://test:x", "null"])
NAMES = (
    "HTTP_HOST", "HTTP_ORIGIN", "HTTP_UPGRADE", "HTTP_SEC_WEBSOCKET_VERSION",
    "HTTP_SEC_WEBSOCKET_KEY", "HTTP_SEC_WEBSOCKET_PROTOCOL", "HTTP_SEC_WEBSOCKET_EXTENSIONS",
)  # fmt: skip


def agreed(**fields: Any) -> Agreed:
    return agree(RIGHT | fields, subprotocols=["a"], origins=SAME_HOST, compresses=True)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES | OFFERS | ORIGINS))
def test_any_fields_are_agreed_with_or_refused(fields: dict[str, str]) -> None:
    try:
        found = agreed(**fields)
    except RefusedHandshakeError:
        return
    assert all(value.isascii() and value.isprintable() for _, value in found.headers)


@pytest.mark.parametrize(
    ("offers", "accepted"),
    [
        ("permessage-deflate", ""),
        ("x-other, permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits", "; client_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=10", "; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits=x, permessage-deflate", ""),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("x-other", None),
        ("permessage-deflated", None),
        ("", None),
    ],
)
def test_the_first_compression_that_can_be_met_is_accepted(
    offers: str, accepted: str | None
) -> None:
    found = agreed(HTTP_SEC_WEBSOCKET_EXTENSIONS=offers)
    said = dict(found.headers).get("Sec-WebSocket-Extensions")
    always = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
    assert said == (None if accepted is None else always + accepted)
    assert (found.deflate is None) == (accepted is None)
