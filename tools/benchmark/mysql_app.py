"""The app behind ``tools/bench mysql-http``: one statement a path, through SQLAlchemy."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from typing import Any

if typing.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CLIENTS = 50
STATEMENTS = {
    "/select": "SELECT 1",
    "/sleep": "SELECT SLEEP(1)",
    "/rows": "SELECT seq, CONCAT('name-', seq), seq * 2 FROM seq_1_to_1000",
}


def app_factory(global_conf: dict[str, str], url: str, threads: str = "") -> WSGIApplication:
    """Args:
    url: of SQLAlchemy.
    threads: whether the driver's calls run in threads.
    """
    import sqlalchemy

    more: dict[str, Any] = {}
    if threads:
        import MySQLdb

        from wsgisrv.blocking import dbapi

        more["module"] = dbapi.threaded(MySQLdb)
    engine = sqlalchemy.create_engine(
        url, pool_size=CLIENTS, max_overflow=0, pool_timeout=60, **more
    )
    statements = {path: sqlalchemy.text(text) for path, text in STATEMENTS.items()}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        statement = statements.get(environ["PATH_INFO"])
        count = 0
        if statement is not None:  # else it is /healthz
            with engine.connect() as connection:
                count = len(connection.execute(statement).all())
        body = b"%d" % count
        start_response(
            "200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        )
        return [body]

    return app
