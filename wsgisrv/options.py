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
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, UsageError, WsgisrvError, first_line
from wsgisrv.option import SERVICE, WORKERS

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


def server_options() -> list[cfg.Opt]:
    """Returns those that a server's own section may have."""
    return [_option(field) for field in _FIELDS.values() if field.metadata["scope"] != SERVICE]


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
        sections: of each of ``servers``, what its own section gives.
        conf: as oslo.config has it, for ``mutated``.
        args: that it was read with.
    """

    settings: Settings
    given: frozenset[str]
    warnings: tuple[str, ...]
    extra: dict[str, Any]
    sections: dict[str, dict[str, Any]]
    conf: cfg.ConfigOpts
    args: tuple[str, ...]


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
    settings = Settings(**_frozen(values))
    return Loaded(
        settings=settings,
        given=given,
        warnings=tuple(_unknown_keys(args, settings.servers)),
        extra={opt.dest: conf[opt.dest] for opt in own},
        sections=_read_sections(conf, args, settings.servers, given),
        conf=conf,
        args=tuple(args),
    )


def mutated(found: Loaded, fresh: Loaded) -> Loaded:
    """Has oslo.config read the files anew, by ``mutate_config_files``, for what may change live.

    Args:
        found: what runs.
        fresh: what the files said a moment ago, all of it checked; it may have other servers.

    Returns:
        ``found`` with the options that are mutable as they are now, and all others as they were; new
        servers beside it.

    Raises:
        ConfigError: for a file that cannot be read any more, or a wrong value.
    """
    conf, args = found.conf, list(found.args)
    known = {**fresh.sections, **found.sections}
    for server in known.keys() - found.sections.keys():
        conf.register_opts(server_options(), group=group_of(server))
    log = logging.getLogger("oslo_config.cfg")
    # It would say of every other option that its change is ignored, but the new generation has it.
    log.addFilter(_nothing)
    try:
        with _without(_variable(name) for name in _on_command_line(args)):
            conf.mutate_config_files()
            live = [opt for opt in options() if opt.mutable]
            values = {opt.dest: _value(conf, opt, args) for opt in live}
            sections = {
                name: section | _live_of(conf, args, name, live)
                if "workers" in section
                else section
                for name, section in known.items()
            }
    except (cfg.Error, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file: {first_line(error)}") from None
    finally:
        log.removeFilter(_nothing)
    settings = dataclasses.replace(found.settings, **_frozen(values))
    return dataclasses.replace(found, settings=settings, sections=sections)


def _live_of(
    conf: cfg.ConfigOpts, args: list[str], server: str, live: Sequence[cfg.Opt]
) -> dict[str, Any]:
    """Returns what is mutable of a server with workers of its own: what its section does not give any more
    is that of all again.
    """
    values = {}
    for opt in live:
        if _FIELDS[opt.dest].metadata["scope"] == WORKERS:
            group = group_of(server) if _is_given(conf, opt.dest, group_of(server)) else GROUP
            values[opt.dest] = _value(conf, opt, args, group)
    return _frozen(values)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


# Sections of servers


def _read_sections(
    conf: cfg.ConfigOpts, args: list[str], servers: tuple[str, ...], given: frozenset[str]
) -> dict[str, dict[str, Any]]:
    """Returns what the section of each server gives.

    Raises:
        ConfigError: for one that is missing, stands there for nothing, or says what it may not.
        UsageError: for a ``--bind`` beside ``servers``.
    """
    if not servers:
        return {}
    if "bind" in given:
        on_line = "bind" in _on_command_line(args)
        where = "--bind" if on_line else _where(args, "bind")
        error = UsageError if on_line else ConfigError
        raise error(f"{where}: each of several servers has a bind of its own, in its section")
    found = {name: _read_section(conf, args, name) for name in servers}
    taken: dict[str, str] = {}
    for name, section in found.items():
        for address in section["bind"]:
            if address in taken:
                where = _where(args, "bind", group_of(name))
                raise ConfigError(f"{where}: {address} is an address of {taken[address]}, too")
        taken |= dict.fromkeys(section["bind"], name)
    return found


def _read_section(conf: cfg.ConfigOpts, args: list[str], server: str) -> dict[str, Any]:
    group = group_of(server)
    opts = server_options()
    conf.register_opts(opts, group=group)
    values = {opt.dest: _value(conf, opt, args, group) for opt in opts}
    given = {name for name in values if _is_given(conf, name, group)}
    files = [path for path in _files(args) if group in _sections(path)]
    if not given and not files:
        raise ConfigError(f"{_where(args, 'servers')}: there is no section [{group}]")
    for path in files:
        for key in _section(path, group):
            if key in _FIELDS and _FIELDS[key].metadata["scope"] == SERVICE:
                raise ConfigError(
                    f"{path}: [{group}] {key}: is of the whole service, so it stands in [{GROUP}]"
                )
    for name in sorted(given):
        if _FIELDS[name].metadata["scope"] == WORKERS and "workers" not in given:
            where = _where(args, name, group)
            raise ConfigError(f"{where}: only with workers of its own; [{group}] has no workers")
    if "bind" not in given:
        where = f"{files[-1]}: " if files else ""
        raise ConfigError(f"{where}[{group}] bind: is missing; each of several servers has its own")
    return _frozen({name: value for name, value in values.items() if name in given})


def group_of(server: str) -> str:
    """Returns the name of a server's section."""
    return f"{GROUP}_{server}"


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


def _value(conf: cfg.ConfigOpts, opt: cfg.Opt, args: list[str], group: str = GROUP) -> Any:
    try:
        value = conf[group][opt.dest]
        location = conf.get_location(opt.dest, group)
    except (cfg.Error, ValueError):
        where = _where(args, opt.dest, group)
        raise ConfigError(f"{where}: {_allowed(_FIELDS[opt.dest])}") from None
    on_line = group == GROUP and opt.dest in _on_command_line(args)
    check = _FIELDS[opt.dest].metadata["check"]
    if check is not None and (wrong := check(tuple(value))):
        error = UsageError if on_line else ConfigError
        where = f"{_flag(opt.dest)} {','.join(value)}" if on_line else _where(args, opt.dest, group)
        raise error(f"{where}: {wrong}")
    if not opt.multi:
        return value
    if location is not None and location.location is cfg.Locations.environment:
        # oslo.config takes the text apart into letters.
        return os.environ[_variable(opt.dest, group)].split(",")
    if on_line:
        return value[sum(len(_section(path).get(opt.dest, [])) for path in _files(args)) :]
    return value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str, group: str = GROUP) -> str:
    return f"OS_{group.upper()}__{name.upper()}"


def _where(args: list[str], name: str, group: str = GROUP) -> str:
    """Returns where the bad value of an option stands, with the value."""
    if (variable := _variable(name, group)) in os.environ:
        return f"environment: {variable}={os.environ[variable]}"
    places = [
        f"{path}: [{group}] {name} = {value}"
        for path in _files(args)
        for value in _section(path, group).get(name, [])
    ]
    return places[-1] if places else f"[{group}] {name}"


def _files(args: list[str]) -> list[str]:
    """Returns the files that are read, in the order in which later ones take precedence."""
    named, _ = _FILES.parse_known_args(args)
    files = list(named.config_file or cfg.find_config_files(GROUP))
    for directory in named.config_dir or cfg.find_config_dirs(GROUP):
        files += sorted(glob.glob(os.path.join(os.path.expanduser(directory), "*.conf")))
    return files


def _sections(path: str) -> dict[str, dict[str, list[str]]]:
    parsed: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(path, parsed).parse()
    return parsed


def _section(path: str, group: str = GROUP) -> dict[str, list[str]]:
    return _sections(path).get(group, {})


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


def _is_given(conf: cfg.ConfigOpts, name: str, group: str = GROUP) -> bool:
    location = conf.get_location(name, group)
    return location is not None and location.location.is_user_controlled


def _unknown_keys(args: list[str], servers: tuple[str, ...]) -> Iterator[str]:
    """Yields a line for each key that no option has.

    Raises:
        ConfigError: for a section that looks like a server's, of a name that is not among ``servers``.
    """
    groups = [group_of(server) for server in servers]
    for path in _files(args):
        for group, keys in _sections(path).items():
            if group.startswith(f"{GROUP}_") and group not in groups:
                where = f"{path}: [{group}]: no server of that name in servers"
                if servers:
                    raise ConfigError(f"{where} = {', '.join(servers)}{_hint(group, groups)}")
                yield where
            elif group in (GROUP, *groups):
                for key in keys:
                    if key not in _FIELDS:
                        yield f"{path}: [{group}] {key}: no such option{_hint(key, _FIELDS)}"


def _hint(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]}?" if near else ""
