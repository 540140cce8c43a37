"""The options of ``Settings`` as oslo.config knows them: files, environment and command line.

Rules: oslo.config's own precedence: command line, then OS_WSGISRV__<NAME>, then files, then default.
Every value is checked when it is loaded, not when it is first used. A wrong one is one line that names
where it stands, the key, and what is allowed. Must not import eventlet, webob, paste or routes.

Facts about oslo.config: an option of a group has the group's name in front on the command line, from
Opt._get_argparse_prefix; a value in a file is converted only when it is asked for; the parser of the
command line writes several lines to stderr and exits by itself. Of a command-line option that also
stands in a file, a file that is named later wins, and the environment wins over both; values that may
be given more than once add up. So files are put first, and a variable is hidden behind its option.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import glob
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, UsageError, WsgisrvError, first_line

GROUP = "wsgisrv"

_FILES = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
_FILES.add_argument("--config-file", action="append")
_FILES.add_argument("--config-dir", action="append")
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


class _BoolOpt(_Ungrouped, cfg.BoolOpt):
    """Yes or no: ``--reuse-port`` and ``--noreuse-port``."""


class _ListOpt(_Ungrouped, cfg.ListOpt):
    """Texts, separated by commas."""


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
        several: Any = field.default
        kind = _ListOpt if meta["is_list"] else _MultiOpt
        return kind(name, default=list(several), metavar=meta["metavar"], **known)
    known["default"] = field.default
    if field.type == "str":
        regex = f"^(?:{meta['pattern'][0]})$" if meta["pattern"] else None
        return _StrOpt(name, choices=meta["choices"], regex=regex, metavar=meta["metavar"], **known)
    if field.type == "bool":
        return _BoolOpt(name, **known)
    bounds = {"min": meta["min"], "max": meta["max"]}
    if field.type == "int":
        return _IntOpt(name, metavar="N", **bounds, **known)
    return _FloatOpt(name, metavar="SECONDS", **bounds, **known)


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
    args = _files_first(args)
    with _without(_variable(name) for name in _on_command_line(args)):
        _parse(conf, args, prog, usage or f"{prog} [options]", description)
        values = {opt.dest: _value(conf, opt, args) for opt in opts}
        given = frozenset(opt.dest for opt in opts if _is_given(conf, opt.dest))
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return Loaded(
        settings=Settings(**values),
        given=given,
        warnings=tuple(_unknown_keys(args)),
        extra={opt.dest: conf[opt.dest] for opt in own},
    )


def with_absolute_files(args: Sequence[str]) -> list[str]:
    """Returns the arguments with the paths of the files made absolute: ``chdir`` comes later."""
    named, rest = _FILES.parse_known_args(args)
    files = [f"--config-file={_absolute(path)}" for path in named.config_file or ()]
    return [*files, *(f"--config-dir={_absolute(path)}" for path in named.config_dir or ()), *rest]


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _files_first(args: Sequence[str]) -> list[str]:
    """Returns the arguments with the files' in front, so that the others win over what they say."""
    named, rest = _FILES.parse_known_args(args)
    files = [f"--config-file={path}" for path in named.config_file or ()]
    return [*files, *(f"--config-dir={path}" for path in named.config_dir or ()), *rest]


def _on_command_line(args: list[str]) -> set[str]:
    """Returns the options that are given there, abbreviated ones too."""
    flags = [arg.partition("=")[0] for arg in args if arg.startswith("--") and len(arg) > 2]
    flags += ["--" + flag[4:] for flag in flags if flag.startswith("--no") and len(flag) > 4]
    return {name for name in _FIELDS for flag in flags if _flag(name).startswith(flag)}


@contextlib.contextmanager
def _without(names: Iterable[str]) -> Iterator[None]:
    """Hides environment variables."""
    hidden = {name: os.environ.pop(name) for name in list(names) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _parse(conf: cfg.ConfigOpts, args: list[str], prog: str, usage: str, description: str) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            conf(args, project=GROUP, prog=prog, usage=usage, description=description)
    except SystemExit as error:
        if not error.code:
            raise
        raise _refused(said.getvalue(), args, prog) from None
    except cfg.ConfigFilesNotFoundError as error:
        raise ConfigError(f"{', '.join(error.config_files)}: no such configuration file") from None
    except cfg.ConfigFilesPermissionDeniedError as error:
        raise ConfigError(f"{', '.join(error.config_files)}: may not read the file") from None
    except (cfg.Error, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file: {first_line(error)}") from None


def _refused(said: str, args: list[str], prog: str) -> WsgisrvError:
    """Makes one error of what argparse and oslo.config wrote: the last line says what is wrong."""
    lines = [line for line in said.splitlines() if line.strip()] or ["wrong usage"]
    text = lines[-1].removeprefix(f"{prog}: ").removeprefix("error: ")
    match = re.fullmatch(r"argument --(\w+): Invalid .* value: (.*)", text)
    if match is None or match[1] not in _FIELDS:
        return UsageError(f"{text}; see {prog} --help")
    # oslo.config blames the command line for what stands in a file, too.
    allowed = _allowed(_FIELDS[match[1]])
    if match[1] in _on_command_line(args):
        return UsageError(f"{_flag(match[1])} {match[2]}: {allowed}")
    return ConfigError(f"{_where(args, match[1])}: {allowed}")


def _value(conf: cfg.ConfigOpts, opt: cfg.Opt, args: list[str]) -> Any:
    try:
        value = conf[GROUP][opt.dest]
        location = conf.get_location(opt.dest, GROUP)
    except (cfg.Error, ValueError):
        raise ConfigError(f"{_where(args, opt.dest)}: {_allowed(_FIELDS[opt.dest])}") from None
    check = _FIELDS[opt.dest].metadata["check"]
    if check is not None and (wrong := check(tuple(value))):
        on_line = opt.dest in _on_command_line(args)
        error = UsageError if on_line else ConfigError
        where = f"{_flag(opt.dest)} {','.join(value)}" if on_line else _where(args, opt.dest)
        raise error(f"{where}: {wrong}")
    if not opt.multi:
        return value
    if location is not None and location.location is cfg.Locations.environment:
        # oslo.config takes the text apart into letters.
        return os.environ[_variable(opt.dest)].split(",")
    if opt.dest in _on_command_line(args):
        return value[sum(len(_section(path).get(opt.dest, [])) for path in _files(args)) :]
    return value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return f"OS_{GROUP.upper()}__{name.upper()}"


def _where(args: list[str], name: str) -> str:
    """Returns where the bad value of an option stands, with the value."""
    if (variable := _variable(name)) in os.environ:
        return f"environment: {variable}={os.environ[variable]}"
    places = [
        f"{path}: [{GROUP}] {name} = {value}"
        for path in _files(args)
        for value in _section(path).get(name, [])
    ]
    return places[-1] if places else f"[{GROUP}] {name}"


def _files(args: list[str]) -> list[str]:
    """Returns the files that are read, in the order in which later ones take precedence."""
    named, _ = _FILES.parse_known_args(args)
    files = list(named.config_file or cfg.find_config_files(GROUP))
    for directory in named.config_dir or cfg.find_config_dirs(GROUP):
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
    if meta["pattern"]:
        return f"allowed is {meta['pattern'][1]}"
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    kind = kinds.get(str(field.type), "text")
    least, most = meta["min"], meta["max"]
    if least is None:
        return f"allowed is {kind}"
    return f"allowed is {kind} from {least:g} on" + (f" to {most:g}" if most is not None else "")


def _is_given(conf: cfg.ConfigOpts, name: str) -> bool:
    location = conf.get_location(name, GROUP)
    return location is not None and location.location.is_user_controlled


def _unknown_keys(args: list[str]) -> Iterator[str]:
    for path in _files(args):
        for key in _section(path):
            if key not in _FIELDS:
                near = difflib.get_close_matches(key, _FIELDS, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield f"{path}: [{GROUP}] {key}: no such option{hint}"
