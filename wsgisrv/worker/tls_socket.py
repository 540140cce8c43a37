"""A socket that speaks TLS, in the place of a plain one: the handshake, the records and their end.

Rules: never waits. It has the methods of a socket that ``Stream`` calls, and they keep their meaning: what
cannot be done now raises BlockingIOError. The handshake runs as bytes arrive, within ``recv``, so one
that stalls is a connection whose first request does not come, and the same deadline ends it.

Facts about records: what was made into one must be sent whole before the next, so a ``send`` that raised
BlockingIOError must be called again with the same bytes in front, as SSL_write(3) asks, and only then says
that they are sent. A connection that is closed without close_notify was cut (RFC 8446 6.1), so a reset,
which says that a response is not whole, sends none.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import ssl
from email.utils import formatdate
from typing import Any

from wsgisrv.http1.writer import plain_response

_LOG = logging.getLogger("wsgisrv.tls")

WRITE_BYTES = 262144
"""Most that is encrypted in one go: it holds the hub for a tenth of a millisecond."""

READ_BYTES = 65536


class OutputWaitsError(BlockingIOError):
    """Raised by ``recv`` when the handshake cannot go on until the client takes what was sent."""


class TlsSocket:
    """Args:
    sock: accepted, non-blocking and unpatched.
    context: of the server.
    environ: the base environ of the connection's requests; gets what the handshake finds out.
    early: what came on the socket already.
    """

    __slots__ = (
        "_early", "_environ", "_incoming", "_is_cut", "_is_ready", "_outgoing", "_promised", "_records",
        "_sock", "_tls",
    )  # fmt: skip

    def __init__(
        self, sock: Any, context: ssl.SSLContext, environ: dict[str, Any], early: bytes = b""
    ) -> None:
        self._sock = sock
        self._early = early
        self._environ = environ
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_ready = False  # the handshake is done
        self._is_cut = False  # no close_notify may be sent
        self._records = b""  # made, but not sent yet
        self._promised = 0  # bytes of the caller's that are in them

    def fileno(self) -> int:
        """Returns the descriptor, to watch."""
        return int(self._sock.fileno())

    def recv(self, most: int) -> bytes:
        """Returns what has come, all of it; b"" at the end.

        Args:
            most: bytes to take from the network; decrypted they are as many or fewer, but for a record
                that began before.

        Raises:
            BlockingIOError: when there is nothing yet.
            OSError: for what is no TLS, or a client that is not let in.
        """
        data, self._early = self._early or self._sock.recv(most), b""
        if not data:
            return b""
        self._incoming.write(data)
        try:
            if not self._is_ready:
                self._shake_hands(data)
            found, at_end = self._decrypt()
        except ssl.SSLError as error:
            self._fail(error)
            raise
        self._push_or_wait()
        if found or at_end:
            return found
        raise BlockingIOError

    def _shake_hands(self, data: bytes) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._push_or_wait()
            raise BlockingIOError from None
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                date = formatdate(usegmt=True)
                with contextlib.suppress(OSError):
                    self._sock.send(plain_response(400, "this port speaks TLS", date=date))
            raise
        self._is_ready = True
        self._environ.update(_environ_of(self._tls))

    def _decrypt(self) -> tuple[bytes, bool]:
        """Returns all that has come, and whether the client has ended its side."""
        found: list[bytes] = []
        while True:
            try:
                data = self._tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                return b"".join(found), False
            if not data:
                return b"".join(found), True
            found.append(data)

    def _fail(self, error: ssl.SSLError) -> None:
        """Tells the client by an alert, and whoever debugs by a line."""
        _LOG.debug("TLS failed: %s", error.reason or error)
        self._is_cut = True
        with contextlib.suppress(OSError):
            self._push()

    def _push_or_wait(self) -> None:
        try:
            self._push()
        except BlockingIOError:
            raise OutputWaitsError from None

    def _push(self) -> None:
        """Sends the records that are made.

        Raises:
            BlockingIOError: when not all of them could be.
            OSError: when the client is gone.
        """
        if self._outgoing.pending:
            self._records += self._outgoing.read()
        if self._records:
            self._records = self._records[self._sock.send(self._records) :]
            if self._records:
                raise BlockingIOError

    def send(self, data: bytes | memoryview) -> int:
        """Sends some of ``data`` and returns how many bytes of it.

        Raises:
            BlockingIOError: when the client takes no more now; call again with the same bytes in front.
            OSError: when it is gone.
        """
        self._push()
        if data and not self._promised:
            self._promised = self._tls.write(data[:WRITE_BYTES])
            self._push()
        count, self._promised = self._promised, 0
        return count

    def sendmsg(self, buffers: tuple[bytes, ...]) -> int:
        """As ``send``, of the first buffer alone."""
        return self.send(buffers[0])

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        """As a socket's. Who sets SO_LINGER wants a reset, and no sign that all was sent."""
        self._is_cut = self._is_cut or option == socket.SO_LINGER
        self._sock.setsockopt(level, option, value)

    def shutdown(self, how: int) -> None:
        """Ends this side: close_notify, then FIN.

        Raises:
            OSError: when the client is gone.
        """
        self._notify()
        self._sock.shutdown(how)

    def close(self) -> None:
        """Closes at once; an idle client is told."""
        with contextlib.suppress(OSError):
            self._notify()
        self._sock.close()

    def _notify(self) -> None:
        if self._is_ready and not self._is_cut and not self._records:
            self._is_cut = True  # once is enough
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()  # does not wait for the client's own
            self._push()


def _environ_of(tls: ssl.SSLObject) -> dict[str, Any]:
    """Returns what a handshake has agreed on, by the names that Apache's mod_ssl gave them.

    A name in a client's certificate is an RFC 4514 string, most specific part first.
    """
    cipher = tls.cipher()
    found: dict[str, Any] = {
        "SSL_PROTOCOL": tls.version(),
        "SSL_CIPHER": cipher[0] if cipher else "",
        "SSL_CLIENT_VERIFY": "NONE",
    }
    peer = tls.getpeercert()
    if peer:
        found["SSL_CLIENT_VERIFY"] = "SUCCESS"
        found["SSL_CLIENT_S_DN"] = _name_in_words(peer["subject"])
        found["SSL_CLIENT_I_DN"] = _name_in_words(peer["issuer"])
        found["SSL_CLIENT_M_SERIAL"] = peer["serialNumber"]
        subject: Any = peer["subject"]
        for kind, value in itertools.chain.from_iterable(subject):
            if kind == "commonName":
                found["SSL_CLIENT_S_DN_CN"] = _escaped(value)
        found["wsgisrv.client_certificate"] = tls.getpeercert(binary_form=True)
    return found


_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}


def _name_in_words(name: Any) -> str:
    """Returns a distinguished name as RFC 4514 writes it."""
    return ",".join(
        "+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in part)
        for part in reversed(name)
    )


def _escaped(value: str) -> str:
    """RFC 4514 2.4: what would end the value, or be taken for blank around it, has a backslash.

    A character that is not latin-1 cannot stand in an environ and is written as its UTF-8 bytes.
    """
    text = "".join(
        f"\\{char}" if char in '",+;<>\\' else char if " " <= char <= "~" else _hex(char)
        for char in value
    )
    if text[:1] in ("#", " "):
        text = "\\" + text
    return text[:-1] + "\\ " if text.endswith(" ") and text != "\\ " else text


def _hex(char: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in char.encode("utf-8", "replace"))
