"""``[server:main] use = egg:wsgisrv#main``: what ``pserve`` and other runners of paste files call to serve.

    [server:main]
    use = egg:wsgisrv#main
    listen = 0.0.0.0:8080
    workers = 4

Rules: the app that the runner has loaded is thrown away, with all that it has imported, since none of it is
patched: the process becomes ``wsgisrv serve`` of the same file, whose workers load it again. Its pid stays,
so that signals mean what they mean there. Keys of the section are the options of [wsgisrv]; ``host``,
``port`` and ``listen`` are what other servers call ``bind``.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from typing import NoReturn
from wsgiref.types import WSGIApplication

from paste.deploy import loadwsgi

from wsgisrv import logs
from wsgisrv.declared_options import FIELDS
from wsgisrv.errors import ConfigError, WsgisrvError, first_line
from wsgisrv.options import load

_OWN = ("host", "port", "listen", "config_file")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def server_runner(
    app: WSGIApplication, global_conf: Mapping[str, str], **local_conf: str
) -> NoReturn:
    """Becomes ``wsgisrv serve`` of the file; never returns.

    When a key or a value is wrong it ends the process, with a line on stderr and the exit code of ``serve``:
    pserve would make 0 of a SystemExit.

    Args:
        app: is not used.
        global_conf: of the file.
        local_conf: of the section.
    """
    path = global_conf["__file__"]
    try:
        args = list(_arguments(path, local_conf))
        _check(path, local_conf, args)
    except WsgisrvError as error:
        logs.complain(first_line(error))
        sys.stdout.flush()
        os._exit(error.exit_code)
    variables = [f"--paste-var={name}={value}" for name, value in _given(path, global_conf)]
    # ``-m`` puts the working directory in front of the import path: only where it was there before.
    flags = [] if {"", os.getcwd()} & set(sys.path) else ["-P"]
    command = [sys.executable, *flags, "-m", "wsgisrv", "serve", *args, *variables]
    _have_watched()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted


def _have_watched() -> None:
    """Tells ``pserve --reload``, which watches from a process of its own, what the app has imported.

    It would be told later, by a thread that this process loses; the pipe to it stays open.
    """
    if "hupper" not in sys.modules:
        return
    import hupper

    if hupper.is_active():
        files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        found = sysconfig.get_paths()
        kinds = ("stdlib", "platstdlib", "purelib", "platlib")
        installed = tuple(f"{found[kind]}{os.sep}" for kind in kinds)
        own = [file for file in files if file and not file.startswith(installed)]
        hupper.get_reloader().watch_files(own)


def _arguments(path: str, local_conf: Mapping[str, str]) -> Iterator[str]:
    """Yields the section as ``serve`` takes it.

    Raises:
        ConfigError: for a key that there is not.
    """
    if "paste_config" not in local_conf:
        yield path
    yield from (f"--bind={address}" for address in _addresses(path, local_conf))
    for key, value in local_conf.items():
        if key == "config_file":
            yield from (f"--config-file={each}" for each in value.split())
        elif key in FIELDS:
            yield from _flags(path, key, value.strip())
        elif key not in _OWN:
            near = difflib.get_close_matches(key, [*FIELDS, *_OWN], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{path}: [server] {key}: no such option{hint}")


def _flags(path: str, key: str, value: str) -> Iterator[str]:
    flag, field = key.replace("_", "-"), FIELDS[key]
    if field.type == "bool":
        if value.lower() not in _TRUE + _FALSE:
            raise ConfigError(f"{path}: [server] {key} = {value}: allowed is true or false")
        yield f"--{flag}" if value.lower() in _TRUE else f"--no{flag}"
    elif field.type == "tuple[str, ...]" and not field.metadata["is_list"]:
        yield from (f"--{flag}={each}" for each in value.split())
    else:
        yield f"--{flag}={value}"


def _addresses(path: str, local_conf: Mapping[str, str]) -> list[str]:
    if "listen" in local_conf:
        if "host" in local_conf or "port" in local_conf:
            raise ConfigError(f"{path}: [server] listen: not together with host and port")
        return local_conf["listen"].split()
    if "port" not in local_conf:
        if "host" in local_conf:
            raise ConfigError(f"{path}: [server] host: there has to be a port with it")
        return []
    host = local_conf.get("host", "127.0.0.1").strip()
    return [f"{f'[{host}]' if ':' in host else host}:{local_conf['port'].strip()}"]


def _check(path: str, local_conf: Mapping[str, str], args: list[str]) -> None:
    """Reads the options as ``serve`` will.

    Raises:
        WsgisrvError: for a wrong one, by file, section and key.
    """
    try:
        load([arg for arg in args if arg.startswith("--")], prog="wsgisrv serve")
    except WsgisrvError as error:
        text = first_line(error)
        for key, value in local_conf.items():
            said = f"--{key.replace('_', '-')} {value.strip()}: "
            if text.startswith(said):
                reason = text.removeprefix(said)
                raise ConfigError(f"{path}: [server] {key} = {value}: {reason}") from None
        raise


def _given(path: str, global_conf: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields what the runner's command line has added to the file's [DEFAULT]."""
    stands: Mapping[str, str] = {}
    with contextlib.suppress(Exception):  # what is wrong with the file serve will say
        stands = loadwsgi.ConfigLoader(path).parser.defaults()
    for name, value in global_conf.items():
        if name != "here" and not name.startswith("__") and stands.get(name) != value:
            yield name, value
