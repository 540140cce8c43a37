"""Filters of a collection: what a text in the query has to be, and the comparison that it asks for.

Rules: no database. A value is read by its kind, strictly: ASCII digits, no sign but the minus.

Source: the API-SIG's guideline on filtering: ``year=gt:1970``, ``name=in:"a,b",c``, ``finished_at=null``; of
a filter that stands several times all conditions hold.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte", "in", "nin")
MOST_CONDITIONS = 10
"""That one query may have of one filter."""
LONGEST_VALUE = 255
"""Characters of a text that is compared."""

_ORDERS = {"gt", "gte", "lt", "lte"}
_MOST_VALUES = 100  # of one ``in:``
_NULL = "null"
_INTEGER = re.compile("-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?")
_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 4180, section 2: within double quotes anything goes, and a quote is written twice.
_ELEMENT = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|\Z)')


class WrongValueError(Exception):
    """Raised for a parameter that is wrong, with what is allowed; becomes a problem of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """A filter that a collection has.

    Where a value may be NULL in the database, ``neq`` and ``nin`` find those items as well: a client sees
    null there, and null is not 500.

    Args:
        kind: ``str``, ``int`` (of 64 bits), ``float``, ``bool``, ``datetime.datetime``, ``datetime.date``,
            ``decimal.Decimal``, ``uuid.UUID``, or an ``enum.Enum``, by the values of its members.
        operators: that may stand in front of the value, of OPERATORS. With ``eq`` alone, the whole text is
            the value. A ``bool`` and an enum have no order, so none of ``gt``, ``gte``, ``lt``, ``lte``.
        nullable: whether ``null`` asks for items without a value; ``"null"``, in double quotes, is the text.
    """

    kind: type = str
    operators: Sequence[str] = ("eq",)
    nullable: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether there is no operator in front of the value."""
        return tuple(self.operators) == ("eq",)

    def complaint(self) -> str:
        """Returns what is wrong with the declaration, or ""."""
        if not is_kind(self.kind):
            return f"no kind {self.kind!r}"
        if isinstance(self.operators, str) or not isinstance(self.operators, Sequence):
            return f"operators = {self.operators!r}: has to be a tuple of names"
        if not self.operators or not set(self.operators) <= set(OPERATORS):
            return f"operators are some of {', '.join(OPERATORS)}"
        if _ORDERS & set(self.operators) and (self.kind is bool or _is_enum(self.kind)):
            return f"{self.kind.__name__} has no order: operators are some of eq, neq, in, nin"
        return ""


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """One filter of a query: ``name`` compared by ``operator``.

    Args:
        value: None for null; a list for ``in`` and ``nin``.
    """

    name: str
    operator: str
    value: Any


def read_condition(name: str, declared: Filter, text: str) -> Condition:
    """Returns the condition that a text in the query asks for.

    Raises:
        WrongValueError: when it is none.
    """
    operator, colon, rest = text.partition(":")
    # A word in front of a colon is nothing but an operator, unless the value may be any text.
    is_text = declared.kind is str or _is_enum(declared.kind)
    is_named = operator in OPERATORS or (operator.isalpha() and not is_text)
    if declared.is_plain or not colon or not is_named:
        operator, rest = "eq", text
    if operator not in declared.operators:
        raise WrongValueError(f"takes the operators {', '.join(declared.operators)}")
    if operator in ("in", "nin"):
        return Condition(name, operator, _values(declared, rest))
    may_be_null = declared.nullable and operator not in _ORDERS
    if may_be_null and rest == _NULL:
        return Condition(name, operator, None)
    if may_be_null and rest == f'"{_NULL}"':
        rest = _NULL
    return Condition(name, operator, read_value(declared.kind, rest))


def read_value(kind: type, text: str) -> Any:
    """Returns the value that a text is, of one of the kinds of a Filter.

    Raises:
        WrongValueError: when it is none.
    """
    return _member(kind, text) if _is_enum(kind) else _READERS[kind](text)


def is_kind(kind: object) -> TypeGuard[type]:
    """Whether there are values of this kind."""
    return isinstance(kind, type) and (kind in _READERS or _is_enum(kind))


def _is_enum(kind: type) -> bool:
    return issubclass(kind, enum.Enum)


def _values(declared: Filter, text: str) -> list[Any]:
    found: list[Any] = []
    at, comma = 0, ","
    while comma:
        element = _ELEMENT.match(text, at)
        if element is None:
            raise WrongValueError('has to have its double quotes around a whole value, as in "a,b"')
        quoted, plain, comma = element.groups()
        at = element.end()
        if plain == _NULL and declared.nullable:
            found.append(None)
        else:
            value = plain if quoted is None else quoted.replace('""', '"')
            found.append(read_value(declared.kind, value))
        if len(found) > _MOST_VALUES:
            raise WrongValueError(f"takes at most {_MOST_VALUES} values")
    return found


def _text(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_VALUE:
        raise WrongValueError(f"has to have 1 to {LONGEST_VALUE} characters")
    if "\0" in text:
        raise WrongValueError("may not have a NUL character")
    return text


def _integer(text: str) -> int:
    return in_bits(int(text) if _INTEGER.fullmatch(text) else None, 64)


def in_bits(value: int | None, bits: int) -> int:
    """Returns the integer.

    Raises:
        WrongValueError: when it is None, or does not fit into so many bits.
    """
    most = 2 ** (bits - 1) - 1
    if value is None or not -most - 1 <= value <= most:
        raise WrongValueError(f"has to be a whole number from {-most - 1} to {most}")
    return value


def _decimal(text: str) -> decimal.Decimal:
    if not _NUMBER.fullmatch(text):
        raise WrongValueError("has to be a number")
    return decimal.Decimal(text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise WrongValueError("has to be true or false")
    return text.lower() == "true"


def _moment(text: str) -> dt.datetime:
    """Returns the time in UTC, without a zone."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise WrongValueError("has to be a time, as in 2026-01-31T12:00:00Z") from None


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        raise WrongValueError("has to be a date, as in 2026-01-31") from None


def _uuid(text: str) -> uuid.UUID:
    if not _UUID.fullmatch(text):
        raise WrongValueError("has to be a UUID, with its hyphens")
    return uuid.UUID(text)


def _member(kind: type, text: str) -> Any:
    members = {str(member.value): member for member in kind}  # type: ignore[attr-defined]
    if text not in members:
        raise WrongValueError(f"has to be one of {', '.join(members)}")
    return members[text]


_READERS: Mapping[type, Callable[[str], Any]] = {
    str: _text,
    int: _integer,
    float: lambda text: float(_decimal(text)),
    decimal.Decimal: _decimal,
    bool: _boolean,
    dt.datetime: _moment,
    dt.date: _date,
    uuid.UUID: _uuid,
}
