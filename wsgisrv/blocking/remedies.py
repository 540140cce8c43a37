"""Which code is known to stop the hub, and what of this package serves instead: one table for all who ask.

Rules: a remedy is one line. Knows names of modules only, and imports none of them. Asked by the watchdog, for
what holds the hub right now, and by ``wsgisrv check --imports``, for what an app has loaded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True)
class Remedy:
    """One kind of code that blocks.

    Args:
        modules: top-level ones or dotted, each with all that is below it.
        text: what serves instead.
        when_loaded: whether it is worth a word that an app has it loaded: it blocks whenever it is used.
        served_by: our module in its place, which loads it, too: with that one loaded, it is not worth a word.
    """

    modules: tuple[str, ...]
    text: str
    when_loaded: bool = True
    served_by: str = ""


_THREAD = "wsgisrv.blocking.in_thread takes such a call out of the hub's way"
_DBAPI = "wsgisrv.blocking.dbapi runs each of its calls in a thread; or in_thread"

REMEDIES = (
    Remedy(
        ("MySQLdb", "_mysql_connector"),
        "wsgisrv.blocking.mysql is MySQL's C library without the block: mysql+wsgisrv:// in a database URL,"
        " or its connect()",
        served_by="wsgisrv.blocking.mysql",
    ),
    Remedy(
        ("psycopg2",),
        "a worker sets psycopg2's wait callback, and something has taken it away;"
        " wsgisrv.blocking.postgresql.make_psycopg_green() sets it again",
        when_loaded=False,
    ),
    Remedy(
        ("psycopg", "psycopg_c", "psycopg_binary"),
        "PSYCOPG_WAIT_FUNC=wait_selector before psycopg is imported; a worker sets it unless the environment"
        " says otherwise",
        when_loaded=False,
    ),
    Remedy(
        ("sqlite3", "_sqlite3", "apsw", "oracledb", "cx_Oracle", "pyodbc", "pymssql", "ibm_db", "duckdb"),
        _DBAPI,
    ),
    Remedy(("grpc",), f"{_THREAD}; gRPC has threads of its own, and eventlet knows none of them"),
    Remedy(
        (
            "ldap", "_ldap", "pycurl", "libvirt", "libvirtmod", "confluent_kafka", "rados", "rbd", "cephfs",
            "pylibmc", "gssapi", "kerberos", "pam", "zmq",
        ),
        _THREAD,
    ),
    Remedy(
        ("bcrypt", "_bcrypt", "argon2", "_argon2_cffi_bindings", "hashlib", "_hashlib", "zlib", "bz2"),
        "it computes in C and lets other threads run: wsgisrv.blocking.in_thread",
        when_loaded=False,
    ),
    Remedy(
        ("numpy", "pandas", "PIL", "lxml", "re", "_sre", "json", "_json", "pickle", "_pickle"),
        "it computes: wsgisrv.blocking.in_process",
        when_loaded=False,
    ),
    Remedy(
        ("time.sleep",),
        "a time.sleep() of before the patching: import time and call time.sleep(), or in_thread",
        when_loaded=False,
    ),
    Remedy(
        ("select", "selectors", "_thread", "threading", "queue", "_queue"),
        "a wait of before the patching: what is imported after it waits in the hub; or in_thread",
        when_loaded=False,
    ),
    Remedy(
        ("socket", "_socket", "ssl", "_ssl", "http.client", "urllib3", "requests"),
        "a socket of before the patching: made after it, it waits in the hub; or in_thread",
        when_loaded=False,
    ),
    Remedy(("subprocess", "_posixsubprocess", "posix"), _THREAD, when_loaded=False),
)  # fmt: skip

_ORIGINAL = "__original_module_"
"""In front of the name of a module that eventlet has loaded a second time, unpatched."""

UNKNOWN = "what waits in C code goes to wsgisrv.blocking.in_thread, what computes to in_process"
"""What is said of code that is not in the table."""


def remedy_for(module: str) -> Remedy | None:
    """Returns the remedy for a module or what is below it, None when it is not known."""
    while module:
        for remedy in REMEDIES:
            if module in remedy.modules:
                return remedy
        module = module.rpartition(".")[0]
    return None


def hint(modules: Iterable[str]) -> str:
    """Returns one line for a stack, by the modules that it runs through, the innermost first."""
    for name in modules:
        module = name.removeprefix(_ORIGINAL)
        if (remedy := remedy_for(module)) is not None:
            return f"remedy for {module}: {remedy.text}"
    return f"remedy: {UNKNOWN}"


def hint_for_text(stack: str) -> str:
    """Returns the line for a stack as faulthandler writes it, the innermost call first."""
    return hint(_module_of(path) for path in re.findall(r'File "([^"]+)"', stack))


def _module_of(path: str) -> str:
    """Returns a module's name by its file, without what stands above site-packages or the library."""
    inner = re.split(r"/(?:python3[.\d]*/)?(?:site-packages|dist-packages)/|/python3\.\d+/", path)[
        -1
    ]
    return inner.lstrip("/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
