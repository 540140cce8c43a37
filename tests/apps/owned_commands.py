"""A command of tests.apps.owned's own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from oslo_config import cfg


def count(conf: cfg.ConfigOpts, args: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="owned count")
    parser.add_argument("things", nargs="*")
    found = parser.parse_args(args)
    print(f"{len(found.things)} of {conf.owned.answer}")  # noqa: T201 - a command answers on stdout
    return 3 if not found.things else 0
