"""Builds the package; with ``WSGISRV_COMPILE=1`` what a request passes through is compiled by mypyc.

    WSGISRV_COMPILE=1 pip install .

It is the same source with the same checks, and takes a C compiler and Python's headers. Everything else
about the project stands in pyproject.toml.
"""

from __future__ import annotations

import os

from setuptools import Extension, setup

COMPILER = "mypy[mypyc]>=1.15,<3"

COMPILED = (
    "wsgisrv/compat/body.py",
    "wsgisrv/compat/connection.py",
    "wsgisrv/compat/exchange.py",
    "wsgisrv/compat/server.py",
    "wsgisrv/http1/body.py",
    "wsgisrv/http1/head.py",
    "wsgisrv/http1/limits.py",
    "wsgisrv/http1/names.py",
    "wsgisrv/http1/reader.py",
    "wsgisrv/http1/target.py",
    "wsgisrv/http1/writer.py",
    "wsgisrv/line_ring.py",
    "wsgisrv/worker/acceptor.py",
    "wsgisrv/worker/access_log.py",
    "wsgisrv/worker/body_input.py",
    "wsgisrv/worker/clock.py",
    "wsgisrv/worker/connection.py",
    "wsgisrv/worker/counters.py",
    "wsgisrv/worker/gateway.py",
    "wsgisrv/worker/preface.py",
    "wsgisrv/worker/server.py",
    "wsgisrv/worker/stream.py",
    "wsgisrv/worker/worker_server.py",
)
"""What every request runs through, with whatever is derived from its classes: a compiled class has no
subclass that is not compiled, too."""


def extensions() -> list[Extension]:
    """Returns what is to be compiled; nothing where mypyc is still to be installed for it."""
    try:
        from mypyc.build import mypycify
    except ImportError:
        return []
    options = ["--ignore-missing-imports", "--follow-imports=silent", "--config-file="]
    return list(mypycify([*options, *COMPILED], opt_level="3", group_name="wsgisrv"))


if os.environ.get("WSGISRV_COMPILE", "0") not in ("", "0"):
    setup(setup_requires=[COMPILER], ext_modules=extensions())
else:
    setup()
