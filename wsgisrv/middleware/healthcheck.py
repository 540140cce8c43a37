"""``egg:wsgisrv#healthcheck``: what proxies and orchestrators ask before they send requests, or a restart.

    [filter:healthcheck]
    use = egg:wsgisrv#healthcheck
    disable_by_file_path = /run/service/disabled

Rules: ``/livez`` says whether the process answers at all, so it always says OK. ``/readyz``, and
``/healthz``, its older name, say whether requests should come here: no longer once the service is about to
stop, nor while an operator has put a file there. As a filter in front of an app it answers these paths and
passes on all others for one look into a set; as an app, below a path of its own, it answers nothing else.

Plain WSGI, for any server. One that knows the flag ``environ["wsgisrv.draining"]`` fails readiness by it
before it stops. Keys and bodies are those of oslo.middleware's healthcheck, so that one word changes in a
paste file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.errors import ConfigError

LIVE_PATHS = "/livez"
READY_PATHS = "/readyz /healthz"
OK = "OK"
DRAINING = "DRAINING"
DISABLED = "DISABLED BY FILE"

_METHODS = ("GET", "HEAD")
_BACKENDS = {"disable_by_file", "disable_by_files_ports"}
_KEYS = (
    "path", "live_paths", "ready_paths", "disable_by_file_path", "disable_by_file_paths", "backends",
    "detailed",
)  # fmt: skip


class Healthcheck:
    """Args:
    app: gets what is not answered here; None to answer 404.
    live_paths: of the check whether the process answers.
    ready_paths: of the check whether requests should come here.
    disable_by_file: by port, a file that makes it not ready while it is there; "" is any port.
    detailed: whether a JSON answer has the outcome of each check.
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        live_paths: Iterable[str] = tuple(LIVE_PATHS.split()),
        ready_paths: Iterable[str] = tuple(READY_PATHS.split()),
        disable_by_file: Mapping[str, str] | None = None,
        detailed: bool = True,
    ) -> None:
        self._app = app
        self._live_paths = frozenset(live_paths)
        self._paths = self._live_paths | frozenset(ready_paths)
        self._files = dict(disable_by_file or {})
        self._detailed = detailed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers its own paths and passes on the rest."""
        path = environ.get("PATH_INFO", "")
        if path in self._paths:
            return self._answer(path, environ, start_response)
        if self._app is not None:
            return self._app(environ, start_response)
        if path in ("", "/"):  # mounted at the very path that is asked for
            return self._answer(environ.get("SCRIPT_NAME", ""), environ, start_response)
        return _respond(environ, start_response, "404 Not Found", "text/plain", b"no such path")

    def _answer(
        self, path: str, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in _METHODS:
            return _respond(
                environ, start_response, "405 Method Not Allowed", "text/plain", b"GET or HEAD",
                [("Allow", ", ".join(_METHODS))],
            )  # fmt: skip
        is_live = any(path.endswith(live) for live in self._live_paths)
        checks = {} if is_live else self._checks(environ)
        reasons = [found for found in checks.values() if found != OK]
        status = "503 Service Unavailable" if reasons else "200 OK"
        if "application/json" in environ.get("HTTP_ACCEPT", ""):
            fields = {"detailed": self._detailed, "reasons": reasons or [OK]}
            if self._detailed:
                fields["checks"] = checks
            body = json.dumps(fields).encode()
            return _respond(environ, start_response, status, "application/json", body)
        text = ", ".join(reasons) or OK
        return _respond(environ, start_response, status, "text/plain", text.encode())

    def _checks(self, environ: WSGIEnvironment) -> dict[str, str]:
        """Returns the outcome of each check of readiness."""
        files = self._files
        path = files.get(environ.get("SERVER_PORT", "")) or files.get("")
        return {
            "draining": DRAINING if environ.get("wsgisrv.draining") else OK,
            "disable_by_file": DISABLED if path and os.path.exists(path) else OK,
        }


def _respond(
    environ: WSGIEnvironment, start_response: StartResponse, status: str, kind: str, body: bytes,
    more: Iterable[tuple[str, str]] = (),
) -> list[bytes]:  # fmt: skip
    headers = [
        ("Content-Type", f"{kind}; charset=UTF-8" if kind == "text/plain" else kind),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *more,
    ]
    start_response(status, headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


# Paste


def filter_factory(
    global_conf: Mapping[str, str], **local_conf: str
) -> Callable[[WSGIApplication], WSGIApplication]:
    """Makes the filter.

    Args:
        local_conf: ``live_paths`` and ``ready_paths``, separated by blanks or commas; ``path``, one more of
            the latter; ``disable_by_file_path``; ``disable_by_file_paths``, as PORT:PATH, separated by
            commas; ``detailed``.

    Raises:
        ConfigError: for a key or value that is wrong.
    """
    options = _options(local_conf)
    return lambda app: _made(app, options)


def app_factory(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:
    """Makes the app, with the keys of the filter.

    Raises:
        ConfigError: likewise.
    """
    return _made(None, _options(local_conf))


_Options = tuple[list[str], list[str], dict[str, str], bool]


def _made(app: WSGIApplication | None, options: _Options) -> WSGIApplication:
    live, ready, files, detailed = options
    return Healthcheck(
        app, live_paths=live, ready_paths=ready, disable_by_file=files, detailed=detailed
    )


def _options(conf: Mapping[str, str]) -> _Options:
    for key in conf:
        if key not in _KEYS:
            raise ConfigError(f"healthcheck: {key}: no such key; there are {', '.join(_KEYS)}")
    for name in _words(conf.get("backends", "")):
        if name not in _BACKENDS:
            raise ConfigError(f"healthcheck: backends = {name}: there are {', '.join(_BACKENDS)}")
    ready = _words(conf.get("ready_paths", READY_PATHS)) + _words(conf.get("path", ""))
    live = _words(conf.get("live_paths", LIVE_PATHS))
    for path in (*live, *ready):
        if not path.startswith("/"):
            raise ConfigError(f"healthcheck: {path}: a path begins with /")
    detailed = conf.get("detailed", "true").lower()
    if detailed not in ("true", "false"):
        raise ConfigError(f"healthcheck: detailed = {detailed}: allowed is true or false")
    return live, ready, _files_of(conf), detailed == "true"


def _files_of(conf: Mapping[str, str]) -> dict[str, str]:
    files = {"": conf["disable_by_file_path"]} if conf.get("disable_by_file_path") else {}
    for item in conf.get("disable_by_file_paths", "").split(","):
        port, _, path = item.strip().partition(":")
        if item.strip() and not (port.isdecimal() and path):
            raise ConfigError(
                f"healthcheck: disable_by_file_paths = {item.strip()}: allowed is PORT:PATH, separated by"
                " commas"
            )
        if path:
            files[port] = path
    return files


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()
