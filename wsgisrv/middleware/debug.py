"""``egg:wsgisrv#debug``: the heads of requests and responses, in the log, without what is secret.

    [filter:debug]
    use = egg:wsgisrv#debug

Rules: one record for a request and one for its response, at level debug of the logger ``wsgisrv.debug``,
which ``wsgisrv log-level debug wsgisrv.debug`` turns on in a running service; until then it costs a look at
the level. A value whose name speaks of a secret (cookie, authorization, token, password, key, signature and
the like) is ``***``, in fields and in the query. Of bodies it says nothing but the length. It has no
options.

By hand because it is safer: oslo.middleware's prints the whole environ with tokens and cookies to stdout,
and fails on a body that is not text.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.current import REQUEST_ID
from wsgisrv.middleware.local_conf import LocalConf

_LOG = logging.getLogger("wsgisrv.debug")
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

_SECRET = re.compile(
    "auth|cookie|token|passw|secret|key|sig|session|credential|csrf|jwt", re.IGNORECASE
)
_HIDDEN = "***"


class Debug:
    """Args:
    app: whose traffic is logged.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Passes the request on, and logs it if anybody listens."""
        if not _LOG.isEnabledFor(logging.DEBUG):
            return self._app(environ, start_response)
        _LOG.debug("%s > %s", environ.get(REQUEST_ID, "-"), _request(environ))

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
        ) -> Callable[[bytes], object]:
            _LOG.debug("%s < %s; %s", environ.get(REQUEST_ID, "-"), status, _fields(headers))
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        return self._app(environ, start)


def _request(environ: WSGIEnvironment) -> str:
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    target = f"{path}?{_query(query)}" if query else path
    names = [name for name in environ if name.startswith("HTTP_")]
    fields = [(name[5:].replace("_", "-").title(), environ[name]) for name in names]
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            fields.append((name.replace("_", "-").title(), environ[name]))
    who = environ.get("REMOTE_ADDR") or "-"
    return f"{environ['REQUEST_METHOD']} {target} from {who}; {_fields(fields)}"


def _fields(fields: Iterable[tuple[str, str]]) -> str:
    shown = [
        f"{name}: {_HIDDEN if _SECRET.search(name) else _uri(value)}" for name, value in fields
    ]
    return "; ".join(shown)


def _uri(value: str) -> str:
    """Returns the value; Location, Referer and the like may have a query with secrets in it."""
    base, mark, query = value.partition("?")
    return f"{base}?{_query(query)}" if mark else value


def _query(query: str) -> str:
    pairs = []
    for pair in query.split("&"):
        name, equals, _ = pair.partition("=")
        pairs.append(f"{name}={_HIDDEN}" if equals and _SECRET.search(name) else pair)
    return "&".join(pairs)


def filter_factory(
    global_conf: Mapping[str, str], **local_conf: str
) -> Callable[[WSGIApplication], Any]:
    """Makes the filter; it has no keys."""
    LocalConf("debug", local_conf, ())
    return Debug
