"""The app's logging as a file says it: a dictConfig in JSON or TOML, or options of oslo.log.

Rules: read in the worker, when its logging is safe for greenlets and threads and nothing of the app is
loaded: the handlers of a file may be anybody's. What is wrong is one line that names the file and the place
in it. A file that does not configure the root logger leaves the server's own handler there.

Source: logging.config, "Configuration dictionary schema"; oslo.log, "Logging configuration options".
"""

from __future__ import annotations

import json
import logging.config
import re
import tomllib
from pathlib import Path
from typing import Any

from oslo_config import cfg

from wsgisrv.errors import ConfigError, first_line

_FAILED = re.compile(r"Unable to (?:configure|add|set) (\w+) '(.+)'")


def configure_logging(path: str) -> None:
    """Sets up logging as the file says. Runs in: worker, at boot.

    Args:
        path: ends in .json or .toml, or in .conf or .ini for oslo.log.

    Raises:
        ConfigError: when it cannot be read, or something in it is wrong.
    """
    suffix = Path(path).suffix
    if suffix in (".conf", ".ini"):
        _configure_oslo_log(path)
    elif suffix in (".json", ".toml"):
        _configure(path, _read(path, suffix))
    else:
        raise ConfigError(
            f"[wsgisrv] log_config = {path}: a file ends in .json or .toml (dictConfig), or in .conf"
            " or .ini (options of oslo.log)"
        )


def _read(path: str, suffix: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        found = json.loads(text) if suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"[wsgisrv] log_config = {path}: {error.strerror}") from None
    except ValueError as error:  # JSON, TOML or UTF-8
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: is no object")
    return found


def _configure(path: str, found: dict[str, Any]) -> None:
    # What is loaded already, the server's own above all, would else fall silent.
    defaults = {"version": 1, "disable_existing_loggers": False}
    try:
        logging.config.dictConfig(defaults | found)
    except Exception as error:
        raise ConfigError(f"{path}: {_complaint(error)}") from None


def _complaint(error: BaseException) -> str:
    match = _FAILED.match(str(error))
    place = f"{match[1]}s.{match[2]}: " if match else ""
    while error.__cause__ is not None:
        error = error.__cause__
    text = first_line(error)
    return f"{place}{text}" if not match or match[0] not in text else f"{place}is wrong"


def _configure_oslo_log(path: str) -> None:
    try:
        from oslo_log import log
    except ImportError:
        raise ConfigError(
            f"[wsgisrv] log_config = {path}: needs oslo.log (pip install oslo.log)"
        ) from None
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    try:
        conf(
            ["--config-file", path],
            project="wsgisrv",
            default_config_files=[],
            default_config_dirs=[],
        )
        log.setup(conf, "wsgisrv", fix_eventlet=False)  # its mutex knows no native threads
    except cfg.ConfigFilesNotFoundError:
        raise ConfigError(f"[wsgisrv] log_config = {path}: no such file") from None
    except (cfg.Error, log.LogConfigError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: {first_line(error)}") from None
