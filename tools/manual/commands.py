"""What each command takes, out of its oslo.config options or its argparse parser."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from oslo_config import cfg

from wsgisrv import check, cli, config_command, new, operate, routes_command, top
from wsgisrv.declared_options import FIELDS, allowed, options
from wsgisrv.options import PASTE_INI

_SERVICE: Mapping[str, Sequence[cfg.Opt]] = {
    "serve": [PASTE_INI, cli.PASTE_VAR],
    "check": check.OWN,
    "config": config_command.OWN,
    "demo": [cli.DATABASE],
    "routes": routes_command.OWN,
}
"""The own options of commands that take those of the service, too."""


@dataclasses.dataclass(frozen=True, slots=True)
class Argument:
    """One flag, or one word without a flag.

    Args:
        flags: none for a word.
        metavar: of the value, empty for a switch.
        help: sentences.
        choices: of the value, where they are known.
    """

    flags: tuple[str, ...]
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    is_repeated: bool = False

    @property
    def names_file(self) -> bool:
        """Whether the value is a file's path."""
        return self.metavar.startswith(("PATH", "PASTE_INI", "CHAIN"))

    @property
    def names_directory(self) -> bool:
        """Whether the value is a directory's path."""
        return self.metavar in ("DIR", "DIRECTORY")

    @property
    def summary(self) -> str:
        """The first sentence, without its full stop."""
        first = self.help.split(". ")[0].split("; ")[0].rstrip(".")
        return first if len(first) <= 100 else first[:97].rsplit(" ", 1)[0] + " ..."


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Args:
        own: what it takes alone.
        takes_service: whether it takes the service's options, too.
    """

    name: str
    help: str
    own: tuple[Argument, ...]
    takes_service: bool


HELP = Argument(("--help",), "", "Say how the command is used.")

FILES = (
    Argument(
        ("--config-file",), "PATH",
        "Configuration file to read in place of those that are searched for; a later one wins.",
        is_repeated=True,
    ),
    Argument(
        ("--config-dir",), "DIR",
        "Directory whose *.conf are read in the order of their names, after the files.",
        is_repeated=True,
    ),
)  # fmt: skip


def service_arguments() -> tuple[Argument, ...]:
    """Returns the options of the service, in the order of its table."""
    return (*FILES, *_of_opts(options()))


def commands() -> tuple[Command, ...]:
    """Returns all commands, in the order of ``wsgisrv --help``."""
    return tuple(_command(name, each.help) for name, each in cli.COMMANDS.items())


def details(argument: Argument) -> str:
    """Returns what an option's value may be and is by default; empty for what is no option's."""
    name = argument.flags[0].removeprefix("--").replace("-", "_") if argument.flags else ""
    field = FIELDS.get(name)
    if field is None:
        return ""
    default = field.default
    if isinstance(default, tuple):
        default = ",".join(default)
    if isinstance(default, bool):
        default = str(default).lower()
    text = allowed(field)
    has_bounds = text != "allowed is text"
    said = f"{text[0].upper()}{text[1:]}. " if has_bounds else ""
    mutable = " It changes in running processes, on HUP." if field.metadata["mutable"] else ""
    return f"{said}By default {default if default != '' else 'empty'}.{mutable}"


def _command(name: str, help_text: str) -> Command:
    if name in _SERVICE:
        return Command(name, help_text, (*_of_opts(_SERVICE[name]), HELP), True)
    own = {"new": new.parser, "top": top.parser}
    parser = own[name]() if name in own else operate.parser_of(name)
    return Command(name, help_text, tuple(_of_actions(parser)), False)


def _of_opts(opts: Iterable[cfg.Opt]) -> Iterator[Argument]:
    for opt in opts:
        help_text = opt.help or ""
        if opt.positional:
            yield Argument((), opt.metavar or "", help_text)
            continue
        flag = f"--{opt.name.replace('_', '-')}"
        if isinstance(opt, cfg.BoolOpt):
            off = () if opt.dest not in FIELDS else (f"--no{flag[2:]}",)
            yield Argument((flag, *off), "", help_text)
            continue
        field = FIELDS.get(opt.dest)
        choices = (field.metadata["choices"] if field else None) or ()
        yield Argument((flag,), opt.metavar or "TEXT", help_text, choices, opt.multi)


def _of_actions(parser: argparse.ArgumentParser) -> Iterator[Argument]:
    for action in parser._actions:
        if "--help" in action.option_strings:
            yield HELP
            continue
        takes_none = action.nargs == 0
        metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        help_text = action.help or ""
        yield Argument(
            tuple(action.option_strings),
            "" if takes_none else metavar,
            f"{help_text[:1].upper()}{help_text[1:]}.",
            tuple(action.choices or ()),
            isinstance(action.default, list),
        )


def flags_of(arguments: Sequence[Argument]) -> list[str]:
    """Returns all flags."""
    return [flag for argument in arguments for flag in argument.flags]
