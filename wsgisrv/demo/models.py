"""The shelf's tables, and what may not be done with a book."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

LONGEST_TEXT = 255
"""Most characters of a title, a name."""


_ANY_TEXT = {
    f"{name}_{option}": value
    for name in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
"""Options of each table: else a server's default decides which texts there are, and which are the same."""


class NoSuchBookError(Exception):
    """Raised when a book, an author or a loan is asked for that is not, or no longer, there."""


class BookStateError(Exception):
    """Raised when a book is lent that is lent, and the like: another client was faster."""


class RaceLostError(Exception):
    """Raised when another transaction was first to make a row: the same work, done again, finds it."""


class TooManyBooksError(Exception):
    """Raised when a book is lent to somebody who has as many as anybody may."""


def now() -> dt.datetime:
    """Returns the time in UTC, without a zone, as every database keeps it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)


def new_id() -> str:
    """Returns an id for a row."""
    return str(uuid.uuid4())


class Base(DeclarativeBase):
    """The tables of the demo."""


class Book(Base):
    """A book on the shelf, or lent to somebody."""

    __tablename__ = "books"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    title: Mapped[str] = mapped_column(String(LONGEST_TEXT))
    author: Mapped[str] = mapped_column(String(LONGEST_TEXT))
    isbn: Mapped[str | None] = mapped_column(String(13), unique=True)
    year: Mapped[int | None]
    lent_to: Mapped[str | None] = mapped_column(String(LONGEST_TEXT))
    lent_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=now, onupdate=now)

    # Each order that a list can have, with the id at its end, so that a page begins within an index.
    __table_args__ = (
        Index("ix_books_title_id", "title", "id"),
        Index("ix_books_author_id", "author", "id"),
        Index("ix_books_created_at_id", "created_at", "id"),
        # For the filter: what may be NULL is sorted without an index.
        Index("ix_books_year_id", "year", "id"),
        _ANY_TEXT,
    )

    def as_dict(self) -> dict[str, Any]:
        """Returns the book as the API shows it."""
        return {
            "id": self.id,
            "title": self.title,
            "author": self.author,
            "isbn": self.isbn,
            "year": self.year,
            "lent_to": self.lent_to,
            "lent_at": _iso(self.lent_at),
            "created_at": _iso(self.created_at),
            "updated_at": _iso(self.updated_at),
        }


class Author(Base):
    """An author of whom the shelf keeps more than the name on a book."""

    __tablename__ = "authors"

    __table_args__ = _ANY_TEXT

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(LONGEST_TEXT), unique=True)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)

    def as_dict(self) -> dict[str, Any]:
        """Returns the author as the API shows one."""
        return {"id": self.id, "name": self.name, "created_at": _iso(self.created_at)}


class Loan(Base):
    """A book's time with somebody."""

    __tablename__ = "loans"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    book_id: Mapped[str] = mapped_column(ForeignKey("books.id", ondelete="CASCADE"))
    to: Mapped[str] = mapped_column(String(LONGEST_TEXT), index=True)
    lent_at: Mapped[dt.datetime] = mapped_column(default=now)
    returned_at: Mapped[dt.datetime | None]

    __table_args__ = (
        Index("ix_loans_book_id_lent_at_id", "book_id", "lent_at", "id"),
        _ANY_TEXT,
    )

    def as_dict(self) -> dict[str, Any]:
        """Returns the loan as the API shows it."""
        return {
            "id": self.id,
            "book_id": self.book_id,
            "to": self.to,
            "lent_at": _iso(self.lent_at),
            "returned_at": _iso(self.returned_at),
        }


class Borrower(Base):
    """How many books somebody has, as one number: of two who count rows, none sees what the other adds."""

    __tablename__ = "borrowers"

    __table_args__ = _ANY_TEXT

    name: Mapped[str] = mapped_column(String(LONGEST_TEXT), primary_key=True)
    books: Mapped[int]


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"
