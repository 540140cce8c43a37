"""The demo's paste factories: one for each app of api-paste.ini.

Rules: a factory reads its settings, and what is wrong with them is one ConfigError. SQLAlchemy is imported
when the demo is loaded and not before, since only the demo needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from wsgiref.types import WSGIApplication

from webob import exc

from wsgisrv.api import (
    API,
    Described,
    FaultTable,
    Microversions,
    OneVersion,
    Router,
    Version,
    versions_app,
)
from wsgisrv.errors import ConfigError, first_line

if TYPE_CHECKING:
    from wsgisrv.demo.db import Database

_FIRST, _LAST = "1.0", "1.3"
_V1 = Version("v1.0", "CURRENT", "/v1/", _FIRST, _LAST)


def versions_factory(global_conf: Mapping[str, str]) -> WSGIApplication:
    """``GET /``."""
    return versions_app([_V1], documented=_V1)


def shelf_factory(global_conf: Mapping[str, str]) -> WSGIApplication:
    """Everything below ``/v1``; ``database`` in [DEFAULT] is the URL.

    Raises:
        ConfigError: when SQLAlchemy is missing or the database cannot be opened.
    """
    return shelf_app(_open_database(global_conf))


def shelf_app(database: Database) -> WSGIApplication:
    """Returns the API of one version, on a database whose schema is in place."""
    from wsgisrv.demo import controllers, schemas

    router = Router()
    books = controllers.Books(database)
    book = router.resource("book", "books", controller=books, argument="book_id")
    book.sub_actions(controller=books)
    loans = controllers.Loans(database)
    loan = book.resource("loan", "loans", controller=loans, argument="loan_id")
    loan.sub_actions(controller=loans)
    authors = controllers.Authors(database)
    author = router.resource("author", "authors", controller=authors, argument="author_id")
    author.resource("book", "books", controller=controllers.AuthorBooks(database))
    router.connect("/", controller=OneVersion(_V1), action="show", methods=["GET"])
    return API(
        router,
        faults=_faults(),
        versions=Microversions("shelf", _FIRST, _LAST),
        formats={"isbn": schemas.is_isbn},
        described=Described(
            "Shelf",
            description="Books that can be lent.",
            answers={503: "The database is busy; Retry-After says when to come back."},
        ),
    )


def health_factory(global_conf: Mapping[str, str]) -> WSGIApplication:
    """``GET /healthz``: 200 while the database answers, 503 while it is busy.

    Raises:
        ConfigError: as shelf_factory.
    """
    database = _open_database(global_conf)
    from wsgisrv.demo.controllers import Health

    router = Router()
    router.connect("/", controller=Health(database), action="show", methods=["GET"])
    return API(router, faults=_faults())


def _open_database(global_conf: Mapping[str, str]) -> Database:
    try:
        import sqlite3

        import sqlalchemy.exc
    except ImportError:
        raise ConfigError("the demo needs SQLAlchemy: pip install 'wsgisrv[demo]'") from None
    from wsgisrv.demo.db import Database, DatabaseBusyError

    url = global_conf.get("database", "")
    if not url:
        raise ConfigError(
            "database is not set: it is a SQLAlchemy URL, as in sqlite:///shelf.sqlite"
        )
    try:
        database = Database(url)
        database.create_schema()
    except (
        sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, ImportError, DatabaseBusyError
    ) as error:  # fmt: skip
        why = first_line(error.__cause__ or error)
        raise ConfigError(f"database = {_without_password(url)}: {why}") from None
    return database


def _without_password(url: str) -> str:
    import sqlalchemy

    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url  # it is none, and is shown as it was written


def _faults() -> FaultTable:
    """Returns what the demo's own exceptions mean in HTTP."""
    from wsgisrv.demo.db import DatabaseBusyError
    from wsgisrv.demo.models import BookStateError, NoSuchBookError, TooManyBooksError

    def busy(error: Exception) -> exc.HTTPException:
        return exc.HTTPServiceUnavailable(str(error), headers={"Retry-After": "1"})

    return {
        NoSuchBookError: lambda error: exc.HTTPNotFound(str(error)),
        BookStateError: lambda error: exc.HTTPConflict(str(error)),
        TooManyBooksError: lambda error: exc.HTTPForbidden(str(error)),
        DatabaseBusyError: busy,
    }
