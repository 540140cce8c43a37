"""Microversions: which of an API's small versions a request asks for.

Rules: at start every version has an index, and a request's header becomes one by a look-up. Says nothing of
what differs between versions: that is declared beside the actions.

Source: the API-SIG's microversion specification: ``OpenStack-API-Version: shelf 1.2``, ``latest``, the first
version without the header, 400 for a malformed value, 406 for one out of range.
"""

from __future__ import annotations

import re

from webob import exc

from wsgisrv.api.declared import Span
from wsgisrv.errors import ConfigError

HEADER = "OpenStack-API-Version"
ENVIRON_KEY = "HTTP_OPENSTACK_API_VERSION"

_MOST_KEPT = 64  # headers of which the index is kept; there are few that are right
_LONGEST_KEPT = 100  # octets
_MOST_VERSIONS = 10_000
_VERSION = re.compile(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})")
_SERVICE_TYPE = re.compile(r"[a-z][a-z0-9-]*")


class UnacceptableVersionError(exc.HTTPNotAcceptable):  # type: ignore[misc]
    """406: the version is none of those that there are; the error says which are.

    Args:
        versions: that there are.
    """

    def __init__(self, detail: str, versions: Microversions) -> None:
        super().__init__(detail)
        self.more = {"min_version": versions.first, "max_version": versions.last}


class Microversions:
    """The microversions of one API.

    Args:
        service_type: in front of the version in the header: ``shelf``.
        first: the lowest, ``1.0``; what a request without the header gets.
        last: the highest, of the same major version.

    Raises:
        ConfigError: when these are no versions.
    """

    def __init__(self, service_type: str, first: str, last: str) -> None:
        if not _SERVICE_TYPE.fullmatch(service_type):
            raise ConfigError(f"no service type: {service_type!r}; it has a-z, 0-9 and -")
        low, high = _parsed(first), _parsed(last)
        if low[0] != high[0] or low > high or high[1] - low[1] >= _MOST_VERSIONS:
            raise ConfigError(f"no range of microversions: {first} to {last}")
        self.service_type = service_type
        self.first, self.last = first, last
        self._low = low
        self.names = [f"{low[0]}.{minor}" for minor in range(low[1], high[1] + 1)]
        self._indexes = {f"{service_type} {name}": index for index, name in enumerate(self.names)}
        self._indexes[f"{service_type} latest"] = len(self.names) - 1
        self._kept: dict[str, int] = {}
        self.headers = [
            (f"{HEADER}", f"{service_type} {name}") for name in self.names
        ]  # by index, as an answer has it

    def index_of(self, header: str | None) -> int:
        """Returns the index of the version that the header asks for.

        Raises:
            webob.exc.HTTPBadRequest: when the header is malformed.
            UnacceptableVersionError: when the version is out of range.
        """
        if header is None:
            return 0
        index = self._indexes.get(header)
        if index is None:
            index = self._kept.get(header)
        if index is None:
            index = self._parse(header)
            if len(self._kept) < _MOST_KEPT and len(header) <= _LONGEST_KEPT:
                self._kept[header] = index
        return index

    def range_of(self, span: Span | None) -> range:
        """Returns the indexes of a span, as many of them as there are.

        Raises:
            ConfigError: when the span is none, or there is none of its versions.
        """
        if span is None:
            return range(len(self.names))
        low = self._placed(span.first, span.place) if span.first else 0
        high = self._placed(span.last, span.place) if span.last else len(self.names) - 1
        found = range(max(low, 0), min(high, len(self.names) - 1) + 1)
        if not found:
            raise ConfigError(
                f"{span.place}: {span} has none of the versions {self.first} to {self.last}"
            )
        return found

    def _placed(self, text: str, place: str) -> int:
        try:
            major, minor = _parsed(text)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None
        if major != self._low[0]:
            raise ConfigError(f"{place}: {text}: the API has {self.first} to {self.last}")
        return minor - self._low[1]

    def _parse(self, header: str) -> int:
        """Takes the header apart: one entry for each service, of which the others are not our business."""
        found = None
        for entry in header.split(","):
            words = entry.split()
            if len(words) != 2:
                raise exc.HTTPBadRequest(
                    f"the header {HEADER}: {header[:100]!a}: has to be a service type and a version,"
                    f" as in {self.service_type} {self.last}"
                )
            if words[0].lower() == self.service_type:
                if found is not None:
                    raise exc.HTTPBadRequest(f"the header {HEADER} names {words[0]} twice")
                found = words[1]
        return 0 if found is None else self._indexed(found)

    def _indexed(self, text: str) -> int:
        if text == "latest":
            return len(self.names) - 1
        match = _VERSION.fullmatch(text)
        if match is None:
            raise exc.HTTPBadRequest(
                f"the header {HEADER}: {text[:100]!a} is no version; {self._range()}"
            )
        index = int(match[2]) - self._low[1]
        if int(match[1]) != self._low[0] or not 0 <= index < len(self.names):
            raise UnacceptableVersionError(
                f"the header {HEADER}: there is no version {text}; {self._range()}", self
            )
        return index

    def _range(self) -> str:
        return f"there are {self.first} to {self.last}, and latest"


def _parsed(text: str) -> tuple[int, int]:
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ConfigError(f"no microversion: {text!r}; it looks like 1.3")
    return int(match[1]), int(match[2])
