"""How much of a statement's response stands in the socket's buffer: bytes in, an answer out, no I/O.

The MySQL client library reads with blocking calls, so it may read in the hub only what has arrived. This
walks over the response's packets as far as they go, and so knows rather than guesses. It decodes nothing.

    packet          = length (3 bytes) sequence (1 byte) payload
    response        = result *result              ; another one follows while MORE_RESULTS is set
    result          = OK | ERR | LOCAL INFILE | column-count *column [EOF] *row (EOF | OK | ERR)
    OK              = (0x00 | 0xFE) affected-rows insert-id status (2 bytes) warnings (2 bytes) ...
    EOF             = 0xFE warnings (2 bytes) status (2 bytes)
    ERR             = 0xFF code (2 bytes) ...

The EOF between columns and rows is missing, and an OK that begins with 0xFE ends the rows, where both sides
have said CLIENT_DEPRECATE_EOF. A row never begins with 0xFE in a packet this short: it would mean a value of
16 MiB or more.

Source: "Client/Server Protocol" in MySQL's and MariaDB's documentation.
"""

from __future__ import annotations

import enum

MOST_ROWS = 400
"""That are walked over, about 0.2 us each: a longer response is worth a thread."""

_MORE_RESULTS = 0x0008  # SERVER_MORE_RESULTS_EXISTS
_PROGRESS = b"\xff\xff\xff"  # MariaDB's progress report: an ERR packet with this code
_UNKNOWN = -1


class Arrived(enum.IntEnum):
    """What of a response is there."""

    NOTHING = 0
    """Not what the first read needs, or it cannot be told."""
    HEAD = 1
    """All up to the first row."""
    WHOLE = 2
    """All of it, with every further result."""


def arrived(data: bytes, most_rows: int = MOST_ROWS) -> tuple[Arrived, int]:
    """Returns what of a response the data hold, and about how many rows of it were seen.

    Args:
        data: beginning with the response's first byte.
        most_rows: to look at; a caller that knows of more needs no more than their length.
    """
    found, rows, at, end = Arrived.NOTHING, 0, 0, len(data)
    try:
        while True:
            begin = at + 4
            length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            at = begin + length
            columns = _columns(data, begin) if data[begin] != 1 else 1
            if columns:
                for _ in range(columns):
                    at += 4 + (data[at] | data[at + 1] << 8 | data[at + 2] << 16)
                if columns == _UNKNOWN or at > end:
                    break
                found = Arrived.HEAD
                begin, length, rows = _skip_rows(data, at, rows, most_rows)
                at = begin + length
            if at > end or rows >= most_rows:
                break
            if _is_last(data, begin, length):
                return Arrived.WHOLE, rows
            found = Arrived.HEAD
    except IndexError:  # there the data end
        pass
    return found, rows


def _skip_rows(data: bytes, at: int, rows: int, most_rows: int) -> tuple[int, int, int]:
    """Returns begin and length of the packet that ends the rows, and how many there are with these.

    Raises:
        IndexError: when it has not arrived.
    """
    first_row = at
    while rows < most_rows:
        begin = at + 4
        first = data[begin]
        length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
        if first >= 0xFE and not (length == 5 and at == first_row):
            return begin, length, rows
        at = begin + length
        rows += 1
    return at, 0, rows


def _columns(data: bytes, begin: int) -> int:
    """Returns how many columns a result has whose first packet begins here; 0 for an OK or ERR."""
    first = data[begin]
    if first == 0xFC:
        return data[begin + 1] | data[begin + 2] << 8
    if first == 0xFB:  # LOCAL INFILE: the library will read a file and send it
        return _UNKNOWN
    if first == 0xFF:
        return _UNKNOWN if data.startswith(_PROGRESS, begin) else 0
    return first


def _is_last(data: bytes, begin: int, length: int) -> bool:
    """Returns whether no result follows the one that this packet, OK, EOF or ERR, ends."""
    if data[begin] == 0xFF:
        return True
    at = begin + 3 if length == 5 else _skip_number(data, _skip_number(data, begin + 1))
    return not data[at] & _MORE_RESULTS


def _skip_number(data: bytes, at: int) -> int:
    """Returns where a length-encoded integer ends."""
    return at + {0xFC: 3, 0xFD: 4, 0xFE: 9}.get(data[at], 1)
