"""Whoever started this master and waits until it is ready: the command of a daemon, or the old master.

Rules: told READY or FAILED, once; the end of its channel means that it is gone. A master that somebody
started from a shell has no starter. Runs in: master.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from wsgisrv.channel import Channel, ChannelClosedError, Kind, Message
from wsgisrv.errors import BY_EXIT_CODE, SystemRefusedError, WsgisrvError, first_line

_UNEXPECTED = 70


class Starter:
    """Args:
    channel: this master's end.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def fileno(self) -> int:
        """Returns the descriptor that is readable when the starter says something or is gone."""
        return self._channel.fileno()

    def ready(self, status: str, adopted: Sequence[int]) -> None:
        """Says that the service is ready.

        Args:
            status: one line.
            adopted: descriptors that it goes on with, of those that an old master has handed over.
        """
        fields = {"pid": os.getpid(), "status": status, "adopted": list(adopted)}
        self._channel.send(Message(Kind.READY, fields))

    def failed(self, error: BaseException) -> bool:
        """Says why it cannot be; False when nobody hears it any more."""
        return self._channel.send(failure(error))

    def said(self) -> list[Message] | None:
        """Returns what it has said since, None when it is gone."""
        if self._channel.fileno() < 0:
            return None
        try:
            return self._channel.receive()
        except ChannelClosedError:
            return None
        except (ValueError, KeyError, AttributeError):
            return []

    def close(self) -> None:
        """Lets go of the channel."""
        self._channel.close()


def failure(error: BaseException) -> Message:
    """Returns the message that says why a service ends before it is ready."""
    code = error.exit_code if isinstance(error, WsgisrvError) else _UNEXPECTED
    reason = first_line(error)
    if not isinstance(error, WsgisrvError):
        reason = f"unexpected error, please report it: {reason}"
    return Message(Kind.FAILED, {"exit_code": code, "reason": reason})


def error_of(message: Message) -> WsgisrvError:
    """Returns the error that a FAILED message tells."""
    code, reason = int(message.fields["exit_code"]), str(message.fields["reason"])
    return BY_EXIT_CODE.get(code, SystemRefusedError)(reason)
