"""How many files the processes of the service may have open (RLIMIT_NOFILE).

Facts about limits: the soft one is inherited and was kept at 1024 for programs that use select(2), which
knows no higher descriptor; whoever does not use it is expected to raise its own to the hard one.
"""

from __future__ import annotations

import resource

from wsgisrv.errors import ConfigError, NotPermittedError

SPARE = 64
"""Descriptors of a worker that are no client's, at least."""


def raise_nofile(wanted: int, max_connections: int) -> tuple[str, str]:
    """Sets the limit.

    Args:
        wanted: ``nofile``; 0 is the hard limit.

    Returns:
        A line for the log, and a warning or "".

    Raises:
        ConfigError: for fewer than the service itself needs.
        NotPermittedError: for more than the hard limit without the right.
    """
    if 0 < wanted <= SPARE:
        raise ConfigError(f"[wsgisrv] nofile = {wanted}: allowed is 0 or more than {SPARE}")
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted or hard
    is_above = hard != resource.RLIM_INFINITY and limit > hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit if is_above else hard))
    except (OSError, ValueError):
        if wanted:
            raise NotPermittedError(
                f"[wsgisrv] nofile = {wanted}: the hard limit is {_text(hard)}, which only root raises"
            ) from None
        limit = before  # macOS refuses its own hard limit
    line = f"nofile: {_text(limit)} files (the soft limit was {_text(before)})"
    if limit != resource.RLIM_INFINITY and limit < max_connections + SPARE:
        return line, (
            f"nofile: {limit} files are fewer than max_connections = {max_connections} needs; a worker"
            " accepts no more when they are used up"
        )
    return line, ""


def _text(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)
