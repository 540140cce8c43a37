"""What the shelf's clients may say: each field of a body and of a query, checked by hand.

Rules: everything that is wrong is found, not only the first; a problem is named by its JSON pointer or by
``?name``. What comes out can be stored as it is.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from wsgisrv.api import InvalidFields
from wsgisrv.demo.models import LONGEST_TEXT

MOST_BOOKS = 1000
"""On one page."""

DEFAULT_BOOKS = 100

_Check = Callable[[Any], Any]
"""Returns the value as it is stored; raises _FieldError with what is wrong."""


class _FieldError(Exception):
    """Raised by a check; becomes a problem of its field."""


def book_fields(body: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Returns a book's fields out of a body.

    Args:
        whole: whether it has to be a whole book; else any fields of one.

    Raises:
        InvalidFields: for every field that is wrong, unknown or missing.
    """
    fields = _checked(body, _BOOK, required=("title", "author") if whole else ())
    return {**dict.fromkeys(_BOOK), **fields} if whole else fields


def book_action(body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the name of the action that the body asks for, and its fields.

    Raises:
        InvalidFields: when it asks for none, for several, or wrongly.
    """
    if len(body) != 1 or not body.keys() <= _ACTIONS.keys():
        raise InvalidFields({"": f"has to have exactly one key of {', '.join(_ACTIONS)}"})
    ((name, fields),) = body.items()
    if not isinstance(fields, dict):
        raise InvalidFields({f"/{name}": "has to be an object"})
    checks = _ACTIONS[name]
    return name, _checked(fields, checks, required=tuple(checks), within=f"/{name}")


def page_query(query: Mapping[str, str]) -> dict[str, Any]:
    """Returns the query of a list of books: ``limit``, always, and ``marker``, ``title`` and ``author``.

    Raises:
        InvalidFields: for every parameter that is wrong or unknown.
    """
    return {"limit": DEFAULT_BOOKS, **_checked(query, _PAGE, within="?")}


def _checked(
    given: Mapping[str, Any],
    checks: Mapping[str, _Check],
    *,
    required: tuple[str, ...] = (),
    within: str = "",
) -> dict[str, Any]:
    fields = {}
    problems = {name: "is required" for name in required if name not in given}
    for name, value in given.items():
        if name not in checks:
            problems[name] = f"is not known; there are {', '.join(checks) or 'none'}"
            continue
        try:
            fields[name] = checks[name](value)
        except _FieldError as error:
            problems[name] = str(error)
    if problems:
        raise InvalidFields({_pointer(within, name): text for name, text in problems.items()})
    return fields


def _pointer(within: str, name: str) -> str:
    if within == "?":
        return f"?{name}"
    escaped = name.replace("~", "~0").replace("/", "~1")  # RFC 6901, section 3
    return f"{within}/{escaped}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _FieldError("has to be a string")
    if not value.strip() or len(value) > LONGEST_TEXT:
        raise _FieldError(f"has to have 1 to {LONGEST_TEXT} characters")
    if "\0" in value:
        raise _FieldError("may not have a NUL character")
    return value


def _year(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _FieldError("has to be a whole number or null")
    if not -3000 <= value <= 9999:
        raise _FieldError("has to be from -3000 to 9999")
    return value


def _isbn(value: Any) -> str | None:
    """Source: ISO 2108, the check digits of both lengths."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise _FieldError("has to be a string or null")
    if re.fullmatch("[0-9]{9}[0-9X]", value):
        digits = [10 if digit == "X" else int(digit) for digit in value]
        is_right = sum(digit * (10 - place) for place, digit in enumerate(digits)) % 11 == 0
    elif re.fullmatch("97[89][0-9]{10}", value):
        is_right = (
            sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(value)) % 10 == 0
        )
    else:
        raise _FieldError("has to have 10 or 13 digits, without hyphens")
    if not is_right:
        raise _FieldError("has a wrong check digit")
    return value


def _limit(value: str) -> int:
    # Four digits are enough, and int() of very many would be slow.
    if not re.fullmatch("[0-9]{1,4}", value) or not 1 <= int(value) <= MOST_BOOKS:
        raise _FieldError(f"has to be a whole number from 1 to {MOST_BOOKS}")
    return int(value)


def _marker(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise _FieldError("has to be the id of a book") from None


_BOOK: Mapping[str, _Check] = {"title": _text, "author": _text, "isbn": _isbn, "year": _year}
_ACTIONS: Mapping[str, Mapping[str, _Check]] = {"lend": {"to": _text}, "return": {}}
_PAGE: Mapping[str, _Check] = {"limit": _limit, "marker": _marker, "title": _text, "author": _text}
