"""The controller of ``/v1/books``."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy.orm import Session
from webob import exc

from wsgisrv.api import InvalidField, Request, responds
from wsgisrv.demo.db import Database
from wsgisrv.demo.models import Book

MOST_BOOKS = 1000
"""On one page."""

_FIELDS = {"title": str, "author": str, "year": int}
_REQUIRED = ("title", "author")
_LONGEST = 255


class Books:
    """Args:
    database: with its schema in place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def index(self, request: Request) -> dict[str, Any]:
        """GET /books: a page of books in the order of their ids, ``?limit``, ``?marker``."""
        limit = _limit(request)
        marker = request.params.get("marker", "")
        query = sqlalchemy.select(Book).where(Book.id > marker).order_by(Book.id).limit(limit + 1)
        for name in ("title", "author"):
            if name in request.params:
                query = query.where(getattr(Book, name) == request.params[name])
        books = self._database.read(
            lambda session: [book.as_dict() for book in session.scalars(query)]
        )
        document: dict[str, Any] = {"books": books[:limit]}
        if len(books) > limit:
            href = f"{request.path_url}?limit={limit}&marker={books[limit - 1]['id']}"
            document["links"] = [{"rel": "next", "href": href}]
        return document

    def show(self, request: Request, book_id: str) -> dict[str, Any]:
        """GET /books/{id}."""
        return self._database.read(lambda session: _get(session, book_id).as_dict())

    @responds(201, location="/books/{id}")
    def create(self, request: Request) -> dict[str, Any]:
        """POST /books."""
        fields = _checked(request.json_object())
        for name in _REQUIRED:
            if name not in fields:
                raise InvalidField(f"/{name}", "is required")

        def work(session: Session) -> dict[str, Any]:
            book = Book(**fields)
            session.add(book)
            session.flush()
            return book.as_dict()

        return self._database.write(work)

    def update(self, request: Request, book_id: str) -> dict[str, Any]:
        """PATCH /books/{id}: the fields that are given."""
        fields = _checked(request.json_object())

        def work(session: Session) -> dict[str, Any]:
            book = _get(session, book_id)
            for name, value in fields.items():
                setattr(book, name, value)
            session.flush()
            return book.as_dict()

        return self._database.write(work)

    def delete(self, request: Request, book_id: str) -> None:
        """DELETE /books/{id}: only what is on the shelf."""

        def work(session: Session) -> None:
            book = _get(session, book_id)
            if book.lent_to is not None:
                raise exc.HTTPConflict(f"the book {book_id} is lent")
            session.delete(book)

        self._database.write(work)

    def action(self, request: Request, book_id: str) -> dict[str, Any]:
        """POST /books/{id}/action: ``{"lend": {"to": "..."}}`` or ``{"return": {}}``."""
        body = request.json_object()
        if body.keys() == {"lend"}:
            return self._lend(book_id, _borrower(body["lend"]))
        if body.keys() == {"return"}:
            if body["return"] != {}:
                raise InvalidField("/return", "has to be an empty object")
            return self._take_back(book_id)
        raise InvalidField("", "has to have one key, lend or return")

    def _lend(self, book_id: str, to: str) -> dict[str, Any]:
        def work(session: Session) -> dict[str, Any]:
            # One statement decides between two clients that want the same book.
            statement = (
                sqlalchemy.update(Book)
                .where(Book.id == book_id, Book.lent_to.is_(None))
                .values(lent_to=to)
            )
            lent = session.connection().execute(statement).rowcount
            book = _get(session, book_id)
            if not lent:
                raise exc.HTTPConflict(f"the book {book_id} is lent already")
            return book.as_dict()

        return self._database.write(work)

    def _take_back(self, book_id: str) -> dict[str, Any]:
        def work(session: Session) -> dict[str, Any]:
            book = _get(session, book_id)
            if book.lent_to is None:
                raise exc.HTTPConflict(f"the book {book_id} is not lent")
            book.lent_to = None
            session.flush()
            return book.as_dict()

        return self._database.write(work)


def _get(session: Session, book_id: str) -> Book:
    book = session.get(Book, book_id)
    if book is None:
        raise exc.HTTPNotFound(f"no book {book_id}")
    return book


def _limit(request: Request) -> int:
    text = request.params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= MOST_BOOKS:
        raise InvalidField("?limit", f"has to be a whole number from 1 to {MOST_BOOKS}")
    return int(text)


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    for name, value in body.items():
        if name not in _FIELDS:
            raise InvalidField(f"/{name}", f"is no field; there are {', '.join(_FIELDS)}")
        if name == "year" and value is None:
            continue
        if not isinstance(value, _FIELDS[name]) or isinstance(value, bool):
            kind = "a string" if _FIELDS[name] is str else "a whole number"
            raise InvalidField(f"/{name}", f"has to be {kind}")
        if isinstance(value, str) and not 1 <= len(value) <= _LONGEST:
            raise InvalidField(f"/{name}", f"has to have 1 to {_LONGEST} characters")
        if isinstance(value, int) and not 0 <= value <= 9999:
            raise InvalidField(f"/{name}", "has to be from 0 to 9999")
    return body


def _borrower(lend: Any) -> str:
    if not isinstance(lend, dict) or lend.keys() != {"to"}:
        raise InvalidField("/lend", "has to be an object with the key to")
    to = lend["to"]
    if not isinstance(to, str) or not 1 <= len(to) <= _LONGEST:
        raise InvalidField("/lend/to", f"has to be a string of 1 to {_LONGEST} characters")
    return to
