"""The options of the server out of a service's own oslo.config, and the service's own, read anew on a reload.

Rules: the service's files are the server's, with a group [wsgisrv] in them. What main() gives beside is a
file in memory in front of them, so that whatever an operator writes wins. A reload is all or nothing: when
anything is wrong, the conf has the values that it had. Must not import eventlet, webob, paste or routes.

Facts about oslo.config: ``reload_config_files`` puts another namespace in the place of the one that it had,
and says what is wrong in its log alone; a value is converted when it is asked for, not before.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv.declared_options import (
    APPS,
    FIELDS,
    GROUP,
    group_of,
    options,
    server_options,
)
from wsgisrv.errors import ConfigError, UsageError, WsgisrvError, first_line
from wsgisrv.options import Loaded, in_one_line, load, what_is_wrong

Defaults = Mapping[str, Mapping[str, Any]]
"""Of options by name, by server; "" is for [wsgisrv]."""

_MAIN = "main()"


class OwnConfig:
    """Args:
    conf: the service's, parsed already.
    defaults: what main() gives.
    line: options of the server that stand on the command line, as it has them.

    Raises:
        UsageError: when the conf was not parsed.
        ConfigError: when main() gives an option that there is none of.
    """

    def __init__(self, conf: cfg.ConfigOpts, defaults: Defaults, line: Sequence[str] = ()) -> None:
        self._conf = conf
        self._defaults = defaults
        self._line = tuple(line)
        self._is_read = False
        for server, values in defaults.items():
            for name in values:
                if name not in FIELDS:
                    raise ConfigError(f"{_MAIN}: [{group_of(server)}] {name}: no such option")
            conf.register_opts(server_options() if server else options(), group_of(server))
        try:
            # Of directories on the command line the option has the last one only.
            files, directories = conf["config_file"], conf.config_dirs or conf["config_dir"]
        except cfg.Error:
            raise UsageError(
                "the service's conf was not called, as conf(sys.argv[1:], project=...), before run()"
            ) from None
        self._files = [os.path.abspath(path) for path in files or ()]
        self._directories = [os.path.abspath(path) for path in directories or ()]
        self._in_front = _MemoryFile()

    def load(self, prog: str) -> Loaded:
        """Reads everything; from the second time on the service's own options, too.

        Args:
            prog: for what is wrong with the command line.

        Raises:
            WsgisrvError: for whatever is wrong; nothing has changed then.
        """
        before = self._conf._namespace
        try:
            if self._is_read:
                self._reload()
            check_values(self._conf, self._all_files())
            found = self._load(prog)
        except WsgisrvError:
            self._conf._namespace = before
            self._conf.clear_default("servers", group=GROUP)  # forgets what it has converted, too
            raise
        self._is_read = True
        return found

    def _load(self, prog: str) -> Loaded:
        self._in_front.write(self._text())
        files = [f"--config-file={path}" for path in (self._in_front.path, *self._files)]
        # Where none is named a directory would be searched for; there is none in this one.
        directories = self._directories or [os.path.dirname(__file__)]
        given = [f"--config-dir={path}" for path in directories]
        try:
            found = load(
                [*files, *given, *self._overrides(), *self._line],
                prog=prog,
                foreign=set(own_names(self._conf)),
            )
        except WsgisrvError as error:
            raise type(error)(first_line(error).replace(self._in_front.path, _MAIN)) from None
        return dataclasses.replace(found, places=found.places.renamed(self._in_front.path, _MAIN))

    def _reload(self) -> None:
        log = logging.getLogger("oslo_config.cfg")
        said = _Said()
        log.addFilter(said)
        try:
            done = self._conf.reload_config_files()
        finally:
            log.removeFilter(said)
        if not done:
            raise ConfigError(f"configuration file: {said.text}")

    def _all_files(self) -> list[str]:
        found = list(self._files)
        for directory in self._directories:
            with contextlib.suppress(OSError):
                names = sorted(name for name in os.listdir(directory) if name.endswith(".conf"))
                found += [os.path.join(directory, name) for name in names]
        return found

    # What main() gives

    def _text(self) -> str:
        """Returns a configuration file of it, without what an operator gives."""
        lines = []
        chosen = self._conf[GROUP].servers if self._is_given("servers", GROUP) else None
        for server in {"": {}, **self._defaults}:
            if server and chosen is not None and server not in chosen:
                continue
            group = group_of(server)
            values = dict(self._set_by(cfg.Locations.set_default, group))
            values |= self._defaults.get(server, {})
            lines.append(f"[{group}]")
            for name, value in values.items():
                if not self._is_given(name, group):
                    lines += [f"{name} = {text}" for text in _texts(name, value)]
        return "\n".join([*lines, ""])

    def _overrides(self) -> Iterator[str]:
        """Yields what main() has put over everything, by ``conf.set_override``, as a command line has it."""
        for name, value in self._set_by(cfg.Locations.set_override, GROUP):
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                yield f"--{flag}" if value else f"--no{flag}"
            else:
                yield from (f"--{flag}={text}" for text in _texts(name, value))

    def _set_by(self, location: cfg.Locations, group: str) -> Iterator[tuple[str, Any]]:
        for name in FIELDS:
            try:
                found = self._conf.get_location(name, group)
                if found is not None and found.location is location:
                    yield name, self._conf[group][name]
            except cfg.NoSuchOptError:
                continue

    def _is_given(self, name: str, group: str) -> bool:
        """Whether an operator gives it; of what says which app is served, any."""
        if name in APPS:
            return any(self._is_said(each, group) for each in APPS)
        return self._is_said(name, group)

    def _is_said(self, name: str, group: str) -> bool:
        found = self._conf.get_location(name, group)
        return found is not None and found.location.is_user_controlled


def _texts(name: str, value: Any) -> list[str]:
    """Returns a value as a file has it, once for each time that it stands there."""
    several = list(value) if isinstance(value, list | tuple) else [value]
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in several]
    texts = [text.replace("$", "$$") for text in texts]
    return [",".join(texts)] if FIELDS[name].metadata["is_list"] else texts


class _MemoryFile:
    """A file that only this process and its children can read, by a path as any other."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._fd = os.memfd_create("wsgisrv-main")
            self.path = f"/proc/self/fd/{self._fd}"
        else:
            self._file = tempfile.NamedTemporaryFile(suffix=".conf")  # noqa: SIM115 - as long as the process
            self._fd, self.path = self._file.fileno(), self._file.name

    def write(self, text: str) -> None:
        """Replaces what is in it."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)


class _Said(logging.Filter):
    """Keeps what oslo.config says of files that cannot be read, for the one line that we say."""

    text = "cannot be read"

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns False: it is said elsewhere."""
        args = record.args if isinstance(record.args, tuple) else ()
        self.text = " ".join(str(args[0] if args else record.getMessage()).split())
        return False


def check_values(conf: cfg.ConfigOpts, files: Sequence[str]) -> None:
    """Asks for every value of the service's own options.

    Args:
        files: that it was read from, later ones over earlier ones.

    Raises:
        ConfigError: for a wrong one.
    """
    for name in conf:
        if name == GROUP or name.startswith(f"{GROUP}_"):
            continue
        found: Any = _asked(conf, "DEFAULT", name, files)
        if isinstance(found, cfg.ConfigOpts.GroupAttr):
            for each in found:
                _asked(found, name, each, files)


def own_names(conf: cfg.ConfigOpts) -> Iterator[tuple[str, str]]:
    """Yields section and name of each option that is the service's own."""
    for name in conf:
        found: Any = conf[name]
        if isinstance(found, cfg.ConfigOpts.GroupAttr):
            yield from ((name, each) for each in found)
        else:
            yield "DEFAULT", name


def _asked(holder: Mapping[str, Any], group: str, name: str, files: Sequence[str]) -> Any:
    try:
        return holder[name]
    except (cfg.Error, ValueError) as error:
        reason = first_line(error).partition("is not valid: ")[2] or first_line(error)
        raise ConfigError(f"{_where(group, name, files)}: {reason}") from None


def _where(group: str, name: str, files: Sequence[str]) -> str:
    place = f"[{group}] {name}"
    for path in reversed(files):
        parsed: dict[str, dict[str, list[str]]] = {}
        with contextlib.suppress(OSError, cfg.Error):
            cfg.ConfigParser(path, parsed).parse()
        if values := parsed.get(group, {}).get(name):
            return f"{path}: {place} = {values[-1]}"
    return place


# The command line


def parse(conf: cfg.ConfigOpts, args: Sequence[str], **called_with: Any) -> None:
    """Calls the conf, and makes one line of what is wrong.

    Raises:
        UsageError: for a wrong command line.
        ConfigError: for a file that cannot be read, or a wrong value in it.
        SystemExit: with code 0, after help or version were asked for and printed.
    """
    prog = called_with.get("prog") or os.path.basename(sys.argv[0])
    with in_one_line(lambda said: UsageError(f"{what_is_wrong(said, prog)}; see {prog} --help")):
        conf(list(args), **called_with)


def server_line(conf: cfg.ConfigOpts, args: Sequence[str]) -> list[str]:
    """Returns the options of the server out of a command line that the conf has parsed.

    Raises:
        UsageError: for one that is abbreviated: the service's own might be meant.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for field in FIELDS.values():
        flag = field.name.replace("_", "-")
        if field.type == "bool":
            for given in (f"--{flag}", f"--no{flag}"):
                parser.add_argument(given, dest=field.name, action="append_const", const=given)
        else:
            parser.add_argument(f"--{flag}", dest=field.name, action="append")
    named, _ = parser.parse_known_args(list(args))
    line: list[str] = []
    for name, given in vars(named).items():
        flag = "--" + name.replace("_", "-")
        location = conf.get_location(name, GROUP)
        if given:
            is_flag = FIELDS[name].type == "bool"
            line += given if is_flag else [f"{flag}={value}" for value in given]
        elif location is not None and location.location is cfg.Locations.command_line:
            raise UsageError(f"{flag}: is abbreviated on the command line; spell it out")
    return line


def split_files(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns what names configuration files, and all else."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--config-file", "--config-dir"):
        parser.add_argument(flag, action="append", default=[])
    named, rest = parser.parse_known_args(list(args))
    files = [f"--config-file={path}" for path in named.config_file]
    return [*files, *(f"--config-dir={path}" for path in named.config_dir)], rest
