"""The part of the environ that trusted proxies tell: for the server, and for a filter on other servers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from wsgisrv.http1.forwarded import origin_of, without_unread
from wsgisrv.http1.proxy_protocol import ProxyHeader
from wsgisrv.networks import Networks


def believe_proxies(
    environ: dict[str, Any],
    fields: dict[str, str],
    peer: tuple[str, str],
    trusted: Networks,
    believed: Collection[str],
) -> tuple[str, str]:
    """Puts in what trusted proxies say of a request, and takes out what nobody vouches for.

    Args:
        fields: of the request, by CGI name.
        peer: the connection's address and port.
        believed: names of the headers that trusted proxies set.

    Returns:
        The client's address and port, which are the peer's where no proxy says another.

    Raises:
        RefusedError: for what no proxy would say.
    """
    header: ProxyHeader | None = environ.get("wsgisrv.proxy_protocol")
    # Of a connection that a proxy relays for it does not know whom, the address is that proxy's own,
    # but what comes on it is not.
    is_unknown = header is not None and header.client is None and not header.is_local
    said_by = "unknown" if is_unknown else peer[0]
    origin = origin_of(fields, said_by, trusted, believed)
    without_unread(environ, said_by in trusted, believed)
    if origin is None:
        return peer
    if origin.scheme:
        environ["wsgi.url_scheme"] = origin.scheme
        environ["HTTPS"] = "on" if origin.scheme == "https" else "off"
    if origin.host:
        environ["HTTP_HOST"] = origin.host
    if origin.server_port:
        environ["SERVER_PORT"] = origin.server_port
    if origin.prefix:
        # In front of what is there, and taken out, so that nobody behind puts it there once more.
        environ["SCRIPT_NAME"] = origin.prefix + environ.get("SCRIPT_NAME", "")
        del environ["HTTP_X_FORWARDED_PREFIX"]
    if not origin.address:
        return peer
    environ.setdefault("wsgisrv.peer", peer)
    environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = origin.address, origin.port
    return origin.address, origin.port
