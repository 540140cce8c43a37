r"""What a line of the access log says, in each of its formats.

    oslo        192.0.2.1 "GET /v1 HTTP/1.1" status: 200  len: 26 time: 0.0004220
    combined    192.0.2.1 - - [28/Nov/2026:20:26:25 +0000] "GET /v1 HTTP/1.1" 200 26 "-" "curl/8.5"
    json        {"time":"2026-11-28T20:26:25.123Z","client":"192.0.2.1",...}
    template    %(client_ip)s %(route)s %(wall_seconds).3f

Rules: nothing that a client sends can end a line or a field: what does not print is written as \x0a and the
like in every format, a quote as %22 in a request line and \x22 elsewhere. What is not known is - in text
and null in JSON. Names of a user, a project and a request id are believed where the app or a filter has put
them into the environ, never from a header alone. Runs in: pool greenlet.

By hand because it is quicker: a line costs 0.7 us (oslo) or 3.5 us (json) beside 13 us of a whole request.
Not compiled: mypyc's f-strings with a format take twice as long as the interpreter's.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Protocol

from wsgisrv.current import CONTEXT, GLOBAL_REQUEST_ID, REQUEST_ID, ROUTE, TRACE_ID
from wsgisrv.errors import ConfigError
from wsgisrv.http1.head import RequestHead

OSLO, COMBINED, JSON = "oslo", "combined", "json"

_FIELD = re.compile(r"%\((\w+)\)")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
"""W3C Trace Context, 3.2: the version ff and a trace id of zeros are invalid."""

_KEYSTONE = "keystone.token_info"
"""Key that keystonemiddleware sets for a token that it has checked; then the X- headers are its own."""


class Answered(Protocol):
    """What it tells of a response (worker.gateway.Exchange)."""

    client: tuple[str, str]
    head: RequestHead
    status: int
    body_bytes: int
    environ: dict[str, Any]
    started: float
    waited: float
    answered: float

    @property
    def bytes_in(self) -> int:
        """Bytes of the request's body that have come."""


def _refused_head() -> RequestHead:
    """Returns the head of a request that is none."""
    head = RequestHead()
    head.line = b"-"
    head.method = head.target = head.path = "-"
    head.query = ""
    head.fields = {}
    head.minor = 1
    return head


class Refused:
    """What the log tells of a malformed request: who sent it, and what he was told."""

    def __init__(self, client: tuple[str, str], status: int, body_bytes: int) -> None:
        self.client = client
        self.status = status
        self.body_bytes = body_bytes
        self.head = _refused_head()
        self.environ: dict[str, Any] = {}
        self.bytes_in = 0
        self.started = self.waited = self.answered = 0.0


Render = Callable[[Answered, float], str]
"""Returns the line, without its end, of a response that was complete so many seconds after its request."""


class _Clock:
    """The time of day as text, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._local = self._common = self._utc = ""

    def _renew(self) -> float:
        now = time.time()
        second = int(now)
        if second != self._second:
            local = time.localtime(second)
            self._local = time.strftime("%d/%b/%Y %H:%M:%S", local)
            self._common = time.strftime("%d/%b/%Y:%H:%M:%S %z", local)
            self._utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return now

    def local(self) -> str:
        """As in ``28/Nov/2026 20:26:25``."""
        self._renew()
        return self._local

    def common(self) -> str:
        """As in ``28/Nov/2026:20:26:25 +0000``."""
        self._renew()
        return self._common

    def utc(self) -> str:
        """As in ``2026-11-28T20:26:25.123Z``."""
        now = self._renew()
        return f"{self._utc}.{int(now * 1000) % 1000:03d}Z"


# What is known of a request


def user_of(environ: Mapping[str, Any]) -> str:
    """Returns the id of the user, as far as somebody has checked it; "" else."""
    if CONTEXT in environ and (found := getattr(environ[CONTEXT], "user_id", "")):
        return str(found)
    if _KEYSTONE in environ and (found := environ.get("HTTP_X_USER_ID", "")):
        return str(found)
    return str(environ.get("REMOTE_USER") or "")


def project_of(environ: Mapping[str, Any]) -> str:
    """Returns the id of the project, likewise."""
    if CONTEXT in environ and (found := getattr(environ[CONTEXT], "project_id", "")):
        return str(found)
    return str(environ.get("HTTP_X_PROJECT_ID", "")) if _KEYSTONE in environ else ""


def trace_of(environ: Mapping[str, Any]) -> str:
    """Returns the id of the trace: the service's own, or that of the client's traceparent."""
    if TRACE_ID in environ:
        return str(environ[TRACE_ID])
    if "HTTP_TRACEPARENT" not in environ:
        return ""
    match = _TRACEPARENT.fullmatch(str(environ["HTTP_TRACEPARENT"]))
    return match[1] if match else ""


# Formats


def make_render(given: str, server: str, *, names_server: bool) -> Render:
    """Returns what makes the lines.

    Args:
        given: the option ``access_log_format``.
        server: name of the server, "" where there is but one.
        names_server: whether lines of several servers may be in one log.

    Raises:
        ConfigError: for a format that is none, or has an unknown field.
    """
    if given == OSLO:
        return _oslo(f"{server}: " if names_server else "")
    if given == COMBINED:
        return _combined()
    if given == JSON:
        return _json(server)
    return _template(given, server)


def printable(text: str) -> str:
    """Returns the text with all that does not print escaped; nearly always there is nothing."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _request_line(head: RequestHead) -> str:
    line = head.line.decode("latin-1")
    if '"' in line:
        line = line.replace('"', "%22")
    return line if line.isprintable() else printable(line)


def _in_quotes(value: str) -> str:
    if '"' in value or "\\" in value:
        value = value.replace("\\", r"\x5c").replace('"', r"\x22")
    return printable(value) or "-"


def _oslo(prefix: str) -> Render:
    def render(found: Answered, seconds: float) -> str:
        return (
            f'{prefix}{printable(found.client[0]) or "-"} "{_request_line(found.head)}"'
            f" status: {found.status or '-'}  len: {found.body_bytes} time: {seconds:.7f}"
        )

    return render


def _combined() -> Render:
    clock = _Clock()

    def render(found: Answered, _seconds: float) -> str:
        fields = found.head.fields
        user = user_of(found.environ).replace(" ", "%20")
        return (
            f"{printable(found.client[0]) or '-'} - {_in_quotes(user)} [{clock.common()}]"
            f' "{_request_line(found.head)}" {found.status or "-"} {found.body_bytes}'
            f' "{_in_quotes(fields.get("HTTP_REFERER", ""))}"'
            f' "{_in_quotes(fields.get("HTTP_USER_AGENT", ""))}"'
        )

    return render


def _json(server: str) -> Render:
    of_server = f',"server":{quoted(server)}' if server else ""
    clock = _Clock()
    head_of_all = f'{of_server},"pid":{os.getpid()},"client":'

    def render(found: Answered, seconds: float) -> str:
        head = found.head
        fields = head.fields
        environ = found.environ
        get = environ.get
        client, port = found.client
        waited = found.waited
        app = found.answered - found.started - waited
        return (
            f'{{"time":"{clock.utc()}"{head_of_all}{quoted(client) if client else "null"}'
            f',"client_port":{port if port.isascii() and port.isdecimal() else "null"}'
            f',"method":{quoted(head.method)},"target":{quoted(head.target)}'
            f',"protocol":"HTTP/1.{head.minor}","tls":{_text(get("SSL_PROTOCOL"))}'
            f',"host":{_text(fields.get("HTTP_HOST"))},"status":{found.status or "null"}'
            f',"bytes_in":{found.bytes_in},"bytes_out":{found.body_bytes},"seconds":{seconds:.6f}'
            f',"queue_seconds":{waited:.6f},"app_seconds":{max(app, 0.0):.6f}'
            f',"request_id":{_text(get(REQUEST_ID))}'
            f',"global_request_id":{_text(get(GLOBAL_REQUEST_ID))}'
            f',"trace_id":{_text(trace_of(environ))},"route":{_text(get(ROUTE))}'
            f',"user":{_text(user_of(environ))},"project":{_text(project_of(environ))}'
            f',"referer":{_text(fields.get("HTTP_REFERER"))}'
            f',"user_agent":{_text(fields.get("HTTP_USER_AGENT"))}}}'
        )

    return render


def _text(value: object) -> str:
    """Returns a JSON string, null for nothing: an app may have put anything into the environ."""
    if type(value) is not str:
        return quoted(str(value)) if value else "null"
    return quoted(value) if value else "null"


def app_seconds(found: Answered) -> float:
    """Returns how long the app took until its response began; 0 when it never ran or never answered."""
    return max(found.answered - found.started - found.waited, 0.0)


def _fields(server: str) -> dict[str, Callable[[Answered, float], object]]:
    """Returns the placeholders of a template: first those of eventlet's and oslo.service's log formats."""
    clock = _Clock()
    return {
        "client_ip": lambda found, _: printable(found.client[0]) or "-",
        "client_port": lambda found, _: printable(found.client[1]) or "-",
        "date_time": lambda _found, _: clock.local(),
        "request_line": lambda found, _: _request_line(found.head),
        "status_code": lambda found, _: str(found.status or "-"),
        "body_length": lambda found, _: found.body_bytes,
        "wall_seconds": lambda _, seconds: seconds,
        "time": lambda _found, _: clock.utc(),
        "method": lambda found, _: found.head.method,
        "target": lambda found, _: _in_quotes(found.head.target),
        "path": lambda found, _: _in_quotes(found.head.path),
        "query": lambda found, _: _in_quotes(found.head.query),
        "protocol": lambda found, _: f"HTTP/1.{found.head.minor}",
        "tls": lambda found, _: found.environ.get("SSL_PROTOCOL", "-"),
        "host": lambda found, _: _in_quotes(found.head.fields.get("HTTP_HOST", "")),
        "referer": lambda found, _: _in_quotes(found.head.fields.get("HTTP_REFERER", "")),
        "user_agent": lambda found, _: _in_quotes(found.head.fields.get("HTTP_USER_AGENT", "")),
        "body_length_in": lambda found, _: found.bytes_in,
        "queue_seconds": lambda found, _: found.waited,
        "app_seconds": lambda found, _: app_seconds(found),
        "request_id": lambda found, _: _in_quotes(str(found.environ.get(REQUEST_ID, ""))),
        "global_request_id": lambda found, _: _in_quotes(
            str(found.environ.get(GLOBAL_REQUEST_ID, ""))
        ),
        "trace_id": lambda found, _: trace_of(found.environ) or "-",
        "route": lambda found, _: _in_quotes(str(found.environ.get(ROUTE, ""))),
        "user": lambda found, _: _in_quotes(user_of(found.environ)),
        "project": lambda found, _: _in_quotes(project_of(found.environ)),
        "server": lambda _found, _: server or "-",
        "pid": lambda _found, _: os.getpid(),
    }


def _template(given: str, server: str) -> Render:
    fields = _fields(server)
    allowed = (
        f"allowed are {OSLO}, {COMBINED}, {JSON}, and text with %(NAME)s of {', '.join(fields)}"
    )
    names = _FIELD.findall(given)
    if not names:
        raise ConfigError(f"[wsgisrv] access_log_format = {given}: {allowed}")
    try:
        getters = [(name, fields[name]) for name in dict.fromkeys(names)]
        given % {name: getter(Refused(("", ""), 0, 0), 0.0) for name, getter in getters}
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"[wsgisrv] access_log_format: {error}; {allowed}") from None

    def render(found: Answered, seconds: float) -> str:
        return printable(given % {name: getter(found, seconds) for name, getter in getters})

    return render
