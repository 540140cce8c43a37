"""The options as they are given: files, environment and command line become one ``Settings``.

Rules: oslo.config's own precedence: command line, then OS_WSGISRV__<NAME>, then files, then default.
Every value is checked when it is loaded, not when it is first used. A wrong one is one line that names
where it stands, the key, and what is allowed. Must not import eventlet, webob, paste or routes.

Facts about oslo.config: a value in a file is converted only when it is asked for; the parser of the
command line writes several lines to stderr and exits by itself. Of a command-line option that also
stands in a file, a file that is named later wins, and the environment wins over both; values that may
be given more than once add up. So files are put first, and a variable is hidden behind its option.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv.config import Settings
from wsgisrv.config_files import ConfigFiles, found_dirs, found_files, with_files_first
from wsgisrv.declared_options import (
    APPS,
    FIELDS,
    GROUP,
    allowed,
    flag_of,
    group_of,
    on_command_line,
    options,
    server_options,
    variable_of,
)
from wsgisrv.deprecated_names import Translated, Translator, new_names
from wsgisrv.errors import ConfigError, UsageError, WsgisrvError, first_line
from wsgisrv.option import SERVICE, WORKERS
from wsgisrv.places import Places

PASTE_INI = cfg.StrOpt(
    "paste_ini",
    positional=True,
    required=False,
    metavar="PASTE_INI[#APP]",
    help="Paste file, or directory of such files, and the section in it, main by default.",
)
"""What a command takes that is about an app: ``paste_config`` without a flag."""


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
        places: where each value comes from.
    """

    settings: Settings
    given: frozenset[str]
    warnings: tuple[str, ...]
    extra: dict[str, Any]
    sections: dict[str, dict[str, Any]]
    conf: cfg.ConfigOpts
    args: tuple[str, ...]
    places: Places

    def located(self, error: WsgisrvError) -> WsgisrvError:
        """Returns what an option's value has led to once it was used, with the place of that value."""
        text = self.locate(str(error))
        return error if text == str(error) else type(error)(text)

    def locate(self, text: str) -> str:
        """Returns the same of an error's text."""
        return self.places.located(text, self.settings.servers)


def load(
    args: Sequence[str], *, prog: str, usage: str = "", description: str = "",
    own: Sequence[cfg.Opt] = (), foreign: Collection[tuple[str, str]] = (),
) -> Loaded:  # fmt: skip
    """Reads command line, environment and files.

    Args:
        args: behind the command's name.
        prog: for the help.
        own: options of the command alone, on its command line only. PASTE_INI among them is what
            ``paste_config`` says.
        foreign: sections and names that are options of whoever calls, so no old names of ours.

    Raises:
        UsageError: for a wrong command line.
        ConfigError: for a file that cannot be read, and a wrong value in it or in the environment.
        SystemExit: with code 0, after the help was asked for and printed.
    """
    conf = cfg.ConfigOpts()
    conf.register_cli_opts(own)
    opts = options()
    conf.register_cli_opts(opts, group=GROUP)
    args = with_files_first(args)
    on_line = {name: flag_of(name) for name in on_command_line(args)}
    with _without(variable_of(name) for name in on_line):
        _parse(conf, args, prog, usage or f"{prog} [options]", description)
        extra = {opt.dest: conf[opt.dest] for opt in own}
        if extra.get("paste_ini"):
            on_line["paste_config"] = PASTE_INI.metavar or ""
        reading = _Reading(conf, opts, ConfigFiles.read(args), on_line)
        return reading.loaded(extra, args, foreign)


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
        with _without(variable_of(name) for name in on_command_line(args)):
            conf.mutate_config_files()
            opts = options()
            reading = _Reading(conf, opts, ConfigFiles.read(args), found.places.on_line)
            live = [opt for opt in opts if opt.mutable]
            values = {opt.dest: reading.value(opt) for opt in live}
            sections = {
                name: section | reading.live_of(name, live) if "workers" in section else section
                for name, section in known.items()
            }
    except (cfg.Error, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file: {first_line(error)}") from None
    finally:
        log.removeFilter(_nothing)
    settings = dataclasses.replace(found.settings, **_frozen(values))
    return dataclasses.replace(found, settings=settings, sections=sections)


class _Reading:
    """One reading of all that is given.

    Args:
        opts: those of [wsgisrv].
        on_line: the options on the command line, each with the words that gave it.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        opts: Sequence[cfg.Opt],
        files: ConfigFiles,
        on_line: Mapping[str, str],
    ) -> None:
        self._conf = conf
        self._files = files
        self._on_line = on_line
        self._places = Places(files, on_line, {})
        self._opts = opts
        self._given: frozenset[str] = frozenset()
        self._found: set[tuple[str, str]] = set()

    def loaded(
        self, extra: dict[str, Any], args: list[str], foreign: Collection[tuple[str, str]]
    ) -> Loaded:
        """Returns all of it; the arguments are those of ``load``."""
        values = {opt.dest: self.value(opt) for opt in self._opts}
        given = {name for server, name in self._found if not server}
        if extra.get("paste_ini"):
            values["paste_config"] = extra["paste_ini"]
            given.add("paste_config")
        self._given = frozenset(given)
        former = self._former(tuple(values["servers"]), foreign)
        values |= self._converted(former, "")
        given |= former.values.get("", {}).keys()
        self._one_app(given, "")
        settings = Settings(**_frozen(values))
        return Loaded(
            settings=settings,
            given=frozenset(given),
            warnings=(*self._unknown_keys(settings.servers), *former.warnings),
            extra=extra,
            sections=self._read_sections(settings.servers, former),
            conf=self._conf,
            args=tuple(args),
            places=self._places,
        )

    def value(self, opt: cfg.Opt, server: str = "") -> Any:
        """Returns an option's value, checked."""
        name, group = opt.dest, group_of(server)
        try:
            value = self._conf[group][name]
            location = self._conf.get_location(name, group)
        except (cfg.Error, ValueError):
            where = self._places.where(name, server)
            raise ConfigError(f"{where}: {allowed(FIELDS[name])}") from None
        if value is None:  # what oslo.config makes of an empty number
            raise ConfigError(f"{self._places.where(name, server)}: {allowed(FIELDS[name])}")
        if location is not None and location.location.is_user_controlled:
            self._found.add((server, name))
        on_line = not server and name in self._on_line
        check = FIELDS[name].metadata["check"]
        if check is not None and (wrong := check(tuple(value))):
            error = UsageError if on_line else ConfigError
            given = f"{flag_of(name)} {','.join(value)}"
            raise error(f"{given if on_line else self._places.where(name, server)}: {wrong}")
        if not opt.multi:
            return value
        if location is not None and location.location is cfg.Locations.environment:
            # oslo.config takes the text apart into letters.
            return os.environ[variable_of(name, group)].split(",")
        return value[len(self._files.all(group, name)) :] if on_line else value

    def live_of(self, server: str, live: Sequence[cfg.Opt]) -> dict[str, Any]:
        """Returns what is mutable of a server with workers of its own: what its section does not give any
        more is that of all again.
        """
        values = {}
        for opt in live:
            if FIELDS[opt.dest].metadata["scope"] == WORKERS:
                values[opt.dest] = self.value(
                    opt, server if self._is_given(opt.dest, server) else ""
                )
        return _frozen(values)

    def _is_given(self, name: str, server: str = "") -> bool:
        location = self._conf.get_location(name, group_of(server))
        return location is not None and location.location.is_user_controlled

    # Deprecated names

    def _former(self, servers: tuple[str, ...], foreign: Collection[tuple[str, str]]) -> Translated:
        translator = Translator(
            self._files.without(foreign), self._files, self._has_new_name, group_of,
            self._conf.find_file,
        )  # fmt: skip
        found = translator.translate(servers)
        self._places = dataclasses.replace(self._places, former=found.origins)
        return found

    def _has_new_name(self, name: str, server: str) -> bool:
        """Whether an option is given by its own name, so that an old one has no effect."""
        names = APPS if name in APPS else (name,)
        if name in APPS and server and self._has_new_name(name, ""):
            return True
        if not server:
            return any(each in self._given for each in names)
        group = group_of(server)
        return any(
            variable_of(each, group) in os.environ or self._files.last(group, each) is not None
            for each in names
        )

    def _converted(self, former: Translated, server: str) -> dict[str, Any]:
        opts = {opt.dest: opt for opt in self._opts}
        values = {}
        for name, text in former.values.get(server, {}).items():
            opt, field = opts[name], FIELDS[name]
            try:
                value = [opt.type(each) for each in text] if opt.multi else opt.type(text)
                if value is None:
                    raise ValueError
            except ValueError:
                raise ConfigError(
                    f"{former.origins[server, name]}: {allowed(field)}, as of [{GROUP}] {name}"
                ) from None
            check = field.metadata["check"]
            if check is not None and (wrong := check(tuple(value))):
                raise ConfigError(f"{former.origins[server, name]}: {wrong}")
            values[name] = value
        return values

    # What is served

    def _one_app(self, given: Iterable[str], server: str) -> None:
        """Sees that one option says what is served.

        Raises:
            ConfigError: when more than one does.
            UsageError: when one of them stands on the command line.
        """
        found = [name for name in APPS if name in given]
        if len(found) > 1:
            on_line = not server and any(name in self._on_line for name in found)
            places = [
                self._on_line[name] if not server and name in self._on_line
                else self._places.where(name, server)
                for name in found
            ]  # fmt: skip
            error = UsageError if on_line else ConfigError
            raise error(f"{places[0]}: not together with {places[1]}; one says what is served")

    # Sections of servers

    def _read_sections(
        self, servers: tuple[str, ...], former: Translated
    ) -> dict[str, dict[str, Any]]:
        """Returns what the section of each server gives.

        Raises:
            ConfigError: for one that is missing, stands there for nothing, or says what it may not.
            UsageError: for a ``--bind`` beside ``servers``.
        """
        if not servers:
            return {}
        if "bind" in self._given:
            on_line = "bind" in self._on_line
            where = "--bind" if on_line else self._places.where("bind")
            error = UsageError if on_line else ConfigError
            raise error(f"{where}: each of several servers has a bind of its own, in its section")
        found = {name: self._read_section(name, former) for name in servers}
        taken: dict[str, str] = {}
        for name, section in found.items():
            for address in section["bind"]:
                if address in taken:
                    where = self._places.where("bind", name)
                    raise ConfigError(f"{where}: {address} is an address of {taken[address]}, too")
            taken |= dict.fromkeys(section["bind"], name)
        return found

    def _read_section(self, server: str, former: Translated) -> dict[str, Any]:
        group = group_of(server)
        opts = server_options()
        self._conf.register_opts(opts, group=group)
        values = {opt.dest: self.value(opt, server) for opt in opts}
        given = {name for of, name in self._found if of == server}
        files = self._files.with_section(group)
        for each in self._files.of(group):
            if each.key in FIELDS and FIELDS[each.key].metadata["scope"] == SERVICE:
                raise ConfigError(
                    f"{each.path}: [{group}] {each.key}: is of the whole service, so it stands in [{GROUP}]"
                )
        values |= self._converted(former, server)
        given |= former.values.get(server, {}).keys()
        if not given and not files:
            raise ConfigError(f"{self._places.where('servers')}: there is no section [{group}]")
        for name in sorted(given):
            if FIELDS[name].metadata["scope"] == WORKERS and "workers" not in given:
                where = self._places.where(name, server)
                raise ConfigError(
                    f"{where}: only with workers of its own; [{group}] has no workers"
                )
        if "bind" not in given:
            where = f"{files[-1]}: " if files else ""
            raise ConfigError(
                f"{where}[{group}] bind: is missing; each of several servers has its own"
            )
        self._one_app(given, server)
        if given.intersection(APPS):
            given.update(APPS)  # those that it does not give are empty, whatever [wsgisrv] says
        return _frozen({name: value for name, value in values.items() if name in given})

    def _unknown_keys(self, servers: tuple[str, ...]) -> Iterator[str]:
        """Yields a line for each key that no option has.

        Raises:
            ConfigError: for a section that looks like a server's, of a name that is not among ``servers``.
        """
        groups = [group_of(server) for server in servers]
        for path, group in self._files.sections:
            if group.startswith(f"{GROUP}_") and group not in groups:
                where = f"{path}: [{group}]: no server of that name in servers"
                if servers:
                    raise ConfigError(f"{where} = {', '.join(servers)}{_hint(group, groups)}")
                yield where
        for each in self._files.assignments:
            if each.section in (GROUP, *groups) and each.key not in FIELDS:
                yield f"{each.path}: [{each.section}] {each.key}: no such option{_hint(each.key, FIELDS)}"


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


@contextlib.contextmanager
def _without(names: Iterable[str]) -> Iterator[None]:
    """Hides environment variables."""
    hidden = {name: os.environ.pop(name) for name in list(names) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _parse(conf: cfg.ConfigOpts, args: list[str], prog: str, usage: str, description: str) -> None:
    with in_one_line(lambda said: _refused(said, args, prog)):
        conf(
            args, project=GROUP, prog=prog, usage=usage, description=description,
            default_config_files=found_files(args), default_config_dirs=found_dirs(args),
        )  # fmt: skip


@contextlib.contextmanager
def in_one_line(refused: Callable[[str], WsgisrvError]) -> Iterator[None]:
    """Turns whatever oslo.config finds wrong while a conf is called into one error.

    Args:
        refused: makes it of what argparse has written about the command line.

    Raises:
        WsgisrvError: for a wrong command line or configuration file.
        SystemExit: with code 0, after help or version were asked for and printed.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as error:
        if not error.code:
            raise
        raise refused(said.getvalue()) from None
    except cfg.ConfigFilesNotFoundError as error:
        raise ConfigError(f"{', '.join(error.config_files)}: no such configuration file") from None
    except cfg.ConfigFilesPermissionDeniedError as error:
        raise ConfigError(f"{', '.join(error.config_files)}: may not read the file") from None
    except (cfg.Error, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file: {first_line(error)}") from None


def what_is_wrong(said: str, prog: str) -> str:
    """Returns the last line of what argparse has written, which says what is wrong, without its labels."""
    lines = [line for line in said.splitlines() if line.strip()] or ["wrong usage"]
    return lines[-1].removeprefix(f"{prog}: ").removeprefix("error: ")


def _refused(said: str, args: list[str], prog: str) -> WsgisrvError:
    """Makes one error of what argparse and oslo.config wrote."""
    text = what_is_wrong(said, prog)
    match = re.fullmatch(r"argument --(\w+): Invalid .* value: (.*)", text)
    if match is None or match[1] not in FIELDS:
        return UsageError(f"{text}; see {prog} --help")
    # oslo.config blames the command line for what stands in a file, too.
    name, may_be = match[1], allowed(FIELDS[match[1]])
    if name in on_command_line(args):
        return UsageError(f"{flag_of(name)} {match[2]}: {may_be}")
    return ConfigError(f"{Places(ConfigFiles.read(args), {}, {}).where(name)}: {may_be}")


def _hint(name: str, names: Iterable[str]) -> str:
    if became := new_names(name):
        return f"; it is now {' and '.join(became)}"
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]}?" if near else ""
