"""What an Upgrade field asks for: tokens, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgisrv.http1 import grammar
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo
from wsgisrv.http1.reader import RequestReader
from wsgisrv.http1.upgrade import switching_head, wanted_protocols
from wsgisrv.http1.writer import ResponseError, ResponseMemo

VALUES = st.text(st.sampled_from("aB/-, \t\x80;"), max_size=12) | st.just("upgrade, close")


@given(VALUES, VALUES)
def test_only_tokens_can_be_asked_for(upgrade: str, connection: str) -> None:
    request = f"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: {upgrade}\r\nConnection: {connection}\r\n\r\n"
    head = RequestReader(Limits(), Memo()).receive(request.encode("latin-1"))
    assert head is not None
    for protocol in wanted_protocols(head):
        assert "upgrade" in connection
        name, _, version = protocol.partition("/")
        assert grammar.TOKEN.fullmatch(name)
        assert not version or grammar.TOKEN.fullmatch(version)


def test_the_answer_names_the_protocol_and_has_no_length() -> None:
    head = switching_head("Lines", [("X-A", "b")], ["lines"], ResponseMemo())
    assert head.status_line == "HTTP/1.1 101 Switching Protocols\r\n"
    assert head.fields == "Upgrade: Lines\r\nConnection: Upgrade\r\nX-A: b\r\n"
    for protocol, headers in (("other", []), ("lines", [("Content-Length", "0")])):
        with pytest.raises(ResponseError):
            switching_head(protocol, headers, ["lines"], ResponseMemo())
