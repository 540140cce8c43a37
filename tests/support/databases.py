"""Private MariaDB and PostgreSQL servers for tests and benchmarks.

    with mariadb() as server:
        MySQLdb.connect(host=server.host, port=server.port, user=server.user, password=server.password)

Rules: only the standard library. Each server has a keeper, a process of its own that makes the data
directory, starts the server, ends it and removes the directory when its own stdin ends, so also when the
tests are killed; the server is killed should the keeper be. Neither server runs as root: PostgreSQL refuses.

No port is guessed. A server listens on a port of its own kind at a loopback address that is made of its
keeper's pid, which no other process has (127.0.0.0/8 is all of the machine's own on Linux), and on a unix
socket in its directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 20.0
PASSWORD = "of the tests"  # noqa: S105 -- guards nothing
PORT = {"mariadb": 23306, "postgresql": 25432}
"""Below the ports that the kernel gives to clients."""

_PR_SET_PDEATHSIG = 1  # prctl(2)


class MissingError(Exception):
    """Raised when a server is not installed; the text says which package has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Database:
    """A server that answers.

    Args:
        unix_socket: its path; for PostgreSQL that of the directory.
        ca: of its TLS certificate, or empty.
    """

    host: str
    port: int
    user: str
    password: str
    unix_socket: str
    pid: int
    name: str = "test"
    ca: str = ""
    _keeper: Any = dataclasses.field(default=None, repr=False, compare=False)

    def url(self, scheme: str, **query: object) -> str:
        """Returns the URL of SQLAlchemy with ``scheme``, as in ``mysql+pymysql``."""
        pairs = "&".join(f"{key}={value}" for key, value in query.items())
        password = self.password.replace(" ", "%20")
        place = f"{self.user}:{password}@{self.host}:{self.port}/{self.name}"
        return f"{scheme}://{place}{'?' if pairs else ''}{pairs}"

    def make_database(self) -> str:
        """Returns the name of a new, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        place: dict[str, Any] = {"host": self.host, "port": self.port, "user": self.user}
        if self.port == PORT["postgresql"]:
            import psycopg

            with psycopg.connect(password=self.password, autocommit=True, **place) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return name
        import MySQLdb

        with contextlib.closing(MySQLdb.connect(password=self.password, **place)) as connection:
            connection.query(f"CREATE DATABASE {name}")
        return name

    def stop(self) -> None:
        """Ends the server, all connections with it; it is there again after ``start``."""
        self._ask("stop")

    def start(self) -> None:
        self._ask("start")

    def _ask(self, what: str) -> None:
        self._keeper.stdin.write(f"{what}\n")
        self._keeper.stdin.flush()
        answer = self._keeper.stdout.readline().strip()
        assert answer == "ok", answer


def mariadb(certificate: Path | None = None, ca: Path | None = None) -> Any:
    """Runs a MariaDB until the block ends.

    Args:
        certificate: PEM file with chain and key, for TLS; its CA's is in ``ca``.

    Raises:
        MissingError: when it is not installed.
    """
    return _kept("mariadb", *(str(path) for path in (certificate, ca) if path))


def postgresql() -> Any:
    """As mariadb."""
    return _kept("postgresql")


@contextlib.contextmanager
def _kept(kind: str, *arguments: str) -> Iterator[Database]:
    find_program(kind)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.support.databases", kind, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends the tests, and they the keeper
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    with keeper, keeper.stdin, keeper.stdout:
        line = keeper.stdout.readline()
        said = json.loads(line or '{"failed": "the keeper died"}')
        if "failed" in said:
            raise RuntimeError(f"{kind}: {said['failed']}")
        yield Database(**said, _keeper=keeper)
        keeper.stdin.close()
        assert keeper.wait(STOP_SECONDS + 5) == 0


def find_program(kind: str) -> str:
    """Returns the path of a server's program.

    Raises:
        MissingError: when it is not installed.
    """
    if kind == "mariadb":
        found = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found and shutil.which("mariadb-install-db"):
            return found
        raise MissingError("no MariaDB here (on Debian: apt-get install mariadb-server)")
    # Debian has it off PATH, by version; what stands on PATH may be another distribution's link.
    debians = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = str(debians[-1]) if debians else shutil.which("postgres")
    if found and Path(found).with_name("initdb").exists():
        return found
    raise MissingError("no PostgreSQL here (on Debian: apt-get install postgresql)")


# --- the keeper ---------------------------------------------------------------------------------------


class Keeper:
    """Owns one server and its directory.

    Args:
        arguments: of the server's kind: certificate and CA.
    """

    def __init__(self, kind: str, arguments: list[str]) -> None:
        self._kind = kind
        self._program = find_program(kind)
        self._user = self._choose_user()
        self._directory = Path(tempfile.mkdtemp(prefix=f"wsgisrv-{kind}-"))
        self._log = self._directory / "log"
        number = os.getpid()
        self._host = f"127.{number >> 16 & 0xFF}.{number >> 8 & 0xFF}.{number & 0xFF}"
        self._port = PORT[kind]
        self._tls = self._copy_certificate(*map(Path, arguments)) if arguments else None
        if self._user is not None:
            for path in (self._directory, *self._directory.iterdir()):
                shutil.chown(path, self._user)
        self._server: subprocess.Popen[bytes] | None = None

    def _choose_user(self) -> str | None:
        if os.geteuid() != 0:
            return None
        for name in ({"mariadb": "mysql", "postgresql": "postgres"}[self._kind], "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name).pw_name
        raise RuntimeError("there is nobody to run as")

    def _copy_certificate(self, certificate: Path, ca: Path) -> Path:
        copy = self._directory / "server.pem"
        shutil.copyfile(certificate, copy)
        shutil.copyfile(ca, self._directory / "ca.pem")
        copy.chmod(0o600)
        (self._directory / "ca.pem").chmod(0o644)
        self._directory.chmod(0o711)
        return copy

    def make(self) -> dict[str, Any]:
        """Makes the data directory, starts the server and returns what a client needs to know."""
        if self._kind == "mariadb":
            self._make_mariadb()
        else:
            self._make_postgresql()
        self.start()
        assert self._server is not None
        return {
            "host": self._host,
            "port": self._port,
            "user": "tester" if self._kind == "mariadb" else "postgres",
            "password": PASSWORD,
            "unix_socket": str(
                self._directory / "socket" if self._kind == "mariadb" else self._directory
            ),
            "pid": self._server.pid,
            "ca": str(self._directory / "ca.pem") if self._tls else "",
        }

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._server = self._popen(self._command(), log.fileno())
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._server.poll() is None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self._host, self._port), 1),
            ):
                if self._is_ready():
                    return
            time.sleep(0.02)
        raise RuntimeError(f"it did not start: {self._log.read_text(errors='replace')[-2000:]}")

    def _is_ready(self) -> bool:
        """Whether a server that can be connected to serves as well: PostgreSQL says it in a file."""
        pid_file = self._directory / "data" / "postmaster.pid"
        return self._kind != "postgresql" or pid_file.read_text().split()[-1:] == ["ready"]

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.send_signal(
            signal.SIGTERM if self._kind == "mariadb" else signal.SIGINT  # the fast shutdown
        )
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def _command(self) -> list[str]:
        if self._kind == "postgresql":
            return [self._program, "-D", str(self._directory / "data")]
        tls = [f"--ssl-cert={self._tls}", f"--ssl-key={self._tls}"] if self._tls else []
        return [
            self._program,
            *self._mariadb_options(),
            f"--bind-address={self._host}",
            f"--port={self._port}",
            f"--socket={self._directory / 'socket'}",
            f"--pid-file={self._directory / 'pid'}",
            f"--init-file={self._directory / 'init.sql'}",
            "--max-connections=200",
            "--max-allowed-packet=64M",
            "--skip-name-resolve",
            "--performance-schema=OFF",
            "--innodb-fast-shutdown=2",
            *tls,
        ]

    def _mariadb_options(self) -> list[str]:
        return [
            "--no-defaults",
            f"--datadir={self._directory / 'data'}",
            # A server that starts removes whatever temporary tables are in it: in /tmp, those of all others.
            f"--tmpdir={self._directory}",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0",
            "--aria-log-file-size=8M",
        ]

    def _make_mariadb(self) -> None:
        (self._directory / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS test;\n"
            + "".join(
                f"CREATE USER IF NOT EXISTS tester@'{host}' IDENTIFIED BY '{PASSWORD}';\n"
                f"GRANT ALL ON *.* TO tester@'{host}' WITH GRANT OPTION;\n"
                for host in ("127.0.0.1", "localhost")
            )
        )
        options = [*self._mariadb_options(), "--auth-root-authentication-method=normal"]
        self._run(["mariadb-install-db", *options, "--skip-test-db"])

    def _make_postgresql(self) -> None:
        secret, data = self._directory / "password", self._directory / "data"
        secret.write_text(PASSWORD)
        command = [str(Path(self._program).with_name("initdb")), "-D", str(data), "-U", "postgres"]
        self._run(
            [*command, "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync", "-E", "UTF8"]
        )
        with (data / "postgresql.conf").open("a") as file:
            file.write(
                f"listen_addresses = '{self._host}'\nport = {self._port}\nfsync = off\n"
                f"unix_socket_directories = '{self._directory}'\nmax_connections = 100\n"
            )
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all all 127.0.0.0/8 scram-sha-256\n")
        single = [self._program, "--single", "-D", str(data), "postgres"]
        self._run(single, b"CREATE DATABASE test;\n")

    def _run(self, command: list[str], stdin: bytes = b"") -> None:
        with self._log.open("ab") as log:
            os.chmod(self._log, 0o666)  # noqa: S103 -- of both users, in a directory of our own
            process = self._popen(command, log.fileno(), stdin=subprocess.PIPE)
            process.communicate(stdin)
        if process.returncode:
            raise RuntimeError(f"{command[0]}: {self._log.read_text(errors='replace')[-2000:]}")

    def _popen(self, command: list[str], log: int, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._directory,
            stdout=log,
            stderr=log,
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            # After the change of user, which would take it away again (prctl(2)).
            preexec_fn=_die_with_parent,  # noqa: PLW1509 -- the keeper has one thread
            **{"stdin": subprocess.DEVNULL, **more},
        )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _keep(kind: str, arguments: list[str]) -> None:
    def say(text: str) -> None:
        print(text, flush=True)  # noqa: T201 -- to whoever asked for the server

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    keeper = Keeper(kind, arguments)
    try:
        try:
            say(json.dumps(keeper.make()))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is said to the tests
            say(json.dumps({"failed": str(error)}))
            return
        for line in sys.stdin:
            {"stop": keeper.stop, "start": keeper.start}[line.strip()]()
            say("ok")
    finally:
        keeper.stop()
        keeper.remove()


if __name__ == "__main__":
    _keep(sys.argv[1], sys.argv[2:])
