"""Microversions: which of an API's small versions a request asks for.

Rules: at start every version has an index, and a request's header becomes one by a look-up. Says nothing of
what differs between versions: that is declared beside the actions.

Source: the API-SIG's microversion specification: ``OpenStack-API-Version: shelf 1.2``, ``latest``, the first
version without the header, 400 for a malformed version, 406 for one out of range. And RFC 9110, 5.6.1.2:
empty elements of a list are passed over.
"""

from __future__ import annotations

import re

from webob import exc

from wsgisrv.api.declared import Span, caller
from wsgisrv.api.faults import fault
from wsgisrv.errors import ConfigError

HEADER = "OpenStack-API-Version"
ENVIRON_KEY = "HTTP_OPENSTACK_API_VERSION"

_MOST_KEPT = 64  # headers of which the index is kept; there are few that are right
_LONGEST_KEPT = 100  # octets
_MOST_VERSIONS = 10_000
_VERSION = re.compile(r"([1-9][0-9]{0,99})\.(0|[1-9][0-9]{0,99})")
_BLANKS = re.compile(r"[ \t]+")
_SERVICE_TYPE = re.compile(r"[a-z][a-z0-9-]*")


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
        place = caller()
        if not isinstance(service_type, str) or not _SERVICE_TYPE.fullmatch(service_type):
            raise ConfigError(f"{place}: no service type: {service_type!r}; it has a-z, 0-9 and -")
        low, high = _parsed(first, place), _parsed(last, place)
        if low[0] != high[0] or low > high or high[1] - low[1] >= _MOST_VERSIONS:
            raise ConfigError(f"{place}: no range of microversions: {first} to {last}")
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
            webob.exc.HTTPNotAcceptable: when the version is out of range.
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
        low = 0 if span.first == "" else self._placed(span.first, span.place)
        high = len(self.names) - 1 if span.last == "" else self._placed(span.last, span.place)
        found = range(max(low, 0), min(high, len(self.names) - 1) + 1)
        if not found:
            raise ConfigError(
                f"{span.place}: {span} has none of the versions {self.first} to {self.last}"
            )
        return found

    def _placed(self, text: str, place: str) -> int:
        major, minor = _parsed(text, place)
        if major != self._low[0]:
            raise ConfigError(f"{place}: {text}: the API has {self.first} to {self.last}")
        return minor - self._low[1]

    def _parse(self, header: str) -> int:
        """Takes the header apart: one entry for each service, of which the others are not our business."""
        found = None
        for entry in (part.strip(" \t") for part in header.split(",")):
            name, *rest = _BLANKS.split(entry)
            if name.lower() == self.service_type:
                if len(rest) != 1:
                    raise self._refusal(
                        exc.HTTPBadRequest,
                        f": {entry[:100]!a}: has to be a service type and a version,"
                        f" as in {self.service_type} {self.last}",
                    )
                if found is not None:
                    raise self._refusal(exc.HTTPBadRequest, f" names {self.service_type} twice")
                found = rest[0]
            elif entry == "latest" or _VERSION.fullmatch(entry):
                raise self._refusal(
                    exc.HTTPBadRequest, f": {entry!a} has no service type in front of it"
                )
        return 0 if found is None else self._index_of(found)

    def _index_of(self, text: str) -> int:
        """Returns the index of a version that the header names."""
        index = self._indexes.get(f"{self.service_type} {text}")
        if index is not None:
            return index
        if _VERSION.fullmatch(text):
            raise self._refusal(exc.HTTPNotAcceptable, f": there is no version {text}", text)
        raise self._refusal(exc.HTTPBadRequest, f": {text[:100]!a} is no version")

    def _refusal(
        self, kind: type[exc.HTTPException], detail: str, version: str = ""
    ) -> exc.HTTPException:
        """Returns the error for a header that is refused, with the range in words and in fields.

        Args:
            version: that was asked for; "" when that is none, and the answer is the first one's.
        """
        error = kind(
            f"the header {HEADER}{detail}; there are {self.first} to {self.last}, and latest",
            headers=[(HEADER, f"{self.service_type} {version or self.first}")],
        )
        return fault(error, min_version=self.first, max_version=self.last)


def _parsed(version: str, place: str) -> tuple[int, int]:
    if not isinstance(version, str):
        raise ConfigError(f"{place}: no microversion: {version!r}; it is a text, as in '1.3'")
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ConfigError(f"{place}: no microversion: {version!r}; it looks like 1.3")
    return int(match[1]), int(match[2])
