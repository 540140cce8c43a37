"""The opening handshake: what a request asks for, and whether it gets it.

Rules: pure; a request that is refused gets the answer that RFC 6455 4.2.2 names. Browsers send Origin and
let any page open a WebSocket with the user's cookies, so by default only pages of the same host may.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

try:
    from wsproto.extensions import PerMessageDeflate
    from wsproto.utilities import generate_accept_token
except ImportError:
    raise ImportError("wsgisrv.websocket needs wsproto: pip install 'wsgisrv[websocket]'") from None

SAME_HOST: Final = ("same host",)
"""For ``origins``: pages of the host and port that the request names, over http or https."""

ANY_ORIGIN: Final = ("any origin",)
"""For ``origins``: every page; for what is public, or is not authorised by cookies."""

_VERSION = "13"
_KEY_BYTES = 16
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_UPGRADE = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", _VERSION)]


class RefusedHandshakeError(Exception):
    """Raised for a request that gets no WebSocket.

    Args:
        status: the answer's, as start_response takes it.
        reason: one line for its body.
        headers: of the answer.
    """

    def __init__(self, status: str, reason: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = list(headers)


@dataclasses.dataclass(frozen=True, slots=True)
class Agreed:
    """What client and server have agreed on.

    Args:
        headers: of the 101 answer.
        subprotocol: None for none.
        deflate: the compression; None for none.
    """

    headers: list[tuple[str, str]]
    subprotocol: str | None
    deflate: PerMessageDeflate | None


def agree(
    environ: dict[str, Any],
    *,
    subprotocols: Sequence[str],
    origins: Collection[str],
    compresses: bool,
) -> Agreed:
    """Reads the client's handshake (RFC 6455 4.2.1).

    Raises:
        RefusedHandshakeError: for a request that is none, or may not have one.
    """
    if environ["REQUEST_METHOD"] != "GET":
        raise RefusedHandshakeError(
            "405 Method Not Allowed", "a WebSocket begins with GET", [("Allow", "GET")]
        )
    wanted = _tokens(environ.get("HTTP_UPGRADE", "").lower())
    if "websocket" not in wanted:
        raise RefusedHandshakeError("426 Upgrade Required", "this is a WebSocket", _UPGRADE)
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != _VERSION:
        reason = f"only version {_VERSION} of WebSocket is spoken here"
        raise RefusedHandshakeError("426 Upgrade Required", reason, _UPGRADE)
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    if not _is_key(key):
        raise RefusedHandshakeError("400 Bad Request", "invalid Sec-WebSocket-Key")
    if "wsgisrv.upgrade" not in environ:
        reason = "the request does not ask rightly, or this server cannot switch protocols"
        raise RefusedHandshakeError("400 Bad Request", reason)
    if not _may_come_from(environ, origins):
        raise RefusedHandshakeError("403 Forbidden", "pages of that origin may not connect")
    headers = [("Sec-WebSocket-Accept", generate_accept_token(key.encode("ascii")).decode("ascii"))]
    offered = _tokens(environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", ""))
    subprotocol = next((name for name in subprotocols if name in offered), None)
    if subprotocol is not None:
        headers.append(("Sec-WebSocket-Protocol", subprotocol))
    extensions = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "")
    deflate, accepted = _deflate(extensions) if compresses else (None, "")
    if accepted:
        headers.append(("Sec-WebSocket-Extensions", accepted))
    return Agreed(headers, subprotocol, deflate)


def _tokens(value: str) -> list[str]:
    return [token for piece in value.split(",") if (token := piece.strip(" \t"))]


def _is_key(key: str) -> bool:
    """RFC 6455 4.1: base64 of 16 bytes."""
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _may_come_from(environ: dict[str, Any], origins: Collection[str]) -> bool:
    """RFC 6455 10.2. A client that sends no Origin is no browser, and sends no cookies by itself."""
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or origins == ANY_ORIGIN:
        return True
    if origins != SAME_HOST:
        return origin in origins
    page = _host_and_port(origin)
    # The scheme is left out: behind a proxy that ends TLS, the request has the other one.
    scheme = origin.partition(":")[0]
    return page is not None and page == _host_and_port(f"{scheme}://{environ.get('HTTP_HOST', '')}")


def _host_and_port(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname:
        return None
    return parts.hostname, default if port is None else port


def _deflate(extensions: str) -> tuple[PerMessageDeflate | None, str]:
    """Returns the compression of the first offer that can be met, and the header that accepts it.

    Each message is compressed by itself (RFC 7692 7.1.1): a context that is kept from one to the next
    takes 300 KiB a connection.
    """
    for offer in _tokens(extensions):
        if offer.partition(";")[0].strip(" \t") != PerMessageDeflate.name:
            continue
        deflate = PerMessageDeflate(
            client_no_context_takeover=True, server_no_context_takeover=True
        )
        try:
            parameters = deflate.accept(offer)
        except ValueError:
            continue  # a window that is no number
        if isinstance(parameters, str):
            return deflate, f"{deflate.name}; {parameters}"
    return None, ""
