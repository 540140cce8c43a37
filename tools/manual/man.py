"""The man page wsgisrv(1), in the macros of man(7)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from manual.commands import Argument, Command, details
from wsgisrv import __version__

_SIGNALS = (
    ("TERM, first INT", "Stop gracefully: workers finish their requests until graceful_timeout."),
    ("QUIT, second INT", "Stop now."),
    ("HUP", "Read the configuration anew and replace the workers by a new generation."),
    ("USR1", "Reopen the log files."),
    ("USR2", "Run a new master from disk, which takes over the sockets."),
    ("TTIN, TTOU", "Run one worker more, or one fewer."),
)

_EXIT = (
    ("0", "Stopped as asked; of a command: done."),
    ("1", "wsgisrv reload: the new generation cannot serve, the old one does."),
    ("2", "Wrong use of the command line."),
    ("69", "An address is in use; of a command: no master answers."),
    ("70", "Workers die while booting, or an error of wsgisrv itself."),
    ("71", "The operating system refused something."),
    ("77", "Not permitted, as a port below 1024."),
    ("78", "The configuration or paste file is wrong, or the app cannot be loaded."),
)

_FILES = (
    (
        "~/.wsgisrv/wsgisrv.conf, ~/wsgisrv.conf, /etc/wsgisrv/wsgisrv.conf, /etc/wsgisrv.conf",
        (
            "The first of them is read where no --config-file is given. It must belong to who runs the"
            " command or to root, and be written by nobody else."
        ),
    ),
    (
        "wsgisrv.conf.d in the same directories",
        (
            "Of the first of them the *.conf are read where no --config-dir is given, in the order of their"
            " names."
        ),
    ),
)


def man_page(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> str:
    """Returns the page."""
    return "\n".join(_lines(commands, service)) + "\n"


def _lines(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> Iterator[str]:
    yield '.\\" Made by tools/shell-files: do not edit.'
    yield f'.TH WSGISRV 1 "" "wsgisrv {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "wsgisrv \\- serve WSGI apps from paste files, one Eventlet worker for each core"
    yield ".SH SYNOPSIS"
    yield ".nf"
    yield "\\fBwsgisrv serve\\fR [\\fIPASTE_INI\\fR[#\\fIAPP\\fR]] [\\fIoptions\\fR]"
    yield "\\fBwsgisrv serve \\-\\-app\\fR \\fIMODULE\\fR:\\fINAME\\fR [\\fIoptions\\fR]"
    yield "\\fBwsgisrv\\fR \\fIcommand\\fR [\\fIoptions\\fR]"
    yield ".fi"
    yield ".SH DESCRIPTION"
    yield from _text(
        "A small master process forks workers, supervises them and replaces them when it is told to"
        " reload; each worker loads the app and serves it over HTTP/1.1. Every option of the service may"
        " stand in a file, in group [wsgisrv], in the environment, as OS_WSGISRV__WORKERS=4, or on the"
        " command line, and the later of these wins. wsgisrv config prints what holds, and where each value"
        " comes from."
    )
    yield ".SH COMMANDS"
    for command in commands:
        yield f".SS wsgisrv {_escaped(command.name)}"
        yield from _text(f"{command.help[0].upper()}{command.help[1:]}.")
        if command.takes_service:
            yield from _text("It takes the options of the service, below, and:")
        yield from _arguments(command.own)
    yield ".SH OPTIONS OF THE SERVICE"
    yield from _arguments(service)
    yield ".SH SIGNALS"
    yield from _text("To the master:")
    yield from _list(_SIGNALS)
    yield ".SH EXIT STATUS"
    yield from _list(_EXIT)
    yield ".SH ENVIRONMENT"
    yield from _list(
        (
            ("OS_WSGISRV__NAME", "An option of [wsgisrv], as OS_WSGISRV__POOL_SIZE."),
            ("OS_WSGISRV_SERVER__NAME", "One of a server of several, as OS_WSGISRV_ADMIN__BIND."),
        )
    )
    yield ".SH FILES"
    yield from _list(_FILES)
    yield ".SH SEE ALSO"
    yield ".BR systemd.socket (5),"
    yield ".BR haproxy (1),"
    yield ".BR nginx (8)"


def _arguments(arguments: Sequence[Argument]) -> Iterator[str]:
    for argument in arguments:
        metavar = f"\\fI{_escaped(argument.metavar)}\\fR" if argument.metavar else ""
        flags = ", ".join(f"\\fB{_escaped(flag)}\\fR" for flag in argument.flags)
        yield ".TP"
        yield f"{flags} {metavar}".strip()
        yield from _text(f"{argument.help} {details(argument)}".strip())


def _list(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in rows:
        yield ".TP"
        yield f"\\fB{_escaped(name)}\\fR"
        yield from _text(text)


def _text(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, 96, break_long_words=False, break_on_hyphens=False):
        guard = "\\&" if line.startswith((".", "'")) else ""
        yield guard + _escaped(line)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti")
