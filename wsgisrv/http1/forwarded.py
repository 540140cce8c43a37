"""Forwarded and X-Forwarded-*: who a request is from, as proxies that are trusted say.

Rules: each proxy adds what it saw to the right. So the lists are read from the right: as long as an
address is a trusted proxy's, the next one to the left is what that proxy saw, and the first that is not
trusted is the client; all to the left of it may be the client's own invention. Only the fields that the
operator says his proxies set are read, since a proxy passes on what it does not know. What is not read is
taken out, so that nobody behind the server takes it for true. Source: RFC 7239; X-Forwarded-* by custom.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
from collections.abc import Collection, Iterator

from wsgisrv.config import PROXY_HEADERS
from wsgisrv.http1 import grammar
from wsgisrv.http1.errors import RefusedError
from wsgisrv.networks import Networks

FORWARDED = "forwarded"
_KEYS = {name: "HTTP_" + name.upper().replace("-", "_") for name in PROXY_HEADERS}

# RFC 7239 4:  forwarded-pair = token "=" value;  value = token / quoted-string
_PAIR = re.compile(
    rf'({grammar.TCHAR}++)=({grammar.TCHAR}++|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\xff])*+")'
)
# RFC 7239 6:  node = nodename [ ":" node-port ];  nodename = IPv4address / "[" IPv6address "]" / ...
#              node-port = 1*5DIGIT / "_" 1*( ALPHA / DIGIT / "." / "_" / "-" )
# X-Forwarded-For has IPv6 addresses without brackets, too. None has a zone: ipaddress would take any text.
_NODE = re.compile(
    r"(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|([0-9.]+))(?::(?:([0-9]{1,5})|_[A-Za-z0-9._-]+))?"
    r"|([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)"
)
_PORT = re.compile("[0-9]{1,5}")

_MOST_REMEMBERED = 1024
_LONGEST_REMEMBERED = 256  # characters: what is remembered stays small whatever clients send
_PREFIX = re.compile(r"(?:/[A-Za-z0-9\-._~]+)+")


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """What the proxies say of a request; "" where they do not."""

    address: str = ""
    port: str = ""
    scheme: str = ""
    host: str = ""
    server_port: str = ""
    prefix: str = ""


def origin_of(
    fields: dict[str, str], peer: str, trusted: Networks, believed: Collection[str]
) -> Origin | None:
    """Returns where a request is from, None when its peer is no trusted proxy or says nothing.

    Args:
        fields: of the request, by CGI name.
        peer: the connection's address, "" for a unix socket's.
        trusted: the addresses of proxies.
        believed: which of PROXY_HEADERS they set.

    Raises:
        RefusedError: for a field that is read and malformed: a proxy writes no such thing.
    """
    if peer not in trusted:
        return None
    there = {name: fields[_KEYS[name]] for name in believed if _KEYS[name] in fields}
    if not there:
        return None
    values = tuple(there.values())
    is_short = sum(map(len, values)) <= _LONGEST_REMEMBERED
    find = _remembered if is_short else _remembered.__wrapped__
    return find(tuple(there), values, trusted)


@functools.lru_cache(_MOST_REMEMBERED)  # 2 us instead of 8: the same client comes again
def _remembered(names: tuple[str, ...], values: tuple[str, ...], trusted: Networks) -> Origin:
    there = dict(zip(names, values, strict=True))
    if FORWARDED in there:
        return _by_forwarded(there[FORWARDED], trusted)
    return _by_x_forwarded(there, trusted)


def without_unread(environ: dict[str, object], is_trusted: bool, believed: Collection[str]) -> None:
    """Takes out of ``environ`` the fields that nobody vouches for."""
    for name, key in _KEYS.items():
        if key in environ and not (is_trusted and name in believed):
            del environ[key]


def _by_x_forwarded(there: dict[str, str], trusted: Networks) -> Origin:
    nodes = _items(there.get("x-forwarded-for", ""))
    address, port, hops = _walk(nodes, trusted)
    scheme = _nth(there.get("x-forwarded-proto", ""), hops).lower()
    host = _nth(there.get("x-forwarded-host", ""), hops)
    server_port = _nth(there.get("x-forwarded-port", ""), hops)
    if server_port and not (_PORT.fullmatch(server_port) and int(server_port) < 65536):
        raise RefusedError(400, "invalid X-Forwarded-Port")
    prefix = _nth(there.get("x-forwarded-prefix", ""), hops).rstrip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise RefusedError(400, "invalid X-Forwarded-Prefix")
    return Origin(address, port, _scheme(scheme), _host(host), server_port, prefix)


def _by_forwarded(value: str, trusted: Networks) -> Origin:
    elements = [_pairs(element) for element in _split(value, ",") if element.strip(" \t")]
    if not elements:
        return Origin()
    address, port, hops = _walk([element.get("for", "") for element in elements], trusted)
    said = elements[-hops] if hops <= len(elements) else elements[0]
    scheme, host = said.get("proto", "").lower(), said.get("host", "")
    return Origin(address, port, _scheme(scheme), _host(host))


def _walk(nodes: list[str], trusted: Networks) -> tuple[str, str, int]:
    """Returns the client's address and port, "" when unknown, and how many proxies vouch for them.

    The nearest proxy is trusted, or this would not be asked. It vouches for the last node, and so on to
    the left, as long as the node is a trusted proxy's.
    """
    address, port, hops = "", "", 1
    for hops, node in enumerate(reversed(nodes), 1):  # noqa: B007 -- counts on behind the loop
        found = _node(node)
        if found is None:
            break  # hidden or unknown: whoever it is, nobody sees further
        address, port = found
        if address not in trusted:
            break
    return address, port, hops


def _node(node: str) -> tuple[str, str] | None:
    """Returns address and port, None for what is hidden, unknown or no address."""
    match = _NODE.fullmatch(node)
    if match is None or int(match[3] or 0) > 65535:
        return None
    try:
        return str(ipaddress.ip_address(match[1] or match[2] or match[4])), match[3] or ""
    except ValueError:
        return None


def _items(value: str) -> list[str]:
    """RFC 9110 5.6.1: the elements of a list, empty ones left out."""
    return [item for item in (part.strip(" \t") for part in value.split(",")) if item]


def _nth(value: str, hops: int) -> str:
    """Returns what the ``hops``-th proxy from here said; one that says it for all may stand alone."""
    items = _items(value)
    return items[max(len(items) - hops, 0)] if items else ""


def _scheme(scheme: str) -> str:
    if scheme not in ("", "http", "https"):
        raise RefusedError(400, "a proxy names a scheme that is neither http nor https")
    return scheme


def _host(host: str) -> str:
    if host and not grammar.AUTHORITY.fullmatch(host):
        raise RefusedError(400, "a proxy names an invalid host")
    return host


def _pairs(element: str) -> dict[str, str]:
    """Returns one forwarded-element (RFC 7239 4); a parameter may stand once."""
    found: dict[str, str] = {}
    for text in _split(element, ";"):
        match = _PAIR.fullmatch(text.strip(" \t"))
        if match is None:
            raise RefusedError(400, "invalid Forwarded")
        name, value = match[1].lower(), match[2]
        if name in found:
            raise RefusedError(400, "a parameter stands twice in Forwarded")
        if value[0] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found[name] = value
    return found


def _split(text: str, at: str) -> Iterator[str]:
    """Splits where no quoted-string is open."""
    begin, quoted, escaped = 0, False, False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == at and not quoted:
            yield text[begin:index]
            begin = index + 1
    yield text[begin:]
