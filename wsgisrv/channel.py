"""The channel: one socket pair between the master and each worker, carrying lines of JSON.

Rules: both ends are non-blocking and nobody waits for the other; EOF means that the other side died.
READY, FAILED and STACKS go up to the master; DRAIN, REOPEN, DUMP, TLS, SETTINGS and LOG_LEVEL go down to a
worker. A new master and whoever started it speak over such a pair as well: READY and FAILED go up,
TAKE_OVER down.
Must not import eventlet: a worker's hub watches ``fileno()`` and calls ``receive()``.

Facts about stream socket pairs: a message is small and the peer reads whenever it is awake, so a full
buffer (208 KiB on Linux) means a peer that has stopped reading for good; the message is then refused
rather than cut in two.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import socket
from typing import Any


class Kind(enum.Enum):
    """What a message says."""

    READY = "ready"  # worker -> master: the app is loaded; fields: hub
    FAILED = "failed"  # worker -> master: it cannot boot; fields: exit_code, reason
    DRAIN = "drain"  # master -> worker: accept no more, finish, exit 0
    REOPEN = "reopen"  # master -> worker: reopen the log files
    DUMP = "dump"  # master -> worker: send every stack; fields: token, most_bytes
    STACKS = "stacks"  # worker -> master: they are these; fields: token, dump
    LOG_LEVEL = "log_level"  # master -> worker: log from here on; fields: level, logger
    TAKE_OVER = "take_over"  # old master -> new one: all is yours
    TLS = "tls"  # master -> worker: other certificates; fields: server, and tls.Material's
    SETTINGS = "settings"  # master -> worker: these hold from now on; fields: each mutable option


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One message with its fields, which are plain JSON values."""

    kind: Kind
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)


class ChannelClosedError(Exception):
    """Raised by ``receive`` at EOF: the process at the other end is gone."""


class Channel:
    """One end of the pair."""

    __slots__ = ("_partial", "_socket")

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._partial = b""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Returns the two ends, both close-on-exec.

        Raises:
            OSError: when no file descriptor is left.
        """
        ours, theirs = socket.socketpair()
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        """Returns the descriptor to watch, or -1 when closed."""
        return self._socket.fileno()

    def send(self, message: Message) -> bool:
        """Sends one message whole; False when the peer is gone or has stopped reading."""
        line = json.dumps({"kind": message.kind.value, **message.fields}).encode() + b"\n"
        try:
            return self._socket.send(line) == len(line)
        except OSError:
            return False

    def receive(self) -> list[Message]:
        """Returns the messages that are complete, oldest first; empty when there is none yet.

        Raises:
            ChannelClosedError: at EOF, once every message before it was returned.
            ValueError, KeyError, AttributeError: for a line that is no message, likewise.
        """
        chunks = [self._partial]
        closed = False
        while True:
            try:
                chunk = self._socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                chunk = b""
            if not chunk:
                closed = True
                break
            chunks.append(chunk)
        *lines, self._partial = b"".join(chunks).split(b"\n")
        if closed and not lines:
            raise ChannelClosedError
        return self._parsed(lines)

    def _parsed(self, lines: list[bytes]) -> list[Message]:
        """Parses up to a line that is no message, which raises when it is the first."""
        messages: list[Message] = []
        for index, line in enumerate(lines):
            try:
                messages.append(_parse(line))
            except (ValueError, KeyError, AttributeError):
                if not messages:
                    raise
                self._partial = b"\n".join([*lines[index:], self._partial])
                break
        return messages

    def close(self) -> None:
        """Closes this end; the peer reads EOF once no other process holds it."""
        self._socket.close()


def _parse(line: bytes) -> Message:
    fields = json.loads(line)
    return Message(Kind(fields.pop("kind")), fields)
