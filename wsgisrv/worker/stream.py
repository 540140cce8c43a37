"""A socket that a greenlet may wait for while the hub drives it.

Rules: one persistent read listener, which ``pause`` takes off the hub and ``listen`` puts back; at most one
greenlet waits, for one thing, until a deadline of the worker's clock. The methods that wait say so.

Facts about eventlet's hubs: what a wake-up found is called to the end even if an earlier callback took
the listener off, so a callback may come late, and whoever is woken looks again.
"""

from __future__ import annotations

import abc
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import greenlet

from wsgisrv.blocking.green import resume
from wsgisrv.worker.clock import NEVER
from wsgisrv.worker.errors import ClientGoneError
from wsgisrv.worker.file_wrapper import FileWrapper
from wsgisrv.worker.tls_socket import TlsSocket

if TYPE_CHECKING:
    from wsgisrv.worker.server import Server

_LOG = logging.getLogger("wsgisrv.http")

RECEIVE_BYTES = 65536

JOIN_BYTES = 65536
"""Up to this size a body is copied behind its head; a larger one is not worth the copy."""

UNSENT_BYTES = 262144
"""Most that is kept to be sent soon; beyond it a request waits for its client."""

SENDFILE_BYTES = 1024 * 1024
"""Most of a file in one system call: what comes from a disk must not hold the hub for long."""

_RESET = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: on, for no time


class Stream(abc.ABC):
    """Args:
    worker: whose hub and clock it lives by.
    sock: non-blocking and unpatched, or a TlsSocket over such a one.
    """

    __slots__ = (
        "_listener", "_on_readable", "_rest", "_unsent", "_waiter", "_waits_to_read", "_write_listener",
        "client_seconds", "deadline", "fd", "sock", "wake", "worker",
    )  # fmt: skip

    def __init__(self, worker: Server, sock: Any) -> None:
        self.worker = worker
        self.sock = sock
        self.fd: int = sock.fileno()
        self.deadline = self.wake = NEVER
        self.client_seconds = 0.0  # that the request which runs has waited for its client
        self._on_readable: Callable[[int], None] = self._readable
        self._listener: Any = None
        self._waiter: Any = None  # the greenlet that waits for this socket
        self._waits_to_read = False  # and for what
        self._unsent = b""  # what is to be sent soon
        self._rest: memoryview | None = None  # and what of a long body behind it
        self._write_listener: Any = None  # while the client does not take it

    @abc.abstractmethod
    def _readable(self, _fd: int) -> None:
        """Called by the hub when there is something to read, or the end. Runs in: hub."""

    def listen(self) -> None:
        """Has ``_readable`` called from now on."""
        if self._listener is None:
            hub = self.worker.hub
            self._listener = hub.add(hub.READ, self.fd, self._on_readable, _ignore, None)
            # The hub notes who listens; a request that did would never be let go of.
            self._listener.greenlet = hub.greenlet

    def pause(self) -> None:
        """Has it called no more."""
        if self._listener is not None:
            self.worker.hub.remove(self._listener)
            self._listener = None

    # Sending soon: what is complete need not keep a greenlet

    @property
    def is_stuck(self) -> bool:
        """Whether the client does not take what is to be sent soon."""
        return self._write_listener is not None

    def send_soon(self, data: bytes) -> None:
        """Sends ``data`` when the hub has served what else has come. Runs in: pool greenlet.

        The responses of one turn of the hub leave together: the first wakes a sleeping client's core,
        which costs as much as all else of a send, and finds it awake for the others; those of
        pipelined requests leave in one system call.

        Raises:
            ClientGoneError: as for ``send``, if so much is unsent that it has to wait.
        """
        if self._unsent:
            if len(self._unsent) + len(data) > UNSENT_BYTES:
                self.send(data)
                return
            self._unsent += data
            return
        self._unsent = data
        self.worker.flush_soon(self)

    def send_whole(self, head: bytes, body: bytes) -> None:
        """Sends a response that is all there. Runs in: pool greenlet, but does not keep it: what the
        client does not take at once, the hub sends.

        Raises:
            ClientGoneError: when it went away.
        """
        head = self.take_unsent() + head
        sent = self._send_some(head, body)
        if sent < len(head) + len(body):
            self._unsent = head[sent:]
            self._rest = memoryview(body)[max(sent - len(head), 0) :]
            self._get_stuck()

    def flush(self) -> None:
        """Sends what is to be sent soon, or waits in the hub until the client takes it. Runs in: hub."""
        data: bytes | memoryview = self._unsent or self._rest or b""
        if not data and self._write_listener is None:
            return
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._unsent, self._rest = b"", None
            self.close()
            return
        self.worker.counters.bytes_out += sent
        if isinstance(data, bytes):
            self._unsent = data[sent:]
        else:
            self._rest = data[sent:] or None
        if self._unsent or self._rest:
            self._get_stuck()
        elif self._write_listener is not None:
            self._drop_write_listener()
            self.unstuck()

    def _get_stuck(self) -> None:
        """Waits in the hub until the client takes what was not sent, and reads nothing until then."""
        if self._write_listener is None:
            hub = self.worker.hub
            self.pause()
            self._write_listener = hub.add(hub.WRITE, self.fd, self._flushable, _ignore, None)
            self._write_listener.greenlet = hub.greenlet
        if self._waiter is None:
            self.worker.clock.watch(self, time.monotonic() + self.worker.settings.write_timeout)

    @abc.abstractmethod
    def unstuck(self) -> None:
        """Called when the client has taken all that it did not take at once. Runs in: hub."""

    def _flushable(self, _fd: int) -> None:
        if self._write_listener is not None:
            self.flush()

    def _drop_write_listener(self) -> None:
        if self._write_listener is not None:
            self.worker.hub.remove(self._write_listener)
            self._write_listener = None

    def take_unsent(self) -> bytes:
        """Returns what is to be sent soon, for whoever sends something behind it now.

        There is no rest of a long body then: until that is sent, the connection serves no request.
        """
        data, self._unsent = self._unsent, b""
        self._drop_write_listener()
        return data

    # Waiting

    def wait_data(self, seconds: float) -> bytes:
        """Waits at most ``seconds`` for raw bytes of the body; b"" at EOF. Runs in: pool greenlet.

        Raises:
            TimeoutError: when none came.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                data: bytes = self.sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                self.wait_readable(deadline)
            except OSError:
                return b""
            else:
                self.worker.counters.bytes_in += len(data)
                return data

    def wait_readable(self, deadline: float) -> None:
        """Waits until there is something to read, or perhaps is. Runs in: pool greenlet.

        Raises:
            TimeoutError: at the deadline.
        """
        self.listen()
        self._waits_to_read = True
        self._wait(deadline)

    def wake_reader(self) -> None:
        """Lets whoever waits to read look again. Runs in: hub."""
        if self._waits_to_read:
            self._wake_waiter()

    def send(self, data: bytes) -> None:
        """Sends all of ``data``, waiting for a client that is slow. Runs in: pool greenlet.

        Raises:
            ClientGoneError: when it went away or took nothing for ``write_timeout``.
        """
        if self._unsent:
            data = self.take_unsent() + data
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            raise ClientGoneError(*error.args) from None
        self.worker.counters.bytes_out += sent
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def send_both(self, head: bytes, body: bytes) -> None:
        """Sends ``head`` and ``body``, in one packet train if they fit. Runs in: pool greenlet.

        Raises:
            ClientGoneError: as for ``send``.
        """
        if len(body) <= JOIN_BYTES:
            self.send(head + body)
            return
        head = self.take_unsent() + head
        sent = self._send_some(head, body)
        if sent < len(head):
            self._send_rest(memoryview(head)[sent:])
            sent = len(head)
        self._send_rest(memoryview(body)[sent - len(head) :])

    def _send_some(self, head: bytes, body: bytes) -> int:
        """Sends what the client takes now of ``head`` and ``body``, and returns how many bytes."""
        try:
            sent: int = self.sock.sendmsg((head, body))
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise ClientGoneError(*error.args) from None
        self.worker.counters.bytes_out += sent
        return sent

    def _send_rest(self, rest: memoryview) -> None:
        while rest:
            self._wait_writable()
            try:
                sent = self.sock.send(rest)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise ClientGoneError(*error.args) from None
            self.worker.counters.bytes_out += sent
            rest = rest[sent:]

    @property
    def can_send_files(self) -> bool:
        """Whether ``send_file`` is of use: what is encrypted passes through this process."""
        return not isinstance(self.sock, TlsSocket)

    def send_file(self, wrapper: FileWrapper, count: int) -> None:
        """Sends ``count`` bytes from the file's position by sendfile(2). Runs in: pool greenlet.

        Raises:
            ClientGoneError: as for ``send``, or when the file has become shorter.
        """
        source = wrapper.fileno()
        at = wrapper.tell()
        end = at + count
        while at < end:
            try:
                sent = os.sendfile(self.fd, source, at, min(end - at, SENDFILE_BYTES))
            except (BlockingIOError, InterruptedError):
                self._wait_writable()
                continue
            except OSError as error:
                raise ClientGoneError(*error.args) from None
            if not sent:
                raise ClientGoneError("the file became shorter while it was sent")
            self.worker.counters.bytes_out += sent
            at += sent

    def _wait_writable(self) -> None:
        hub = self.worker.hub
        listener = hub.add(hub.WRITE, self.fd, self._writable, _ignore, None)
        try:
            self._wait(time.monotonic() + self.worker.settings.write_timeout)
        except TimeoutError:
            raise ClientGoneError("the client takes nothing of the response") from None
        finally:
            hub.remove(listener)

    def _writable(self, _fd: int) -> None:
        self._wake_waiter()

    def _wait(self, deadline: float) -> None:
        """Waits for a listener of this socket. Runs in: pool greenlet.

        Raises:
            TimeoutError: at the deadline.
        """
        if self._waiter is not None:
            raise RuntimeError(
                "two greenlets wait for one connection; an app may use it from one only"
            )
        self._waiter = greenlet.getcurrent()
        since = time.monotonic()
        self.worker.clock.watch(self, deadline)
        pool = self.worker.pool
        has_stepped_out = pool.step_out()
        try:
            in_time = self.worker.hub.switch()
        finally:
            if has_stepped_out:
                pool.step_in()
            self._waiter = None
            self._waits_to_read = False
            self.client_seconds += time.monotonic() - since
            if self.deadline == deadline:  # else it is another one's by now
                self.deadline = NEVER
        if not in_time:
            raise TimeoutError

    def _wake_waiter(self) -> None:
        if self._waiter is not None:
            resume(self.worker.hub, self._waiter, True)

    def abort(self) -> None:
        """Ends the connection so that the client cannot take a response for a complete one.

        RST rather than FIN: a body that lasts to the end of the connection has no other sign.
        """
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError as error:
            _LOG.debug("the connection was gone already: %s", error)
        self.close()

    def close(self) -> None:
        """Ends the connection at once; whoever waits for it is woken and finds it closed."""
        self.pause()
        self._drop_write_listener()
        self.worker.clock.forget(self)
        self.sock.close()
        if self._waiter is not None:
            self.worker.hub.schedule_call_global(0, self._wake_waiter)

    def expire(self) -> None:
        """Wakes whoever waits, with a TimeoutError. Runs in: hub, from the clock."""
        if self._waiter is not None:
            self.worker.counters.note_timeout("body" if self._waits_to_read else "write")
            resume(self.worker.hub, self._waiter, False)
        elif self.is_stuck:
            self.worker.counters.note_timeout("write")
            self.abort()


def _ignore(_error: BaseException) -> None:
    """The listener's throwback: a stream closes its own descriptor, nobody else does."""
