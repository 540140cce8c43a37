"""Servers that are started once for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.certificates import Certificates
from tests.support.databases import Database, MissingError, mariadb, postgresql

# A slow machine is not a failure.
settings.register_profile("wsgisrv", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wsgisrv")

NO_DRIVER = (
    "mysqlclient could not be built (on Debian: apt-get install libmariadb-dev pkg-config,"
    " then remove .venv-dev-X.Y)"
)


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A private MariaDB, with TLS for whoever asks for it."""
    pytest.importorskip("MySQLdb", reason=NO_DRIVER, exc_type=ImportError)
    certificates = Certificates(Path(tmp_path_factory.mktemp("mariadb")))
    try:
        with mariadb(certificates.issue("localhost"), certificates.ca) as server:
            yield server
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Database]:
    """A private PostgreSQL."""
    try:
        with postgresql() as server:
            yield server
    except MissingError as error:
        pytest.skip(str(error))
