"""The errors that end a command or a start, each with its exit code, and the mark of a client's own.

Rules: a message is one line that says what is wrong, where, and what is allowed; whoever catches one of
these at the top prints ``wsgisrv: <message>`` on stderr and exits with ``exit_code``. Imports nothing.
Source: sysexits.h for the codes.
"""

from __future__ import annotations

from typing import ClassVar


class WsgisrvError(Exception):
    """The base: raised only as one of its subclasses."""

    exit_code: ClassVar[int] = 71


class UsageError(WsgisrvError):
    """Raised by the command line for a wrong option or argument: read ``--help``."""

    exit_code = 2


class AddressInUseError(WsgisrvError):
    """Raised by the listeners when another process holds the address: stop it or bind elsewhere."""

    exit_code = 69


class ReloadError(WsgisrvError):
    """Raised by ``wsgisrv reload`` when the new generation cannot serve: the old one does, as before."""

    exit_code = 1


class UnavailableError(WsgisrvError):
    """Raised by the commands that speak to a master: none is there, or it does not answer."""

    exit_code = 69


class BootError(WsgisrvError):
    """Raised by the master when workers die while booting: the log line before it names the cause."""

    exit_code = 70


class SystemRefusedError(WsgisrvError):
    """Raised where the operating system refuses a call (fork, socket, file): the errno text says why."""

    exit_code = 71


class NotPermittedError(WsgisrvError):
    """Raised for a port below 1024 or a path without the right: grant it or choose another."""

    exit_code = 77


class ConfigError(WsgisrvError):
    """Raised for a wrong option value, ini file, paste file or app: names file, section and key."""

    exit_code = 78


class ClientError(Exception):
    """The base of what a server raises inside an app for what its client did: no bug of anybody's.

    It ends no command. A filter lets it pass, since the server knows what to answer.
    """


def first_line(error: BaseException) -> str:
    """Returns the error's text as one line, with its class in front where the text alone says little."""
    text = " ".join(str(error).split())
    if isinstance(error, WsgisrvError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


BY_EXIT_CODE: dict[int, type[WsgisrvError]] = {
    cls.exit_code: cls
    for cls in (
        UsageError,
        AddressInUseError,
        BootError,
        SystemRefusedError,
        NotPermittedError,
        ConfigError,
    )
}
