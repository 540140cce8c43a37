"""What is done with books, within one transaction: for the controllers, without HTTP.

Rules: whoever changes loans of a book has its row locked, and takes the borrower's after it, so that no two
wait for each other.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import sqlalchemy
from sqlalchemy.orm import Session

from wsgisrv.demo.models import (
    Base,
    Book,
    BookStateError,
    Borrower,
    Loan,
    NoSuchBookError,
    RaceLostError,
    TooManyBooksError,
    now,
)

MOST_LOANS = 20
"""Books that one borrower may have at a time."""

Row = TypeVar("Row", bound=Base)


def get(session: Session, kind: type[Row], row_id: str, *, locked: bool = False) -> Row:
    """Returns one row.

    Args:
        locked: until the transaction ends, where the database does not lock the whole of it.

    Raises:
        NoSuchBookError: when it is not there.
    """
    row = session.get(kind, row_id, with_for_update=True if locked else None)
    if row is None:
        raise NoSuchBookError(f"no {kind.__name__.lower()} {row_id}")
    return row


def flush(session: Session, problem: str) -> None:
    """Writes what was changed.

    Raises:
        BookStateError: with ``problem``, when a unique value is there already.
    """
    try:
        session.flush()
    except sqlalchemy.exc.IntegrityError:
        raise BookStateError(problem) from None


def lend(session: Session, book_id: str, to: str) -> tuple[Book, Loan]:
    """Lends a book.

    Raises:
        NoSuchBookError: when there is none.
        BookStateError: when it is lent.
        TooManyBooksError: when the borrower has MOST_LOANS.
    """
    # One statement decides between two clients that want the same book, on any database.
    moment = now()
    statement = (
        sqlalchemy.update(Book)
        .where(Book.id == book_id, Book.lent_to.is_(None))
        .values(lent_to=to, lent_at=moment)
    )
    _move(session, book_id, statement, "is lent already")
    _begin_count(session, to)
    one_more = (
        sqlalchemy.update(Borrower)
        .where(Borrower.name == to, Borrower.books < MOST_LOANS)
        .values(books=Borrower.books + 1)
    )
    if not changed_rows(session, one_more):
        raise TooManyBooksError(f"nobody may have more than {MOST_LOANS} books")
    loan = Loan(book_id=book_id, to=to, lent_at=moment)
    session.add(loan)
    session.flush()
    return get(session, Book, book_id), loan


def take_back(session: Session, book_id: str) -> Book:
    """Takes a book back.

    Raises:
        NoSuchBookError: when there is none.
        BookStateError: when it is not lent.
    """
    book = get(session, Book, book_id, locked=True)
    if book.lent_to is None:
        raise BookStateError(f"the book {book_id} is not lent")
    loan = open_loan(session, book_id)
    if loan is not None:
        end_loan(session, book, loan)
    _free(session, book)
    return book


def end_loan(session: Session, book: Book, loan: Loan) -> None:
    """Ends a loan; the book is free then, if it is this loan that holds it.

    Args:
        book: of the loan, locked.

    Raises:
        BookStateError: when it has ended.
    """
    _begin_count(session, loan.to)
    # Decided here and not by what was read: it may have ended since, and the book be another's.
    ended = sqlalchemy.update(Loan).where(Loan.id == loan.id, Loan.returned_at.is_(None))
    if not changed_rows(session, ended.values(returned_at=now())):
        raise BookStateError(f"the loan {loan.id} has ended")
    counted = sqlalchemy.update(Borrower).where(Borrower.name == loan.to)
    changed_rows(session, counted.values(books=Borrower.books - 1))
    if (book.lent_to, book.lent_at) == (loan.to, loan.lent_at):
        _free(session, book)
    session.refresh(loan)


def remove(session: Session, book_id: str) -> None:
    """Removes a book that is on the shelf.

    Raises:
        NoSuchBookError: when there is none.
        BookStateError: when it is lent.
    """
    session.execute(
        sqlalchemy.delete(Loan).where(
            Loan.book_id == book_id,
            sqlalchemy.exists().where(Book.id == book_id, Book.lent_to.is_(None)),
        )
    )
    statement = sqlalchemy.delete(Book).where(Book.id == book_id, Book.lent_to.is_(None))
    _move(session, book_id, statement, "is lent")


def open_loan(session: Session, book_id: str) -> Loan | None:
    """Returns the loan of a book that is lent; one that an older demo lent has none."""
    query = sqlalchemy.select(Loan).where(Loan.book_id == book_id, Loan.returned_at.is_(None))
    return session.scalars(query.limit(1)).first()


def changed_rows(session: Session, statement: sqlalchemy.Update | sqlalchemy.Delete) -> int:
    """Returns how many rows a statement changed."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("sqlalchemy.CursorResult[Any]", result).rowcount


def _free(session: Session, book: Book) -> None:
    book.lent_to = book.lent_at = None
    session.flush()


def _begin_count(session: Session, name: str) -> None:
    """Makes the row of a borrower that has none, before a loan of theirs begins or ends.

    It begins with the loans that there are: they may be older than the table.
    """
    if session.scalar(sqlalchemy.select(Borrower.name).where(Borrower.name == name)) is not None:
        return
    mine = sqlalchemy.select(sqlalchemy.func.count()).select_from(Loan)
    books = session.scalar(mine.where(Loan.to == name, Loan.returned_at.is_(None)))
    # Not in a savepoint: MySQL ends the transaction for a deadlock, and knows no savepoint then.
    try:
        session.execute(sqlalchemy.insert(Borrower).values(name=name, books=books))
    except sqlalchemy.exc.IntegrityError:
        raise RaceLostError(f"another has made the row of {name!r}") from None


def _move(
    session: Session,
    book_id: str,
    statement: sqlalchemy.Update | sqlalchemy.Delete,
    refusal: str,
) -> None:
    if not changed_rows(session, statement):
        get(session, Book, book_id)
        raise BookStateError(f"the book {book_id} {refusal}")
