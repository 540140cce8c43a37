"""Field names as CGI variables, and the fields that may stand only once.

What one request asked for the next one often asks again, so what was found out is remembered: a
dictionary look-up takes 30 ns where upper() and replace() take 200 and the grammar of a host 500. All
that is remembered is bounded, since a peer chooses it, and none of it is a secret of a peer's.
"""

from __future__ import annotations

from typing import Final

_COMMON = (
    "Host User-Agent Accept Accept-Encoding Accept-Language Connection Content-Type Content-Length"
    " Cookie Authorization Cache-Control Origin Referer Pragma Expect Transfer-Encoding Upgrade"
    " If-Match If-None-Match If-Modified-Since If-Unmodified-Since Range Via Forwarded X-Forwarded-For"
    " X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port X-Real-IP X-Request-Id Traceparent Tracestate"
    " X-Auth-Token X-Service-Token X-OpenStack-Request-ID OpenStack-API-Version"
)
_MOST_NAMES = 1024
_LONGEST_NAME = 64

DROPPED = ""
"""The key of a name with an underscore, which the environ could not tell from a hyphen."""

SINGLE = frozenset(("HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE"))
"""Keys that may come once: two of them mean two readers that disagree (RFC 9112 3.2, 6.3)."""


class FieldNames(dict[str, str]):
    """Maps a field name as received to its CGI variable (PEP 3333, environ variables)."""

    def __init__(self) -> None:
        super().__init__()
        for name in _COMMON.split():
            for spelled in (name, name.lower()):
                self[spelled] = cgi_name(spelled)

    def __missing__(self, name: str) -> str:
        key = cgi_name(name)
        if len(name) <= _LONGEST_NAME and len(self) < _MOST_NAMES:
            self[name] = key
        return key


REPEATED: Final = frozenset((
    "HTTP_HOST", "HTTP_USER_AGENT", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_ACCEPT_LANGUAGE",
    "HTTP_CONNECTION", "CONTENT_TYPE", "HTTP_CACHE_CONTROL", "HTTP_ORIGIN",
    "HTTP_OPENSTACK_API_VERSION", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST",
))  # fmt: skip
"""Keys whose whole line tends to come again, and tells nothing that must be forgotten."""

_MOST_LINES = 1024
_LONGEST_LINE = 256
_MOST_HOSTS = 256


class Memo:
    """What the readers of one process have found out; shared by its connections."""

    __slots__ = ("hosts", "lines", "names")

    def __init__(self) -> None:
        self.names = FieldNames()
        self.lines: dict[str, tuple[str, str]] = {}  # a field line's key and value
        self.hosts: set[str] = set()  # authorities that are well-formed

    def remember_line(self, line: str, key: str, value: str) -> None:
        """Keeps a line of a REPEATED key; when there are too many, all are found out anew."""
        if len(line) <= _LONGEST_LINE:
            if len(self.lines) >= _MOST_LINES:
                self.lines.clear()
            self.lines[line] = (key, value)

    def remember_host(self, host: str) -> None:
        """Keeps a host that is well-formed, likewise."""
        if len(host) <= _LONGEST_LINE:
            if len(self.hosts) >= _MOST_HOSTS:
                self.hosts.clear()
            self.hosts.add(host)


def cgi_name(name: str) -> str:
    """Returns the environ key of a field name, DROPPED for one with an underscore."""
    if "_" in name:
        return DROPPED
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
