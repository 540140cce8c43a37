"""What is done with books, within one transaction: for the controllers, without HTTP."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import sqlalchemy
from sqlalchemy.orm import Session

from wsgisrv.demo.models import Base, Book, BookStateError, Loan, NoSuchBookError, now

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
    """
    # One statement decides between two clients that want the same book, on any database.
    moment = now()
    statement = (
        sqlalchemy.update(Book)
        .where(Book.id == book_id, Book.lent_to.is_(None))
        .values(lent_to=to, lent_at=moment)
    )
    _move(session, book_id, statement, "is lent already")
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
    statement = (
        sqlalchemy.update(Book)
        .where(Book.id == book_id, Book.lent_to.is_not(None))
        .values(lent_to=None, lent_at=None)
    )
    _move(session, book_id, statement, "is not lent")
    ended = sqlalchemy.update(Loan).where(Loan.book_id == book_id, Loan.returned_at.is_(None))
    changed_rows(session, ended.values(returned_at=now()))
    return get(session, Book, book_id)


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


def count_open_loans(session: Session, to: str) -> int:
    """Returns how many books somebody has."""
    query = sqlalchemy.select(sqlalchemy.func.count()).select_from(Loan)
    found = session.scalar(query.where(Loan.to == to, Loan.returned_at.is_(None)))
    return int(found or 0)


def changed_rows(session: Session, statement: sqlalchemy.Update | sqlalchemy.Delete) -> int:
    """Returns how many rows a statement changed."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("sqlalchemy.CursorResult[Any]", result).rowcount


def _move(
    session: Session,
    book_id: str,
    statement: sqlalchemy.Update | sqlalchemy.Delete,
    refusal: str,
) -> None:
    if not changed_rows(session, statement):
        get(session, Book, book_id)
        raise BookStateError(f"the book {book_id} {refusal}")
