"""What the shelf's clients may say and what they are told, as JSON Schema, and what lists may be asked for.

Rules: what passes can be stored as it is; a message says what would be right.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

from wsgisrv import api
from wsgisrv.demo.models import LONGEST_TEXT

MOST_ITEMS = 1000
"""On one page."""

Schema = dict[str, Any]


def _text(title: str) -> Schema:
    size = f"has to have 1 to {LONGEST_TEXT} characters"
    return {
        "description": title,
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_TEXT,
        "pattern": r"\S",
        "not": {"pattern": "\0"},
        "x-says": {"pattern": size, "not": "may not have a NUL character"},
    }


def _object(title: str, properties: Schema, required: list[str]) -> Schema:
    return {
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_ID: Schema = {"type": "string", "format": "uuid"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_OPTIONAL_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
_SHOWN_TEXT: Schema = {"type": "string"}

_BOOK: Schema = {
    "title": _text("The title."),
    "author": _text("The author's name."),
    "isbn": {
        "description": "ISBN of 10 or 13 digits, without hyphens.",
        "type": ["string", "null"],
        "pattern": "^([0-9]{9}[0-9X]|97[89][0-9]{10})$",
        "format": "isbn",
        "x-says": {
            "pattern": "has to have 10 or 13 digits, without hyphens",
            "format": "has a wrong check digit",
        },
    },
    "year": {
        "description": "The year of publication; negative before the common era.",
        "type": ["integer", "null"],
        "minimum": -3000,
        "maximum": 9999,
    },
}

NEW_BOOK = _object("NewBook", _BOOK, ["title", "author"])
BOOK_CHANGES = _object("BookChanges", _BOOK, [])
LEND = _object("NewLoan", {"to": _text("Who gets the book.")}, ["to"])
NOTHING = _object("Nothing", {}, [])

_SHOWN_LOAN: Schema = {
    "id": _ID,
    "book_id": _ID,
    "to": _SHOWN_TEXT,
    "lent_at": _MOMENT,
    "returned_at": _OPTIONAL_MOMENT,
}
LOAN = _object("Loan", _SHOWN_LOAN, list(_SHOWN_LOAN))

_SHOWN_BOOK: Schema = {
    "id": _ID,
    "title": _SHOWN_TEXT,
    "author": _SHOWN_TEXT,
    "isbn": {"type": ["string", "null"]},
    "year": {"type": ["integer", "null"]},
    "lent_to": {"type": ["string", "null"]},
    "lent_at": _OPTIONAL_MOMENT,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
}
BOOK = _object("Book", _SHOWN_BOOK, list(_SHOWN_BOOK))
BOOK_WITH_LOAN = _object(
    "BookWithLoan",
    {**_SHOWN_BOOK, "loan": {"anyOf": [LOAN, {"type": "null"}]}},
    [*_SHOWN_BOOK, "loan"],
)

NEW_AUTHOR = _object("NewAuthor", {"name": _text("The name.")}, ["name"])
_SHOWN_AUTHOR: Schema = {"id": _ID, "name": _SHOWN_TEXT, "created_at": _MOMENT}
AUTHOR = _object("Author", _SHOWN_AUTHOR, list(_SHOWN_AUTHOR))

_ORDER = ("eq", "neq", "gt", "gte", "lt", "lte", "in", "nin")


def _books(**more: Any) -> api.Collection:
    return api.Collection(
        "books", marker=uuid.UUID, marker_means="the id of a book", item=BOOK, **more
    )


SIMPLE_BOOKS = _books(filters={"title": api.Filter(), "author": api.Filter()}, links=False)
BOOKS = _books(
    filters={
        "title": api.Filter(str, ("eq", "neq", "in", "nin")),
        "author": api.Filter(str, ("eq", "neq", "in", "nin")),
        "year": api.Filter(int, _ORDER),
        "created_at": api.Filter(dt.datetime, _ORDER[:6]),
    },
    sort_keys=("title", "author", "year", "created_at"),
    fields=tuple(_SHOWN_BOOK),
    counts=True,
)
AUTHORS = api.Collection(
    "authors",
    marker=uuid.UUID,
    marker_means="the id of an author",
    item=AUTHOR,
    filters={"name": api.Filter(str, ("eq", "neq", "in", "nin"))},
    sort_keys=("name", "created_at"),
    fields=tuple(_SHOWN_AUTHOR),
    counts=True,
)
LOANS = api.Collection(
    "loans",
    marker=uuid.UUID,
    marker_means="the id of a loan",
    item=LOAN,
    filters={"to": api.Filter(), "lent_at": api.Filter(dt.datetime, _ORDER[:6])},
    sort_keys=("lent_at",),
    default_sort="lent_at",
    counts=True,
)


def is_isbn(text: str) -> bool:
    """Whether the check digit is right; a text of another form is another rule's business.

    Source: ISO 2108, the check digits of both lengths.
    """
    if re.fullmatch("[0-9]{9}[0-9X]", text):
        digits = [10 if digit == "X" else int(digit) for digit in text]
        return sum(digit * (10 - place) for place, digit in enumerate(digits)) % 11 == 0
    if re.fullmatch("97[89][0-9]{10}", text):
        return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(text)) % 10 == 0
    return True
