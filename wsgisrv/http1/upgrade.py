"""What a request's Upgrade field asks for, and the answer that grants it.

Source: RFC 9110 section 7.8.
"""

from __future__ import annotations

from collections.abc import Iterable

from wsgisrv.http1 import grammar
from wsgisrv.http1.head import RequestHead
from wsgisrv.http1.writer import ResponseError, ResponseHead, ResponseMemo, check_head


def wanted_protocols(head: RequestHead) -> tuple[str, ...]:
    """Returns the protocols that the client would switch to, in lower case; none if it asks wrongly.

    A request with a body is left to HTTP, as the RFC allows: its body would have to be read first.
    """
    upgrade = head.fields.get("HTTP_UPGRADE")
    if upgrade is None or not head.minor or head.length:
        return ()
    connection = head.fields.get("HTTP_CONNECTION", "")
    if "upgrade" not in [option.strip(" \t") for option in connection.lower().split(",")]:
        return ()
    protocols = tuple(protocol.strip(" \t") for protocol in upgrade.lower().split(","))
    return protocols if all(map(_is_protocol, protocols)) else ()


def _is_protocol(text: str) -> bool:
    """Protocol = protocol-name ["/" protocol-version], both tokens."""
    name, slash, version = text.partition("/")
    return bool(grammar.TOKEN.fullmatch(name) and (not slash or grammar.TOKEN.fullmatch(version)))


def switching_head(
    protocol: str,
    headers: Iterable[tuple[str, str]],
    wanted: Iterable[str],
    memo: ResponseMemo,
) -> ResponseHead:
    """Returns the head of a 101 answer, checked.

    Raises:
        ResponseError: for a protocol that the client did not ask for, and for what may not be sent.
    """
    if protocol.lower() not in wanted:
        raise ResponseError(f"the client did not ask for the protocol {protocol!r}")
    head = check_head("101 Switching Protocols", headers, memo)
    if head.length >= 0:
        raise ResponseError("Content-Length in a 101 response")  # RFC 9110 8.6
    head.fields = f"Upgrade: {protocol}\r\nConnection: Upgrade\r\n{head.fields}"
    return head
