"""The shelf's controllers: what is done for each request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy
from sqlalchemy.orm import Session
from webob import exc

from wsgisrv import api
from wsgisrv.api.sql import fetch_page
from wsgisrv.demo import schemas, shelf
from wsgisrv.demo.db import Database
from wsgisrv.demo.models import Author, Book, Loan

_ISBN_TAKEN = "/isbn: another book has it"
_NO_BOOK = "there is no such book"


class _Controller:
    """Args:
    database: with its schema in place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def _list(
        self, request: api.Request, page: api.Page, query: sqlalchemy.Select[Any], kind: Any
    ) -> dict[str, Any]:
        def work(session: Session) -> tuple[list[dict[str, Any]], int | None]:
            found = fetch_page(session, query, page, kind.__mapper__.columns)
            return [item.as_dict() for item in found.items], found.count

        items, count = self._database.read(work)
        return page.document(request, items, count)

    def _check(self, request: api.Request, shown: Mapping[str, Any]) -> None:
        """Checks the preconditions against what this version shows."""
        request.check_etag(api.etag_of(request.microversion, shown))


class Books(_Controller):
    """``/v1/books``."""

    @api.lists(schemas.SIMPLE_BOOKS, "1.0", "1.0")
    @api.lists(schemas.BOOKS, "1.1")
    def index(self, request: api.Request, page: api.Page) -> dict[str, Any]:
        """Lists books, in the order of their ids unless ``sort`` names another."""
        return self._list(request, page, sqlalchemy.select(Book), Book)

    @api.conditional()
    @api.returns(schemas.BOOK, "1.0", "1.2")
    @api.returns(schemas.BOOK_WITH_LOAN, "1.3")
    @api.answers(404, _NO_BOOK)
    def show(self, request: api.Request, book_id: str) -> dict[str, Any]:
        """Shows a book; from 1.3 on with its loan."""

        def work(session: Session) -> dict[str, Any]:
            return self._as_shown(request, session, shelf.get(session, Book, book_id))

        shown = self._database.read(work)
        self._check(request, shown)
        return shown

    @api.responds(201, location="/books/{id}")
    @api.body(schemas.NEW_BOOK)
    @api.returns(schemas.BOOK)
    @api.answers(409, "another book has the ISBN")
    def create(self, request: api.Request, body: dict[str, Any]) -> dict[str, Any]:
        """Adds a book."""

        def work(session: Session) -> dict[str, Any]:
            book = Book(**body)
            session.add(book)
            shelf.flush(session, _ISBN_TAKEN)
            return book.as_dict()

        return self._database.write(work)

    @api.body(schemas.NEW_BOOK)
    @api.returns(schemas.BOOK)
    @api.answers(404, _NO_BOOK)
    @api.answers(409, "another book has the ISBN")
    @api.conditional()
    def update(self, request: api.Request, book_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replaces all that a client may say of a book; what is left out becomes null."""
        return self._change(request, book_id, {"isbn": None, "year": None, **body})

    @api.body(schemas.BOOK_CHANGES)
    @api.returns(schemas.BOOK)
    @api.answers(404, _NO_BOOK)
    @api.answers(409, "another book has the ISBN")
    @api.conditional()
    def patch(self, request: api.Request, book_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Changes the fields of a book that are given."""
        return self._change(request, book_id, body)

    @api.answers(404, _NO_BOOK)
    @api.answers(409, "the book is lent")
    @api.conditional()
    def delete(self, request: api.Request, book_id: str) -> None:
        """Removes a book that is on the shelf."""

        def work(session: Session) -> None:
            book = shelf.get(session, Book, book_id, locked=True)
            self._check(request, self._as_shown(request, session, book))
            shelf.remove(session, book_id)

        self._database.write(work)

    @api.sub_action("lend")
    @api.version("1.0", "1.2")
    @api.body(schemas.LEND)
    @api.returns(schemas.BOOK)
    @api.answers(403, "the borrower has too many books")
    @api.answers(404, _NO_BOOK)
    @api.answers(409, "the book is lent already")
    def lend(self, request: api.Request, book_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Lends a book; from 1.3 on a loan is created instead."""
        to = body["to"]
        return self._database.write(lambda session: shelf.lend(session, book_id, to)[0].as_dict())

    @api.sub_action("return")
    @api.version("1.0", "1.2")
    @api.body(schemas.NOTHING)
    @api.returns(schemas.BOOK)
    @api.answers(404, _NO_BOOK)
    @api.answers(409, "the book is not lent")
    def take_back(self, request: api.Request, book_id: str) -> dict[str, Any]:
        """Takes a book back; from 1.3 on its loan is ended instead."""
        return self._database.write(lambda session: shelf.take_back(session, book_id).as_dict())

    def _as_shown(self, request: api.Request, session: Session, book: Book) -> dict[str, Any]:
        """Returns a book as the version that is asked for shows it."""
        if request.microversion < (1, 3):
            return book.as_dict()
        loan = shelf.open_loan(session, book.id)
        return {**book.as_dict(), "loan": loan and loan.as_dict()}

    def _change(self, request: api.Request, book_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        def work(session: Session) -> dict[str, Any]:
            book = shelf.get(session, Book, book_id, locked=True)
            self._check(request, self._as_shown(request, session, book))
            for name, value in fields.items():
                setattr(book, name, value)
            shelf.flush(session, _ISBN_TAKEN)
            return book.as_dict()

        return self._database.write(work)


class Authors(_Controller):
    """``/v1/authors``, from 1.1 on."""

    @api.version("1.1")
    @api.lists(schemas.AUTHORS)
    def index(self, request: api.Request, page: api.Page) -> dict[str, Any]:
        """Lists authors."""
        return self._list(request, page, sqlalchemy.select(Author), Author)

    @api.version("1.1")
    @api.returns(schemas.AUTHOR)
    @api.conditional()
    @api.answers(404, "there is no such author")
    def show(self, request: api.Request, author_id: str) -> dict[str, Any]:
        """Shows an author."""
        shown = self._database.read(lambda session: shelf.get(session, Author, author_id).as_dict())
        self._check(request, shown)
        return shown

    @api.version("1.1")
    @api.responds(201, location="/authors/{id}")
    @api.body(schemas.NEW_AUTHOR)
    @api.returns(schemas.AUTHOR)
    @api.answers(409, "another author has the name")
    def create(self, request: api.Request, body: dict[str, Any]) -> dict[str, Any]:
        """Adds an author."""

        def work(session: Session) -> dict[str, Any]:
            author = Author(**body)
            session.add(author)
            shelf.flush(session, "/name: another author has it")
            return author.as_dict()

        return self._database.write(work)

    @api.version("1.1")
    @api.conditional()
    @api.answers(404, "there is no such author")
    def delete(self, request: api.Request, author_id: str) -> None:
        """Removes an author; the books stay."""

        def work(session: Session) -> None:
            author = shelf.get(session, Author, author_id, locked=True)
            self._check(request, author.as_dict())
            session.delete(author)

        self._database.write(work)


class AuthorBooks(_Controller):
    """``/v1/authors/{author_id}/books``, from 1.1 on."""

    @api.version("1.1")
    @api.lists(schemas.BOOKS)
    @api.answers(404, "there is no such author")
    def index(self, request: api.Request, author_id: str, page: api.Page) -> dict[str, Any]:
        """Lists the books that name the author."""
        name = self._database.read(lambda session: shelf.get(session, Author, author_id).name)
        return self._list(request, page, sqlalchemy.select(Book).where(Book.author == name), Book)


class Loans(_Controller):
    """``/v1/books/{book_id}/loans``, from 1.2 on."""

    def _book_is_there(self, request: api.Request, arguments: Mapping[str, Any]) -> None:
        self._database.read(lambda session: shelf.get(session, Book, arguments["book_id"]).id)

    @api.version("1.2")
    @api.before("_book_is_there")
    @api.lists(schemas.LOANS)
    @api.answers(404, _NO_BOOK)
    def index(self, request: api.Request, book_id: str, page: api.Page) -> dict[str, Any]:
        """Lists the loans of a book, the first one first."""
        query = sqlalchemy.select(Loan).where(Loan.book_id == book_id)
        return self._list(request, page, query, Loan)

    @api.version("1.2")
    @api.responds(201, location="/books/{book_id}/loans/{id}")
    @api.body(schemas.LEND)
    @api.returns(schemas.LOAN)
    @api.answers(403, "the borrower has too many books")
    @api.answers(404, _NO_BOOK)
    @api.answers(409, "the book is lent already")
    def create(self, request: api.Request, book_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Lends a book."""
        to = body["to"]
        return self._database.write(lambda session: shelf.lend(session, book_id, to)[1].as_dict())

    @api.version("1.2")
    @api.returns(schemas.LOAN)
    @api.conditional()
    @api.answers(404, "there is no such loan of the book")
    def show(self, request: api.Request, book_id: str, loan_id: str) -> dict[str, Any]:
        """Shows a loan."""
        read = self._database.read
        shown = read(lambda session: self._loan(session, book_id, loan_id).as_dict())
        self._check(request, shown)
        return shown

    @api.sub_action("return")
    @api.version("1.2")
    @api.body(schemas.NOTHING)
    @api.returns(schemas.LOAN)
    @api.conditional()
    @api.answers(404, "there is no such loan of the book")
    @api.answers(409, "the loan has ended already")
    def end(self, request: api.Request, book_id: str, loan_id: str) -> dict[str, Any]:
        """Ends a loan: the book is back; the loan stays, with the time of its end."""

        def work(session: Session) -> dict[str, Any]:
            book = shelf.get(session, Book, book_id, locked=True)
            loan = self._loan(session, book_id, loan_id)
            self._check(request, loan.as_dict())
            shelf.end_loan(session, book, loan)
            return loan.as_dict()

        return self._database.write(work)

    def _loan(self, session: Session, book_id: str, loan_id: str) -> Loan:
        loan = shelf.get(session, Loan, loan_id)
        if loan.book_id != book_id:
            raise exc.HTTPNotFound(f"no loan {loan_id} of the book {book_id}")
        return loan


class Health(_Controller):
    """``/healthz``: for a load balancer."""

    def show(self, request: api.Request) -> dict[str, Any]:
        """Says whether the database answers."""
        self._database.read(lambda session: session.scalar(sqlalchemy.select(1)))
        return {"status": "ok"}
