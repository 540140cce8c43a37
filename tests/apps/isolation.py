"""What one request leaves behind for the next, chosen by PATH_INFO.

Each path uses no more than it says: a greenlet that touched a threading.local is not used again, which
would hide whatever else it keeps.
"""

from __future__ import annotations

import contextvars
import gc
import threading
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOCAL = threading.local()
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return serve


def _what_a_child_finds(mark: str) -> str:
    """Runs in a greenlet that a request has started, and leaves the mark there."""
    found = getattr(LOCAL, "mark", "") + VARIABLE.get()
    LOCAL.mark = mark
    VARIABLE.set(mark)
    return found


def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers what it found, and leaves the query behind; ``/wait`` lets others run in between."""
    mark = environ["QUERY_STRING"]
    found = ""
    if environ["PATH_INFO"] in ("/local", "/both", "/wait"):
        found += getattr(LOCAL, "mark", "")
        LOCAL.mark = mark
    if environ["PATH_INFO"] in ("/context", "/both", "/wait"):
        found += VARIABLE.get()
        VARIABLE.set(mark)
    if environ["PATH_INFO"] == "/wait":
        time.sleep(0.005)
        found += f"{LOCAL.mark}|{VARIABLE.get()}"
    if environ["PATH_INFO"] == "/timeout":
        import eventlet

        eventlet.Timeout(0.3)  # left running, as a careless app does
    if environ["PATH_INFO"] == "/name":
        found = threading.current_thread().name
        found = mark if found == mark else ""
        threading.current_thread().name = mark
    if environ["PATH_INFO"] == "/threads":
        threading.current_thread()
        kinds = [type(one).__name__ for one in gc.get_objects()]
        found = str(kinds.count("RequestGreenlet"))
    if environ["PATH_INFO"] == "/attribute":
        import greenlet

        found = getattr(greenlet.getcurrent(), "mark", "")
        greenlet.getcurrent().mark = mark
    if environ["PATH_INFO"] == "/spawn":
        import eventlet

        found = eventlet.spawn(_what_a_child_finds, mark).wait()
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(float(mark))
        found = "slept"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [found.encode()]
