"""Collections: which part of a list a query asks for, and the links to the other parts.

Rules: no database: Page says what is asked, ``wsgisrv.api.sql`` makes a SQLAlchemy query of it. Paging is by
key: the marker is the id of the last item seen, so a page costs the same wherever it is in the list, and
what is added meanwhile moves nobody else's place.

Source: the API-SIG's guidelines on pagination, sorting and filtering: ``limit``, ``marker``,
``sort=name:asc,year:desc``, ``year=gt:1970``; Neutron's ``page_reverse`` for the way back.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from wsgisrv.api.faults import InvalidFields
from wsgisrv.api.request import Request
from wsgisrv.errors import ConfigError

OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte", "in", "nin")

_MOST_VALUES = 100  # of one ``in:``
_MOST_SORT_KEYS = 5
_LONGEST_VALUE = 255  # characters


class _ValueError(Exception):
    """Raised for a parameter that is wrong; becomes a problem of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """A filter that a collection has.

    Args:
        kind: ``str``, ``int``, ``float``, ``bool`` or ``datetime.datetime``.
        operators: that may stand in front of the value, of OPERATORS. With ``eq`` alone, the whole text is
            the value.
    """

    kind: type = str
    operators: Sequence[str] = ("eq",)


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """One filter of a query: ``name`` compared by ``operator``; a list of values for ``in`` and ``nin``."""

    name: str
    operator: str
    value: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Collection:
    """What may be asked of one list.

    Args:
        key: of the list in the answer: ``books``.
        filters: by parameter.
        sort_keys: that ``sort`` may name; none for no ``sort``.
        default_sort: as ``sort`` has it; the unique key comes after it by itself.
        unique: the key that no two items share, which markers are values of.
        fields: that ``fields`` may name; none for no ``fields``.
        marker: returns the marker as it is compared; raises ValueError for what is none.
        marker_means: as in "has to be ...".
        default_limit: items of a page when the query says nothing; at least 1.
        most_limit: that a query may ask for.
        counts: whether ``with_count=true`` may be asked.
        links: whether there are first, prev and next; else only next.
        item: JSON Schema of an item, for the OpenAPI document.

    Raises:
        ConfigError: when these do not fit together; names file and line.
    """

    key: str
    filters: Mapping[str, Filter] = dataclasses.field(default_factory=dict)
    sort_keys: Sequence[str] = ()
    default_sort: str = ""
    unique: str = "id"
    fields: Sequence[str] = ()
    marker: Callable[[str], Any] = str
    marker_means: str = "the id of an item"
    default_limit: int = 100
    most_limit: int = 1000
    counts: bool = False
    links: bool = True
    item: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if complaint := self._complaint():
            frame = sys._getframe(2)  # noqa: SLF001 - whoever makes the collection
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            raise ConfigError(f"{place}: the collection {self.key}: {complaint}")

    def _complaint(self) -> str:
        if not 1 <= self.default_limit <= self.most_limit:
            return f"default_limit = {self.default_limit}: has to be from 1 to most_limit, {self.most_limit}"
        for name, declared in self.filters.items():
            if self.parameters.count(name) > 1:
                return f"the filter {name} has the name of another parameter"
            if declared.kind not in _KINDS:
                return f"the filter {name}: no kind {declared.kind!r}"
            if not declared.operators or set(declared.operators) - set(OPERATORS):
                return f"the filter {name}: operators are some of {', '.join(OPERATORS)}"
        try:
            self._default_order()
        except _ValueError as error:
            return f"default_sort = {self.default_sort!r}: {error}"
        return ""

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters."""
        optional = {
            "sort": self.sort_keys,
            "fields": self.fields,
            "with_count": self.counts,
            "page_reverse": self.links,
        }
        named = [name for name, is_there in optional.items() if is_there]
        return ["limit", "marker", *named, *self.filters]

    def page(self, query: Mapping[str, str]) -> Page:
        """Returns what the query asks for.

        Raises:
            InvalidFields: for every parameter that is wrong or unknown.
        """
        known = self.parameters
        found: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, text in query.items():
            if name not in known:
                problems[f"?{name}"] = f"is not known; there are {', '.join(known)}"
                continue
            try:
                found[name] = self._read(name, text)
            except _ValueError as error:
                problems[f"?{name}"] = str(error)
        if problems:
            raise InvalidFields(problems)
        return Page(
            collection=self,
            limit=found.get("limit", self.default_limit),
            marker=found.get("marker"),
            sort=found.get("sort") or self._default_order(),
            conditions=[found[name] for name in self.filters if name in found],
            fields=found.get("fields"),
            with_count=found.get("with_count", False),
            reverse=found.get("page_reverse", False) and "marker" in found,
            query=dict(query),
        )

    def _read(self, name: str, text: str) -> Any:
        if name in self.filters:
            return _condition(name, self.filters[name], text)
        return {
            "limit": self._limit,
            "marker": self._marker,
            "sort": self._sort,
            "fields": self._fields,
            "with_count": _boolean,
            "page_reverse": _boolean,
        }[name](text)

    def _limit(self, text: str) -> int:
        # Nine digits are enough, and int() of very many would be slow.
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= self.most_limit:
            raise _ValueError(f"has to be a whole number from 1 to {self.most_limit}")
        return int(text)

    def _marker(self, text: str) -> Any:
        try:
            return self.marker(_text(text))
        except ValueError:
            raise _ValueError(f"has to be {self.marker_means}") from None

    def _sort(self, text: str) -> list[tuple[str, bool]]:
        """Returns key and whether it descends, of each; the unique key always ends it."""
        found: dict[str, bool] = {}
        for entry in text.split(","):
            key, colon, direction = entry.partition(":")
            if key not in self.sort_keys:
                raise _ValueError(f"has to name keys of {', '.join(self.sort_keys)}")
            if colon and direction not in ("asc", "desc"):
                raise _ValueError("a direction has to be asc or desc")
            if key in found or len(found) == _MOST_SORT_KEYS:
                raise _ValueError(f"has to name at most {_MOST_SORT_KEYS} keys, and each once")
            found[key] = direction == "desc"
        found.setdefault(self.unique, next(reversed(found.values())))
        return list(found.items())

    def _default_order(self) -> list[tuple[str, bool]]:
        return self._sort(self.default_sort) if self.default_sort else [(self.unique, False)]

    def _fields(self, text: str) -> list[str]:
        names = list(dict.fromkeys(text.split(",")))
        if unknown := [name for name in names if name not in self.fields]:
            known = ", ".join(self.fields)
            raise _ValueError(f"{unknown[0][:50]!a} is not known; there are {known}")
        return names


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """What one query asks for.

    Args:
        limit: most items.
        marker: the last item seen, or with ``reverse`` the first; None for the beginning.
        sort: each key and whether it descends; the last one is the unique key.
        conditions: all of them hold of every item.
        fields: that are shown; None for all.
        with_count: whether the number of all items is asked for.
        reverse: whether it is the page before the marker.
        query: as the client gave it.
    """

    collection: Collection
    limit: int
    marker: Any
    sort: Sequence[tuple[str, bool]]
    conditions: Sequence[Condition]
    fields: Sequence[str] | None
    with_count: bool
    reverse: bool
    query: Mapping[str, str]

    def document(
        self, request: Request, items: Sequence[Mapping[str, Any]], count: int | None = None
    ) -> dict[str, Any]:
        """Returns the answer.

        Args:
            items: in the order of the list, and one more than ``limit`` when there are more: behind the
                page, or with ``reverse`` in front of it.
            count: of all items, where it was asked for.
        """
        has_more = len(items) > self.limit
        shown = items[-self.limit :] if self.reverse else items[: self.limit]
        document: dict[str, Any] = {self.collection.key: [self._selected(item) for item in shown]}
        if links := self._links(request.path_url, shown, has_more):
            document["links"] = links
        if count is not None:
            document["count"] = count
        return document

    def _links(
        self, url: str, shown: Sequence[Mapping[str, Any]], has_more: bool
    ) -> list[dict[str, str]]:
        unique = self.collection.unique
        found: list[dict[str, str]] = []
        if shown and (self.reverse or has_more):
            found.append(self._link("next", url, marker=shown[-1][unique]))
        if not self.collection.links or self.marker is None:
            return found
        if shown and (has_more or not self.reverse):
            found.append(self._link("prev", url, marker=shown[0][unique], page_reverse="true"))
        return [*found, self._link("first", url)]

    def _link(self, rel: str, url: str, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in self.query.items() if k not in ("marker", "page_reverse")}
        query = urlencode({**kept, **more})
        return {"rel": rel, "href": f"{url}?{query}" if query else url}

    def _selected(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return item if self.fields is None else {name: item[name] for name in self.fields}


def _condition(name: str, declared: Filter, text: str) -> Condition:
    operator, colon, rest = text.partition(":")
    # A word in front of a colon is nothing but an operator, unless the value may be any text.
    is_named = operator in OPERATORS or (operator.isalpha() and declared.kind is not str)
    if tuple(declared.operators) == ("eq",) or not colon or not is_named:
        operator, rest = "eq", text
    if operator not in declared.operators:
        raise _ValueError(f"takes the operators {', '.join(declared.operators)}")
    if operator not in ("in", "nin"):
        return Condition(name, operator, _value(declared.kind, rest))
    texts = rest.split(",")
    if len(texts) > _MOST_VALUES:
        raise _ValueError(f"takes at most {_MOST_VALUES} values")
    return Condition(name, operator, [_value(declared.kind, part) for part in texts])


def _value(kind: type, text: str) -> Any:
    return _KINDS[kind](text)


def _text(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_VALUE:
        raise _ValueError(f"has to have 1 to {_LONGEST_VALUE} characters")
    if "\0" in text:
        raise _ValueError("may not have a NUL character")
    return text


def _integer(text: str) -> int:
    if not re.fullmatch("-?[0-9]{1,15}", text):  # any database holds that many
        raise _ValueError("has to be a whole number of at most 15 digits")
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text):
        raise _ValueError("has to be a number")
    return float(text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise _ValueError("has to be true or false")
    return text.lower() == "true"


def _moment(text: str) -> dt.datetime:
    """Returns the time in UTC, without a zone, as databases keep it."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise _ValueError("has to be a time, as in 2026-01-31T12:00:00Z") from None


_KINDS: Mapping[type, Callable[[str], Any]] = {
    str: _text,
    int: _integer,
    float: _number,
    bool: _boolean,
    dt.datetime: _moment,
}
