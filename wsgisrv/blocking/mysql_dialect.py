"""``mysql+wsgisrv://`` and ``mariadb+wsgisrv://``: SQLAlchemy's dialect for wsgisrv.blocking.mysql.

    create_engine("mysql+wsgisrv://service:secret@db/shelf?query_timeout=20&connect_timeout=3")

Takes all that ``mysql+mysqldb://`` does, and the driver's own arguments: that dialect with another module.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sqlalchemy import util
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.dialects.mysql.mysqldb import MySQLDialect_mysqldb
from sqlalchemy.engine import URL

_OWN = {"query_timeout": float, "connect_timeout": float, "kill_abandoned": bool}


class WsgisrvDialect(MySQLDialect_mysqldb):
    """Registered as ``mysql.wsgisrv``."""

    driver = "wsgisrv"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """Returns the module.

        Raises:
            ImportError: when mysqlclient is missing, with what to install.
        """
        return _import_driver()

    def _found_rows_client_flag(self) -> int:
        from MySQLdb.constants import CLIENT

        return int(CLIENT.FOUND_ROWS)

    def create_connect_args(self, url: URL, _translate_args: Any = None) -> Any:
        """Returns the arguments of ``connect`` that the URL names."""
        own = {name: url.query[name] for name in _OWN if name in url.query}
        positional, named = super().create_connect_args(
            url.difference_update_query(_OWN), _translate_args
        )
        for name, kind in _OWN.items():
            util.coerce_kw_type(own, name, kind)
        return positional, {**named, **own}


class WsgisrvMariaDBDialect(MariaDBDialect, WsgisrvDialect):
    """Registered as ``mariadb.wsgisrv``."""

    supports_statement_cache = True


def _import_driver() -> ModuleType:
    try:
        from wsgisrv.blocking import mysql
    except ImportError as error:
        raise ImportError(
            f"mysql+wsgisrv:// needs mysqlclient 2.3 or later: pip install 'wsgisrv[mysql]' ({error})"
        ) from None
    return mysql
