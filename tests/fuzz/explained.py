"""Differences between the reader and an oracle that are wanted, as data, with a reason each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tests.fuzz.model import Seen

Fields = dict[str, str]


def _same(mine: Fields, its: Fields) -> tuple[Fields, Fields]:
    return mine, its


def _without_host(mine: Fields, its: Fields) -> tuple[Fields, Fields]:
    def without(fields: Fields) -> Fields:
        return {name: value for name, value in fields.items() if name != "HTTP_HOST"}

    return without(mine), without(its)


def _without_trailers(mine: Fields, its: Fields) -> tuple[Fields, Fields]:
    """Takes out what only the oracle has, and what it joined to a field of the head."""
    joined = {name: its[name] for name in mine.keys() & its.keys()}
    for name, value in joined.items():
        if value.startswith((f"{mine[name]},", f"{mine[name]}; ")):
            joined[name] = mine[name]
    return mine, joined


def _coding_in_lower_case(mine: Fields, its: Fields) -> tuple[Fields, Fields]:
    coding = mine["HTTP_TRANSFER_ENCODING"].lower()
    return {**mine, "HTTP_TRANSFER_ENCODING": coding}, its


@dataclasses.dataclass(frozen=True, slots=True)
class Explained:
    """One difference that is wanted.

    ``kinds`` are the kinds of Finding that it covers, ``refusals`` words of errors with which the oracle
    refuses what we accept. ``ends`` means that the oracle leaves HTTP/1.1 there, so that what it reads
    behind such a request is not compared. ``even`` takes the difference out of both sides' fields.
    """

    name: str
    reason: str
    applies: Callable[[str, Seen], bool]
    kinds: frozenset[str] = frozenset()
    refusals: tuple[str, ...] = ()
    ends: bool = False
    even: Callable[[Fields, Fields], tuple[Fields, Fields]] = _same


_COMMON_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")


def _options(seen: Seen) -> list[str]:
    options = seen.fields.get("HTTP_CONNECTION", "").lower().split(",")
    return [option.strip(" \t") for option in options]


EXPLAINED = (
    Explained(
        "connect",
        "CONNECT asks for a tunnel; both oracles take what follows as its bytes, we close behind it",
        lambda _oracle, seen: seen.method == "CONNECT",
        kinds=frozenset({"body", "keeps"}),
        ends=True,
    ),
    Explained(
        "upgrade",
        "Upgrade is the app's to take up; the oracles stop reading HTTP behind such a request",
        lambda oracle, seen: (
            "HTTP_UPGRADE" in seen.fields and (oracle == "h11" or "upgrade" in _options(seen))
        ),
        kinds=frozenset({"keeps"}),
        ends=True,
    ),
    Explained(
        "httptools-upgrade-body",
        "a request that asks for an upgrade may have a body (RFC 9110 7.8); httptools stops before it",
        lambda oracle, seen: (
            oracle == "httptools" and "HTTP_UPGRADE" in seen.fields and "upgrade" in _options(seen)
        ),
        kinds=frozenset({"body"}),
    ),
    Explained(
        "h11-http-1.0",
        "HTTP/1.0 persists when it asks to (RFC 9112 9.3); h11 never keeps such a connection",
        lambda oracle, seen: oracle == "h11" and seen.minor == 0 and seen.keeps,
        kinds=frozenset({"keeps"}),
        ends=True,
    ),
    Explained(
        "close-wins-in-http-1.0",
        "close beside keep-alive closes (RFC 9112 9.3, first match); llhttp keeps an HTTP/1.0 connection",
        lambda oracle, seen: (
            oracle == "httptools"
            and seen.minor == 0
            and {"close", "keep-alive"} <= {*_options(seen)}
        ),
        kinds=frozenset({"keeps"}),
        ends=True,
    ),
    Explained(
        "authority",
        "a target in absolute-form takes the place of Host (RFC 9112 3.2.2); parsers leave that to others",
        lambda _oracle, seen: not seen.target.startswith("/"),
        even=_without_host,
    ),
    Explained(
        "httptools-trailers",
        "trailers are thrown away (RFC 9110 6.5.1); httptools takes them, and a Connection among them,"
        " for header fields",
        lambda oracle, seen: oracle == "httptools" and "HTTP_TRANSFER_ENCODING" in seen.fields,
        kinds=frozenset({"keeps"}),
        even=_without_trailers,
    ),
    Explained(
        "h11-lower-case",
        "h11 writes the transfer coding in lower case",
        lambda oracle, seen: oracle == "h11" and "HTTP_TRANSFER_ENCODING" in seen.fields,
        even=_coding_in_lower_case,
    ),
    Explained(
        "llhttp-methods",
        "an unknown method is the app's business (RFC 9110 9.1); llhttp knows those of a list",
        lambda oracle, seen: oracle == "httptools" and seen.method not in _COMMON_METHODS,
        refusals=("Invalid method encountered", "Expected space after method"),
    ),
    Explained(
        "llhttp-tab",
        "a tab is a blank as good as a space (RFC 9110 5.6.3); llhttp takes it for a part of the coding",
        lambda oracle, seen: oracle == "httptools" and "HTTP_TRANSFER_ENCODING" in seen.fields,
        refusals=("Request has invalid `Transfer-Encoding`",),
    ),
    Explained(
        "h11-empty-line",
        "one empty line before a request line is skipped (RFC 9112 2.2); h11 does not skip it",
        lambda oracle, _seen: oracle == "h11",
        refusals=("no request line received",),
    ),
)
