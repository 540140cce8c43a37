"""The options of ``Settings`` as oslo.config knows them: files, environment and command line.

Rules: oslo.config's own precedence: command line, then OS_WSGISRV__<NAME>, then files, then default.
Every value is checked when it is loaded, not when it is first used. A wrong one is one line that names
where it stands, the key, and what is allowed. Must not import eventlet, webob, paste or routes.

Facts about oslo.config: an option of a group has the group's name in front on the command line, from
Opt._get_argparse_prefix; a value in a file is converted only when it is asked for; the parser of the
command line writes several lines to stderr and exits by itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import glob
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, UsageError, first_line

GROUP = "wsgisrv"
_FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


class _Ungrouped(cfg.Opt):
    """An option without its group's name on the command line: ``--workers``."""

    def _get_argparse_prefix(self, prefix: str, group_name: str | None) -> str:
        return prefix


class _StrOpt(_Ungrouped, cfg.StrOpt):
    """Text, or one of several choices."""


class _IntOpt(_Ungrouped, cfg.IntOpt):
    """A whole number in a range."""


class _FloatOpt(_Ungrouped, cfg.FloatOpt):
    """A number in a range."""


class _MultiOpt(_Ungrouped, cfg.MultiStrOpt):
    """Text that may be given more than once."""


def options() -> list[cfg.Opt]:
    """Returns one oslo.config option for each field of Settings, in its order."""
    return [_option(field) for field in dataclasses.fields(Settings)]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Entry point ``oslo.config.opts``: for oslo-config-generator and oslo-config-validator."""
    return [(GROUP, options())]


def _option(field: dataclasses.Field[Any]) -> cfg.Opt:
    meta = field.metadata
    name = field.name.replace("_", "-")  # as it stands on the command line
    known: dict[str, Any] = {"help": meta["help"], "mutable": meta["mutable"]}
    if field.type == "tuple[str, ...]":
        return _MultiOpt(name, default=list(Settings().bind), metavar="ADDR", **known)
    known["default"] = field.default
    if field.type == "str":
        return _StrOpt(name, choices=meta["choices"], **known)
    kind = _IntOpt if field.type == "int" else _FloatOpt
    return kind(name, min=meta["min"], max=meta["max"], **known)


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """What the configuration says.

    Args:
        settings: every option's value.
        given: names of the options that were given somewhere, not left at their defaults.
        warnings: one line each, for the log.
        extra: values of the command's own options.
    """

    settings: Settings
    given: frozenset[str]
    warnings: tuple[str, ...]
    extra: dict[str, Any]


def load(
    args: Sequence[str], *, prog: str, usage: str = "", description: str = "",
    own: Sequence[cfg.Opt] = (),
) -> Loaded:  # fmt: skip
    """Reads command line, environment and files.

    Args:
        args: behind the command's name.
        prog: for the help.
        own: options of the command alone, on its command line only.

    Raises:
        UsageError: for a wrong command line.
        ConfigError: for a file that cannot be read, and a wrong value in it or in the environment.
        SystemExit: with code 0, after the help was asked for and printed.
    """
    conf = cfg.ConfigOpts()
    opts = options()
    conf.register_cli_opts(own)
    conf.register_cli_opts(opts, group=GROUP)
    _parse(conf, list(args), prog, usage or f"{prog} [options]", description)
    values = {opt.dest: _value(conf, opt) for opt in opts}
    values["bind"] = tuple(values["bind"])
    return Loaded(
        settings=Settings(**values),
        given=frozenset(opt.dest for opt in opts if _is_given(conf, opt.dest)),
        warnings=tuple(_unknown_keys(conf)),
        extra={opt.dest: conf[opt.dest] for opt in own},
    )


def _parse(conf: cfg.ConfigOpts, args: list[str], prog: str, usage: str, description: str) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            conf(args, project=GROUP, prog=prog, usage=usage, description=description)
    except SystemExit as error:
        if not error.code:
            raise
        raise UsageError(_last_line(said.getvalue(), prog)) from None
    except cfg.ConfigFilesNotFoundError as error:
        raise ConfigError(
            f"cannot find the configuration file {', '.join(error.config_files)}"
        ) from None
    except cfg.ConfigFilesPermissionDeniedError as error:
        raise ConfigError(
            f"may not read the configuration file {', '.join(error.config_files)}"
        ) from None
    except cfg.Error as error:
        raise ConfigError(first_line(error).partition(": ")[2] or first_line(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read a configuration file: {first_line(error)}") from None


def _last_line(said: str, prog: str) -> str:
    """Returns the last line of argparse's, which is the one that says what is wrong."""
    lines = [line for line in said.splitlines() if line.strip()] or ["wrong usage"]
    text = lines[-1].removeprefix(f"{prog}: ").removeprefix("error: ")
    match = re.fullmatch(r"argument --(\w+): Invalid .* value: (.*)", text)
    if match and match[1] in _FIELDS:
        return f"--{match[1].replace('_', '-')} {match[2]}: {_allowed(_FIELDS[match[1]])}"
    return f"{text}; see {prog} --help"


def _value(conf: cfg.ConfigOpts, opt: cfg.Opt) -> Any:
    try:
        return conf[GROUP][opt.dest]
    except (cfg.Error, ValueError):
        allowed = _allowed(_FIELDS[opt.dest])
        raise ConfigError(f"{_where(conf, opt.dest)}: {allowed}") from None


def _where(conf: cfg.ConfigOpts, name: str) -> str:
    """Returns where the bad value of an option stands, with the value."""
    variable = f"OS_{GROUP.upper()}__{name.upper()}"
    if variable in os.environ:
        return f"environment: {variable}={os.environ[variable]}"
    places = [
        f"{path}: [{GROUP}] {name} = {value}"
        for path in _files(conf)
        for value in _section(path).get(name, [])
    ]
    return places[-1] if places else f"[{GROUP}] {name}"


def _files(conf: cfg.ConfigOpts) -> list[str]:
    """Returns the files that were read, in the order in which later ones take precedence."""
    directories = [conf.config_dir] if isinstance(conf.config_dir, str) else conf.config_dir or []
    files = list(conf.config_file or [])
    for directory in directories:
        files += sorted(glob.glob(os.path.join(os.path.expanduser(directory), "*.conf")))
    return files


def _section(path: str) -> dict[str, list[str]]:
    parsed: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(path, parsed).parse()
    return parsed.get(GROUP, {})


def _allowed(field: dataclasses.Field[Any]) -> str:
    meta = field.metadata
    if meta["choices"]:
        return f"allowed are {', '.join(meta['choices'])}"
    kind = {"int": "a whole number", "float": "a number"}.get(str(field.type), "text")
    least, most = meta["min"], meta["max"]
    if least is None:
        return f"allowed is {kind}"
    return f"allowed is {kind} from {least:g} on" + (f" to {most:g}" if most is not None else "")


def _is_given(conf: cfg.ConfigOpts, name: str) -> bool:
    location = conf.get_location(name, GROUP)
    return location is not None and location.location.is_user_controlled


def _unknown_keys(conf: cfg.ConfigOpts) -> Iterator[str]:
    for path in _files(conf):
        for key in _section(path):
            if key not in _FIELDS:
                near = difflib.get_close_matches(key, _FIELDS, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield f"{path}: [{GROUP}] {key}: no such option{hint}"
