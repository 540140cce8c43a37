"""What a worker and a helper say to each other, over the connection that a job has for itself.

Rules: knows sockets of either kind, green and plain, by ``sendall`` and ``recv_into`` alone.

    helper -> queue    one byte, and with it one end of a new socket pair: a ticket
    worker -> helper   seconds that the job may take, and the pickled call
    helper -> worker   STARTED, once it has the whole job
    helper -> worker   DONE and the pickled result, or FAILED and the pickled error

A worker that closes the connection in between calls the job off; one that reads EOF has lost the helper.
A message is its length and kind, and so many bytes.
"""

from __future__ import annotations

import array
import enum
import socket
import struct
from typing import Any, Protocol

_HEAD = struct.Struct("=QBd")
_FD_BYTES = array.array("i").itemsize
_MOST_AT_ONCE = 1024 * 1024


class Kind(enum.IntEnum):
    """What a message is."""

    JOB = 1  # the number: seconds that it may take, 0.0 for no limit
    STARTED = 2  # the number: time.monotonic() before the time that it may take begins
    DONE = 3  # the number: seconds that it took
    FAILED = 4  # likewise


class PeerGoneError(Exception):
    """Raised when the other side closed before the message was whole."""


class Peer(Protocol):
    """A connected socket."""

    def sendall(self, data: bytes, /) -> Any:
        """Sends all of it."""

    def recv_into(self, buffer: memoryview, nbytes: int = 0, /) -> int:
        """Receives at least a byte, or 0 at the end."""


def send(peer: Peer, kind: Kind, number: float = 0.0, payload: bytes = b"") -> None:
    """Sends one message.

    Raises:
        PeerGoneError: when nobody is there to take it.
    """
    head = _HEAD.pack(len(payload), kind, number)
    try:
        if len(payload) < _MOST_AT_ONCE:
            peer.sendall(head + payload)
        else:
            peer.sendall(head)
            peer.sendall(payload)
    except OSError:
        raise PeerGoneError from None


def receive(peer: Peer) -> tuple[Kind, float, bytearray]:
    """Waits for one message.

    Raises:
        PeerGoneError: at the connection's end.
        MemoryError: for one that there is no memory for.
    """
    size, kind, number = _HEAD.unpack(_exactly(peer, _HEAD.size))
    return Kind(kind), number, _exactly(peer, size)


def _exactly(peer: Peer, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        try:
            count = peer.recv_into(view, min(len(view), _MOST_AT_ONCE))
        except OSError:
            count = 0
        if not count:
            raise PeerGoneError
        view = view[count:]
    return data


def offer_ticket(queue: socket.socket) -> socket.socket:
    """Puts one end of a new connection into the queue and returns the other. Runs in: helper.

    Raises:
        OSError: when no worker and no master is left, or no descriptor.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        queue.sendmsg(
            [b"\0"],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))],
        )
    return ours


def take_ticket(queue: socket.socket) -> int:
    """Returns the descriptor of a helper's connection, or -1 when none is idle. Runs in: worker.

    Raises:
        OSError: when the queue is at its end.
    """
    while True:
        try:
            data, ancillary, _, _ = queue.recvmsg(1, socket.CMSG_SPACE(_FD_BYTES))
        except BlockingIOError:
            return -1
        if not data:
            raise ConnectionError("the helpers' queue is closed")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fd: int = array.array("i", content[:_FD_BYTES])[0]
                return fd
        # Without its descriptor, as when this process has too many open, it is void: the helper sees the
        # connection's end and offers another.


def name_of(f: Any) -> str:
    """Returns a callable's module and name, of a partial what it calls."""
    f = getattr(f, "func", f)
    return f"{getattr(f, '__module__', '')}.{getattr(f, '__qualname__', type(f).__qualname__)}"
