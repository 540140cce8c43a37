"""The control socket's server: lines in, lines out, never waiting for a client.

Rules: lives in the master's loop, whose selector watches each socket; bounded in clients, in bytes and in
time. Only the master's own user and root are listened to. What a command means is not known here.
Runs in: master loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
from collections.abc import Callable

from wsgisrv.control import LINE_BYTES, Fields, decode, encode, failure, user_of
from wsgisrv.errors import NotPermittedError, SystemRefusedError, UnavailableError, UsageError
from wsgisrv.master.listener import Listener

_LOG = logging.getLogger("wsgisrv.master")

MOST_CLIENTS = 64
"""At a time; a reload's waits for its end, and a status must be had meanwhile."""

PATIENCE = 10.0
"""Seconds that a client may take for its request, and then for its answer."""

REST = 1.0
"""Seconds that accepting rests when no descriptor is left: the listener stays readable meanwhile."""


class ControlClient:
    """One connection: reads one request, then waits until it is answered."""

    def __init__(self, server: ControlServer, sock: socket.socket, deadline: float) -> None:
        self._server = server
        self.socket = sock
        self.deadline: float | None = deadline
        self._input = b""
        self._output = b""
        self._asked = False
        self._answered = False

    def send_away(self) -> None:
        """Has a client that has not asked yet ask again: another master answers now."""
        if not (self._asked or self._answered):
            self._asked = True
            error = "another master has taken over; ask again"
            self.answer({**failure(error, UnavailableError.exit_code), "again": True})

    def answer(self, fields: Fields, *, is_last: bool = True) -> None:
        """Queues an answer; the connection is closed behind the last one."""
        self._answered = self._answered or is_last
        self._output += encode(fields)
        self._server.give_time(self, self._answered)
        self.flush()

    def promise(self) -> None:
        """Says that the outcome will come later: from now on the client waits for us."""
        self.answer({"wait": True}, is_last=False)

    def ready(self, mask: int) -> None:
        """Something can be read or written."""
        if mask & selectors.EVENT_READ:
            self._read()
        if mask & selectors.EVENT_WRITE and self.socket.fileno() >= 0:
            self.flush()

    def _read(self) -> None:
        try:
            data = self.socket.recv(LINE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._server.drop(self)  # it has left; whatever it asked for is done all the same
        elif not self._asked:
            self._input += data
            self._take_line()

    def _take_line(self) -> None:
        line, newline, _ = self._input.partition(b"\n")
        if len(line) > LINE_BYTES or (not newline and len(self._input) >= LINE_BYTES):
            self._asked = True
            self.answer(failure(f"a request has {LINE_BYTES} bytes at most", UsageError.exit_code))
        elif newline:
            self._asked = True
            self._input = b""
            self._server.obey(line, self)

    def flush(self) -> None:
        """Sends what the client takes now."""
        while self._output:
            try:
                sent = self.socket.send(self._output)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._server.drop(self)
                return
            self._output = self._output[sent:]
        if self._answered and not self._output:
            self._server.drop(self)
        else:
            self._server.watch(self, writes=bool(self._output))


Obey = Callable[[Fields, ControlClient], None]


class ControlServer:
    """Args:
    listener: of the control socket, closed with the server; None for a service without.
    selector: of the master's loop.
    obey: carries a command out and answers it, now or later.
    clock: time.monotonic.
    """

    def __init__(
        self,
        listener: Listener | None,
        selector: selectors.BaseSelector,
        obey: Obey,
        clock: Callable[[], float],
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._obey = obey
        self._clock = clock
        self._clients: set[ControlClient] = set()
        self._rests_until = 0.0  # while the listener is not watched
        self._is_watched = False

    def begin(self) -> None:
        """Begins to accept; does nothing the second time."""
        if self._listener is not None and not self._is_watched:
            self._selector.register(self._listener.socket, selectors.EVENT_READ, self._accept)
            self._is_watched = True

    def _accept(self, _mask: int) -> None:
        """Takes all that wait: on a machine that is overloaded the next turn of the loop may be far."""
        if self._listener is None:
            return
        for _ in range(MOST_CLIENTS):
            try:
                sock, _address = self._listener.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return  # nobody any more, or it has left already
            except OSError as error:
                _LOG.warning("control socket: cannot accept: %s", error.strerror)
                self._rest()
                self._rests_until = self._clock() + REST
                return
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        client = ControlClient(self, sock, self._clock() + PATIENCE)
        self._clients.add(client)
        self._selector.register(sock, selectors.EVENT_READ, client.ready)
        uid = user_of(sock)
        if uid not in (os.geteuid(), 0):
            _LOG.warning("control socket: user %d is not permitted", uid)
            reason = f"user {uid} is not permitted; the master's own user and root are"
            client.answer(failure(reason, NotPermittedError.exit_code))
        elif len(self._clients) > MOST_CLIENTS:
            reason = f"{MOST_CLIENTS} control connections are open already"
            client.answer(failure(reason, SystemRefusedError.exit_code))

    def obey(self, line: bytes, client: ControlClient) -> None:
        """Has a request carried out; one that is none is answered here."""
        try:
            fields = decode(line)
        except ValueError as error:
            client.answer(failure(f"a request is one JSON object: {error}", UsageError.exit_code))
            return
        self._obey(fields, client)

    def give_time(self, client: ControlClient, has_answer: bool) -> None:
        """Sets the deadline of a client: none while it waits for us."""
        client.deadline = self._clock() + PATIENCE if has_answer else None

    def watch(self, client: ControlClient, *, writes: bool) -> None:
        """Has the client called when it can be read, and also when it can be written to."""
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        with contextlib.suppress(KeyError):
            self._selector.modify(client.socket, mask, client.ready)

    def is_open(self, client: ControlClient) -> bool:
        """Whether the client still waits for its answer."""
        return client in self._clients

    def drop(self, client: ControlClient) -> None:
        """Closes a connection; does nothing the second time."""
        if client in self._clients:
            self._clients.discard(client)
            self._selector.unregister(client.socket)
            client.socket.close()

    def expire(self) -> None:
        """Closes the connections whose time is over, and accepts again after a rest."""
        now = self._clock()
        if self._rests_until and now >= self._rests_until:
            self._rests_until = 0.0
            self.begin()
        for client in list(self._clients):
            if client.deadline is not None and now >= client.deadline:
                self.drop(client)

    @property
    def listener(self) -> Listener | None:
        """The control socket; None when there is none, or another master has it."""
        return self._listener

    def disown(self) -> None:
        """Accepts no more: another master does, on the same socket, whose file is its own now.

        A client that was accepted and whose request has not come yet is sent to that one: this master may end
        before the request does come.
        """
        if self._listener is not None:
            self._listener.inode = 0
        self._stop_accepting()
        for client in list(self._clients):
            client.send_away()

    def _rest(self) -> None:
        if self._listener is not None and self._is_watched:
            self._selector.unregister(self._listener.socket)
            self._is_watched = False

    def _stop_accepting(self) -> None:
        self._rest()
        self._rests_until = 0.0
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def close_in_worker(self) -> None:
        """Lets go of the descriptors. Runs in: the child; the file is the master's."""
        if self._listener is not None:
            self._listener.socket.close()
        for client in self._clients:
            client.socket.close()

    def close(self) -> None:
        """Removes the file and closes every connection, by which those learn who wait for a stop."""
        for client in list(self._clients):
            self.drop(client)
        self._stop_accepting()
