"""``daemon``: the service goes into the background, and the command waits until it is ready.

Rules: two forks with setsid(2) in between, so that the service has neither a terminal nor the right to get
one. Whatever goes wrong until it is ready is the command's own error: exit code and one line. A command
that is killed while it waits takes the service with it: nobody would know of it.
Runs in: master, before it has a thread, a signal handler or a listener.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence

from wsgisrv.channel import Channel, ChannelClosedError, Kind, Message
from wsgisrv.errors import BootError
from wsgisrv.master.starter import Starter, error_of


def detach() -> Starter | None:
    """Forks the service off.

    Returns:
        In the service the command that waits; in the command None, when the service is ready.

    Raises:
        WsgisrvError: in the command, when the service ended before; whatever it said.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    ours, theirs = Channel.pair()
    child = os.fork()
    if child:
        theirs.close()
        os.waitpid(child, 0)
        _wait_ready(ours)
        return None
    ours.close()
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
    except OSError as error:
        reason = f"cannot fork: {error.strerror}"
        theirs.send(Message(Kind.FAILED, {"exit_code": 71, "reason": reason}))
        os._exit(71)
    lead_nowhere((0, 1, 2))
    return Starter(theirs)


def lead_nowhere(standard: Sequence[int]) -> None:
    """Makes standard streams lead to /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in standard:
        os.dup2(null, number)
    if null > 2:
        os.close(null)


def _wait_ready(channel: Channel) -> None:
    while True:
        select.select([channel], [], [])
        try:
            messages = channel.receive()
        except ChannelClosedError:
            raise BootError("the service ended before it was ready, without a word") from None
        for message in messages:
            if message.kind is Kind.READY:
                return
            if message.kind is Kind.FAILED:
                raise error_of(message)
