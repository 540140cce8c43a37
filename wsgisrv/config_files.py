"""The configuration files that are read: which, in what order, and what stands on which line of them.

Rules: a file that is named on the command line is believed as it is. One that is found by searching is a
gift of whoever could put it there, and may name code that is run: so it must belong to this user or root,
and be written by nobody else. The working directory is never searched. Must not import eventlet, webob,
paste or routes.

Facts about oslo.config's search: ~/.wsgisrv/, ~/, /etc/wsgisrv/ and /etc/, and below $SNAP and $SNAP_COMMON
where they are set; the first wsgisrv.conf and the first directory wsgisrv.conf.d in them, whose *.conf are
read in the order of their names. A file of a later place in the order takes precedence.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import glob
import os
import stat
from collections.abc import Collection, Iterator, Sequence

from oslo_config import cfg

from wsgisrv.errors import ConfigError

PROJECT = "wsgisrv"

_NAMED = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
_NAMED.add_argument("--config-file", action="append")
_NAMED.add_argument("--config-dir", action="append")


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """``key = value`` in a file. The line is counted from 1."""

    path: str
    line: int
    section: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.path}: [{self.section}] {self.key} = {self.value}"


class ConfigFiles:
    """What stands in files that are read one after the other, later ones over earlier ones.

    Args:
        paths: a file that cannot be read is left out: oslo.config complains of it.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.sections: list[tuple[str, str]] = []
        self.assignments: list[Assignment] = []
        for path in paths:
            parser = _Parser(path)
            with contextlib.suppress(OSError):
                parser.parse()
            self.sections += [(path, section) for section in parser.sections]
            self.assignments += parser.assignments

    @classmethod
    def read(cls, args: Sequence[str]) -> ConfigFiles:
        """Reads what a command line names, else what is found."""
        return cls(paths_of(args))

    def without(self, keys: Collection[tuple[str, str]]) -> ConfigFiles:
        """Returns the same files without some assignments, by section and key."""
        found = ConfigFiles(())
        found.sections = self.sections
        found.assignments = [
            each for each in self.assignments if (each.section, each.key) not in keys
        ]
        return found

    def renamed(self, path: str, name: str) -> ConfigFiles:
        """Returns the same files, one of them by another name."""
        found = ConfigFiles(())
        found.sections = [(name if of == path else of, each) for of, each in self.sections]
        found.assignments = [
            dataclasses.replace(each, path=name) if each.path == path else each
            for each in self.assignments
        ]
        return found

    def all(self, section: str, key: str) -> list[Assignment]:
        """Returns each assignment of a key, the last of which counts where one does."""
        return [each for each in self.assignments if each.section == section and each.key == key]

    def last(self, section: str, key: str) -> Assignment | None:
        """Returns the assignment that counts."""
        found = self.all(section, key)
        return found[-1] if found else None

    def of(self, section: str) -> Iterator[Assignment]:
        """Yields all of a section, in the order in which they stand."""
        return (each for each in self.assignments if each.section == section)

    def with_section(self, section: str) -> list[str]:
        """Returns the files that have it."""
        return [path for path, name in self.sections if name == section]


class _Parser(cfg.ConfigParser):
    """oslo.config's own, which remembers lines."""

    def __init__(self, path: str) -> None:
        super().__init__(path, {})
        self.assignments: list[Assignment] = []
        self._line = 0

    def _split_key_value(self, line: str) -> tuple[str, list[str]]:
        self._line = self.lineno
        return super()._split_key_value(line)

    def assignment(self, key: str, value: list[str]) -> None:
        super().assignment(key, value)
        text = "\n".join(value)
        self.assignments.append(
            Assignment(self.filename, self._line, self.section or "", key, text)
        )


def paths_of(args: Sequence[str]) -> list[str]:
    """Returns the files that are read, in the order in which later ones take precedence."""
    named, _ = _NAMED.parse_known_args(args)
    files = [_expanded(path) for path in named.config_file or found_files(args)]
    for directory in named.config_dir or found_dirs(args):
        files += sorted(glob.glob(os.path.join(_expanded(directory), "*.conf")))
    return files


def found_files(args: Sequence[str]) -> list[str]:
    """Returns the file that is read since ``args`` names none, if there is one.

    Raises:
        ConfigError: when others than this user and root can write it.
    """
    named, _ = _NAMED.parse_known_args(args)
    return [] if named.config_file else _trusted(cfg.find_config_files(PROJECT, PROJECT))


def found_dirs(args: Sequence[str]) -> list[str]:
    """Returns the directory that is read since ``args`` names none, if there is one.

    Raises:
        ConfigError: when others than this user and root can write it or a file in it.
    """
    named, _ = _NAMED.parse_known_args(args)
    found = [] if named.config_dir else _trusted(cfg.find_config_dirs(PROJECT, PROJECT))
    for directory in found:
        _trusted(glob.glob(os.path.join(directory, "*.conf")))
    return found


def _trusted(paths: Sequence[str]) -> list[str]:
    for path in paths:
        with contextlib.suppress(OSError):  # oslo.config says that it cannot be read
            about = os.stat(path)
            if about.st_uid not in (0, os.geteuid()) or about.st_mode & stat.S_IWOTH:
                raise ConfigError(
                    f"{path}: was found by searching and others can write it; allowed is one of your own or"
                    " root's that only they write, or --config-file PATH"
                )
    return list(dict.fromkeys(paths))  # the project's and the program's are the same


def with_files_first(args: Sequence[str]) -> list[str]:
    """Returns the arguments with the files' in front, so that the others win over what they say."""
    named, rest = _NAMED.parse_known_args(args)
    files = [f"--config-file={path}" for path in named.config_file or ()]
    return [*files, *(f"--config-dir={path}" for path in named.config_dir or ()), *rest]


def with_absolute_files(args: Sequence[str]) -> list[str]:
    """Returns the arguments with the paths of the files made absolute: ``chdir`` comes later."""
    named, rest = _NAMED.parse_known_args(args)
    files = [f"--config-file={_expanded(path)}" for path in named.config_file or ()]
    return [*files, *(f"--config-dir={_expanded(path)}" for path in named.config_dir or ()), *rest]


def _expanded(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
