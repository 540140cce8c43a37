"""Loading the app: a paste file's section, an object or a factory becomes a WSGI callable.

Rules: whatever is wrong becomes one ConfigError that names file, section and key. Loads on top of
paste.deploy's own loader, so that files of existing services load unchanged. Must not import eventlet;
runs in the worker, after the patch, since it imports the app.

A directory is read as one paste file: its ``*.ini`` in the order of their names, where a later one may add
keys to a section or change them, as in --config-dir. ``here`` and ``__file__`` are the directory.
"""

from __future__ import annotations

import configparser
import dataclasses
import glob
import importlib.metadata
import os
import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote
from wsgiref.types import WSGIApplication

from paste.deploy import loadwsgi

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, first_line
from wsgisrv.named import find_named, look_here

_NO_ENTRY_POINT = re.compile(
    r"Entry point '(.*)' not found in egg '(.*)' \(protocols: (.*?); entry_points: "
)
"""As paste.deploy says it, which names what the egg has for other protocols only."""

_KEYS = (
    "use",
    "paste.app_factory",
    "paste.composite_factory",
    "paste.composit_factory",
    "paste.filter_factory",
    "paste.filter_app_factory",
    "pipeline",
    "next",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """What an app is loaded from; servers with equal ones share it in a worker.

    Args:
        option: ``paste_config``, ``app`` or ``factory``.
        target: the path, absolute, or ``module:name``.
        section: of the paste file, else empty.
    """

    option: str
    target: str
    section: str = ""

    def __str__(self) -> str:
        if self.section:
            return f"{self.target}, section {self.section}"
        return f"{self.option} {self.target}" if self.option == "factory" else self.target


def source_of(settings: Settings) -> Source | None:
    """Returns what a server's app is loaded from, None where nothing says it."""
    if settings.paste_config:
        return Source("paste_config", *split_config(settings.paste_config))
    for option in ("app", "factory"):
        if target := getattr(settings, option):
            return Source(option, target)
    return None


def load_served(settings: Settings, global_conf: Mapping[str, str]) -> WSGIApplication:
    """Returns the app of a server.

    Args:
        global_conf: as for ``load_app``; an app without a paste file has none.

    Raises:
        ConfigError: when it cannot be loaded, or nothing says what it is.
    """
    source = source_of(settings)
    if source is None:
        raise ConfigError(
            "nothing says what is served: allowed is one of paste_config, app, factory"
        )
    if source.section:
        return load_app(settings.paste_config, global_conf)
    return _load_object(source.option, source.target)


def _load_object(option: str, target: str) -> WSGIApplication:
    """Finds or makes an app without a paste file, whose module may be in the working directory."""
    look_here()
    where = f"[wsgisrv] {option} = {target}"
    try:
        found = find_named(where, target)
        app = found if option == "app" else found()
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{where}: {_what_failed(error)}") from error
    if not callable(app):
        raise ConfigError(f"{where}: it made {app!r}, which is not a WSGI callable")
    return app  # type: ignore[no-any-return]


def split_config(paste_config: str) -> tuple[str, str]:
    """Returns the absolute path and the section's name out of ``PATH[#NAME]``."""
    path, _, name = paste_config.partition("#")
    return os.path.abspath(path), name or "main"


def check_readable(settings: Settings) -> None:
    """Checks that a paste file is there, before anything is bound or forked for it.

    Raises:
        ConfigError: when it cannot be read.
    """
    source = source_of(settings)
    for path in _files_of(source.target) if source is not None and source.section else ():
        try:
            with open(path, "rb") as file:
                file.read(1)
        except OSError as error:
            raise ConfigError(f"{path}: cannot read the paste file: {error.strerror}") from None


def _files_of(path: str) -> list[str]:
    """Returns the files that a path means.

    Raises:
        ConfigError: for a directory that has none.
    """
    if not os.path.isdir(path):
        return [path]
    found = sorted(glob.glob(os.path.join(glob.escape(path), "*.ini")))
    if not found:
        raise ConfigError(f"{path}: there is no *.ini in the directory")
    return found


def load_app(paste_config: str, global_conf: Mapping[str, str]) -> WSGIApplication:
    """Returns the app that ``PATH[#NAME]`` names.

    Args:
        global_conf: takes the place of what ``[DEFAULT]`` says of the same keys.

    Raises:
        ConfigError: for a file that cannot be read or parsed, a section or factory that is missing,
            and an app that fails while it is imported or made.
    """
    path, name = split_config(paste_config)
    try:
        loader = _Loader(path)
        # What a command was told is no template, as a value of the file is: a URL may have a %40.
        literal = {key: value.replace("%", "%%") for key, value in global_conf.items()}
        loader.update_defaults(literal, overwrite=True)
        app = loader.get_context(loadwsgi.APP, name, dict(global_conf)).create()
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the paste file: {error.strerror}") from None
    if not callable(app):
        raise ConfigError(f"{path}: [{name}] made {app!r}, which is not a WSGI callable")
    return app  # type: ignore[no-any-return]


class LocatedError(ConfigError):
    """A ConfigError that names file and section already."""


class _Loader(loadwsgi.ConfigLoader):  # type: ignore[misc]
    """paste.deploy's loader of one file, or of a directory of them, which says where it failed."""

    def __init__(self, path: str) -> None:
        self.filename = os.path.abspath(path)
        is_directory = os.path.isdir(self.filename)
        here = self.filename if is_directory else os.path.dirname(self.filename)
        self._here = here
        defaults = {"here": here, "__file__": self.filename}
        self.parser = loadwsgi.NicerConfigParser(self.filename, defaults=defaults)
        self.parser.optionxform = str
        self._files: list[tuple[str, configparser.RawConfigParser]] = []
        for name in _files_of(self.filename):
            self._read(name)

    def _read(self, name: str) -> None:
        alone = configparser.RawConfigParser()
        alone.optionxform = str  # type: ignore[assignment,method-assign]  # as paste's, keeps the case
        try:
            with open(name, encoding="utf-8") as file:
                text = file.read()
            alone.read_string(text, name)
            self.parser.read_string(text, name)
        except (configparser.Error, UnicodeDecodeError) as error:
            raise LocatedError(f"{name}: {_parse_failure(error)}") from None
        self._files.append((name, alone))

    def _file_with(self, section: str, key: str) -> str:
        """Returns the file whose word counts: the last one that has the key, else the section."""
        having = [name for name, alone in self._files if alone.has_section(section)]
        exactly = [name for name, alone in self._files if key and alone.has_option(section, key)]
        return (exactly or having or [self.filename])[-1]

    def get_context(self, object_type: Any, name: Any = None, global_conf: Any = None) -> Any:
        if self.absolute_name(name):
            return self._absolute_context(object_type, name, global_conf)
        try:
            section = self.find_config_section(object_type, name=name)
        except LookupError as error:
            raise LocatedError(self._missing(object_type, name, error)) from None
        try:
            context = super().get_context(object_type, name, global_conf)
        except LocatedError:
            raise
        except (Exception, SystemExit) as error:
            raise self._located(section, error) from error
        create = context.create
        context.create = lambda: self._create(section, create)
        return context

    def _absolute_context(self, object_type: Any, name: str, global_conf: Any) -> Any:
        """Follows ``config:``, ``egg:`` and ``call:``; an included file is loaded by this class, too."""
        if not name.lower().startswith("config:"):
            return super().get_context(object_type, name, global_conf)
        path, _, section = name.partition(":")[2].partition("#")
        loader = _Loader(os.path.join(self._here, unquote(path)))
        loader.update_defaults(global_conf or {}, overwrite=False)
        return loader.get_context(object_type, section or "main", global_conf)

    def _create(self, section: str, create: Callable[[], Any]) -> Any:
        try:
            return create()
        except LocatedError:
            raise
        except (Exception, SystemExit) as error:
            raise self._located(section, error) from error

    def _missing(self, object_type: Any, name: str | None, error: LookupError) -> str:
        if str(error).startswith("Ambiguous"):
            return f"{self.filename}: more than one section is named {name!r}"
        has = ", ".join(f"[{section}]" for section in self.parser.sections()) or "none"
        wanted = "[filter:{0}]" if object_type is loadwsgi.FILTER else "[app:{0}] or [pipeline:{0}]"
        return f"{self.filename}: no section {wanted.format(name)} or the like; it has {has}"

    def _located(self, section: str, error: BaseException) -> LocatedError:
        key = next((key for key in _KEYS if self.parser.has_option(section, key)), None)
        where = f"{self._file_with(section, key or '')}: [{section}]"
        if isinstance(error, configparser.InterpolationMissingOptionError):
            return LocatedError(f"{where} {error.option}: no value for %({error.reference})s")
        if isinstance(error, configparser.InterpolationSyntaxError):
            # Its own text quotes the value, which may be a database's URL with a password.
            return LocatedError(f"{where} {error.option}: a % in a value is written %%")
        if isinstance(error, configparser.Error):
            return LocatedError(f"{where} {first_line(error)}")
        if isinstance(error, ConfigError):
            return LocatedError(f"{where} {error}")
        if key is not None:
            where = f"{where} {key} = {self.parser.get(section, key, raw=True)}"
        if isinstance(error, importlib.metadata.PackageNotFoundError):
            return LocatedError(f"{where}: no distribution named {error.name!r} is installed")
        if isinstance(error, LookupError) and (match := _NO_ENTRY_POINT.match(str(error))):
            return LocatedError(f"{where}: {_no_entry_point(*match.groups())}")
        if isinstance(error, FileNotFoundError) and not _raised_in_app(error):
            return LocatedError(f"{where}: {error.filename}: {error.strerror}")
        return LocatedError(f"{where}: {_what_failed(error)}")


def _no_entry_point(name: str, egg: str, groups: str) -> str:
    found = importlib.metadata.distribution(egg).entry_points
    names = sorted({each.name for each in found if each.group in groups.split(", ")})
    return f"no entry point {name!r} in {egg!r}; it has {', '.join(names) or f'none of {groups}'}"


def _parse_failure(error: configparser.Error | UnicodeDecodeError) -> str:
    """Returns what is wrong with the file as a whole, without quoting it: it may not be an ini file."""
    if isinstance(error, configparser.ParsingError):
        # MissingSectionHeaderError, its subclass, has the line as an attribute instead.
        line = getattr(error, "lineno", None) or error.errors[0][0]
        return f"line {line} is no section, no key = value and no continuation of one"
    if isinstance(error, UnicodeDecodeError):
        return "the file is not UTF-8 text"
    return first_line(error).partition(": ")[2]


def _raised_in_app(error: BaseException) -> str:
    """Returns ``file:line`` of the innermost frame if it is not paste.deploy's or the import system's."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if not frame.filename.startswith("<frozen"):
            ours = frame.filename in (loadwsgi.__file__, __file__)
            foreign = (
                f"{os.sep}importlib{os.sep}" in frame.filename or "paste/deploy" in frame.filename
            )
            return "" if ours or foreign else f"{frame.filename}:{frame.lineno}"
    return ""


def _what_failed(error: BaseException) -> str:
    place = _raised_in_app(error)
    if isinstance(error, SystemExit):
        text = f"the app called sys.exit({error.code!r})"
    elif isinstance(error, LookupError) and not place:
        text = " ".join(str(error.args[0] if error.args else error).split())
    else:
        text = first_line(error)
    return f"{text} ({place})" if place else text
