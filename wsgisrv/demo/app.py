"""The demo's paste factories."""

from __future__ import annotations

from collections.abc import Mapping
from wsgiref.types import WSGIApplication

from wsgisrv.errors import ConfigError, first_line


def versions_factory(global_conf: Mapping[str, str]) -> WSGIApplication:
    """``GET /``."""
    from wsgisrv.api import Version, versions_app

    return versions_app([Version("v1.0", "CURRENT", "/v1/")])


def shelf_factory(global_conf: Mapping[str, str]) -> WSGIApplication:
    """Everything below ``/v1``; ``database`` in [DEFAULT] is the URL.

    Raises:
        ConfigError: when SQLAlchemy is missing or the database cannot be opened.
    """
    try:
        import sqlalchemy.exc
    except ImportError:
        raise ConfigError("the demo needs SQLAlchemy: pip install wsgisrv[demo]") from None
    from wsgisrv.api import API, Router
    from wsgisrv.demo.books import Books
    from wsgisrv.demo.db import Database

    url = global_conf["database"]
    try:
        database = Database(url)
        database.create_schema()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise ConfigError(f"database = {url}: {first_line(error)}") from None
    books = Books(database)
    router = Router()
    for path, action, method in (
        ("/books", "index", "GET"),
        ("/books", "create", "POST"),
        ("/books/{book_id}", "show", "GET"),
        ("/books/{book_id}", "update", "PATCH"),
        ("/books/{book_id}", "delete", "DELETE"),
        ("/books/{book_id}/action", "action", "POST"),
    ):
        router.connect(path, controller=books, action=action, methods=[method])
    return API(router)
