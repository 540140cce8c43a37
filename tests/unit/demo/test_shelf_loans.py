"""Loans within transactions: who ends one, what becomes of its book, and how many somebody has."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.orm import Session

from wsgisrv.demo import shelf
from wsgisrv.demo.db import Database
from wsgisrv.demo.models import Book, BookStateError, Borrower, Loan, TooManyBooksError, now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/shelf.sqlite")
    database.create_schema()
    yield database
    del database
    gc.collect()


def add(session: Session, count: int = 1) -> list[str]:
    books = [Book(title="t", author="a") for _ in range(count)]
    session.add_all(books)
    session.flush()
    return [book.id for book in books]


def counted(session: Session, name: str) -> int | None:
    return session.scalar(sqlalchemy.select(Borrower.books).where(Borrower.name == name))


def by_others(session: Session, statement: Any) -> None:
    """Changes rows behind the back of the session's objects, as another transaction does."""
    session.execute(statement, execution_options={"synchronize_session": False})


def test_who_is_late_to_end_a_loan_does_not_end_the_next(database: Database) -> None:
    def work(session: Session) -> None:
        (book_id,) = add(session)
        anns = shelf.lend(session, book_id, "ann")[1]
        ended = sqlalchemy.update(Loan).where(Loan.id == anns.id).values(returned_at=now())
        by_others(session, ended)
        by_others(session, sqlalchemy.update(Book).values(lent_to=None, lent_at=None))
        bobs = shelf.lend(session, book_id, "bob")[1]
        assert anns.returned_at is None, "it is not what the late one has seen"
        book = shelf.get(session, Book, book_id, locked=True)
        with pytest.raises(BookStateError, match=f"the loan {anns.id} has ended"):
            shelf.end_loan(session, book, anns)
        session.expire_all()
        assert (book.lent_to, bobs.returned_at) == ("bob", None)

    database.write(work)


def test_a_loan_that_ends_frees_the_book_that_it_holds_and_no_other(database: Database) -> None:
    def work(session: Session) -> None:
        book_id, other_id = add(session, 2)
        anns = shelf.lend(session, book_id, "ann")[1]
        shelf.lend(session, other_id, "ann")
        book = shelf.get(session, Book, book_id, locked=True)
        book.lent_to = "bob"
        session.flush()
        shelf.end_loan(session, book, anns)
        session.expire_all()
        assert anns.returned_at is not None
        assert book.lent_to == "bob"
        assert shelf.get(session, Book, other_id).lent_to == "ann"

    database.write(work)


def take_back(session: Session, book_id: str) -> None:
    shelf.take_back(session, book_id)


def end(session: Session, book_id: str) -> None:
    loan = shelf.open_loan(session, book_id)
    assert loan is not None
    shelf.end_loan(session, shelf.get(session, Book, book_id, locked=True), loan)


@pytest.mark.parametrize("give_back", [take_back, end])
def test_the_count_follows_what_is_lent_and_given_back(
    database: Database, give_back: Callable[[Session, str], None]
) -> None:
    def work(session: Session) -> None:
        books = add(session, shelf.MOST_LOANS + 1)
        for book_id in books[:-1]:
            shelf.lend(session, book_id, "ann")
        assert counted(session, "ann") == shelf.MOST_LOANS
        with pytest.raises(TooManyBooksError), session.begin_nested():
            shelf.lend(session, books[-1], "ann")
        assert shelf.get(session, Book, books[-1]).lent_to is None
        give_back(session, books[0])
        shelf.lend(session, books[-1], "ann")
        assert counted(session, "ann") == shelf.MOST_LOANS

    database.write(work)


@pytest.mark.parametrize("give_back", [take_back, end])
def test_loans_from_before_they_were_counted_count(
    database: Database, give_back: Callable[[Session, str], None]
) -> None:
    def fill(session: Session) -> list[str]:
        books = add(session, shelf.MOST_LOANS + 2)
        for book_id in books[:-2]:
            shelf.lend(session, book_id, "ann")
        Borrower.__table__.drop(session.connection())  # type: ignore[attr-defined]
        return books

    books = database.write(fill)
    database.create_schema()

    def work(session: Session) -> None:
        with pytest.raises(TooManyBooksError), session.begin_nested():
            shelf.lend(session, books[-1], "ann")
        session.execute(sqlalchemy.delete(Borrower))
        give_back(session, books[0])
        assert counted(session, "ann") == shelf.MOST_LOANS - 1
        shelf.lend(session, books[-1], "ann")
        with pytest.raises(TooManyBooksError), session.begin_nested():
            shelf.lend(session, books[-2], "ann")

    database.write(work)


def test_who_is_second_to_make_a_borrowers_row_begins_anew(database: Database) -> None:
    tries = 0

    def work(session: Session) -> int | None:
        nonlocal tries
        tries += 1
        shelf.lend(session, add(session)[0], "ann")
        return counted(session, "ann")

    def be_first(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if tries == 1 and statement.startswith("INSERT INTO borrowers"):
            cursor.execute("INSERT INTO borrowers (name, books) VALUES ('ann', 0)")

    event.listen(database._engine, "before_cursor_execute", be_first)
    assert (database.write(work), tries) == (1, 2)


def test_a_book_that_is_lent_without_a_loan_comes_back(database: Database) -> None:
    def work(session: Session) -> None:
        book = Book(title="t", author="a", lent_to="ann", lent_at=now())
        session.add(book)
        session.flush()
        assert shelf.take_back(session, book.id).lent_to is None

    database.write(work)
