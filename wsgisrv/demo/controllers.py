"""The shelf's controllers: what is done for each request."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

import sqlalchemy
from sqlalchemy.orm import Session

from wsgisrv.api import Request, responds
from wsgisrv.demo.db import Database
from wsgisrv.demo.fields import book_action, book_fields, page_query
from wsgisrv.demo.models import Book, BookStateError, NoSuchBookError, now


class Books:
    """``/v1/books``.

    Args:
        database: with its schema in place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def index(self, request: Request) -> dict[str, Any]:
        """GET /books: a page in the order of the ids; ``?limit``, ``?marker``, ``?title``, ``?author``."""
        asked = page_query(request.query)
        limit = asked["limit"]
        query = sqlalchemy.select(Book).order_by(Book.id).limit(limit + 1)
        if "marker" in asked:
            query = query.where(Book.id > asked["marker"])
        for name in asked.keys() & {"title", "author"}:
            query = query.where(getattr(Book, name) == asked[name])
        books = self._database.read(
            lambda session: [book.as_dict() for book in session.scalars(query)]
        )
        document: dict[str, Any] = {"books": books[:limit]}
        if len(books) > limit:
            following = urlencode({**asked, "marker": books[limit - 1]["id"]})
            document["links"] = [{"rel": "next", "href": f"{request.path_url}?{following}"}]
        return document

    def show(self, request: Request, book_id: str) -> dict[str, Any]:
        """GET /books/{id}."""
        return self._database.read(lambda session: _get(session, book_id).as_dict())

    @responds(201, location="/books/{id}")
    def create(self, request: Request) -> dict[str, Any]:
        """POST /books."""
        fields = book_fields(request.json_object, whole=True)

        def work(session: Session) -> dict[str, Any]:
            book = Book(**fields)
            session.add(book)
            return _stored(session, book)

        return self._database.write(work)

    def replace(self, request: Request, book_id: str) -> dict[str, Any]:
        """PUT /books/{id}: all that a client may say of a book; what is left out becomes null."""
        return self._change(book_id, book_fields(request.json_object, whole=True))

    def update(self, request: Request, book_id: str) -> dict[str, Any]:
        """PATCH /books/{id}: the fields that are given."""
        return self._change(book_id, book_fields(request.json_object, whole=False))

    def delete(self, request: Request, book_id: str) -> None:
        """DELETE /books/{id}: only what is on the shelf."""
        statement = sqlalchemy.delete(Book).where(Book.id == book_id, Book.lent_to.is_(None))

        def work(session: Session) -> None:
            if not _changed_rows(session, statement):
                _get(session, book_id)
                raise BookStateError(f"the book {book_id} is lent")

        self._database.write(work)

    def action(self, request: Request, book_id: str) -> dict[str, Any]:
        """POST /books/{id}/action: ``{"lend": {"to": "..."}}`` or ``{"return": {}}``."""
        name, fields = book_action(request.json_object)
        if name == "lend":
            return self._lend(book_id, fields["to"])
        return self._take_back(book_id)

    def _change(self, book_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        def work(session: Session) -> dict[str, Any]:
            book = _get(session, book_id)
            for name, value in fields.items():
                setattr(book, name, value)
            return _stored(session, book)

        return self._database.write(work)

    def _lend(self, book_id: str, to: str) -> dict[str, Any]:
        # One statement decides between two clients that want the same book, on any database.
        statement = (
            sqlalchemy.update(Book)
            .where(Book.id == book_id, Book.lent_to.is_(None))
            .values(lent_to=to, lent_at=now())
        )
        return self._move(book_id, statement, "is lent already")

    def _take_back(self, book_id: str) -> dict[str, Any]:
        statement = (
            sqlalchemy.update(Book)
            .where(Book.id == book_id, Book.lent_to.is_not(None))
            .values(lent_to=None, lent_at=None)
        )
        return self._move(book_id, statement, "is not lent")

    def _move(self, book_id: str, statement: sqlalchemy.Update, refusal: str) -> dict[str, Any]:
        def work(session: Session) -> dict[str, Any]:
            moved = _changed_rows(session, statement)
            book = _get(session, book_id)
            if not moved:
                raise BookStateError(f"the book {book_id} {refusal}")
            return book.as_dict()

        return self._database.write(work)


class Health:
    """``/healthz``: for a load balancer.

    Args:
        database: that has to answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def show(self, request: Request) -> dict[str, Any]:
        """GET /healthz: the database answers."""
        self._database.read(lambda session: session.scalar(sqlalchemy.select(1)))
        return {"status": "ok"}


def _get(session: Session, book_id: str) -> Book:
    book = session.get(Book, book_id)
    if book is None:
        raise NoSuchBookError(f"no book {book_id}")
    return book


def _stored(session: Session, book: Book) -> dict[str, Any]:
    """Returns the book as it was stored.

    Raises:
        BookStateError: when another one has its ISBN.
    """
    try:
        session.flush()
    except sqlalchemy.exc.IntegrityError:
        raise BookStateError("/isbn: another book has it") from None
    return book.as_dict()


def _changed_rows(session: Session, statement: sqlalchemy.Update | sqlalchemy.Delete) -> int:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("sqlalchemy.CursorResult[Any]", result).rowcount
