"""The request target: which of the four forms it has, and its path, query and host.

Source: RFC 9112 section 3.2.
"""

from __future__ import annotations

import ipaddress

from wsgisrv.http1 import grammar
from wsgisrv.http1.errors import RefusedError


def split_target(method: str, target: str) -> tuple[str, str, str | None]:
    """Returns path, query and the authority that takes the place of Host, if the target has one.

    Origin-form is split by the caller, which has the usual case in its own hands.

    Args:
        method: a token.
        target: visible ASCII without "#".

    Raises:
        RefusedError: 400 for a form that the method does not have, or an authority that is none.
    """
    if method == "CONNECT":
        if not grammar.CONNECT_AUTHORITY.fullmatch(target):
            raise RefusedError(400, "CONNECT asks for host:port")
        check_authority(target)
        return "", "", target
    if target == "*" and method == "OPTIONS":
        return "*", "", None
    absolute = grammar.ABSOLUTE.fullmatch(target)
    if not absolute:
        raise RefusedError(400, "the request target has no known form")
    authority, path, query = absolute.groups()
    check_authority(authority)
    if method == "OPTIONS" and path is None and query is None:
        return "*", "", authority  # RFC 9112 3.2.4: the last proxy would have sent "*"
    return path or "/", (query or "?")[1:], authority


def check_authority(authority: str) -> None:
    """Checks a Host value or the authority of a target.

    Raises:
        RefusedError: 400 when it is not ``uri-host [":" port]`` with a host.
    """
    if not grammar.AUTHORITY.fullmatch(authority):
        raise RefusedError(400, "invalid host")
    host, bracket, port = authority.partition("]")
    if bracket:
        try:
            ipaddress.IPv6Address(host[1:])
        except ValueError:
            raise RefusedError(400, "invalid IPv6 host") from None
        port = port[1:]
    else:
        port = authority.partition(":")[2]
    if port and int(port) > 65535:
        raise RefusedError(400, "invalid port of host")
