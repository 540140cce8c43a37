"""The shelf's one table, and what may not be done with a book."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

LONGEST_TEXT = 255
"""Most characters of a title, a name."""


class NoSuchBookError(Exception):
    """Raised when a book is asked for that is not, or no longer, there."""


class BookStateError(Exception):
    """Raised when a book is lent that is lent, and the like: another client was faster."""


def now() -> dt.datetime:
    """Returns the time in UTC, without a zone, as every database keeps it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)


class Base(DeclarativeBase):
    """The tables of the demo."""


class Book(Base):
    """A book on the shelf, or lent to somebody."""

    __tablename__ = "books"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    title: Mapped[str] = mapped_column(String(LONGEST_TEXT), index=True)
    author: Mapped[str] = mapped_column(String(LONGEST_TEXT), index=True)
    isbn: Mapped[str | None] = mapped_column(String(13), unique=True)
    year: Mapped[int | None]
    lent_to: Mapped[str | None] = mapped_column(String(LONGEST_TEXT))
    lent_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=now, onupdate=now)

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


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"
