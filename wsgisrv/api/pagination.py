"""Collections: which part of a list a query asks for, and the links to the other parts.

Rules: no database: Page says what is asked, ``wsgisrv.api.sql`` makes a SQLAlchemy query of it. Paging is by
key: the marker is the id of the last item seen, so a page costs the same wherever it is in the list, and
what is added meanwhile moves nobody else's place.

Source: the API-SIG's guidelines on pagination and sorting: ``limit``, ``marker``,
``sort=name:asc,year:desc``; Neutron's ``page_reverse`` for the way back.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from wsgisrv.api.declared import caller
from wsgisrv.api.faults import InvalidFields
from wsgisrv.api.filters import (
    MOST_CONDITIONS,
    Condition,
    Filter,
    WrongValueError,
    is_kind,
    read_condition,
    read_value,
)
from wsgisrv.api.request import Request
from wsgisrv.errors import ConfigError

MOST_SORT_KEYS = 5

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_.-]*")


@dataclasses.dataclass(frozen=True, slots=True)
class Collection:
    """What may be asked of one list.

    Args:
        key: of the list in the answer: ``books``.
        filters: by parameter; each may stand several times in a query, and all its conditions hold.
        sort_keys: that ``sort`` may name; none for no ``sort``.
        default_sort: as ``sort`` has it; the unique key comes after it by itself.
        unique: the key that no two items share, which markers are values of.
        fields: that ``fields`` may name; none for no ``fields``.
        marker: a kind that a filter may have; or what returns the marker as it is compared and raises
            ValueError for what is none. ``fetch_page`` reads a text as the unique key's column has it.
        marker_means: as in "has to be ...".
        default_limit: items of a page when the query says nothing; at least 1.
        most_limit: that a query may ask for.
        counts: whether ``with_count=true`` may be asked.
        links: whether there are first, prev and next; else only next.
        item: JSON Schema of an item, for the OpenAPI document, and answers are checked against it. With
            ``fields``, what it has as ``required`` is not.
        place: ``file:line`` where it is made; not given.

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
    place: str = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", caller())
        if complaint := self._complaint():
            raise self.wrong(complaint)

    def wrong(self, complaint: str) -> ConfigError:
        """Returns the error that says what is wrong with the collection, and where it is made."""
        return ConfigError(f"{self.place}: the collection {self.key}: {complaint}")

    def _complaint(self) -> str:
        return (
            self._complaint_of_types()
            or self._complaint_of_names()
            or self._complaint_of_limits()
            or self._complaint_of_filters()
            or self._complaint_of_order()
        )

    def _complaint_of_types(self) -> str:
        for what, is_right, meant in (
            ("default_limit", type(self.default_limit) is int, "a whole number"),
            ("most_limit", type(self.most_limit) is int, "a whole number"),
            ("sort_keys", _is_row(self.sort_keys), "a tuple of names"),
            ("fields", _is_row(self.fields), "a tuple of names"),
            ("default_sort", isinstance(self.default_sort, str), "a text as in sort=name:desc"),
            ("filters", isinstance(self.filters, Mapping), "a dict of Filter by name"),
            ("marker", callable(self.marker), "a kind or a function"),
            ("item", isinstance(self.item, Mapping | None), "a JSON Schema, which is a dict"),
        ):
            if not is_right:
                return f"{what} = {getattr(self, what)!r}: has to be {meant}"
        return ""

    def _complaint_of_names(self) -> str:
        if self.key in ("links", "count"):
            return f"key = {self.key!r}: is a key of every answer"
        for name in (self.key, self.unique, *self.sort_keys, *self.fields, *self.filters):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                return f"{name!r} is no name: it has to be as {_NAME.pattern}"
        return ""

    def _complaint_of_limits(self) -> str:
        if not 1 <= self.default_limit <= self.most_limit:
            return f"default_limit = {self.default_limit}: has to be from 1 to most_limit, {self.most_limit}"
        return ""

    def _complaint_of_filters(self) -> str:
        filters: Mapping[str, Any] = self.filters
        for name, declared in filters.items():
            if self.parameters.count(name) > 1:
                return f"the filter {name} has the name of another parameter"
            if not isinstance(declared, Filter):
                return f"the filter {name}: {declared!r} is no Filter"
            if complaint := declared.complaint():
                return f"the filter {name}: {complaint}"
        return ""

    def _complaint_of_order(self) -> str:
        if self.default_sort and not self.sort_keys:
            return f"default_sort = {self.default_sort!r}: there are no sort_keys"
        try:
            self._default_order()
        except WrongValueError as error:
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

    def page(self, query: Sequence[tuple[str, str]]) -> Page:
        """Returns what the query asks for.

        Args:
            query: names and values.

        Raises:
            InvalidFields: for every parameter that is wrong or unknown.
        """
        found: dict[str, Any] = {}
        conditions: dict[str, list[Condition]] = {}
        problems: dict[str, str] = {}
        for name, text in query:
            try:
                if name in self.filters:
                    of_name = conditions.setdefault(name, [])
                    of_name.append(read_condition(name, self.filters[name], text))
                    if len(of_name) > MOST_CONDITIONS:
                        raise WrongValueError(f"may stand at most {MOST_CONDITIONS} times")
                elif name in found:
                    raise WrongValueError("may stand once only")
                else:
                    found[name] = self._read(name, text)
            except WrongValueError as error:
                problems[f"?{name}"] = str(error)
        if problems:
            raise InvalidFields(problems)
        return Page(
            collection=self,
            limit=found.get("limit", self.default_limit),
            marker=found.get("marker"),
            sort=found.get("sort") or self._default_order(),
            conditions=[one for name in self.filters for one in conditions.get(name, ())],
            fields=found.get("fields"),
            with_count=found.get("with_count", False),
            reverse=found.get("page_reverse", False) and "marker" in found,
            query=query,
        )

    def _read(self, name: str, text: str) -> Any:
        known = self.parameters
        if name not in known:
            raise WrongValueError(f"is not known; there are {', '.join(known)}")
        readers: dict[str, Callable[[str], Any]] = {
            "limit": self._limit,
            "marker": self._marker,
            "sort": self._sort,
            "fields": self._fields,
            "with_count": functools.partial(read_value, bool),
            "page_reverse": functools.partial(read_value, bool),
        }
        return readers[name](text)

    def _limit(self, text: str) -> int:
        # Nine digits are enough, and int() of very many would be slow.
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= self.most_limit:
            raise WrongValueError(f"has to be a whole number from 1 to {self.most_limit}")
        return int(text)

    def _marker(self, text: str) -> Any:
        text = read_value(str, text)
        try:
            return read_value(self.marker, text) if is_kind(self.marker) else self.marker(text)
        except (ValueError, WrongValueError):
            raise WrongValueError(f"has to be {self.marker_means}") from None

    def _sort(self, text: str) -> list[tuple[str, bool]]:
        """Returns key and whether it descends, of each; the unique key always ends it."""
        found: dict[str, bool] = {}
        for entry in text.split(","):
            key, colon, direction = entry.partition(":")
            if key not in self.sort_keys:
                raise WrongValueError(f"has to name keys of {', '.join(self.sort_keys)}")
            if colon and direction not in ("asc", "desc"):
                raise WrongValueError("a direction has to be asc or desc")
            if key in found or len(found) == MOST_SORT_KEYS:
                raise WrongValueError(f"has to name at most {MOST_SORT_KEYS} keys, and each once")
            found[key] = direction == "desc"
        found.setdefault(self.unique, next(reversed(found.values())))
        return list(found.items())

    def _default_order(self) -> list[tuple[str, bool]]:
        return self._sort(self.default_sort) if self.default_sort else [(self.unique, False)]

    def _fields(self, text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in self.fields]:
            known = ", ".join(self.fields)
            raise WrongValueError(f"{unknown[0][:50]!a} is not known; there are {known}")
        if len(set(names)) < len(names):
            raise WrongValueError("has to name each field once")
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
        query: as the client gave it: names and values.
    """

    collection: Collection
    limit: int
    marker: Any
    sort: Sequence[tuple[str, bool]]
    conditions: Sequence[Condition]
    fields: Sequence[str] | None
    with_count: bool
    reverse: bool
    query: Sequence[tuple[str, str]]

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
        found: list[dict[str, str]] = []
        if shown and (self.reverse or has_more):
            found.append(self._link("next", url, marker=self._id(shown[-1])))
        if not self.collection.links or self.marker is None:
            return found
        if shown and (has_more or not self.reverse):
            found.append(self._link("prev", url, marker=self._id(shown[0]), page_reverse="true"))
        return [*found, self._link("first", url)]

    def _id(self, item: Mapping[str, Any]) -> str:
        unique = self.collection.unique
        if unique not in item:
            raise self.collection.wrong(f"an item has no {unique!r}, which is the unique key")
        return str(item[unique])

    def _link(self, rel: str, url: str, **more: str) -> dict[str, str]:
        kept = [pair for pair in self.query if pair[0] not in ("marker", "page_reverse")]
        query = urlencode([*kept, *more.items()])
        return {"rel": rel, "href": f"{url}?{query}" if query else url}

    def _selected(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns what is shown of the item; a field that it may have, it need not."""
        if self.fields is None:
            return item
        return {name: item[name] for name in self.fields if name in item}


def _is_row(names: object) -> bool:
    return isinstance(names, Sequence) and not isinstance(names, str)
