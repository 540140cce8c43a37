"""``egg:wsgisrv#request_id``: a name for each request, under which logs, stacks and answers know it.

    [filter:request_id]
    use = egg:wsgisrv#request_id

Rules, those of oslo.middleware's filter: every request gets an id of our own, ``req-`` and a UUID, as
``environ["openstack.request_id"]`` and in the response's X-Openstack-Request-Id, unless the app has set
that header. What the client sent under the same name, another service's id of the request that made it ask,
becomes ``environ["openstack.global_request_id"]`` if it is well-formed, and is ignored otherwise: it goes
to logs. It has no options.

By hand because it is quicker: 2.3 us a request, oslo.middleware's 17 us (tools/bench filters; Python 3.11).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.current import GLOBAL_REQUEST_ID, REQUEST_ID, new_request_id
from wsgisrv.middleware.document import REQUEST_ID_HEADER
from wsgisrv.middleware.local_conf import LocalConf

_HEADER = REQUEST_ID_HEADER.lower()
_LENGTH = len(_HEADER)
_WELL_FORMED = re.compile(r"req-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class RequestId:
    """Args:
    app: whose requests get an id.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Names the request and passes it on."""
        request_id = environ.get(REQUEST_ID)  # one that the server has logged something under
        if request_id is None:
            request_id = environ[REQUEST_ID] = new_request_id()
        sent = environ.get("HTTP_X_OPENSTACK_REQUEST_ID")
        if sent is not None and _WELL_FORMED.fullmatch(sent):
            environ[GLOBAL_REQUEST_ID] = sent

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
        ) -> Callable[[bytes], object]:
            for name, _ in headers:
                if len(name) == _LENGTH and name.lower() == _HEADER:
                    break
            else:
                # Not into the app's own list: it may be the same one for each response.
                headers = [*headers, (REQUEST_ID_HEADER, request_id)]
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        return self._app(environ, start)


def filter_factory(
    global_conf: Mapping[str, str], **local_conf: str
) -> Callable[[WSGIApplication], Any]:
    """Makes the filter; it has no keys."""
    LocalConf("request_id", local_conf, ())
    return RequestId
